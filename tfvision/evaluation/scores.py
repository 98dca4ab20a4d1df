"""Scores of weighted images: one set of formulas for the estimate and for every bootstrap resample.

Weights are `(n, R)`: column r says how often each image counts in resample r, and each score comes back as
`(R,)`. A column of ones gives the plain score.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfvision.evaluation.ranking import ranking_areas
from tfvision.evaluation.score_names import Score

CALIBRATION_BINS = 15


@dataclass(frozen=True, eq=False)
class ClassCounts:
    """Total weight per class, each `(R, K)`: of images truly in the class, of those predicted as it, and of both."""

    true: np.ndarray
    predicted: np.ndarray
    both: np.ndarray

    @property
    def precision(self) -> np.ndarray:
        """`(R, K)`, 0 where nothing was predicted."""
        return _ratio(self.both, self.predicted)

    @property
    def recall(self) -> np.ndarray:
        """`(R, K)`, 0 where the class has no images."""
        return _ratio(self.both, self.true)

    @property
    def f1(self) -> np.ndarray:
        """`(R, K)`, harmonic mean of precision and recall (van Rijsbergen, Information Retrieval, 1979)."""
        return _ratio(2 * self.both, self.true + self.predicted)


def count_classes(labels: np.ndarray, predicted: np.ndarray, num_classes: int, weights: np.ndarray) -> ClassCounts:
    """Add up the weights of the images of each class.

    Args:
        labels: `(n,)` int in 0..K-1.
        predicted: `(n,)` int in 0..K-1.
        num_classes: `K`.
        weights: `(n, R)` float >= 0.

    Returns:
        The totals for each column of weights.
    """
    one_hot = np.eye(num_classes)
    both = one_hot[labels] * (labels == predicted)[:, None]
    return ClassCounts(weights.T @ one_hot[labels], weights.T @ one_hot[predicted], weights.T @ both)


def count_scores(counts: ClassCounts) -> dict[str, np.ndarray]:
    """Return the scores that need only the predicted classes, each `(R,)`.

    Macro means are taken over the classes present among labels or predictions, the balanced accuracy
    (Brodersen et al., ICPR 2010) over the classes present among labels, as scikit-learn does.
    """
    present = counts.true + counts.predicted > 0
    each = {"precision": counts.precision, "recall": counts.recall, "f1": counts.f1}
    return {
        "accuracy": counts.both.sum(axis=1) / counts.true.sum(axis=1),
        "balanced_accuracy": _mean(counts.recall, counts.true > 0),
        **{f"{name}_macro": _mean(values, present) for name, values in each.items()},
        **{f"{name}_weighted": _mean(values, counts.true) for name, values in each.items()},
    }


def positive_scores(counts: ClassCounts) -> dict[str, np.ndarray]:
    """Return precision, recall and F1 of the second of two classes, each `(R,)`."""
    return {"precision": counts.precision[:, 1], "recall": counts.recall[:, 1], "f1": counts.f1[:, 1]}


def probability_scores(labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Return the scores of the probabilities themselves.

    Log loss is the mean of -ln p(true class) (Good, J. R. Stat. Soc. B 1952), with p clipped at 2.2e-16. The
    Brier score (Brier, Monthly Weather Review 1950) is the mean of (p - y)^2, of the positive class for two
    classes and summed over the classes for more. The expected calibration error (Guo et al., ICML 2017)
    compares confidence and accuracy in 15 bins of equal width; resampling adds noise to each bin, so its
    bootstrap interval is slightly too high.

    Args:
        labels: `(n,)` int in 0..K-1.
        probabilities: `(n, K)` float in 0..1.
        weights: `(n, R)` float >= 0.

    Returns:
        `log_loss`, `brier` and `expected_calibration_error`, each `(R,)`.
    """
    total = weights.sum(axis=0)
    truth = probabilities[np.arange(len(labels)), labels]
    log_loss = -np.log(np.clip(truth, np.finfo(np.float64).eps, 1))
    squares = (probabilities - np.eye(probabilities.shape[1])[labels]) ** 2
    brier = squares[:, 1] if probabilities.shape[1] == 2 else squares.sum(axis=1)
    confidence = probabilities.max(axis=1)
    excess = (probabilities.argmax(axis=1) == labels) - confidence
    bins = np.eye(CALIBRATION_BINS)[calibration_bins(confidence)] * excess[:, None]
    return {
        "log_loss": log_loss @ weights / total,
        "brier": brier @ weights / total,
        "expected_calibration_error": np.abs(weights.T @ bins).sum(axis=1) / total,
    }


def calibration_bins(confidence: np.ndarray) -> np.ndarray:
    """Return the bin of each confidence in 0..1, int64 from 0; a bin includes its upper bound."""
    return np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(np.int64) - 1, 0, CALIBRATION_BINS - 1)


def class_areas(labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return ROC AUC and average precision of each class against the rest.

    Args:
        labels: `(n,)` int in 0..K-1.
        probabilities: `(n, K)` float in 0..1.
        weights: `(n, R)` float >= 0.

    Returns:
        Two arrays `(R, K)`; NaN where undefined.
    """
    classes = range(probabilities.shape[1])
    areas = [ranking_areas(labels == index, probabilities[:, index], weights) for index in classes]
    return np.stack([auc for auc, _ in areas], axis=1), np.stack([precision for _, precision in areas], axis=1)


def area_scores(roc_auc: np.ndarray, average_precision: np.ndarray) -> dict[str, np.ndarray]:
    """Return the areas of the positive class for two classes, else their means over the classes.

    Args:
        roc_auc: `(R, K)`, see `class_areas`.
        average_precision: `(R, K)`, see `class_areas`.

    Returns:
        `roc_auc` and `average_precision`, each `(R,)`; means leave out undefined values, and are NaN if all are.
    """
    areas = {"roc_auc": roc_auc, "average_precision": average_precision}
    if roc_auc.shape[1] == 2:
        return {name: values[:, 1] for name, values in areas.items()}
    return {name: _mean(np.nan_to_num(values), ~np.isnan(values)) for name, values in areas.items()}


def mean_cost(labels: np.ndarray, predicted: np.ndarray, weights: np.ndarray, costs: tuple[float, float]) -> np.ndarray:
    """Return the mean cost of mistakes per image.

    Args:
        labels: `(n,)` int, 0 or 1.
        predicted: `(n,)` int, 0 or 1.
        weights: `(n, R)` float >= 0.
        costs: Cost of a false positive and of a false negative.

    Returns:
        `(R,)` float.
    """
    counts = count_classes(labels, predicted, 2, weights)
    wrong_as_positive, missed = counts.predicted[:, 1] - counts.both[:, 1], counts.true[:, 1] - counts.both[:, 1]
    return (costs[0] * wrong_as_positive + costs[1] * missed) / weights.sum(axis=0)


def weighted_scores(
    labels: np.ndarray,
    probabilities: np.ndarray,
    weights: np.ndarray,
    predicted: np.ndarray | None = None,
    *,
    only: Sequence[Score] | None = None,
) -> dict[str, np.ndarray]:
    """Return every score for each column of weights.

    Args:
        labels: `(n,)` int in 0..K-1.
        probabilities: `(n, K)` float in 0..1.
        weights: `(n, R)` float >= 0, no column all zero.
        predicted: `(n,)` int, the decided classes; default the most probable ones. Scores of probabilities and
            rankings do not depend on it.
        only: The scores wanted, in order; default all. Without one of rankings, no rankings are computed.

    Returns:
        Score name to `(R,)`, NaN where undefined; scores of the positive class only for two classes.
    """
    num_classes = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1) if predicted is None else predicted
    counts = count_classes(labels, predicted, num_classes, weights)
    found = {**count_scores(counts), **probability_scores(labels, probabilities, weights)}
    if only is None or any(score.of == "rankings" for score in only):
        found |= area_scores(*class_areas(labels, probabilities, weights))
    if num_classes == 2:
        found |= positive_scores(counts)
    return found if only is None else {score.name: found[score.name] for score in only if score.name in found}


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


def _mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mean over the classes with the given weights; NaN where all weights are zero."""
    total = weights.sum(axis=1)
    mean = _ratio((values * weights).sum(axis=1), total.astype(np.float64))
    return np.where(total > 0, mean, np.nan)

"""Metrics for one part of the data: every score with a bootstrap interval, ready for JSON."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tfvision.errors import DataError
from tfvision.evaluation.scores import class_areas, count_classes, weighted_scores

_CHUNK = 1_000_000  # weights held at a time: 8 MB, which fits in the cache


def compute_metrics(
    labels: np.ndarray,
    probabilities: np.ndarray,
    class_names: Sequence[str],
    *,
    predicted: np.ndarray | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Score class probabilities against the truth, with the conventions of scikit-learn.

    Args:
        labels: `(n,)` int, index of the true class; images labelled -1 are left out.
        probabilities: `(n, K)` float in 0..1, one column per class.
        class_names: The `K` names; with two classes, the second is the positive class.
        predicted: `(n,)` int, the class decided for each image; default the most probable one.
        resamples: Number of bootstrap resamples of the images; 0 leaves all intervals undefined.
        seed: Seed of the bootstrap.

    Returns:
        `n`; the scores; for two classes also `positive_class` and its `precision, recall, f1`; `ci95`, the
        percentile bootstrap interval (Efron, Annals of Statistics 1979) `[low, high]` of each score;
        `per_class`; `confusion_matrix` with true classes as rows; `class_names`. Undefined values are None.

    Raises:
        DataError: No image is labelled.
        ValueError: The shapes do not match, or a probability is NaN or infinite.
    """
    labelled = np.asarray(labels) >= 0
    labels, probabilities = _checked(labels, probabilities, class_names)
    predicted = probabilities.argmax(axis=1) if predicted is None else np.asarray(predicted)[labelled]
    scores = weighted_scores(labels, probabilities, np.ones((len(labels), 1)), predicted)
    resampled = bootstrap_scores(labels, probabilities, resamples, seed, predicted)
    return {
        "n": len(labels),
        **({"positive_class": str(class_names[1])} if len(class_names) == 2 else {}),
        **{name: _number(values[0]) for name, values in scores.items()},
        "ci95": {name: _interval(resampled.get(name, np.empty(0))) for name in scores},
        "per_class": _per_class(labels, probabilities, class_names, predicted),
        "confusion_matrix": confusion_matrix(labels, predicted, len(class_names)).tolist(),
        "class_names": [str(name) for name in class_names],
    }


def bootstrap_scores(
    labels: np.ndarray, probabilities: np.ndarray, resamples: int, seed: int, predicted: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Return each score on resamples of the images, drawn with replacement.

    Args:
        labels: `(n,)` int in 0..K-1.
        probabilities: `(n, K)` float in 0..1.
        resamples: Number of resamples.
        seed: Seed of the draws.
        predicted: `(n,)` int, decided classes; default the most probable ones.

    Returns:
        Score name to `(resamples,)`, NaN where undefined; empty if `resamples` is 0.
    """
    draws = draw_weights(len(labels), resamples, seed)
    chunks = [weighted_scores(labels, probabilities, weights, predicted) for weights in draws]
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in (chunks[0] if chunks else ())}


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
    """Count the images of each true class by predicted class.

    Args:
        labels: `(n,)` int in 0..K-1.
        predicted: `(n,)` int in 0..K-1.
        num_classes: `K`.

    Returns:
        `(K, K)` int64; a row for each true class, a column for each predicted class.
    """
    cells = np.asarray(labels) * num_classes + np.asarray(predicted)
    return np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)


def draw_weights(count: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Draw bootstrap resamples, in chunks that fit in memory.

    Args:
        count: Number of images, at least 1.
        resamples: Number of resamples in all.
        seed: Seed of the draws.

    Yields:
        `(count, R)` float64: how often each of the next R resamples drew each image.
    """
    rng = np.random.default_rng(seed)
    size = max(1, _CHUNK // count)
    for start in range(0, resamples, size):
        width = min(size, resamples - start)
        drawn = rng.integers(count, size=(width, count)) * width + np.arange(width)[:, None]
        yield np.bincount(drawn.ravel(), minlength=count * width).reshape(count, width).astype(np.float64)


def _checked(labels: np.ndarray, probabilities: np.ndarray, class_names: Sequence[str]) -> tuple[np.ndarray, ...]:
    labels, probabilities = np.asarray(labels, np.int64), np.asarray(probabilities, np.float64)
    if probabilities.shape != (*labels.shape, len(class_names)) or labels.ndim != 1 or len(class_names) < 2:
        raise ValueError(
            f"labels of shape {labels.shape} and {len(class_names)} class names need probabilities of shape "
            f"(n, K) with K >= 2; got {probabilities.shape}"
        )
    if not np.isfinite(probabilities).all():
        raise ValueError("some probabilities are NaN or infinite; the model's weights are probably broken")
    labelled = labels >= 0
    if not labelled.any():
        raise DataError("none of the images has a label, so there is nothing to score; use predict instead of evaluate")
    return labels[labelled], probabilities[labelled]


def _per_class(
    labels: np.ndarray, probabilities: np.ndarray, class_names: Sequence[str], predicted: np.ndarray
) -> list[dict[str, Any]]:
    ones = np.ones((len(labels), 1))
    counts = count_classes(labels, predicted, len(class_names), ones)
    roc_auc, average_precision = class_areas(labels, probabilities, ones)
    return [
        {
            "class": str(name),
            "precision": _number(counts.precision[0, index]),
            "recall": _number(counts.recall[0, index]),
            "f1": _number(counts.f1[0, index]),
            "support": int(counts.true[0, index]),
            "roc_auc": _number(roc_auc[0, index]),
            "average_precision": _number(average_precision[0, index]),
        }
        for index, name in enumerate(class_names)
    ]


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _interval(values: np.ndarray) -> list[float] | None:
    values = values[np.isfinite(values)]
    return np.percentile(values, [2.5, 97.5]).tolist() if len(values) else None

"""Paired differences: two answers to the same images, resampled together."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfvision.evaluation.metrics import draw_weights
from tfvision.evaluation.predictions import Predictions
from tfvision.evaluation.scores import count_classes, count_scores, positive_scores, probability_scores

_SCORES = ("accuracy", "f1_macro", "f1", "precision", "recall", "log_loss", "brier", "expected_calibration_error")


@dataclass(frozen=True)
class Difference:
    """A score of two answers on the same images.

    Attributes:
        first, second: The score of each.
        low, high: Bounds of the 95 % interval of second - first.
    """

    first: float
    second: float
    low: float
    high: float

    @property
    def value(self) -> float:
        """second - first."""
        return self.second - self.first

    @property
    def is_none(self) -> bool:
        """Whether nothing differs on any resample."""
        return self.value == self.low == self.high == 0

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low > 0 or self.high < 0

    def to_dict(self) -> dict[str, Any]:
        """Return `first, second, difference` and `ci95`."""
        return {
            "first": self.first,
            "second": self.second,
            "difference": self.value,
            "ci95": [self.low, self.high],
        }

    def __str__(self) -> str:
        return f"{self.first:.4f} -> {self.second:.4f} ({self.value:+.4f} [{self.low:+.4f}, {self.high:+.4f}])"


def paired_differences(
    first: Predictions,
    second: Predictions,
    *,
    costs: tuple[float, float] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Mapping[str, Difference]:
    """Compare two answers to the same labelled images by a paired bootstrap.

    Both are scored on the same resamples of the images, so that what makes an image hard for both of them cancels
    (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993; Koehn, EMNLP 2004, for the paired use).

    Args:
        first: Labelled predictions.
        second: Of the same images in the same order.
        costs: Of a false positive and of a false negative of two classes, to compare `mean_cost` too.
        resamples: Of the images, drawn with replacement.
        seed: Of the draws.

    Returns:
        Score name to difference: accuracy, macro-F1, log loss, Brier score and calibration error; of two classes also
        F1, precision and recall of the positive one.

    Raises:
        ValueError: The images, labels or classes differ.
    """
    if first.ids != second.ids or first.class_names != second.class_names or (first.labels != second.labels).any():
        raise ValueError("a paired comparison needs the same images, labels and classes in the same order")
    known = first.labels >= 0
    ones = np.ones((int(known.sum()), 1))
    scores = [_score(answer, known, ones, costs) for answer in (first, second)]
    resampled: dict[str, list[np.ndarray]] = {name: [] for name in scores[0]}
    for weights in draw_weights(int(known.sum()), resamples, seed):
        one, two = (_score(answer, known, weights, costs) for answer in (first, second))
        for name in resampled:
            resampled[name].append(two[name] - one[name])
    found = {}
    for name, chunks in resampled.items():
        low, high = np.nanpercentile(np.concatenate(chunks), [2.5, 97.5])
        found[name] = Difference(float(scores[0][name][0]), float(scores[1][name][0]), float(low), float(high))
    return found


def _score(
    answer: Predictions, known: np.ndarray, weights: np.ndarray, costs: tuple[float, float] | None
) -> dict[str, np.ndarray]:
    labels, probabilities = answer.labels[known], answer.probabilities[known]
    counts = count_classes(labels, answer.predicted[known], len(answer.class_names), weights)
    every = {**count_scores(counts), **probability_scores(labels, probabilities, weights)}
    if len(answer.class_names) == 2:
        every |= positive_scores(counts)
    found = {name: every[name] for name in _SCORES if name in every}
    if costs:
        wrong_as_positive, missed = counts.predicted[:, 1] - counts.both[:, 1], counts.true[:, 1] - counts.both[:, 1]
        paid = costs[0] * wrong_as_positive + costs[1] * missed
        found["mean_cost"] = paid / weights.sum(axis=0)
    return found

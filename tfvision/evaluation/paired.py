"""Paired differences: two sets of predictions for the same images, resampled together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfvision.evaluation.metrics import draw_weights
from tfvision.evaluation.predictions import Predictions
from tfvision.evaluation.score_names import brief_scores, compared_scores, lower_is_better
from tfvision.evaluation.scores import mean_cost, weighted_scores


@dataclass(frozen=True)
class Difference:
    """One score of two sets of predictions for the same images.

    Attributes:
        first, second: The score of each set; where there are several runs, the means over them.
        low, high: Bounds of the 95 % interval of second - first.
        n: Number of images; where there are several runs, of the one with the fewest.
        runs: second - first of each run, where there are several.
    """

    first: float
    second: float
    low: float
    high: float
    n: int = 0
    runs: tuple[float, ...] = ()

    @property
    def value(self) -> float:
        """second - first."""
        return self.second - self.first

    @property
    def is_none(self) -> bool:
        """Whether the two scores are equal and their interval is exactly 0."""
        return self.value == self.low == self.high == 0

    @property
    def is_clear(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low > 0 or self.high < 0

    def verdict(self, score: str) -> str:
        """Return in words how the second set compares by a score: the same, not clear, better or worse."""
        if not self.is_clear:
            return "the same" if self.is_none else "not clear"
        return "better" if (self.value < 0) == lower_is_better(score) else "worse"

    def better_runs(self, score: str) -> int:
        """Return in how many of the runs the second set is better by a score."""
        return sum((value < 0) == lower_is_better(score) for value in self.runs if value)

    def to_dict(self) -> dict[str, Any]:
        """Return `first, second, difference` and `ci95`."""
        return {
            "first": self.first,
            "second": self.second,
            "difference": self.value,
            "ci95": [self.low, self.high],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Difference":
        """Read what `to_dict` returned."""
        return cls(values["first"], values["second"], *values["ci95"])

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
    """Compare two sets of predictions for the same labelled images by a paired bootstrap.

    Both are scored on the same resamples of the images, so that what makes an image hard for both cancels out
    (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993; Koehn, EMNLP 2004, for the paired use).

    Args:
        first: Labelled predictions.
        second: Predictions for the same images in the same order.
        costs: For two classes, the cost of a false positive and of a false negative, to compare `mean_cost` too.
        resamples: Number of resamples of the images, drawn with replacement.
        seed: Seed of the draws.

    Returns:
        Score name to difference, for each of `compared_scores` that applies to these classes.

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
        before, after = (float(score[name][0]) for score in scores)
        found[name] = Difference(before, after, float(low), float(high), len(ones))
    return found


def mean_differences(pairs: Sequence[tuple[Predictions, Predictions]]) -> Mapping[str, Difference]:
    """Compare two kinds of runs by the mean of their paired differences over several runs, such as seeds.

    The interval is Student's t over the differences: of the luck of seeds and splits, not of images alone.

    Args:
        pairs: Labelled predictions of both kinds for each run, two or more; of the same images in the same order.

    Returns:
        Score name to difference of the means, for each of `compared_scores` that applies to these classes.

    Raises:
        ValueError: Fewer than two pairs.
    """
    from scipy.stats import t  # a second to import

    if len(pairs) < 2:
        raise ValueError(f"a spread needs two pairs or more, got {len(pairs)}")
    scores = [[_whole(answer) for answer in pair] for pair in pairs]
    found = {}
    for name in scores[0][0]:
        first, second = (np.array([pair[side][name] for pair in scores]) for side in (0, 1))
        change = second - first
        half = t.ppf(0.975, len(pairs) - 1) * change.std(ddof=1) / np.sqrt(len(pairs))
        middle = change.mean()
        found[name] = Difference(
            float(first.mean()),
            float(second.mean()),
            float(middle - half),
            float(middle + half),
            min(int((one.labels >= 0).sum()) for one, _ in pairs),
            tuple(change.tolist()),
        )
    return found


def _whole(answer: Predictions) -> dict[str, float]:
    known = answer.labels >= 0
    return {
        name: float(value[0]) for name, value in _score(answer, known, np.ones((int(known.sum()), 1)), None).items()
    }


def brief_lines(found: Mapping[str, Difference], *more: tuple[str, str]) -> list[str]:
    """Return an indented line for each of the brief scores, see `brief_scores`.

    Args:
        found: Score name to difference, see `paired_differences`.
        *more: Name and text of each further line.

    Returns:
        The lines, their texts aligned.
    """
    rows = [*((score.label(), str(found[score.name])) for score in brief_scores()), *more]
    width = 1 + max(len(name) for name, _ in rows)
    return [f"  {name:<{width}} {text}" for name, text in rows]


def _score(
    answer: Predictions, known: np.ndarray, weights: np.ndarray, costs: tuple[float, float] | None
) -> dict[str, np.ndarray]:
    labels, predicted = answer.labels[known], answer.predicted[known]
    found = weighted_scores(labels, answer.probabilities[known], weights, predicted, only=compared_scores())
    if costs:
        found["mean_cost"] = mean_cost(labels, predicted, weights, costs)
    return found

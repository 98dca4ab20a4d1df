"""How the scores of several runs of the same kind spread: folds, or seeds."""

from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any, NamedTuple

from tfvision.evaluation.score_names import box_scores, class_scores


class Spread(NamedTuple):
    """Mean and standard deviation (of a sample, n - 1) of a score."""

    mean: float
    std: float

    def __str__(self) -> str:
        return f"{self.mean:.4f} ± {self.std:.4f}"


def spread_names(scores: Mapping[str, Any]) -> dict[str, str]:
    """Return the labels, by name, of those scores of a part of metrics.json whose spread is shown."""
    found = {**scores, **scores.get("classes", {})}
    known = [*box_scores(), *class_scores()]
    return {score.name: score.label() for score in known if score.folds and score.name in found}


def score_of(scores: Mapping[str, Any], name: str) -> float:
    """Return a score of a part of metrics.json.

    Args:
        scores: The part; where it has boxes, the scores of classes are one level deeper.
        name: Name of the score.

    Returns:
        Its value.
    """
    return float(scores[name] if name in scores else scores["classes"][name])


def spread_of(parts: Sequence[Mapping[str, Any]], name: str) -> Spread:
    """Return how a score spreads over parts of metrics.json, two or more."""
    values = [score_of(part, name) for part in parts]
    return Spread(mean(values), stdev(values))

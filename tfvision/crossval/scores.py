"""Scores of folds, and their spread."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean, stdev
from typing import Any, NamedTuple

from tfvision.evaluation.score_names import box_scores, class_scores


class Spread(NamedTuple):
    """Mean and standard deviation (of a sample, n - 1) of a score."""

    mean: float
    std: float

    def __str__(self) -> str:
        return f"{self.mean:.4f} ± {self.std:.4f}"


@dataclass(frozen=True)
class FoldScores:
    """The test scores of all folds of one backbone.

    Attributes:
        backbone: A key of BACKBONES.
        folds: One part of metrics.json for each fold.
        together: Scores of all out-of-fold predictions together.
        alone: Scores of each fold's model on the images held out of all folds; empty if there are none.
        votes: Scores of the models' votes on these images, by the kind of vote.
    """

    backbone: str
    folds: tuple[Mapping[str, Any], ...]
    together: Mapping[str, Any]
    alone: tuple[Mapping[str, Any], ...] = ()
    votes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def names(self) -> dict[str, str]:
        """The labels of the scores by their names."""
        found = {**self.together, **self.together.get("classes", {})}
        scores = [*box_scores(), *class_scores()]
        return {score.name: score.label() for score in scores if score.folds and score.name in found}

    @staticmethod
    def score_of(scores: Mapping[str, Any], name: str) -> float:
        """Return a score of a part of metrics.json.

        Args:
            scores: The part; where it has boxes, the scores of classes are one level deeper.
            name: Name of the score.

        Returns:
            Its value.
        """
        return float(scores[name] if name in scores else scores["classes"][name])

    def spread(self, score: str) -> Spread:
        """Return how a score spreads over the folds."""
        return self._spread(self.folds, score)

    def spread_alone(self, score: str) -> Spread:
        """Return how a score of the folds' models spreads on the held-out images, which are the same for all."""
        return self._spread(self.alone, score)

    def _spread(self, parts: Sequence[Mapping[str, Any]], score: str) -> Spread:
        values = [self.score_of(part, score) for part in parts]
        return Spread(mean(values), stdev(values))

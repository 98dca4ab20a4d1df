"""Scores of folds, and their spread."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tfvision.evaluation.spread import Spread, spread_names, spread_of


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
        return spread_names(self.together)

    def spread(self, score: str) -> Spread:
        """Return how a score spreads over the folds."""
        return spread_of(self.folds, score)

    def spread_alone(self, score: str) -> Spread:
        """Return how a score of the folds' models spreads on the held-out images, which are the same for all."""
        return spread_of(self.alone, score)

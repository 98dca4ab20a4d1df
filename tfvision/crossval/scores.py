"""Scores of folds, and their spread."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfvision.evaluation.parts import describe_box_scores
from tfvision.evaluation.spread import Spread, spread_names, spread_of
from tfvision.system.shown import Record
from tfvision.system.tables import TextTable


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


@dataclass(frozen=True, repr=False)
class CrossvalScores(Record):
    """What a cross-validation found: the scores of each backbone, in order, over which it can be looped.

    Attributes:
        folder: Where the runs of the folds are.
        backbones: The scores of each backbone.
        written: The page.
    """

    folder: Path
    backbones: tuple[FoldScores, ...]
    written: tuple[Path, ...] = ()

    def __len__(self) -> int:
        return len(self.backbones)

    def __getitem__(self, place: int) -> FoldScores:
        return self.backbones[place]

    def __iter__(self) -> Iterator[FoldScores]:
        return iter(self.backbones)

    def tables(self) -> list[TextTable]:
        """Return mean and standard deviation over the folds, and the votes on images held out of all folds."""
        names = self.backbones[0].names
        rows = [(each.backbone, *(str(each.spread(score)) for score in names)) for each in self]
        return [TextTable(("backbone", *names.values()), rows), *(_votes(each) for each in self if each.votes)]

    def remarks(self) -> list[str]:
        """Return the overlaps of boxes."""
        return [describe_box_scores(each.backbone, each.together) for each in self if "mean_iou" in each.together]


def _votes(found: FoldScores) -> TextTable:
    count = next(iter(found.votes.values()))["n"]
    rows = [("one model", *(str(found.spread_alone(score)) for score in found.names))]
    rows += [
        (f"{kind} vote", *(f"{scores[score]:.4f}" for score in found.names)) for kind, scores in found.votes.items()
    ]
    return TextTable((f"{found.backbone} on {count:,} images held out of all folds", *found.names.values()), rows)

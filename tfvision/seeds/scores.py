"""Scores of seeds, and their spread."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfvision.evaluation.score_names import goodness
from tfvision.evaluation.spread import Spread, score_of, spread_names, spread_of
from tfvision.seeds.given import listed
from tfvision.system.shown import Record
from tfvision.system.tables import TextTable


@dataclass(frozen=True, repr=False)
class SeedScores(Record):
    """The scores of a run for each of several seeds.

    Attributes:
        folder: Where the runs are.
        seeds: The seeds, in order.
        part: The part that is scored: `test`, or `validation` where there is no test.
        scores: That part of metrics.json for each seed.
        same_images: Whether all runs are scored on the same images; otherwise each seed drew its own split.
        written: The page.
    """

    folder: Path
    seeds: tuple[int, ...]
    part: str
    scores: tuple[Mapping[str, Any], ...]
    same_images: bool
    written: tuple[Path, ...] = ()

    def __fspath__(self) -> str:
        return str(self.folder)  # for `compare`

    @property
    def names(self) -> dict[str, str]:
        """The labels of the scores by their names."""
        return spread_names(self.scores[0])

    def spread(self, score: str) -> Spread:
        """Return how a score spreads over the seeds."""
        return spread_of(self.scores, score)

    def worst(self, score: str) -> tuple[float, int]:
        """Return the worst value of a score, and its seed."""
        values = [
            (goodness(score, score_of(scores, score)), seed)
            for scores, seed in zip(self.scores, self.seeds, strict=True)
        ]
        _, seed = min(values)
        return score_of(self.scores[self.seeds.index(seed)], score), seed

    @property
    def sizes(self) -> str:
        """How many images each run is scored on, such as `179` or `170 to 181`."""
        counts = [int(scores["n"]) for scores in self.scores]
        return f"{counts[0]:,}" if len(set(counts)) == 1 else f"{min(counts):,} to {max(counts):,}"

    def tables(self) -> list[TextTable]:
        """Return a table: mean, standard deviation and worst seed of each score."""
        rows = []
        for score, label in self.names.items():
            value, seed = self.worst(score)
            rows.append((label, str(self.spread(score)), f"{value:.4f} (seed {seed})"))
        return [TextTable((f"{self.part}, {len(self.seeds)} seeds", "mean ± std", "worst"), rows)]

    def remarks(self) -> list[str]:
        """Return what each seed was scored on."""
        images = "the same" if self.same_images else "its own split of the images, with"
        return [f"seeds {listed(self.seeds)}: each has {images} {self.sizes} {self.part} images"]

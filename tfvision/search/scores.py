"""What a search found."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfvision.config.yaml import load_written_yaml
from tfvision.search.log import Trial
from tfvision.search.messages import describe_values
from tfvision.search.reading import BEST
from tfvision.search.stages import rank_trials
from tfvision.system.shown import Record
from tfvision.system.tables import TextTable

_SHOWN = 10


@dataclass(frozen=True, repr=False)
class SearchScores(Record):
    """The trials of a search and its best one.

    Attributes:
        folder: The search folder.
        objective: Name of the score that was searched by.
        trials: All of them, in order.
        best: The best of all stages.
        written: The page.
    """

    folder: Path
    objective: str
    trials: tuple[Trial, ...]
    best: Trial
    written: tuple[Path, ...] = ()

    @property
    def options(self) -> dict[str, Any]:
        """The best configuration, for `tfvision.train(**found.options)` and `tfvision.crossval`: best.yaml, read again."""
        return load_written_yaml(self.folder / BEST)

    def tables(self) -> list[TextTable]:
        """Return the best trials."""
        rows = [
            (str(trial.number), f"{trial.scores[self.objective]:.4f}", describe_values(trial.values))
            for trial in rank_trials(list(self.trials), self.objective)[:_SHOWN]
        ]
        return [TextTable(("trial", self.objective, "values"), rows)]

    def remarks(self) -> list[str]:
        """Return which trial is the best, and the command that trains it."""
        value = f"{self.objective} {self.best.scores[self.objective]:.4f}"
        return [
            f"best: trial {self.best.number} of {len(self.trials)}, {value}",
            f"train it: tfvision train --config {shlex.quote(str(self.folder / BEST))}",
        ]

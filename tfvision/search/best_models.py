"""The models of the best trials; those of the others are not kept."""

from collections.abc import Callable
from pathlib import Path

from tfvision.search.log import Trial


class BestModels:
    """The model files of the best `keep` trials.

    Args:
        folder: Where they are stored, as `trial_0007.keras`.
        keep: How many, 1 or more.
        rank: Sorts trials, the best first.
    """

    def __init__(self, folder: Path, keep: int, rank: Callable[[list[Trial]], list[Trial]]) -> None:
        self.folder, self.keep, self.rank = folder, keep, rank

    def path(self, trial: Trial) -> Path:
        """Return where the model of a trial is stored, if it is kept."""
        return self.folder / f"trial_{trial.number:04}.keras"

    def offer(self, trial: Trial, save: Callable[[Path], None], others: list[Trial]) -> None:
        """Save the model of a trial if it is among the best so far.

        Args:
            trial: The trial that was just trained.
            save: Writes the model to a path, whole or not at all.
            others: All finished trials.
        """
        if trial in self._best([trial, *(other for other in others if other.number != trial.number)]):
            self.folder.mkdir(parents=True, exist_ok=True)
            save(self.path(trial))

    def missing(self, trials: list[Trial]) -> list[Trial]:
        """Return the best trials whose model file is missing."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return [trial for trial in self._best(trials) if not self.path(trial).is_file()]

    def prune(self, trials: list[Trial]) -> None:
        """Remove the models of all but the best."""
        wanted = {self.path(trial) for trial in self._best(trials)}
        for path in self.folder.glob("trial_*.keras"):
            if path not in wanted:
                path.unlink(missing_ok=True)

    def _best(self, trials: list[Trial]) -> list[Trial]:
        # A trial that repeats the training of another has no model of its own.
        return [trial for trial in self.rank(trials) if trial.same_as is None][: self.keep]

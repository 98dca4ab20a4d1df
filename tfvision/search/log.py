"""The log of a search: one file for each finished trial, from which a killed search resumes."""

import dataclasses
import math
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tfvision.config.options import check
from tfvision.errors import DamagedError, DataError, UsageError, one_line
from tfvision.system.digests import keep_digests
from tfvision.system.files import read_json, write_json
from tfvision.system.terminal import console

_DAMAGE = (DataError, UsageError, OSError, ValueError, KeyError, TypeError, RecursionError)


@dataclass(frozen=True)
class Trial:
    """A finished trial.

    Attributes:
        number: Counted from 1 through all stages.
        stage: Index of its stage.
        values: The value of each range by its key.
        budget: Epochs that Hyperband gave it, else None.
        status: `completed` or `failed`.
        reason: Why it failed, or which trial it took its scores from, as both train the same.
        scores: Scores of the epoch that was kept, by their names in the history; empty if it failed.
        epochs: Epochs trained.
        seconds: How long it took.
        same_as: Number of an earlier trial with the same training, else None.
    """

    number: int
    stage: int
    values: dict[str, Any]
    budget: int | None
    status: Literal["completed", "failed"]
    reason: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    epochs: int = 0
    seconds: float = 0.0
    same_as: int | None = None


class TrialLog:
    """The finished trials of a search.

    Args:
        folder: Where the files are; a damaged one counts as missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._trials: dict[int, Trial] = {}
        for path in sorted(folder.glob("[0-9]*.json")):
            try:
                trial = _read(path)
            except _DAMAGE as error:
                reason = error.why if isinstance(error, DamagedError) else one_line(error, 120)
                console.print(f"{path} is damaged ({reason}): its trial is run again")
                continue
            self._trials[trial.number] = trial

    @property
    def trials(self) -> list[Trial]:
        """All trials, in order."""
        return [self._trials[number] for number in sorted(self._trials)]

    def get(self, number: int) -> Trial | None:
        """Return a trial, or None if it has yet to be run."""
        return self._trials.get(number)

    def write(self, trial: Trial) -> None:
        """Add a trial; its file is written whole or not at all.

        Args:
            trial: A finished trial.

        Raises:
            WriteError: The file cannot be written.
        """
        with suppress(OSError):  # writing the trial itself says what is wrong
            self.folder.mkdir(parents=True, exist_ok=True)
            keep_digests(self.folder)
        write_json(self._path(trial.number), dataclasses.asdict(trial))
        self._trials[trial.number] = trial

    def drop(self, first: int) -> None:
        """Remove the trials from number `first` on, which the search would no longer run."""
        for number in [number for number in self._trials if number >= first]:
            del self._trials[number]
            self._path(number).unlink(missing_ok=True)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:04}.json"


def _read(path: Path) -> Trial:
    trial = Trial(**read_json(path))
    right = (
        f"{trial.number:04}" == path.stem,
        trial.status in ("completed", "failed"),
        isinstance(trial.values, dict) and isinstance(trial.reason, str),
        trial.budget is None or type(trial.budget) is int,
        trial.same_as is None or type(trial.same_as) is int,
        type(trial.stage) is int and type(trial.epochs) is int,
        all(math.isfinite(check(float, score, name)) for name, score in trial.scores.items()),
        bool(trial.scores) == (trial.status == "completed"),
        trial.seconds >= 0,
    )
    if not all(right):
        raise ValueError("not a file that a search wrote")
    return trial

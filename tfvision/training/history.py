"""The history of a run: a row per epoch, the best one, and history.csv."""

from pathlib import Path

import numpy as np

from tfvision.errors import RunError
from tfvision.evaluation.score_names import goodness
from tfvision.system.files import to_csv, write_text

Row = dict[str, str | int | float]


class History:
    """Rows of all epochs so far, the best of them, and its weights.

    Args:
        monitor: The column that decides which epoch is best, see `goodness`.
        path: `history.csv`, rewritten whole after each row; None to keep rows in memory only.
        lower: Whether lower values of the column are better; None where its name says so.
    """

    def __init__(self, monitor: str, path: Path | None = None, *, lower: bool | None = None) -> None:
        self.monitor, self.path, self._lower = monitor, path, lower
        self.rows: list[Row] = []
        self.best: Row | None = None
        self.best_weights: list[np.ndarray] | None = None
        self.frozen_moved = False  # whether frozen layers may differ from the best weights: in a round that began anew

    def resume(self, rows: list[Row]) -> None:
        """Take over the rows of a checkpoint."""
        self.rows = list(rows)
        self.best = max(rows, key=self._score, default=None)  # of equal ones the first, as it was kept

    def score(self) -> float:
        """Return the monitored score of the last epoch, higher being better."""
        return self._score(self.rows[-1])

    def add(self, row: Row) -> bool:
        """Add the row of a finished epoch.

        Args:
            row: From `epoch_row`.

        Returns:
            Whether the epoch is the best so far.

        Raises:
            RunError: The file cannot be written.
        """
        self.rows.append(row)
        if self.path:
            write_text(self.path, to_csv(self.rows))
        better = self.best is None or self._score(row) > self._score(self.best)
        if better:
            self.best = row
        return better

    def _score(self, row: Row) -> float:
        value = float(row[self.monitor])
        if self._lower is None:
            return goodness(self.monitor, value)
        return -value if self._lower else value


def diverged(epoch: int, where: str, *, half: str = "float32") -> RunError:
    """Make the error for a loss that is NaN or infinite.

    Args:
        epoch: Number of the epoch, from 1.
        where: Step, learning rate and last finite loss, for the message.
        half: The precision the model computes in.

    Returns:
        The error, which says what to try.
    """
    remedy = "try a lower --learning-rate or --clip-norm 1"
    if half == "mixed_float16":
        remedy = "float16 ends at 65,504: try --precision mixed_bfloat16, a lower --learning-rate or --clip-norm 1"
    return RunError(
        f"the loss became NaN or infinite in epoch {epoch} {where}: training diverged; "
        f"the best model of earlier epochs, if any, is kept; {remedy}"
    )

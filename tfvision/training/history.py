"""The history of a run: a row an epoch, the best one, and history.csv."""

import csv
import io
import math
from pathlib import Path

from tfvision.errors import RunError
from tfvision.files import write_text

Row = dict[str, str | int | float]


class History:
    """Rows of all epochs so far and the best of them.

    Args:
        monitor: The column that decides; the lowest loss or the highest of anything else is the best.
        path: `history.csv`, rewritten whole after each row; None to keep rows in memory only.
    """

    def __init__(self, monitor: str, path: Path | None = None) -> None:
        self.monitor, self.path = monitor, path
        self.rows: list[Row] = []
        self.best: Row | None = None

    def add(self, row: Row) -> bool:
        """Add the row of a finished epoch; tell whether it is the best so far.

        Raises:
            RunError: The loss is no number any more, or the file cannot be written.
        """
        self.rows.append(row)
        if self.path:
            write_text(self.path, self._csv())
        if not all(math.isfinite(float(row[name])) for name in ("loss", "val_loss")):
            raise diverged(row["epoch"])
        better = self.best is None or self._score(row) > self._score(self.best)
        if better:
            self.best = row
        return better

    def _score(self, row: Row) -> float:
        return -float(row[self.monitor]) if self.monitor.endswith("loss") else float(row[self.monitor])

    def _csv(self) -> str:
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(self.rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()} for row in self.rows)
        return text.getvalue()


def diverged(epoch: int | str | float) -> RunError:
    """The error of a loss that is NaN or infinite."""
    return RunError(
        f"the loss became NaN or infinite in epoch {epoch}: training diverged; the best model of the epochs before, if any, is kept; "
        "try a lower --learning-rate"
    )

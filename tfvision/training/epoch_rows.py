"""The row of an epoch: made, recorded, printed."""

from typing import TYPE_CHECKING

from tfvision.evaluation.score_names import COLUMNS, LAST_EPOCH
from tfvision.system.terminal import duration, say_epoch
from tfvision.training.history import History, Row

if TYPE_CHECKING:
    from tfvision.training.training import Training


def epoch_row(
    number: int, phase: str, learning_rate: float, scores: dict[str, float], *, seconds: float, images_per_second: float
) -> Row:
    """Return a row of the history.

    Args:
        number: Number of the epoch in the run, from 1.
        phase: Name of the phase.
        learning_rate: Its mean over the steps of the epoch; 0 for a fit in one pass.
        scores: Loss and metrics, and the same of validation with `val_` in front.
        seconds: Time of the epoch, validation included.
        images_per_second: Training images per second of training.

    Returns:
        `epoch, phase, learning_rate`, the scores, the `val_` scores, and the times, in this order.
    """
    names = ["loss", *(name for name in scores if name != "loss" and not name.startswith("val_"))]
    return {
        "epoch": number,
        "phase": phase,
        "learning_rate": learning_rate,
        **{name: scores[name] for name in names},
        **{f"val_{name}": scores[f"val_{name}"] for name in names},
        "seconds": seconds,
        "images_per_second": images_per_second,
    }


def record_epoch(training: "Training", row: Row) -> bool:
    """Add a row to the history, and print it.

    Args:
        training: Has the history.
        row: From `epoch_row`.

    Returns:
        Whether the epoch is the best so far.
    """
    better = training.history.add(row)
    _say(training.history, better)
    return better


def _say(history: History, better: bool) -> None:
    row = history.rows[-1]
    names = [column.name for column in COLUMNS.values() if column.monitored and column.name in row]
    learned = "  ".join(f"{name} {row[name]:.4f}" for name in names if name != "f1")
    scored = "  ".join(f"{name} {row[f'val_{name}']:.4f}" for name in names)
    mark = "  best" if better and history.monitor != LAST_EPOCH else ""
    text = (
        f"{row['phase']:>10}  epoch {row['epoch']:>3}  {learned}  validation: {scored}  "
        f"{row['images_per_second']:,.0f} images/s  {duration(float(row['seconds']))}{mark}"
    )
    say_epoch(text, history.rows, history.monitor)

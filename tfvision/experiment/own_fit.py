"""The callbacks of a training for a `model.fit` of one's own."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tfvision.errors import UsageError, check_known, worded
from tfvision.evaluation.score_names import column_words, lower_is_better
from tfvision.runs.folder import refuse_existing
from tfvision.runs.names import HISTORY
from tfvision.system.device import load_tensorflow

if TYPE_CHECKING:
    import keras

# What Keras calls losses and errors; everything else that it measures is better where it is higher.
_ERRORS = ("error", "loss", "mae", "mse", "mape", "msle", "divergence", "crossentropy", "perplexity")


def callbacks(
    run_dir: str | Path,
    *,
    monitor: str = "val_loss",
    mode: Literal["min", "max"] | None = None,
    patience: int | None = None,
    class_names: Sequence[str] | None = None,
) -> "list[keras.callbacks.Callback]":
    """Return callbacks for your own `model.fit(..., callbacks=tfvision.callbacks("runs/mine"), verbose=0)`.

    They show progress, and in a notebook the curves, in place; keep `history.csv` and `plots/learning_curves.svg`; keep the
    best model as `model.keras`, whole at any time, which plain Keras loads; stop at a loss that is NaN; and leave the model
    with its best weights at the end. Given to a second `fit`, such as one with more layers open, the same list goes on
    where the first ended: the epochs are counted on, and the best one is that of both.

    Args:
        run_dir: The folder; it must not exist yet, and is made when `fit` begins.
        monitor: What chooses the best epoch: a column of Keras' logs, such as `val_loss` or `val_accuracy`.
        mode: Whether lower (`min`) or higher (`max`) values of it are better; known for losses, errors and scores of
            tfvision by their names, and taken for `max` for others.
        patience: Stop after so many epochs without a better one, 1 or more; None for never.
        class_names: Names of the classes in the order of the outputs (of two, the positive one last). With them the folder
            can be given to `predict`, `explain` and, with data, `evaluate`.

    Returns:
        The callbacks, in the order in which Keras is to call them.

    Raises:
        UsageError: The folder exists, or a value is none of those above.
    """
    folder = Path(run_dir)
    refuse_existing(folder)
    if mode is not None:
        check_known("mode", mode, ("min", "max"))
    if patience is not None and (isinstance(patience, bool) or not isinstance(patience, int) or patience < 1):
        raise UsageError(f"patience: expected 1 or more epochs, or None, got {worded(patience)}")
    if class_names is not None and (isinstance(class_names, str) or len(class_names) < 2):
        raise UsageError(f"class_names: expected two names or more, got {worded(class_names)}")
    load_tensorflow()
    from tfvision.experiment.fit_callbacks import BestModel, EpochTable, FitProgress, StopEarly
    from tfvision.training.history import History

    lower = _is_lower_better(monitor) if mode is None else mode == "min"
    history = History(monitor, folder / HISTORY, lower=lower)
    found: list[keras.callbacks.Callback] = [EpochTable(history, folder), FitProgress(history)]
    found.append(BestModel(history, folder, None if class_names is None else tuple(map(str, class_names))))
    return [*found, StopEarly(history, patience)] if patience else found


def _is_lower_better(monitor: str) -> bool:
    bare = monitor.removeprefix("val_")
    return lower_is_better(monitor) or any(word in f"{bare} {column_words(bare)}".lower() for word in _ERRORS)

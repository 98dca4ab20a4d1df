"""Callbacks that need nothing but Keras' `fit`: the table of epochs, progress, the best model, an early stop."""

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfvision.data.pixels.resize import Resize
from tfvision.errors import UsageError
from tfvision.models.model_file import ModelFacts, save_model
from tfvision.runs.folder import refuse_existing
from tfvision.runs.names import LEARNING_CURVES, MODEL, PLOTS
from tfvision.system.files import replacing
from tfvision.system.terminal import Cell, ProgressLine, console, duration, new_output
from tfvision.training.history import History, Row, diverged

_OWN = ("epoch", "phase", "learning_rate", "seconds")  # columns that are no scores


class EpochTable(keras.callbacks.Callback):
    """Keep a row an epoch in history.csv, and draw the curves at the end.

    Args:
        history: Takes the rows; shared with the other callbacks.
        folder: The run folder, made when the first `fit` begins.
    """

    def __init__(self, history: History, folder: Path) -> None:
        super().__init__()
        self.history, self.folder = history, folder
        self._fits = 0

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Make the folder.

        Args:
            logs: Not used.

        Raises:
            UsageError: It was made by something else meanwhile.
        """
        if not self._fits:
            refuse_existing(self.folder)
        self.folder.mkdir(parents=True, exist_ok=bool(self._fits))
        self._fits += 1

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Start the clock.

        Args:
            epoch: Number of the epoch in this `fit`, from 0.
            logs: Not used.
        """
        self._start = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Add the row of an epoch.

        Args:
            epoch: Number of the epoch in this `fit`, from 0.
            logs: What Keras measured.

        Raises:
            UsageError: The monitored score is not among it.
            RunError: The loss is NaN or infinite, or the file cannot be written.
        """
        measured = {name: float(keras.ops.convert_to_numpy(value)) for name, value in (logs or {}).items()}
        monitor, number = self.history.monitor, len(self.history.rows) + 1
        if monitor not in measured:
            hint = "; give fit validation_data" if monitor.startswith("val_") else ""
            raise UsageError(f"monitor: {monitor} is not measured{hint}; fit measures {', '.join(measured)}")
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        if not all(math.isfinite(value) for name, value in measured.items() if name.endswith("loss")):
            raise diverged(number, f"at its end (learning rate {rate:g})", half=self.model.dtype_policy.name)
        phase = "fit" if self._fits == 1 else f"fit {self._fits}"
        row: Row = {"epoch": number, "phase": phase, "learning_rate": rate, **measured}
        row["seconds"] = time.monotonic() - self._start
        self.history.add(self._aligned(row))

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Draw the curves of all epochs.

        Args:
            logs: Not used.
        """
        from tfvision.plots.learning_curves import plot_learning_curves  # with matplotlib

        if self.history.rows:
            plot_learning_curves(self.history.rows, self.folder / PLOTS / LEARNING_CURVES, monitor=self.history.monitor)

    def _aligned(self, row: Row) -> Row:
        """Give the new and the earlier rows the same columns: another `fit` may measure other things."""
        names = list(dict.fromkeys([*(self.history.rows[0] if self.history.rows else ()), *row]))
        self.history.rows[:] = [{name: known.get(name, "") for name in names} for known in self.history.rows]
        return {name: row.get(name, "") for name in names}


class FitProgress(keras.callbacks.Callback):
    """Show how far an epoch is, and a line for each; a notebook gets one output with the curves.

    Args:
        history: Has the row of an epoch when it ends.
    """

    def __init__(self, history: History) -> None:
        super().__init__()
        self.history = history
        self._cell: Cell | None = None
        self._line: ProgressLine | None = None

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Open the output of the notebook's cell.

        Args:
            logs: Not used.
        """
        self._cell = new_output()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Begin the line of an epoch.

        Args:
            epoch: Number of the epoch in this `fit`, from 0.
            logs: Not used.
        """
        self._end_line()
        steps, what = self.params.get("steps"), f"epoch {epoch + 1}/{self.params.get('epochs')}"
        if steps and self._cell is None:
            self._line = ProgressLine(what, steps, unit="steps")
            self._line.__enter__()
        elif self._cell:
            self._cell.progress(what)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Move the line on.

        Args:
            batch: Number of the step, from 0.
            logs: Not used: to read them waits for the accelerator.
        """
        if self._line:
            self._line.report(batch + 1)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Show the line of the finished epoch.

        Args:
            epoch: Number of the epoch in this `fit`, from 0.
            logs: Not used: they are in the history.
        """
        self._end_line()
        text = describe_epoch(self.history)
        if self._cell:
            self._cell.epoch(text, self.history.rows, self.history.monitor)
        else:
            console.print(text)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Close what is open.

        Args:
            logs: Not used.
        """
        self._end_line()
        if self._cell:
            self._cell.close()
            self._cell = None

    def _end_line(self) -> None:
        if self._line:
            self._line.__exit__(None, None, None)
            self._line = None


class BestModel(keras.callbacks.Callback):
    """Keep the model of the best epoch, in model.keras and in memory, and leave the model with its weights at the end.

    Args:
        history: Says whether the last epoch is the best.
        folder: The run folder.
        class_names: What the outputs mean, to be stored with the model; None if it is not known.
    """

    def __init__(self, history: History, folder: Path, class_names: tuple[str, ...] | None) -> None:
        super().__init__()
        self.history, self.path, self.class_names = history, folder / MODEL, class_names

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Refuse names that do not fit the model.

        Args:
            logs: Not used.

        Raises:
            UsageError: The model has another number of classes, or no images of a fixed size go in.
        """
        if self.class_names is not None:
            self._facts(self.class_names)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Save the model if it is the best so far.

        Args:
            epoch: Number of the epoch in this `fit`, from 0.
            logs: Not used: they are in the history.

        Raises:
            RunError: The file cannot be written.
        """
        if self.history.best is not self.history.rows[-1]:
            return
        self.history.best_weights = self.model.get_weights()
        model = _with_graph(self.model)
        if self.class_names is not None:
            save_model(model, self.path, self._facts(self.class_names))
            return
        with replacing(self.path) as temporary:
            model.save(temporary)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Give the model its best weights.

        Args:
            logs: Not used.
        """
        if self.history.best_weights is not None:
            self.model.set_weights(self.history.best_weights)

    def _facts(self, names: tuple[str, ...]) -> ModelFacts:
        """Return what is stored with the model."""
        shapes = (
            [tuple(each.shape) for each in self.model.inputs or ()],
            [tuple(each.shape) for each in self.model.outputs or ()],
        )
        if (
            [len(shape) for shape in shapes[0]] != [4]
            or None in shapes[0][0][1:]
            or [len(each) for each in shapes[1]] != [2]
        ):
            raise UsageError(
                "class_names: expected a model of images of a fixed size with one output of classes; leave them out"
            )
        (_, height, width, channels), outputs = shapes[0][0], shapes[1][0][1]
        if outputs != (1 if len(names) == 2 else len(names)):
            raise UsageError(f"class_names: {len(names)} names were given, and the model has {outputs} outputs")
        backbone = str(getattr(self.model, "tfvision_backbone", self.model.name))
        return ModelFacts(names, Resize(height, width, channels=channels), backbone)


class StopEarly(keras.callbacks.Callback):
    """Stop when the monitored score has not improved for some epochs.

    Args:
        history: Says which epoch is the best.
        patience: How many epochs to wait, 1 or more.
    """

    def __init__(self, history: History, patience: int) -> None:
        super().__init__()
        self.history, self.patience = history, patience
        self._waited = 0

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Begin to count.

        Args:
            logs: Not used.
        """
        self._waited = 0

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Count an epoch without a better score, and stop after some.

        Args:
            epoch: Number of the epoch in this `fit`, from 0.
            logs: Not used: they are in the history.
        """
        self._waited = 0 if self.history.best is self.history.rows[-1] else self._waited + 1
        if self._waited >= self.patience:
            console.print(f"stopped: {self.history.monitor} has not improved for {self._waited} epochs")
            self.model.stop_training = True


def _with_graph(model: keras.Model) -> keras.Model:
    """Return another model around the same layers, without the state of `compile`: plain Keras loads it without a warning."""
    if isinstance(model, keras.Sequential):
        return keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    if isinstance(model, keras.src.models.Functional):
        return keras.Model(model.input, model.output, name=model.name)
    return model  # a class of one's own, which Keras saves as it can


def describe_epoch(history: History) -> str:
    """Return the line of the last epoch: scores of training and validation, time, and whether it is the best."""
    row = history.rows[-1]
    scores = {name: value for name, value in row.items() if name not in _OWN and isinstance(value, float)}
    learned = "  ".join(f"{name} {value:.4f}" for name, value in scores.items() if not name.startswith("val_"))
    scored = "  ".join(f"{name[4:]} {value:.4f}" for name, value in scores.items() if name.startswith("val_"))
    mark = "  best" if history.best is row else ""
    validation = f"  validation: {scored}" if scored else ""
    return f"epoch {row['epoch']:>3}  {learned}{validation}  {duration(float(np.float64(row['seconds'])))}{mark}"

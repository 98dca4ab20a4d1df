"""What happens beside the gradient steps: progress, history, best weights, early stopping."""

import math
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from tfvision.config import Phase
from tfvision.progress import ProgressLine, console, duration
from tfvision.training.history import History, Row, diverged

_CHECK_SECONDS = 0.5  # between two looks at the running loss; each waits for the accelerator


class EpochRecorder(keras.callbacks.Callback):
    """Record each epoch of a phase, keep the best weights, stop when they stay the best for long.

    Args:
        history: Rows of the whole run; its best value is carried over from earlier phases on purpose.
        phase: The phase that is trained.
        images_per_epoch: Training images in an epoch, for the rate.
        save: Called with no argument when an epoch was the best so far.
    """

    def __init__(self, history: History, phase: Phase, images_per_epoch: int, save: Callable[[], None]) -> None:
        super().__init__()
        self.history, self.phase, self.images_per_epoch, self._save = history, phase, images_per_epoch, save
        self.best_weights: list[np.ndarray] | None = None
        self._waited = 0
        self._first_epoch = len(history.rows)
        self._line: ProgressLine | None = None

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.close()

    def close(self) -> None:
        """Remove the progress line, also after an error."""
        if self._line:
            self._line.__exit__(None, None, None)
            self._line = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._start = self._looked_at = time.monotonic()
        self._learning_rate = float(self.model.optimizer.learning_rate)
        self._number = self._first_epoch + epoch + 1
        title = f"{self.phase.name} epoch {epoch + 1}/{self.phase.epochs}"
        self._line = ProgressLine(title, self.images_per_epoch).__enter__()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        now = time.monotonic()
        if now - self._looked_at < _CHECK_SECONDS:
            return
        self._looked_at = now
        loss, accuracy = float(logs["loss"]), float(logs["accuracy"])
        if not math.isfinite(loss):
            raise diverged(self._number)
        done = self.images_per_epoch * (batch + 1) // self.params["steps"]
        self._line.report(done, detail=f"loss {loss:.4f}  accuracy {accuracy:.4f}")

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._trained_seconds = time.monotonic() - self._start

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.close()
        seconds = time.monotonic() - self._start
        better = self.history.add(
            epoch_row(
                self._number,
                self.phase.name,
                self._learning_rate,
                {name: float(value) for name, value in logs.items()},
                seconds=seconds,
                images_per_second=self.images_per_epoch / self._trained_seconds,
            )
        )
        say_epoch(self.history, better)
        if better:
            self.best_weights = self.model.get_weights()
            self._save()
            self._waited = 0
            return
        self._waited += 1
        if self.phase.patience and self._waited >= self.phase.patience and epoch + 1 < self.phase.epochs:
            console.print(f"stopped: {self.history.monitor} was not better for {self._waited} epochs")
            self.model.stop_training = True


def epoch_row(
    number: int, phase: str, learning_rate: float, scores: dict[str, float], *, seconds: float, images_per_second: float
) -> Row:
    """Return a row of the history: `epoch, phase, learning_rate`, the scores, `val_` scores, and times."""
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


def say_epoch(history: History, better: bool) -> None:
    """Print the line of the last epoch."""
    row = history.rows[-1]
    console.print(
        f"{row['phase']:>10}  epoch {row['epoch']:>3}  loss {row['loss']:.4f}  accuracy {row['accuracy']:.4f}  "
        f"validation: loss {row['val_loss']:.4f}  accuracy {row['val_accuracy']:.4f}  f1 {row['val_f1']:.4f}  "
        f"{row['images_per_second']:,.0f} images/s  {duration(row['seconds'])}{'  best' if better else ''}"
    )

"""What happens besides the gradient steps: progress, history, best weights, early stopping, plateau, checkpoints."""

import math
import time
from collections.abc import Mapping
from typing import SupportsFloat

import keras
import numpy as np

from tfvision.system.terminal import ProgressLine, console
from tfvision.training.checkpoints import PhaseState
from tfvision.training.epoch_rows import epoch_row, record_epoch
from tfvision.training.history import diverged
from tfvision.training.objective import plain_scores
from tfvision.training.optimizers import learning_rate
from tfvision.training.options import Phase
from tfvision.training.training import Training

_RATES = 32  # at most so many steps of an epoch are asked for their rate
_CHECK_SECONDS = 0.5  # between two checks of the running loss; each waits for the accelerator


class EpochRecorder(keras.callbacks.Callback):
    """Record each epoch of a phase, keep the best weights, lower the learning rate or stop when scores stall.

    Args:
        training: Its history covers the whole run; the best value is carried over from earlier phases on purpose.
        phase: The phase being trained.
        state: How far the phase has come; updated after each epoch.
        images_per_epoch: Training images in an epoch, for images per second.
    """

    def __init__(self, training: Training, phase: Phase, state: PhaseState, images_per_epoch: int) -> None:
        super().__init__()
        self.training, self.phase, self.state, self.images_per_epoch = training, phase, state, images_per_epoch
        self._line: ProgressLine | None = None
        self._last_loss: float | None = None
        self._epoch_seconds = 0.0  # of the last epoch, validation included

    def on_train_end(self, logs: Mapping[str, SupportsFloat] | None = None) -> None:
        self.close()

    def close(self) -> None:
        """Remove the progress line, even after an error."""
        if self._line:
            self._line.__exit__(None, None, None)
            self._line = None

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, SupportsFloat] | None = None) -> None:
        """Start the clock and the progress line of an epoch.

        Args:
            epoch: Number of the epoch in the phase, from 0.
            logs: Not used.
        """
        self._start = self._looked_at = time.monotonic()
        self._learning_rate = self._mean_rate(epoch)
        self._line = ProgressLine(f"{self.phase.name} epoch {epoch + 1}/{self.phase.epochs}", self.images_per_epoch)
        self._line.__enter__()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, SupportsFloat] | None = None) -> None:
        """Show the running loss now and then, and stop at one that is NaN or infinite.

        Args:
            batch: Number of the step in the epoch, from 0.
            logs: Running means of the loss and the metrics.

        Raises:
            RunError: The loss is NaN or infinite.
        """
        now = time.monotonic()
        if now - self._looked_at < _CHECK_SECONDS:
            return
        self._looked_at = now
        assert logs and self._line, "Keras calls this after on_epoch_begin, with the running means"
        loss, score = float(logs["loss"]), next(name for name in logs if not name.endswith("loss"))
        if not math.isfinite(loss):
            raise self._diverged(f"at step {batch + 1} of {self.params['steps']}")
        self._last_loss = loss
        done = self.images_per_epoch * (batch + 1) // self.params["steps"]
        to_come = self.phase.epochs - self.state.epochs - 1
        seconds = self._epoch_seconds or (now - self._start) * self.images_per_epoch / max(1, done)
        detail = f"loss {loss:.4f}  {score} {float(logs[score]):.4f}"
        self._line.report(done, detail=detail, afterwards=to_come * seconds if to_come else None)

    def on_test_begin(self, logs: Mapping[str, SupportsFloat] | None = None) -> None:
        self._trained_seconds = time.monotonic() - self._start
        if self.training.settings.ema:
            swap_average(self.model)

    def on_test_end(self, logs: Mapping[str, SupportsFloat] | None = None) -> None:
        if self.training.settings.ema:
            swap_average(self.model)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, SupportsFloat] | None = None) -> None:
        """Record an epoch, keep its weights if it is the best, and leave a checkpoint.

        Args:
            epoch: Number of the epoch in the phase, from 0.
            logs: Loss and metrics of the epoch, those of validation with `val_` in front.

        Raises:
            RunError: A loss is NaN or infinite, or a file cannot be written.
        """
        self.close()
        assert logs is not None, "Keras gives the scores of the epoch"
        history = self.training.history
        scores = plain_scores(logs)
        self._epoch_seconds = time.monotonic() - self._start
        row = epoch_row(
            len(history.rows) + 1,
            self.phase.name,
            self._learning_rate,
            scores,
            seconds=self._epoch_seconds,
            images_per_second=self.images_per_epoch / self._trained_seconds,
        )
        if not all(math.isfinite(scores[name]) for name in ("loss", "val_loss")):
            raise self._diverged("at its end")
        better = record_epoch(self.training, row)
        if better:
            self._keep_best()
        self.state.epochs = epoch + 1
        self._stop_or_slow_down(better)
        self.training.leave_checkpoint(self.state, self.model.optimizer)

    def _mean_rate(self, epoch: int) -> float:
        """Return the mean learning rate over the steps of an epoch: a warm-up begins at 0, where nothing is learned."""
        steps = self.params["steps"]
        rate = learning_rate(self.phase, steps)
        if isinstance(rate, float):
            return float(self.model.optimizer.learning_rate)  # which `plateau` may have lowered
        places = np.unique(np.linspace(epoch * steps, (epoch + 1) * steps - 1, min(steps, _RATES)).round())
        return float(np.mean([float(rate(place)) for place in places]))

    def _keep_best(self) -> None:
        if self.training.settings.ema:
            swap_average(self.model)
        self.training.keep_best()
        if self.training.settings.ema:
            swap_average(self.model)

    def _stop_or_slow_down(self, better: bool) -> None:
        """Count epochs without a better score; stop, or lower the learning rate."""
        state, phase, monitor = self.state, self.phase, self.training.history.monitor
        state.waited = 0 if better else state.waited + 1
        state.done = state.epochs == phase.epochs
        if phase.patience and state.waited >= phase.patience and not state.done:
            console.print(f"stopped: {monitor} has not improved for {state.waited} epochs")
            state.done = self.model.stop_training = True
        if phase.schedule != "plateau":
            return
        score = self.training.history.score()
        risen = state.plateau_best is None or score > state.plateau_best
        state.plateau_best = score if risen else state.plateau_best
        state.plateau_waited = 0 if risen else state.plateau_waited + 1
        if state.plateau_waited >= phase.plateau_patience and not state.done:
            state.plateau_waited = 0
            self.model.optimizer.learning_rate = self._learning_rate * phase.factor
            console.print(
                f"{monitor} has not improved for {phase.plateau_patience} epochs: learning rate now "
                f"{float(self.model.optimizer.learning_rate):g}"
            )

    def _diverged(self, where: str) -> Exception:
        before = "" if self._last_loss is None else f", last loss {self._last_loss:.4g}"
        detail = f"{where} (learning rate {self._learning_rate:g}{before})"
        return diverged(len(self.training.history.rows) + 1, detail, half=self.model.dtype_policy.name)


def swap_average(model: keras.Model) -> None:
    """Swap a model's weights and their moving average, bit for bit.

    Keras' own callback swaps them by additions, which alters the weights that training continues with.
    """
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    averages = optimizer._model_variables_moving_average
    for variable, average in zip(optimizer._trainable_variables, averages, strict=True):
        value = keras.ops.convert_to_numpy(variable)
        variable.assign(average)
        average.assign(value)

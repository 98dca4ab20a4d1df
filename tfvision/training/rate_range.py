"""The learning-rate range of each phase: one sweep over real batches, from far too low a rate to far too high a one.

The model is given back as it was, bit for bit.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import SupportsFloat

import keras
import numpy as np

from tfvision.evaluation.inference import one_line_errors
from tfvision.models.freezing import open_layers, trains_batch_norm
from tfvision.system.terminal import ProgressLine
from tfvision.training.checkpoints import restore
from tfvision.training.fit import compiled_phase, fit_phases
from tfvision.training.history import History
from tfvision.training.options import Phase, RateRangeOptions
from tfvision.training.rate_curves import RateCurve, has_diverged, no_curve, rate_curve_of
from tfvision.training.training import Training

_LIKE_ADAM = ("adam", "adamw")  # default rates are of these


def sweep_phases(
    training: Training, phases: Sequence[Phase], asked: Collection[int], options: RateRangeOptions, *, fallback: float
) -> list[RateCurve]:
    """Find the learning-rate range of phases (Smith, "Cyclical Learning Rates for Training Neural Networks", 2017).

    The rate rises exponentially from step to step, over the batches, the optimizer and the open layers of the phase,
    until the loss diverges. Phases that come before it are run if they leave the backbone frozen: a fit in one pass, or
    epochs of the head alone. Those that open layers are passed over: to run them would be the training itself.

    Args:
        training: The model, its images and the settings. It is left with the weights, the statistics of batch
            normalization, the random states and the open layers it has; its own optimizer is never touched.
        phases: All phases, in order. One whose rate is `auto` is run at the rate that is suggested for it.
        asked: Indices of the phases that are swept.
        options: Range and steps.
        fallback: The rate of Adam that suits backbone and batch size; for a phase with `auto` where none can be suggested.

    Returns:
        A curve for each phase that was asked for, in order.

    Raises:
        DataError: An image is unreadable, or has changed since it was scanned.
        RunError: Memory or disk space ran out.
    """
    with as_it_was(training.model):
        # The same layers in a model of its own: compiling that one leaves the given one's optimizer alone.
        model = keras.Model(training.model.input, training.model.output, name=training.model.name)
        own = Training(
            model,
            training.train,
            training.validation,
            training.settings,
            History(training.history.monitor),
            defence=training.defence,
        )
        with one_line_errors(batch_size=training.settings.batch_size):
            return _sweep_all(own, phases, asked, options, fallback)


@contextmanager
def as_it_was(model: keras.Model) -> Iterator[None]:
    """Restore all variables of a model, and what is trainable, when the `with` block ends, however it ends.

    Args:
        model: Any model.

    Yields:
        Nothing.
    """
    values = [np.array(variable) for variable in model.variables]
    layers = [(layer, layer.trainable) for layer in model._flatten_layers(include_self=False)]
    try:
        yield
    finally:
        restore(model.variables, values)
        for layer, trainable in layers:  # outer layers come first, and what they set is set again by the inner ones
            layer.trainable = trainable


def _sweep_all(
    training: Training, phases: Sequence[Phase], asked: Collection[int], options: RateRangeOptions, fallback: float
) -> list[RateCurve]:
    model = training.model
    initial, batch_norm = model.get_weights(), trains_batch_norm(model)
    curves, start = [], _Start()
    for place, phase in enumerate(phases):
        if phase.restart:
            model.set_weights(initial)
            start = _Start()
        if place in asked:
            if phase.solver != "gradient":
                curves.append(no_curve(place, phase.name, "it is fitted in one pass, without a learning rate"))
            else:
                open_layers(model, phase.unfreeze, batch_norm=batch_norm)
                usual = fallback if training.settings.optimizer in _LIKE_ADAM else None
                curves.append(_sweep(training, phase, place, options, start.describe(phase), usual))
                if phase.learning_rate == "auto":
                    phase = replace(phase, learning_rate=curves[-1].suggestion or fallback)
        if any(later > place for later in asked):
            start = _go_on(training, phase, start)
    return curves


@dataclass(frozen=True)
class _Start:
    """What the model of a sweep has been through: names of phases that were run, and of those that were passed over."""

    run: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()

    def describe(self, phase: Phase) -> str:
        begun = f"from the model after {' and '.join(self.run)}" if self.run else "from the initial weights"
        passed = f", without {' and '.join(self.passed)}, which would be the training itself" if self.passed else ""
        return begun + passed + (", on the labelled images alone" if phase.pseudo_labels else "")


def _go_on(training: Training, phase: Phase, start: _Start) -> _Start:
    """Run a phase for the sake of those after it, if that is cheap; return what the model has been through."""
    if phase.pseudo_labels or phase.unfreeze != "none":
        return replace(start, passed=(*start.passed, phase.name))
    fit_phases(training, [replace(phase, restart=False)])
    return replace(start, run=(*start.run, phase.name))


def _sweep(
    training: Training, phase: Phase, place: int, options: RateRangeOptions, start: str, usual: float | None
) -> RateCurve:
    """Sweep one phase, whose layers are open, and set the weights back."""
    model = training.model
    values = [np.array(variable) for variable in model.variables]
    rates = np.geomspace(options.lowest, options.highest, options.steps)
    constant = replace(phase, schedule="constant", warmup=0.0, learning_rate=options.lowest)
    # An epoch has one step or more, so these are enough; they are made when they are needed.
    fitted, feed, weights = compiled_phase(training, constant, began=0, epochs=range(options.steps))
    with ProgressLine(f"{phase.name}: learning rates", options.steps, unit="steps") as line:
        recorder = _Sweep(rates, line)
        fitted.fit(
            feed.batches.dataset,
            steps_per_epoch=options.steps,
            class_weight=weights,
            callbacks=[recorder],
            shuffle=False,
            verbose=0,
        )
    restore(model.variables, values)
    taken = len(recorder.losses)
    return rate_curve_of(place, phase.name, rates[:taken], np.array(recorder.losses), start, usual=usual)


class _Sweep(keras.callbacks.Callback):
    """Raise the rate with each step, and record the loss of each batch, until it diverges.

    Args:
        rates: float (steps,), rising.
        line: Where the progress is shown.
    """

    def __init__(self, rates: np.ndarray, line: ProgressLine) -> None:
        super().__init__()
        self.rates, self.line = rates, line
        self.losses: list[float] = []

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, SupportsFloat] | None = None) -> None:
        self.model.reset_metrics()  # the loss is that of this batch, not the mean over all so far
        self.model.optimizer.learning_rate = float(self.rates[batch])

    def on_train_batch_end(self, batch: int, logs: Mapping[str, SupportsFloat] | None = None) -> None:
        assert logs is not None, "Keras gives the loss of the batch"
        self.losses.append(float(logs["loss"]))
        self.line.report(batch + 1)
        if has_diverged(self.losses):
            self.model.stop_training = True

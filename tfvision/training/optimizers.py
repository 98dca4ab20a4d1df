"""Optimizers and learning rate schedules by name."""

from typing import TYPE_CHECKING

from tfvision.errors import check_known
from tfvision.training.options import Phase

if TYPE_CHECKING:
    import keras


def build_optimizer(
    name: str,
    phase: Phase,
    *,
    steps_per_epoch: int,
    weight_decay: float = 0.0,
    clip_norm: float | None = None,
    ema: float = 0.0,
) -> "keras.Optimizer":
    """Build the optimizer of a phase with its schedule.

    Args:
        name: `adam` (Kingma and Ba, 2015), `adamw` (Loshchilov and Hutter, 2019), `lion` (Chen et al., 2023),
            `sgd` (with Nesterov momentum 0.9).
        phase: Learning rate, schedule and epochs.
        steps_per_epoch: Steps per epoch.
        weight_decay: Decoupled weight decay, 0 for none.
        clip_norm: Gradients are scaled down together to at most this norm (Pascanu et al., 2013); None for no limit.
        ema: Momentum of the moving average of the weights (Polyak and Juditsky, 1992); 0 for none.

    Returns:
        The optimizer, without variables yet.

    Raises:
        UsageError: An unknown name.
    """
    from keras import optimizers

    kinds = {"adam": optimizers.Adam, "adamw": optimizers.AdamW, "lion": optimizers.Lion, "sgd": optimizers.SGD}
    check_known("optimizer", name, kinds)
    extra = {"momentum": 0.9, "nesterov": True} if name == "sgd" else {}
    # 0 stays 0 even for AdamW, whose own default is not 0.
    decay = weight_decay if name == "adamw" or weight_decay else None
    if ema:
        extra |= {"use_ema": True, "ema_momentum": ema}
    rate = learning_rate(phase, steps_per_epoch)
    return kinds[name](learning_rate=rate, weight_decay=decay, global_clipnorm=clip_norm, **extra)


def learning_rate(phase: Phase, steps_per_epoch: int) -> "float | keras.optimizers.schedules.LearningRateSchedule":
    """Build the learning rate of a phase.

    `cosine` falls to 0 at the end of the phase (Loshchilov and Hutter, "SGDR", 2017), after a linear warm-up if
    asked. `step` holds the rate for `hold` epochs, then multiplies it by `factor` every `every` epochs. `exponential`
    multiplies it by `factor` over each epoch, smoothly. `plateau` is a number, which `EpochRecorder` lowers.

    Args:
        phase: Learning rate, schedule and epochs.
        steps_per_epoch: Steps per epoch.

    Returns:
        A number, or a schedule over the steps of the phase.
    """
    from keras.optimizers import schedules

    rate, steps = phase.learning_rate, phase.epochs * steps_per_epoch
    assert rate is not None and not isinstance(rate, str), "with_rates has filled it in, and a sweep what was auto"
    if phase.schedule == "cosine":
        warmup = round(phase.warmup * steps_per_epoch)
        if not warmup:
            return schedules.CosineDecay(rate, decay_steps=steps)
        # A warm-up over all steps leaves none to decay over, which Keras refuses.
        falling = max(1, steps - warmup)
        return schedules.CosineDecay(0.0, decay_steps=falling, warmup_target=rate, warmup_steps=warmup)
    if phase.schedule == "exponential":
        return schedules.ExponentialDecay(rate, decay_steps=steps_per_epoch, decay_rate=phase.factor)
    if phase.schedule == "step" and phase.epochs > max(1, phase.hold):
        drops = range(max(1, phase.hold), phase.epochs, phase.every)
        values = [rate * phase.factor ** (number) for number in range(len(drops) + 1)]
        # A boundary is the last step with the value before it.
        return schedules.PiecewiseConstantDecay([epoch * steps_per_epoch - 1 for epoch in drops], values)
    return rate

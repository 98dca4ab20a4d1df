"""Which views of the training images a phase takes: a static rule, so that the same seed gives the same result."""

from dataclasses import replace
from typing import TYPE_CHECKING

from tfvision.data.augmentation.turns import possible_turns
from tfvision.errors import UsageError
from tfvision.training.config import TrainConfig
from tfvision.training.options import Phase

if TYPE_CHECKING:
    import keras

# Fewest epochs per view for fixed views to be chosen by default: with fewer, computing all views costs about what it
# saves.
_EPOCHS_PER_VIEW = 2


def resolve_views(phases: list[Phase], model: "keras.Model", config: TrainConfig) -> list[Phase]:
    """Fill in the views of each phase that names none.

    `exact` if that changes nothing but the time: a part with weights is frozen, augmentation is off or can only flip
    and turn, and the phase has two epochs or more for each view of an image that this makes. Otherwise `fresh`: new
    augmentation in each epoch, and nothing stored of the training part; always so when images are mixed in pairs or a defence changes pixels. A
    number of views is never chosen by default, since fewer views mean less augmentation.

    Args:
        phases: In order.
        model: The built model; what is trainable is changed and restored.
        config: Augmentation, and the views asked for by `--views`.

    Returns:
        The phases, each with its views.

    Raises:
        UsageError: `exact` with an augmentation of endless views, or fixed views with a library's RandAugment.
    """
    from tfvision.models.cut import cut_model
    from tfvision.models.freezing import open_layers, trains_batch_norm

    turns = possible_turns(config.augment, *model.input_shape[1:3])
    batch_norm, was = trains_batch_norm(model), [layer.trainable for layer in model.layers]
    resolved = []
    for number, phase in enumerate(phases):
        views = phase.views or config.views
        if views is None:
            open_layers(model, phase.unfreeze, batch_norm=batch_norm)
            pays = (
                not config.adversarial.changes_pixels
                and turns is not None
                and (len(turns) == 1 or phase.epochs >= _EPOCHS_PER_VIEW * len(turns))
            )
            views = "exact" if phase.solver != "gradient" or (pays and cut_model(model)) else "fresh"
        _check(views, f"phases[{number}].views", turns is not None or phase.solver != "gradient", config)
        resolved.append(replace(phase, views=views))
    for layer, trainable in zip(model.layers, was, strict=True):
        layer.trainable = trainable
    return resolved


def view_count(views: str | None) -> int | None:
    """Return the number of fixed views, or None for `exact` and `fresh`."""
    return int(views) if views is not None and views.isdigit() else None


def _check(views: str, where: str, finite: bool, config: TrainConfig) -> None:
    if views == "exact" and not finite:
        raise UsageError(
            f"{where}: exact needs an augmentation of flips and quarter turns alone; use a number of views, or fresh"
        )
    if view_count(views) and config.augment.rand_magnitude and config.augment.engine != "opencv":
        raise UsageError(f"{where}: fixed views need augment.engine opencv, got {config.augment.engine}; use fresh")

"""What does not go with training with defences, each refused in one line."""

from collections.abc import Iterator, Sequence

from tfvision.errors import UsageError
from tfvision.tasks import has_boxes
from tfvision.training.config import TrainConfig
from tfvision.training.options import Phase

_Refusal = tuple[str, str]  # the option that is refused, and why


def defends(config: TrainConfig) -> bool:
    """Tell whether a configuration changes pixels, or learns at a temperature."""
    return config.adversarial.changes_pixels or config.distill.at is not None


def check_defences(phases: Sequence[Phase], config: TrainConfig) -> None:
    """Refuse options that make no sense together with a defence.

    Args:
        phases: In order.
        config: The options.

    Raises:
        UsageError: With what to do instead.
    """
    if config.adversarial.changes_pixels:
        _refuse(_against_changed_pixels(phases, config), f"adversarial.attack {config.adversarial.attack}")
        if config.adversarial.attack != "noise":
            _refuse(_against_attacks(config), f"adversarial.attack {config.adversarial.attack}")
    if config.distill.at is not None:
        name = "teacher" if config.distill.teacher else "temperature"
        _refuse(_against_temperature(phases, config), f"distill.{name}")


def _refuse(refusals: Iterator[_Refusal], defence: str) -> None:
    for where, reason in refusals:
        raise UsageError(f"{where}: does not go with {defence}: {reason}")


def _against_changed_pixels(phases: Sequence[Phase], config: TrainConfig) -> Iterator[_Refusal]:
    if has_boxes(config.task):
        yield "task", f"{config.task} finds boxes, and classes are defended; use classify"
    for number, phase in enumerate(phases):
        if phase.solver != "gradient":
            yield f"phases[{number}].solver", "it is fitted once, on pixels as they are; use gradient"
        if (phase.views or config.views) not in (None, "fresh"):
            yield f"phases[{number}].views", "pixels change in every step, so that no features are stored; use fresh"


def _against_attacks(config: TrainConfig) -> Iterator[_Refusal]:
    for name in config.augment.mixing:
        yield f"augment.{name}", "its images have two classes, and an attack moves away from one; leave it out"
    if config.precision == "mixed_float16":
        yield "precision", "gradients of pixels are too small for float16; use mixed_bfloat16 or float32"
    if config.distill.at is not None:
        yield "distill", "a model learned at a temperature gives attacks no gradients to train against; use one of them"


def _against_temperature(phases: Sequence[Phase], config: TrainConfig) -> Iterator[_Refusal]:
    if has_boxes(config.task):
        yield "task", f"{config.task} finds boxes, which have no probabilities; use classify"
    if config.loss != "cross_entropy":
        yield "loss", "its loss is cross-entropy; leave it out"
    if config.label_smoothing:
        yield "label_smoothing", "the temperature softens already; leave it out"
    for name in config.augment.mixing:
        yield f"augment.{name}", "a mixed image has no probabilities of its own; leave it out"
    for number, phase in enumerate(phases):
        if phase.solver != "gradient":
            yield f"phases[{number}].solver", "it has no temperature; use gradient"
        if phase.pseudo_labels and config.distill.teacher:
            yield f"phases[{number}].pseudo_labels", "the teacher gives the labels; leave it out"

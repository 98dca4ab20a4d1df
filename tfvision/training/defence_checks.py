"""What does not go with training with defences, each refused in one line."""

from collections.abc import Sequence

from tfvision.errors import UsageError
from tfvision.tasks import has_boxes
from tfvision.training.config import TrainConfig
from tfvision.training.options import Phase


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
    if config.distill.at is not None:
        name = "teacher" if config.distill.teacher else "temperature"
        _refuse(_against_softened_labels(phases, config), f"distill.{name}")


def _refuse(conditions: Sequence[tuple[bool, str, str]], defence: str) -> None:
    for refused, where, reason in conditions:
        if refused:
            raise UsageError(f"{where}: does not go with {defence}: {reason}")


def _against_changed_pixels(phases: Sequence[Phase], config: TrainConfig) -> list[tuple[bool, str, str]]:
    attacks = config.adversarial.attack != "noise"
    mixing = config.augment.mixing[0] if config.augment.mixing else ""
    of_phases = [
        (phase.solver != "gradient", f"phases[{number}].solver", "it is fitted on pixels as they are; use gradient")
        for number, phase in enumerate(phases)
    ]
    fixed = [
        (
            (phase.views or config.views) not in (None, "fresh"),
            f"phases[{number}].views",
            "pixels change in every step, so that no features can be stored; use fresh",
        )
        for number, phase in enumerate(phases)
    ]
    return [
        (has_boxes(config.task), "task", f"{config.task} finds boxes, and classes are attacked; use classify"),
        *of_phases,
        *fixed,
        (
            attacks and bool(mixing),
            f"augment.{mixing}",
            "its images have two classes, and an attack moves away from one; leave it out",
        ),
        (
            attacks and config.precision == "mixed_float16",
            "precision",
            "gradients of pixels are too small for float16; use mixed_bfloat16 or float32",
        ),
    ]


def _against_softened_labels(phases: Sequence[Phase], config: TrainConfig) -> list[tuple[bool, str, str]]:
    of_phases = [
        (phase.solver != "gradient", f"phases[{number}].solver", "it has no temperature; use gradient")
        for number, phase in enumerate(phases)
    ]
    labelling = [
        (
            bool(phase.pseudo_labels and config.distill.teacher),
            f"phases[{number}].pseudo_labels",
            "the teacher gives the labels; leave it out",
        )
        for number, phase in enumerate(phases)
    ]
    mixing = config.augment.mixing[0] if config.augment.mixing else ""
    return [
        (has_boxes(config.task), "task", f"{config.task} finds boxes, which have no probabilities; use classify"),
        *of_phases,
        *labelling,
        (config.loss != "cross_entropy", "loss", "its loss is cross-entropy; leave it out"),
        (config.label_smoothing > 0, "label_smoothing", "its labels are softened by the temperature; leave it out"),
        (bool(mixing), f"augment.{mixing}", "a mixed image has no probabilities of its own; leave it out"),
        (
            config.adversarial.attack not in ("none", "noise"),
            "adversarial.attack",
            "a model trained at a temperature gives attacks no gradients to train against; use one of them",
        ),
    ]

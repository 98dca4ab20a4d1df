"""What a model is asked for: the class of an image, one box in it, or both; and how its outputs are called."""

from typing import get_args, get_type_hints

from tfvision.config import Augmentation, TrainConfig
from tfvision.errors import UsageError

TASKS = get_args(get_type_hints(TrainConfig)["task"])
CLASSIFY, LOCALIZE, BOTH = TASKS

# Names of a model's outputs where it has both.
BOX, PROBABILITIES = "box", "probabilities"


def has_boxes(task: str) -> bool:
    """Tell whether a task asks for a box."""
    return task != CLASSIFY


def has_classes(task: str) -> bool:
    """Tell whether a task asks for a class."""
    return task != LOCALIZE


def check_task(config: TrainConfig) -> None:
    """Refuse options that mean nothing for a task.

    Raises:
        UsageError: With what to do instead.
    """
    task, monitor, balance = config.task, config.monitor, config.balance
    if monitor == "val_iou" and not has_boxes(task):
        raise UsageError(f"monitor: val_iou is of boxes, and task {task} has none; use val_loss, or --task localize")
    if monitor in ("val_accuracy", "val_f1") and not has_classes(task):
        raise UsageError(f"monitor: {monitor} is of classes, and task {task} has none; use val_loss or val_iou")
    if balance != "none" and (not has_classes(task) or (has_boxes(task) and balance == "class_weights")):
        instead = "none or oversample" if has_classes(task) else "none"
        raise UsageError(f"balance: {balance} does not go with task {task}; use {instead}")
    if has_boxes(task) and any(phase.solver != "gradient" for phase in config.phases or []):
        raise UsageError(f"solver: logistic_regression finds classes, not the boxes of task {task}; use gradient")
    check_boxes_stay_whole(config.augment, task)


def check_boxes_stay_whole(augmentation: Augmentation, task: str) -> None:
    """Refuse AugMix, MixUp and CutMix for boxes: they lay images over one another that show the object elsewhere.

    Raises:
        UsageError: With what to do instead.
    """
    names = (*(["augmix"] if augmentation.augmix else []), *augmentation.mixing)
    if names and has_boxes(task):
        raise UsageError(
            f"augment.{names[0]}: shows an object at several places, and task {task} needs one box; leave it out"
        )


def outputs_of(task: str) -> tuple[str, ...]:
    """Return the outputs of a model for a task."""
    return (*((BOX,) if has_boxes(task) else ()), *((PROBABILITIES,) if has_classes(task) else ()))

"""What a model is asked for: the class of an image, one box in it, or both; and the names of its outputs."""

from typing import Literal, get_args

Task = Literal["classify", "localize", "localize+classify"]
TASKS = get_args(Task)
CLASSIFY, LOCALIZE, BOTH = TASKS

# The names of a model's outputs if it has both.
BOX, PROBABILITIES = "box", "probabilities"


def has_boxes(task: str) -> bool:
    """Tell whether a task asks for a box."""
    return task != CLASSIFY


def has_classes(task: str) -> bool:
    """Tell whether a task asks for a class."""
    return task != LOCALIZE


def outputs_of(task: str) -> tuple[str, ...]:
    """Return the names of the outputs of a model for a task."""
    return (*((BOX,) if has_boxes(task) else ()), *((PROBABILITIES,) if has_classes(task) else ()))

"""Settings of a search: the `search` section of its file."""

from dataclasses import dataclass
from typing import Any, Literal

from tfvision.config.options import check_bounds, option

SECTION = "search"

Algorithm = Literal["random", "grid", "hyperband", "bayesian"]


@dataclass
class Stage:
    """A part of a search with ranges of its own; it goes on from the best trial of the stage before it."""

    name: str | None = option(None, "its name in tables and plots")
    algorithm: Algorithm | None = option(None, "as in the search, which is the default")
    trials: int | None = option(None, "as in the search, which is the default", at_least=1)
    ranges: dict[str, Any] = option(
        {}, "options by their dotted name, such as head.dropout, each with a range or a value"
    )

    def __post_init__(self) -> None:
        check_bounds(self, "stage")


@dataclass
class SearchOptions:
    """How is searched."""

    algorithm: Algorithm = option(
        "random", "random, grid (every combination), hyperband (few epochs for most) or bayesian (Gaussian process)"
    )
    trials: int | None = option(
        None, "most trials of a stage; default 20, and all of a grid or of hyperband", at_least=1
    )
    objective: Literal["val_f1", "val_accuracy", "val_loss", "val_iou", "val_robust_accuracy"] | None = option(
        None, "what is searched for, read at the epoch that `monitor` chose; default what `monitor` is"
    )
    keep: int = option(1, "so many of the best models stay on disk", at_least=1)
    epochs_scale: float = option(
        1.0, "epochs and warm-up of every phase times this, at least one epoch", above=0, below=1_000_000
    )
    factor: int = option(3, "hyperband: one in so many trials goes on, with so many times the epochs", at_least=2)
    stages: list[Stage] | None = option(
        None, "stages in order, each with these keys; default one, of the file's ranges", nonempty=True
    )

    def __post_init__(self) -> None:
        check_bounds(self, SECTION)

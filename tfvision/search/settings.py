"""Settings of a search: the `search` section of its file."""

from dataclasses import dataclass
from typing import Literal

from tfvision.config.options import option
from tfvision.errors import UsageError

SECTION = "search"

Algorithm = Literal["random", "grid", "hyperband", "bayesian"]


@dataclass
class Stage:
    """A part of a search with ranges of its own; it goes on from the best trial of the stage before it."""

    name: str | None = option(None, "its name in tables and plots")
    algorithm: Algorithm | None = option(None, "as in the search, which is the default")
    trials: int | None = option(None, "as in the search, which is the default")
    ranges: dict = option({}, "options by their dotted name, such as head.dropout, each with a range or a value")


@dataclass
class SearchOptions:
    """How is searched."""

    algorithm: Algorithm = option(
        "random", "random, grid (every combination), hyperband (few epochs for most) or bayesian (Gaussian process)"
    )
    trials: int | None = option(None, "most trials of a stage; default 20, and all of a grid or of hyperband")
    objective: Literal["val_f1", "val_accuracy", "val_loss", "val_iou"] | None = option(
        None, "what is searched for, read at the epoch that `monitor` chose; default what `monitor` is"
    )
    keep: int = option(1, "so many of the best models stay on disk")
    epochs_scale: float = option(1.0, "epochs and warm-up of every phase times this, at least one epoch")
    factor: int = option(3, "hyperband: one in so many trials goes on, with so many times the epochs")
    stages: list[Stage] | None = option(
        None, "stages in order, each with these keys; default one, of the file's ranges"
    )

    def __post_init__(self) -> None:
        ranges = (
            ("trials", self.trials is None or self.trials >= 1, "1 or more"),
            ("keep", self.keep >= 1, "1 or more"),
            ("epochs_scale", 0 < self.epochs_scale < 1e6, "more than 0"),
            ("factor", self.factor >= 2, "2 or more"),
            ("stages", self.stages is None or bool(self.stages), "one stage or more, or null"),
            *(
                (f"stages[{number}].trials", stage.trials is None or stage.trials >= 1, "1 or more")
                for number, stage in enumerate(self.stages or [])
            ),
        )
        for key, holds, expected in ranges:
            if not holds:
                raise UsageError(f"{SECTION}.{key}: expected {expected}")

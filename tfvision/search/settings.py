"""Settings of a search: the `search` section of its file, and the stages it makes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from tfvision.config.options import from_dict, option
from tfvision.errors import UsageError
from tfvision.models.backbones.table import backbone_facts
from tfvision.models.weights import find_weights
from tfvision.search.space import Space, overlay, parse_space
from tfvision.tasks import has_boxes
from tfvision.training.config import TrainConfig, check_task
from tfvision.training.options import Phase
from tfvision.training.phases import resolve_phases

SECTION = "search"
# What changes the number that val_loss is: between two values of these it says nothing.
_OF_THE_LOSS = ("loss", "focal_gamma", "label_smoothing", "box.loss", "box.beta", "box.weight")
_TRIALS = 20  # of a random or Bayesian search that does not say how many

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


@dataclass(frozen=True)
class Search:
    """A search, checked as far as it can be before any image is read.

    Attributes:
        base: Nested options of training that the first stage changes.
        options: The `search` section.
        stages: Each with its name, algorithm and number of trials.
    """

    base: dict[str, Any]
    options: SearchOptions
    stages: tuple[Stage, ...]

    def space(self, number: int, base: dict[str, Any]) -> Space:
        """Return the space of a stage that changes `base`.

        Raises:
            UsageError: No range, one that is wrong, or one that a grid cannot count.
        """
        stage = self.stages[number]
        space = parse_space(overlay(base, stage.ranges))
        if not space.ranges:
            where = f"{SECTION}.stages[{number}].ranges" if self.options.stages else "the configuration"
            raise UsageError(f"{where} holds no range; write one for a value, such as dropout: {{float: [0.1, 0.7]}}")
        for each in space.ranges:
            if stage.algorithm == "grid" and not each.values:
                raise UsageError(f"{each.key}: a grid needs a step, or a choice of values")
        return space

    def train_config(self, config: TrainConfig, share: float = 1.0) -> TrainConfig:
        """Return the configuration of a trial with its phases filled in and scaled.

        Args:
            config: Options of one trial.
            share: How much of its epochs a trial of Hyperband gets.

        Raises:
            UsageError: Phases, task, backbone or weights that cannot be.
        """
        check_task(replace(config, monitor=self.options.objective or config.monitor))
        if any(phase.pseudo_labels for phase in config.phases or []):
            raise UsageError("phases: a search trains on labels alone; leave pseudo_labels to `train` on its best.yaml")
        linear_head = not config.head.units and not has_boxes(config.task)
        phases = resolve_phases(config, pretrained=config.weights != "none", linear_head=linear_head)
        backbone_facts(config.backbone)
        find_weights(config.backbone, config.weights)
        phases = [_scaled(phase, self.options.epochs_scale * share) for phase in phases]
        return replace(config, phases=phases, epochs=None, learning_rate=None, unfreeze=None, output=None)

    def first_config(self) -> TrainConfig:
        """Return what trials have in common: the first configuration of the first stage."""
        space = self.space(0, self.base)
        return self.train_config(space.config(next(space.corners())))


def epochs_of(config: TrainConfig) -> int:
    """Return the epochs of a configuration whose phases are filled in."""
    return sum(phase.epochs for phase in config.phases if phase.solver == "gradient")


def parse_search(options: Mapping[str, Any]) -> Search:
    """Check the options of a search, every range at its extremes among them.

    Args:
        options: Nested options of training, ranges among them, and the section `search`.

    Raises:
        UsageError: One clear line.
    """
    base = {key: value for key, value in options.items() if key != SECTION}
    settings = from_dict(SearchOptions, options.get(SECTION) or {}, SECTION)
    if settings.stages and (ranges := parse_space(base).ranges):
        raise UsageError(
            f"{ranges[0].key}: a search with stages has its ranges in them; move it to {SECTION}.stages[0].ranges"
        )
    stages = []
    for number, stage in enumerate(settings.stages or [Stage()]):
        algorithm = stage.algorithm or settings.algorithm
        trials = stage.trials or settings.trials or (_TRIALS if algorithm in ("random", "bayesian") else None)
        name = stage.name or (f"stage {number + 1}" if settings.stages else algorithm)
        stages.append(Stage(name=name, algorithm=algorithm, trials=trials, ranges=stage.ranges))
    if len({stage.name for stage in stages}) < len(stages):
        raise UsageError(f"{SECTION}.stages: two stages have one name; give each its own")
    search = Search(base, settings, tuple(stages))
    for number, stage in enumerate(stages):
        space = search.space(number, base)
        configs = [search.train_config(space.config(corner)) for corner in space.corners()]
        _check_comparable(space, settings.objective or configs[0].monitor, configs[0].task)
        if stage.algorithm == "hyperband" and min(map(epochs_of, configs)) < settings.factor:
            raise UsageError(
                f"hyperband needs {settings.factor} epochs or more to share out, got {epochs_of(configs[0])}"
            )
        base = space.options(next(space.corners()))
    return search


def _check_comparable(space: Space, objective: str, task: str) -> None:
    """Refuse to choose between losses by their own values."""
    other = "val_iou" if has_boxes(task) else "val_f1"
    for each in space.ranges:
        if objective == "val_loss" and each.key in _OF_THE_LOSS:
            raise UsageError(
                f"{each.key}: val_loss is another measure with each of its values; search for another one, such as "
                f"--search.objective {other}"
            )


def _scaled(phase: Phase, share: float) -> Phase:
    if phase.solver != "gradient" or share == 1:
        return phase
    epochs = max(1, round(phase.epochs * share))
    return replace(phase, epochs=epochs, warmup=min(phase.warmup * share, epochs / 4))

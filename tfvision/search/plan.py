"""Search: a checked space, its stages, and what each of its trials trains."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tfvision.config.options import from_dict
from tfvision.errors import UsageError
from tfvision.evaluation.score_names import LAST_EPOCH
from tfvision.experiment.resolving import phases_of, resolve_options
from tfvision.search.settings import SECTION, Algorithm, SearchOptions, Stage
from tfvision.search.space import Space, overlay, parse_space
from tfvision.tasks import has_boxes
from tfvision.training.config import TrainConfig, check_task
from tfvision.training.options import Phase

# Options that change what val_loss measures, so that it cannot compare two of their values.
_OF_THE_LOSS = ("loss", "focal_gamma", "label_smoothing", "box.loss", "box.beta", "box.weight")

_TRIALS = 20  # of a random or Bayesian search whose file gives no number


@dataclass(frozen=True)
class PlannedStage:
    """A stage with all that its options may leave out filled in.

    Attributes:
        name: Its name, which no other stage has.
        algorithm: How values are proposed.
        trials: Most trials; None for as many as the algorithm proposes.
        ranges: Options by their dotted name, each with a range or a value.
    """

    name: str
    algorithm: Algorithm
    trials: int | None
    ranges: Mapping[str, Any]


@dataclass(frozen=True)
class Search:
    """A search, checked as far as it can be before any image is read.

    Attributes:
        base: Nested options of training, which the first stage changes.
        options: The `search` section.
        stages: Each with its name, algorithm and number of trials.
    """

    base: dict[str, Any]
    options: SearchOptions
    stages: tuple[PlannedStage, ...]

    def space(self, number: int, base: dict[str, Any]) -> Space:
        """Return the space of a stage.

        Args:
            number: Index of the stage.
            base: Nested options of training, which the stage changes.

        Returns:
            A space with one range or more.

        Raises:
            UsageError: No range, an invalid one, or one whose values a grid cannot count.
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
            share: Share of its epochs that the trial gets, above 0 to 1; less than 1 for Hyperband only.

        Returns:
            The options that the trial is trained with.

        Raises:
            UsageError: Options that a search does not take or that do not go together, or missing weights.
        """
        if any(phase.pseudo_labels for phase in config.phases or []):
            raise UsageError("phases: a search trains on labels alone; leave pseudo_labels to `train` on its best.yaml")
        if config.classifier:
            raise UsageError(
                "classifier: a search trains heads by epochs; compare classifiers with `train --classifier a,b`"
            )
        if (self.options.objective or config.monitor) == LAST_EPOCH:
            raise UsageError(
                f"{SECTION}.objective: monitor epoch is no score to search for; give one, such as val_loss"
            )
        check_task(replace(config, monitor=self.options.objective or config.monitor))
        config = resolve_options(config)
        phases = [_scaled(phase, self.options.epochs_scale * share) for phase in config.phases or []]
        return replace(config, phases=phases, output=None)

    def first_config(self) -> TrainConfig:
        """Return the configuration that stands for all trials: the first one of the first stage."""
        space = self.space(0, self.base)
        return self.train_config(space.config(next(space.corners())))


def epochs_of(config: TrainConfig) -> int:
    """Return the epochs of a configuration whose phases are filled in."""
    return sum(phase.epochs for phase in phases_of(config) if phase.solver == "gradient")


def parse_search(options: Mapping[str, Any]) -> Search:
    """Check the options of a search, including the extremes of every range.

    Args:
        options: Nested options of training, some of them ranges, and the section `search`.

    Returns:
        The search, each stage with its name and algorithm filled in.

    Raises:
        UsageError: An invalid option or range, or options that do not go together.
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
        stages.append(PlannedStage(name, algorithm, trials, stage.ranges))
    if len({stage.name for stage in stages}) < len(stages):
        raise UsageError(f"{SECTION}.stages: two stages have the same name; give each its own")
    search = Search(base, settings, tuple(stages))
    for number, planned in enumerate(stages):
        space = search.space(number, base)
        configs = [search.train_config(space.config(corner)) for corner in space.corners()]
        _check_comparable(space, settings.objective or configs[0].monitor, configs[0].task)
        if planned.algorithm == "hyperband" and min(map(epochs_of, configs)) < settings.factor:
            raise UsageError(
                f"hyperband needs {settings.factor} epochs or more to share out, got {epochs_of(configs[0])}"
            )
        base = space.options(next(space.corners()))
    return search


def _check_comparable(space: Space, objective: str, task: str) -> None:
    """Refuse to compare trials by losses that do not measure the same thing."""
    other = "val_iou" if has_boxes(task) else "val_f1"
    for each in space.ranges:
        if objective == "val_loss" and each.key in _OF_THE_LOSS:
            raise UsageError(
                f"{each.key}: val_loss is another measure with each of its values; choose another score, such as "
                f"--search.objective {other}"
            )


def _scaled(phase: Phase, share: float) -> Phase:
    if phase.solver != "gradient" or share == 1:
        return phase
    epochs = max(1, round(phase.epochs * share))
    return replace(phase, epochs=epochs, warmup=min(phase.warmup * share, epochs / 4))

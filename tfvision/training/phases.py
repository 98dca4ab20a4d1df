"""What is trained when: default phases, and the flags that change them."""

from collections.abc import Sequence
from dataclasses import replace

from tfvision.data.augmentation.options import Augmentation
from tfvision.errors import UsageError
from tfvision.evaluation.score_names import LAST_EPOCH
from tfvision.tasks import has_boxes
from tfvision.training.config import TrainConfig
from tfvision.training.defence_checks import check_defences, defends
from tfvision.training.options import AUTO, Phase

_FROM_SCRATCH = {"fast": (10, None), "balanced": (30, 10), "best": (100, None)}  # epochs and patience
_FINE_TUNING = {
    "balanced": Phase(name="fine-tune", epochs=6, learning_rate=None, schedule="cosine", warmup=0.5, unfreeze="all"),
    "best": Phase(name="fine-tune", epochs=20, learning_rate=None, schedule="cosine", warmup=1.0, unfreeze="all"),
}


# Rates of Adam that fine-tune small networks in batches of 64, see benchmarks/presets.py, and others without harm.
_RATE, _SAFE_RATE, _SMALL = 5e-4, 1e-4, 10_000_000


def with_rates(phases: Sequence[Phase], *, parameters: int, batch_size: int) -> list[Phase]:
    """Fill in the learning rates that suit a backbone and a batch size, where phases give none.

    With the batches the rate becomes smaller, in proportion (Goyal et al., "Accurate, Large Minibatch SGD", 2017): few
    images make few steps, which cannot repair what large ones spoil.

    Args:
        phases: The phases.
        parameters: Of the backbone; 0 if they are not known.
        batch_size: Images a step.

    Returns:
        The phases, each with a rate, or with `auto` where a sweep is to find it.
    """
    rate = suited_rate(parameters=parameters, batch_size=batch_size)
    return [phase if phase.learning_rate else replace(phase, learning_rate=rate) for phase in phases]


def suited_rate(*, parameters: int, batch_size: int) -> float:
    """Return the rate that suits a backbone and a batch size, see `with_rates`."""
    return _RATE * batch_size / 64 if 0 < parameters <= _SMALL else _SAFE_RATE


def default_phases(preset: str, *, pretrained: bool, linear_head: bool) -> list[Phase]:
    """Return the phases of a run that names none.

    A pretrained backbone is trained head first, so that a random head does not spoil its features, and is then
    opened with a lower rate and a cosine schedule (Howard and Ruder, "Universal Language Model Fine-tuning", 2018;
    Kumar et al., "Fine-Tuning can Distort Pretrained Features", 2022). A linear head needs no epochs for that: it is
    the logistic regression on the frozen features. A model from scratch has one phase.

    Args:
        preset: `fast`: the head alone. `balanced`: the head and a short fine-tuning. `best`: the head and a long one.
        pretrained: Whether the backbone has pretrained weights.
        linear_head: Whether the head is one dense layer on few enough features to be fitted in one pass.

    Returns:
        The head and the fine-tuning, the head alone, or one phase for all layers.
    """
    if not pretrained:
        epochs, patience = _FROM_SCRATCH[preset]
        return [
            Phase(name="train", epochs=epochs, learning_rate=1e-3, schedule="cosine", unfreeze="all", patience=patience)
        ]
    head = Phase(name="head", solver="logistic_regression", epochs=1, unfreeze="none")
    if not linear_head:
        head = Phase(name="head", epochs=3, learning_rate=1e-3, unfreeze="none")
    return [head, *([_FINE_TUNING[preset]] if preset in _FINE_TUNING else [])]


def resolve_phases(config: TrainConfig, *, pretrained: bool, linear_head: bool) -> list[Phase]:
    """Return the phases of a run: those of the configuration or the default, changed by the short options.

    `epochs` is the length of the last phase, which then runs without early stopping: what comes before it, the head of
    a pretrained backbone, comes first all the same. `learning_rate` and `unfreeze` change the last phase too.

    Args:
        config: The options.
        pretrained: Whether the backbone has pretrained weights.
        linear_head: Whether the head has no hidden layers.

    Returns:
        One phase or more, in order.

    Raises:
        UsageError: Options of a phase that do not go together.
    """
    if config.phases is not None and not config.phases:
        raise UsageError("phases: expected at least one phase, got an empty list; leave it out for the default")
    preset = _preset_of(config, pretrained=pretrained)
    # Flattened maps are ten thousands of features: too many to keep for all images at once. A head fitted without the
    # defence would win by clean validation scores.
    few_features = linear_head and config.head.pooling != "flatten" and not defends(config)
    phases = config.phases or default_phases(preset, pretrained=pretrained, linear_head=few_features)
    if config.monitor == LAST_EPOCH and not config.phases:
        phases = [replace(phase, patience=None) for phase in phases]
    last = phases[-1]
    if config.epochs is not None:
        warmup = min(last.warmup, config.epochs / 4)
        last = replace(last, solver="gradient", epochs=config.epochs, warmup=warmup, patience=None)
    if config.learning_rate is not None:
        last = replace(last, learning_rate=config.learning_rate)
    if config.unfreeze is not None:
        last = replace(last, unfreeze=config.unfreeze)
    phases = [*phases[:-1], last]
    for number, phase in enumerate(phases):
        _check_relations(phase, f"phases[{number}]", linear_head=linear_head, monitor=config.monitor)
    _check_pseudo_labels(phases, config)
    _check_mixing(phases, config)
    check_defences(phases, config)
    return phases


def pseudo_label_phases(phases: Sequence[Phase], rounds: int, *, restart: bool) -> list[Phase]:
    """Return the phases of rounds of pseudo-labels: those that a run was trained by, once more for each round.

    Args:
        phases: Of the run; those with pseudo-labels of its own are left out.
        rounds: How often the unlabelled images are labelled anew.
        restart: Whether each round begins from the initial weights; else only the last phase is trained again.

    Returns:
        The phases of all rounds, in order.
    """
    plain = [phase for phase in phases if not phase.pseudo_labels]
    plain = plain if restart else plain[-1:]
    return [
        replace(
            phase,
            name=f"{phase.name}, round {number}",
            pseudo_labels=True,
            restart=restart and place == 0,
            patience=None,
        )
        for number in range(1, rounds + 1)
        for place, phase in enumerate(plain)
    ]


def augmented_phases(phases: Sequence[Phase]) -> list[str]:
    """Return the names of the phases that see augmented images; a solver fits the images as they are."""
    return [phase.name for phase in phases if phase.solver == "gradient"]


def describe_augmentation(augmentation: Augmentation, phases: Sequence[Phase]) -> str:
    """Return how training images are changed as a line, and in which phases if not in all.

    Args:
        augmentation: What is asked for.
        phases: In order; none for a shallow classifier.

    Returns:
        `none` where no phase changes an image.
    """
    changed = augmented_phases(phases)
    if augmentation.is_empty or not phases or len(changed) == len(phases):
        return augmentation.describe()
    return f"{augmentation.describe()}, in {' and '.join(changed)} only" if changed else "none"


def describe_phase(phase: Phase, optimizer: str) -> str:
    """Return one phase as a line: epochs, rate, schedule, what is open, patience.

    Args:
        phase: A phase.
        optimizer: Name of the optimizer.

    Returns:
        One line.
    """
    if phase.solver == "logistic_regression":
        return f"{phase.name}: logistic regression on the features of the frozen backbone, one pass"
    found = phase.learning_rate == AUTO
    rate = f"{optimizer}, rate found before training" if found else f"{optimizer} {phase.learning_rate:g}"
    if phase.schedule == "cosine":
        rate += " cosine" + (f" after {phase.warmup:g} epochs of warm-up" if phase.warmup else "")
    elif phase.schedule == "step":
        every = "an epoch" if phase.every == 1 else f"every {phase.every} epochs"
        rate += f", x{phase.factor:g} {every} after {phase.hold}"
    elif phase.schedule == "exponential":
        rate += f", x{phase.factor:g} over each epoch"
    elif phase.schedule == "plateau":
        rate += f", x{phase.factor:g} after {phase.plateau_patience} epochs without a better score"
    open_part = {"none": "backbone frozen", "all": "all layers open"}.get(phase.unfreeze, f"open: {phase.unfreeze}")
    patience = f", patience {phase.patience}" if phase.patience else ""
    patience += ", from the initial weights" if phase.restart else ""
    patience += ", with pseudo-labels" if phase.pseudo_labels else ""
    return f"{phase.name}: {phase.epochs} epoch{'s' * (phase.epochs > 1)}, {rate}, {open_part}{patience}"


def _preset_of(config: TrainConfig, *, pretrained: bool) -> str:
    """Return the preset that phases come from, and refuse options that it has no use for."""
    if config.preset and config.phases:
        raise UsageError(f"preset {config.preset} is a choice of phases, and phases are given too; keep one of them")
    if config.preset == "fast" and pretrained:
        given = {"epochs": config.epochs, "learning_rate": config.learning_rate, "unfreeze": config.unfreeze}
        if more := [name for name, value in given.items() if value not in (None, "none")]:
            raise UsageError(
                f"preset fast fits the head and fine-tunes nothing, so {more[0]} has no use; leave it out, or take "
                "preset balanced"
            )
    return config.preset or "balanced"


def _check_pseudo_labels(phases: Sequence[Phase], config: TrainConfig) -> None:
    using = [number for number, phase in enumerate(phases) if phase.pseudo_labels]
    if using and has_boxes(config.task):
        raise UsageError(f"phases[{using[0]}].pseudo_labels: there are none for boxes; use task classify")
    if using and using[0] == 0:
        raise UsageError("phases[0].pseudo_labels: the first phase has no model to label with; put one before it")
    if using and not (config.pseudo.source(config.data) or config.pseudo.labels):
        raise UsageError(
            f"phases[{using[0]}].pseudo_labels: no images without labels; give them as pseudo.data, or hide some labels "
            "with pseudo.labels"
        )


def _check_relations(phase: Phase, where: str, *, linear_head: bool, monitor: str) -> None:
    relations: Sequence[tuple[bool, str]] = (
        (
            phase.warmup < phase.epochs,
            f"warmup: expected less than the {phase.epochs} epochs of the phase, got {phase.warmup}",
        ),
        (phase.warmup == 0 or phase.schedule == "cosine", "warmup: only the cosine schedule has one"),
        (
            not phase.restart or phase.patience is None,
            "patience: a phase with restart begins far below the best score so far and would stop before it caught up",
        ),
        (
            monitor != LAST_EPOCH or phase.patience is None,
            "patience: with monitor epoch the last epoch is kept, and none is waited for; leave it out",
        ),
        (
            monitor != LAST_EPOCH or phase.schedule != "plateau",
            "schedule: plateau lowers the rate by a validation score, and monitor epoch is none; use cosine",
        ),
        (
            phase.solver == "gradient" or phase.unfreeze == "none",
            f"solver: logistic_regression fits the head alone; set unfreeze: none, got {phase.unfreeze}",
        ),
        (
            phase.solver == "gradient" or linear_head,
            "solver: logistic_regression fits a linear head; this head has hidden layers, use solver: gradient",
        ),
        (
            phase.solver == "gradient" or phase.learning_rate != AUTO,
            "learning_rate: auto means nothing for solver logistic_regression, which takes no steps; leave it out",
        ),
    )
    for holds, message in relations:
        if not holds:
            raise UsageError(f"{where}.{message}")


def _check_mixing(phases: Sequence[Phase], config: TrainConfig) -> None:
    """Refuse fixed views, which are there to be stored, for phases whose images are mixed in pairs, always anew.

    Args:
        phases: In order.
        config: Augmentation, and the views asked for by `--views`.

    Raises:
        UsageError: With what to do instead; also where no phase trains by epochs, which alone mix.
    """
    if not config.augment.mixing:
        return
    name = config.augment.mixing[0]
    if all(phase.solver != "gradient" for phase in phases):
        raise UsageError(f"augment.{name}: no phase has solver gradient, which alone mixes images; leave it out")
    for number, phase in enumerate(phases):
        views = phase.views or config.views
        if phase.solver == "gradient" and views not in (None, "fresh"):
            raise UsageError(
                f"phases[{number}].views: {views} with augment.{name}: pairs are mixed before the frozen part, so that "
                "its features cannot be stored; use views: fresh"
            )

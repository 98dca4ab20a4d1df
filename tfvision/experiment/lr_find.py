"""What `tfvision lr-find` does: the learning-rate range of each phase on real batches, and the rates that it suggests."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tfvision.config.nested import to_plain
from tfvision.config.options import from_dict
from tfvision.data.sources.digits import refuse_missing_data
from tfvision.errors import UsageError
from tfvision.experiment.resolving import phases_of, resolve_options
from tfvision.experiment.train import as_images, check_given, prepare_experiment
from tfvision.runs.folder import making_alone
from tfvision.runs.names import RATE_CURVES, RATES, RATES_TABLE
from tfvision.system.files import appearing, to_csv, write_json, write_text
from tfvision.system.shown import Shown
from tfvision.system.terminal import console, in_one_output
from tfvision.training.config import TrainConfig
from tfvision.training.options import Phase, RateRangeOptions

if TYPE_CHECKING:
    import keras

    from tfvision.data.images.imageset import ImageSet
    from tfvision.data.sources.python import Held
    from tfvision.experiment.experiment import Experiment
    from tfvision.training.rate_curves import RateCurve

_RANGE = set(RateRangeOptions.__dataclass_fields__)


@dataclass(frozen=True, repr=False)
class LearningRates(Shown):
    """The learning-rate range of each phase.

    Attributes:
        phases: A curve for each phase, in order; one that takes no gradient steps has an empty one.
        optimizer: What the rates are of.
        batch_size: Images a step.
        rule: How a suggestion is read from a curve, in words.
    """

    phases: "tuple[RateCurve, ...]"
    optimizer: str
    batch_size: int
    rule: str

    drawn_by: ClassVar[str] = "rates"

    def __repr__(self) -> str:
        found = [
            f"{curve.phase} {curve.suggestion:.2g}" if curve.suggestion else f"{curve.phase} none"
            for curve in self.phases
        ]
        return f"LearningRates({', '.join(found)}; {self.optimizer}, batches of {self.batch_size})"

    def __len__(self) -> int:
        return len(self.phases)

    def __getitem__(self, phase: str | int) -> "RateCurve":
        """Return the curve of a phase by its name, or by its index."""
        if isinstance(phase, int):
            return self.phases[phase]
        for curve in self.phases:
            if curve.phase == phase:
                return curve
        raise KeyError(phase)

    def describe(self) -> str:
        """Return a line for each phase with its suggestion and how it was found."""
        lines = [curve.describe() for curve in self.phases]
        return "\n".join([*lines, f"rates of {self.optimizer} for batches of {self.batch_size}"])


@in_one_output
def lr_find(
    model: "keras.Model | None" = None,
    images: "ImageSet | str | Path | Held | None" = None,
    *,
    output: str | Path | None = None,
    **options: Any,
) -> LearningRates:
    """Find the learning-rate range of each phase on real batches (Smith, 2017), and suggest a rate.

    The rate rises with each step, over the data, the open layers, the optimizer and the batches that `train` would have
    with the same options, until the loss diverges. A model that is given is left as it was, bit for bit.

    Args:
        model: As for `train`: a Keras model with raw pixels in; or None, and options that say what to build.
        images: As for `train`: from `open_images`, or what it takes; None with `data=`.
        output: A folder to write to: `learning_rates.json`, `learning_rates.csv`, `learning_rates.svg`.
        **options: `lowest` and `highest` rate, `steps` of a sweep; and the options of `train`.

    Returns:
        The curves and suggestions of the phases, which a notebook shows.

    Raises:
        UsageError: Options that do not go together, no phase with a learning rate, or a folder that exists already.
        DataError: No such data, unreadable images, or a class with fewer than 3 images.
        RunError: Memory or disk space ran out.
    """
    check_given("lr_find", model, images)
    chosen = from_dict(RateRangeOptions, {name: value for name, value in options.items() if name in _RANGE})
    options = {name: value for name, value in options.items() if name not in _RANGE}
    folder = None if output is None else Path(output)
    with nullcontext() if folder is None else making_alone(folder):
        if model is None or images is None:
            return _find(_build(options), chosen, folder)
        import keras

        from tfvision.training.rate_range import as_it_was

        with as_it_was(model) if isinstance(model, keras.Model) else nullcontext():
            return _find(_given(model, images, options), chosen, folder)


def _build(options: dict[str, Any]) -> "Experiment":
    config = from_dict(TrainConfig, to_plain(options))
    _refuse_classifier(config)
    config = resolve_options(config)
    _refuse_closed(phases_of(config))
    refuse_missing_data(config.data)
    return prepare_experiment(config)


def _given(model: "keras.Model", images: "ImageSet | str | Path | Held", options: dict[str, Any]) -> "Experiment":
    from tfvision.experiment.existing import existing_experiment

    _refuse_classifier(from_dict(TrainConfig, to_plain(options)))
    experiment = existing_experiment(model, as_images(images, options), options)
    _refuse_closed(phases_of(experiment.config))
    return experiment


def _refuse_classifier(config: TrainConfig) -> None:
    if config.classifier:
        raise UsageError(
            f"classifier: {config.classifier} takes no gradient steps, so it has no learning rate to find; leave it out"
        )


def _refuse_closed(phases: Sequence[Phase]) -> None:
    if all(phase.solver != "gradient" for phase in phases):
        names = " and ".join(phase.name for phase in phases)
        raise UsageError(
            f"{names} is fitted in one pass, so there is no learning rate to find; take another preset, such as --preset "
            "balanced, or phases with solver gradient"
        )


def _find(experiment: "Experiment", options: RateRangeOptions, folder: Path | None) -> LearningRates:
    from tfvision.experiment.rates import sweep
    from tfvision.training.rate_curves import RULE

    config = experiment.config
    curves = sweep(experiment, range(len(phases_of(config))), options)
    found = LearningRates(tuple(curves), config.optimizer, config.images_a_step, RULE)
    if folder is not None:
        with appearing(folder) as temporary:
            _write(found, temporary)
        console.print(f"written: {folder}")
    return found


def _write(found: LearningRates, folder: Path) -> None:
    from tfvision.plots.rate_curves import plot_rate_curves

    rows = [curve.to_dict() for curve in found.phases]
    steps = [
        {"phase": curve.phase, "learning_rate": float(rate), "loss": float(loss), "smoothed": float(smoothed)}
        for curve in found.phases
        for rate, loss, smoothed in zip(curve.rates, curve.losses, curve.smoothed, strict=True)
    ]
    write_json(
        folder / RATES,
        {"optimizer": found.optimizer, "batch_size": found.batch_size, "rule": found.rule, "phases": rows},
    )
    write_text(folder / RATES_TABLE, to_csv(steps))
    plot_rate_curves(rows, folder / RATE_CURVES)

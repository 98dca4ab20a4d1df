"""Learning rates found before training: a sweep over the phases that ask for one, and what is left of it in the run."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tfvision.experiment.resolving import phases_of
from tfvision.experiment.unwritten import unwritten_training
from tfvision.models.backbones.table import BACKBONES
from tfvision.runs.folder import Run
from tfvision.runs.names import RATES
from tfvision.system.files import read_json
from tfvision.system.terminal import console
from tfvision.training.config import TrainConfig
from tfvision.training.options import AUTO, RateRangeOptions
from tfvision.training.phases import suited_rate

if TYPE_CHECKING:
    from tfvision.experiment.experiment import Experiment
    from tfvision.training.rate_curves import RateCurve


def sweep(experiment: "Experiment", asked: Collection[int], options: RateRangeOptions) -> "list[RateCurve]":
    """Find the learning-rate range of some phases of a run; its model is left as it was.

    Args:
        experiment: The run.
        asked: Indices of the phases.
        options: Range and steps.

    Returns:
        A curve for each, in order.

    Raises:
        TfvisionError: As `sweep_phases`.
    """
    from tfvision.training.rate_range import sweep_phases

    config = experiment.config
    return sweep_phases(
        unwritten_training(experiment), phases_of(config), asked, options, fallback=fallback_rate(config)
    )


def with_found_rates(experiment: "Experiment", *, resume: Path | None = None) -> "Experiment":
    """Fill in the learning rates that are to be found, each said in a line.

    Args:
        experiment: The run.
        resume: The folder of a run that goes on: it keeps the rates that were found when it began.

    Returns:
        The run with a number for each rate, and with the curves that they were read from.

    Raises:
        TfvisionError: As `sweep_phases`.
    """
    config = experiment.config
    if resume:
        curves = read_curves(resume)
        began = Run(resume).config
        rates = {curve.place: phases_of(began)[curve.place].learning_rate for curve in curves}
    else:
        asked = [place for place, phase in enumerate(phases_of(config)) if phase.learning_rate == AUTO]
        curves = sweep(experiment, asked, RateRangeOptions()) if asked else []
        fallback = fallback_rate(config)
        rates = {curve.place: curve.suggestion or fallback for curve in curves}
        for curve in curves:
            console.print(_said(curve, fallback))
    phases = [
        replace(phase, learning_rate=rates[place]) if phase.learning_rate == AUTO and place in rates else phase
        for place, phase in enumerate(phases_of(config))
    ]
    return replace(experiment, config=replace(config, phases=phases), rates=tuple(curves))


def fallback_rate(config: TrainConfig) -> float:
    """Return the rate that a phase without one would get: where a sweep finds none, and for the one batch of a dry run."""
    known = BACKBONES.get(config.backbone)
    return suited_rate(parameters=known.parameters if known else 0, batch_size=config.images_a_step)


def read_curves(folder: Path) -> "list[RateCurve]":
    """Read the curves that the rates of a run were found from; none if it was given its rates."""
    from tfvision.training.rate_curves import RateCurve

    if not (folder / RATES).is_file():
        return []
    return [RateCurve.of(row) for row in read_json(folder / RATES)["phases"]]


def _said(curve: "RateCurve", fallback: float) -> str:
    if curve.suggestion:
        return f"{curve.phase}: learning rate {curve.suggestion:.2g}, {curve.said}, {curve.start}"
    return f"{curve.phase}: learning rate {fallback:g}, the default, since {curve.said}, {curve.start}"

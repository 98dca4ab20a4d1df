"""Running what was prepared: one batch of it, or the training and all it writes."""

import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tfvision.experiment.defending import check_teacher, defence_of, taught
from tfvision.experiment.experiment import Experiment, begin_run
from tfvision.experiment.rates import fallback_rate
from tfvision.experiment.resolving import phases_of
from tfvision.experiment.unlabelled import open_unlabelled
from tfvision.models.model_file import save_model
from tfvision.runs.folder import Run, training_alone
from tfvision.runs.names import CHECKPOINTS, HISTORY, MODEL, PLOTS, RATE_CURVES
from tfvision.runs.resume import finished, resumable
from tfvision.system.files import remove_leftovers
from tfvision.system.terminal import console, duration
from tfvision.tasks import has_boxes
from tfvision.tracking.beside import tracked
from tfvision.tracking.trackers import tracker_names
from tfvision.training.checkpoints import Checkpoints
from tfvision.training.history import History
from tfvision.training.options import AUTO

if TYPE_CHECKING:
    from tfvision.training.settings import TrainingSettings


def try_run(experiment: Experiment, output: Path) -> None:
    """Print the plan, compute one batch and write nothing.

    Args:
        experiment: The run.
        output: The run folder that it would have.
    """
    from tfvision.training.fit import try_one_batch

    console.print(experiment.plan)
    if experiment.config.classifier:
        from tfvision.experiment.shallow import try_features

        console.print(
            f"dry run: one batch passed, {try_features(experiment):,} features an image; nothing was written to {output}"
        )
        return
    config, train = experiment.config, experiment.parts["train"]
    check_teacher(experiment.parts, config)
    if config.distill.teacher:
        train = taught(train.select(range(min(config.images_a_step, len(train)))), config)
    phase, settings = phases_of(config)[-1], _settings(experiment)
    if phase.learning_rate == AUTO:  # found before training, not for one batch
        phase = replace(phase, learning_rate=fallback_rate(config))
    loss = try_one_batch(experiment.model, train, phase, settings, defence_of(config))
    console.print(f"dry run: one batch passed with loss {loss:.4f}; nothing was written to {output}")


def run_training(experiment: Experiment, output: Path, *, resume: bool) -> Run:
    """Train by epochs or fit shallow classifiers, and write the run folder.

    Args:
        experiment: The run.
        output: The run folder.
        resume: Whether to go on with what is in it.

    Returns:
        The finished run.

    Raises:
        UsageError, DataError, RunError: One clear line each.
    """
    if experiment.config.classifier:
        from tfvision.experiment.shallow import train_shallow

        return train_shallow(experiment, output, resume=resume)
    return _train(experiment, output, resume=resume)


def _train(experiment: Experiment, output: Path, *, resume: bool) -> Run:
    """Train from the beginning or from the last checkpoint, then write the results."""
    from tfvision.data.augmentation.augment_layers import check_engine
    from tfvision.experiment.pictures import plot_samples
    from tfvision.experiment.results import write_results

    start = time.monotonic()
    settings = _settings(experiment)
    check_engine(settings.augmentation, settings.resize.channels, boxes=has_boxes(settings.task))
    check_teacher(experiment.parts, experiment.config)
    with resumable(Run(output)), ExitStack() as beside:
        run = begin_run(experiment, output, resume=resume)
        checkpoints = Checkpoints(run.folder / CHECKPOINTS)
        beside.enter_context(training_alone(run.folder))
        if resume and finished(run.folder):  # by another process, while this one read the images
            return run
        remove_leftovers(run.folder)
        beside.enter_context(tracked(run.folder, tracker_names(experiment.config.trackers)))
        plot_samples(run.folder, experiment.parts["train"], settings)
        if experiment.rates:
            from tfvision.plots.rate_curves import plot_rate_curves

            plot_rate_curves([curve.to_dict() for curve in experiment.rates], run.folder / PLOTS / RATE_CURVES)
        console.print(f"run folder: {run.folder}\n")
        _fit(experiment, run, settings, checkpoints)
        # Half precision is enough for training, but the predictions are to be those of the saved model.
        stored = experiment.config.cache == "float32" and phases_of(experiment.config)[-1].views != "fresh"
        write_results(run, experiment.model, experiment.facts, experiment.parts, settings, stored=stored)
        checkpoints.remove()
    console.print(f"done in {duration(time.monotonic() - start)}")
    return run


def _fit(experiment: Experiment, run: Run, settings: "TrainingSettings", checkpoints: Checkpoints) -> None:
    from tfvision.training.fit import fit_phases
    from tfvision.training.training import Training

    def save() -> None:
        save_model(experiment.model, run.folder / MODEL, experiment.facts)

    config = experiment.config
    training = Training(
        experiment.model,
        taught(experiment.parts["train"], config),
        experiment.parts["validation"],
        settings,
        History(config.monitor, run.folder / HISTORY),
        save=save,
        checkpoints=checkpoints,
        pseudo=open_unlabelled(experiment.data, config, run.folder),
        defence=defence_of(config),
    )
    fit_phases(training, phases_of(config))


def _settings(experiment: Experiment) -> "TrainingSettings":
    from tfvision.training.settings import TrainingSettings

    return TrainingSettings.from_config(experiment.config, experiment.facts.resize)

"""Shallow classifiers on the features of a frozen backbone: a run each and, for several, a comparison."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfvision.comparison.page import write_comparison_page
from tfvision.config.yaml import to_yaml
from tfvision.data.images.imageset import ImageSet
from tfvision.evaluation.parts import scored_parts
from tfvision.evaluation.predictions import Predictions
from tfvision.experiment.experiment import Experiment, begin_run, first_files
from tfvision.experiment.pictures import plot_samples
from tfvision.experiment.plan import summarize
from tfvision.experiment.results import write_results
from tfvision.models.heads.shallow_heads import attach_shallow_head
from tfvision.models.model_file import save_model
from tfvision.prediction.answers import predict_classes
from tfvision.prediction.predictors import KerasPredictor
from tfvision.runs.folder import Run, create_run, training_alone
from tfvision.runs.names import CANDIDATES, CONFIG, ENVIRONMENT, MODEL, REPORT, SUMMARY
from tfvision.runs.resume import finished, resumable
from tfvision.system.environment import describe_environment
from tfvision.system.files import remove_leftovers, to_csv, write_json, write_text
from tfvision.system.terminal import console, duration
from tfvision.tracking.beside import tracked
from tfvision.tracking.trackers import tracker_names
from tfvision.training.logistic import feature_model
from tfvision.training.settings import TrainingSettings
from tfvision.training.shallow.classifiers import check_graph, classifier_names, fit_classifier
from tfvision.training.shallow.features import ShallowFeatures, run_tail
from tfvision.training.shallow.problem import Fitted

if TYPE_CHECKING:
    import keras


def train_shallow(experiment: Experiment, output: Path, *, resume: bool) -> Run:
    """Fit each classifier of the configuration and write its run; for several also their comparison.

    Args:
        experiment: A model whose head is pooling and one dense layer.
        output: The run folder; for several classifiers the folder of their runs, each named after its classifier.
        resume: Resume what was interrupted there.

    Returns:
        The run; of several, the best by validation.

    Raises:
        UsageError, DataError, RunError: One clear line each.
    """
    start = time.monotonic()
    assert experiment.config.classifier is not None, "else a head is trained"
    names = classifier_names(experiment.config.classifier)
    features = _features(experiment, experiment.parts)
    with resumable(Run(output)), ExitStack() as held:
        run = begin_run(experiment, output, resume=resume)
        held.enter_context(training_alone(run.folder))
        if resume and (done := finished(run.folder)):  # by another process, while this one read the images
            return done
        remove_leftovers(run.folder)
        console.print(f"run folder: {run.folder}\n")
        if len(names) == 1:
            _train_one(experiment, run, names[0], features)
        else:
            runs = [_train_among(experiment, run, name, features) for name in names]
            run = Run(run.folder / write_comparison_page(run.folder, runs, experiment.config.monitor))
    console.print(f"done in {duration(time.monotonic() - start)}")
    return run


def _train_among(experiment: Experiment, parent: Run, name: str, features: ShallowFeatures) -> Run:
    """Train one of several classifiers in a run folder of its own, if it was not finished before."""
    folder = parent.folder / name
    if (folder / REPORT).is_file():
        console.print(f"{folder} is finished already")
        return Run(folder)
    one = replace(experiment, config=replace(experiment.config, classifier=name))
    run = Run(folder) if (folder / CONFIG).is_file() else create_run(folder, first_files(one))
    _train_one(one, run, name, features)
    return run


def _train_one(experiment: Experiment, run: Run, name: str, features: ShallowFeatures) -> None:
    """Fit a classifier and write all of its run, which is sent to trackers as it grows."""
    with tracked(run.folder, tracker_names(experiment.config.trackers)):
        _fit_and_write(experiment, run, name, features)


def _fit_and_write(experiment: Experiment, run: Run, name: str, features: ShallowFeatures) -> None:
    parts = experiment.parts
    plot_samples(run.folder, parts["train"], features.settings)
    count, width = features.of("train").shape
    console.print(f"{name}: fitting on {count:,} images of {width:,} features")
    start = time.monotonic()
    fitted, model, tail = _fit(experiment, name, features)
    seconds = time.monotonic() - start
    console.print(f"{name}: {_chosen(fitted)} (fitted in {duration(seconds)})")
    save_model(model, run.folder / MODEL, experiment.facts)
    _write_choice(experiment, run, fitted, summarize(model), seconds)
    outputs = {  # everything is chosen: only now is the test part looked at
        part: run_tail(tail, features.of(part), what=f"{name}: predicting {part}") for part in scored_parts(parts)
    }
    write_results(run, model, experiment.facts, parts, features.settings, outputs=outputs)


def predict_shallow(experiment: Experiment, part: str) -> Predictions:
    """Fit the one classifier of an experiment and predict a part; nothing is written but features.

    Args:
        experiment: A model whose head is pooling and one dense layer; its options name a classifier.
        part: The part to predict.

    Returns:
        The predictions.

    Raises:
        UsageError, DataError, RunError: One clear line each.
    """
    name, images = experiment.config.classifier or "", experiment.parts[part]
    features = _features(experiment, experiment.parts)
    _, model, tail = _fit(experiment, name, features)
    outputs = run_tail(tail, features.of(part), what=f"{name}: predicting {part}")
    predictor = KerasPredictor(model, experiment.facts, features.settings.batch_size, lambda *_: outputs)
    return predict_classes(predictor, images)[0].called(part)


def _fit(experiment: Experiment, name: str, features: ShallowFeatures) -> "tuple[Fitted, keras.Model, keras.Model]":
    """Fit a classifier; return what was chosen, the whole model and its part from features on."""
    config, parts = experiment.config, experiment.parts
    known = {part: (features.of(part), parts[part].labels) for part in ("train", "validation")}
    fitted, scaling = fit_classifier(name, known["train"], known["validation"], len(parts["train"].class_names), config)
    model, tail = attach_shallow_head(experiment.model, features.trunk, fitted.best.head, scaling)
    check_graph(name, tail, known["validation"][0], fitted)
    return fitted, model, tail


def _write_choice(experiment: Experiment, run: Run, fitted: Fitted, layers: str, seconds: float) -> None:
    """Write what was chosen: options that reproduce it, what was tried, and a line of summary."""
    config = experiment.config
    found: dict[str, Any] = dict(fitted.best.options)
    chosen = replace(config, shallow=replace(config.shallow, **found))
    # A run that was killed after its choice is resumed with that alone, which is not all that was tried.
    if len(fitted.tried) > 1 or not (run.folder / CANDIDATES).is_file():
        write_text(run.folder / SUMMARY, f"{experiment.plan}\n{'chosen':<10} {_chosen(fitted)}\n\n{layers}")
        write_json(run.folder / ENVIRONMENT, {**describe_environment(), "seconds": round(seconds, 2)})
        write_text(run.folder / CANDIDATES, to_csv(fitted.tried))
    write_text(run.folder / CONFIG, to_yaml(chosen, comments=True))


def _chosen(fitted: Fitted) -> str:
    """Return the chosen options, how many were tried, and the note, as a line."""
    best = fitted.best
    text = ", ".join(f"{name} {value:.6g}" for name, value in best.options.items())
    if len(fitted.tried) > 1:
        text += f", chosen by validation among {len(fitted.tried)} tried"
    return "; ".join(part for part in (text, best.note) if part)


def try_features(experiment: Experiment) -> int:
    """Pass a few training images through the frozen backbone, store nothing, and return the number of features."""
    train = experiment.parts["train"]
    few = train.select(range(min(experiment.config.images_a_step, len(train))))
    experiment = replace(experiment, config=replace(experiment.config, cache="none"))
    return _features(experiment, {"train": few}).of("train").shape[1]


def _features(experiment: Experiment, parts: Mapping[str, ImageSet]) -> ShallowFeatures:
    settings = TrainingSettings.from_config(experiment.config, experiment.facts.resize)
    return ShallowFeatures(feature_model(experiment.model), parts, settings, experiment.config.backbone)

"""What a finished model is worth: predictions, and from them metrics, pictures and the report."""

import csv
import functools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfvision.box_results import plot_box_results, plot_box_samples
from tfvision.data.augmentation.augment import augment_image, image_generator
from tfvision.data.augmentation.augment_layers import rand_augment_layer
from tfvision.data.batches.pipeline import load_image
from tfvision.data.images.imageset import ImageSet
from tfvision.errors import RunError
from tfvision.evaluation.box_predictions import BoxPredictions, read_box_predictions, write_box_predictions
from tfvision.evaluation.joining import join_parts
from tfvision.evaluation.mistakes import worst_mistakes
from tfvision.evaluation.parts import compute_part, describe_scores, scored_parts
from tfvision.evaluation.predictions import Predictions, read_predictions, write_predictions
from tfvision.models.model_file import ModelFacts, load_model
from tfvision.plots.classes import plot_calibration, plot_confusion_matrix, plot_precision_recall, plot_roc
from tfvision.plots.image_grid import plot_image_grid
from tfvision.plots.learning_curves import plot_learning_curves
from tfvision.plots.thumbnails import thumbnail
from tfvision.prediction.predict import predict_boxes
from tfvision.prediction.predictors import KerasPredictor
from tfvision.pseudo_label import write_pseudo_results
from tfvision.report.page import write_report
from tfvision.runs.folder import Run
from tfvision.runs.names import HISTORY, METRICS, PLOTS, PREDICTIONS, SUPERVISED
from tfvision.system.files import write_json
from tfvision.system.terminal import say_result
from tfvision.tasks import PROBABILITIES, has_boxes

if TYPE_CHECKING:
    import keras

    from tfvision.training.settings import TrainingSettings


_SAMPLES = 24  # images in a picture of samples


def write_results(
    run: Run,
    model: "keras.Model",
    facts: ModelFacts,
    parts: Mapping[str, ImageSet],
    settings: "TrainingSettings",
    *,
    stored: bool = False,
    outputs: Mapping[str, np.ndarray] | None = None,
) -> dict[str, Any]:
    """Predict validation, test and what folds hold out once, and write all that follows from it into the run folder.

    Args:
        run: The run; its history is there, if it has one.
        model: The best model.
        facts: What is stored with it.
        parts: Images of each part.
        settings: Resize and batch size.
        stored: Whether the frozen part's features are in the store, in full precision, so that only what was trained
            has to be computed.
        outputs: What the model gives for each part, where that is known already.

    Returns:
        What stands in metrics.json.
    """
    predictor = _predictor(model, facts, settings, stored=stored)
    if outputs is not None:
        known = {id(parts[part]): values for part, values in outputs.items()}
        predictor = replace(predictor, run=lambda images, what: known[id(images)])
    predictions = predict_parts(predictor, parts)
    if not np.isfinite(predictions.predicted if has_boxes(facts.task) else predictions.probabilities).all():
        raise RunError(f"the model of {run.folder} predicts NaN; training diverged, try a lower --learning-rate")
    # Every figure comes from the file, as anyone can repeat it.
    if has_boxes(facts.task):
        write_box_predictions(run.folder / PREDICTIONS, predictions)
        predictions = read_box_predictions(run.folder / PREDICTIONS)
    else:
        write_predictions(run.folder / PREDICTIONS, predictions)
        predictions = read_predictions(run.folder / PREDICTIONS)
    scored = dict.fromkeys(predictions.parts.tolist())
    metrics = {part: compute_part(predictions.part(part), facts) for part in scored}
    write_json(run.folder / METRICS, metrics)
    if (run.folder / SUPERVISED).is_file():
        before = predict_parts(_predictor(load_model(run.folder / SUPERVISED), facts, settings, stored=False), parts)
        write_pseudo_results(run, before, predictions)
    _plot_results(run, predictions, metrics, parts)
    say_result(f"\n{describe_scores(metrics)}\nreport: {write_report(run.folder)}")
    return metrics


def predict_parts(predictor: KerasPredictor, given: Mapping[str, ImageSet]) -> Predictions | BoxPredictions:
    """Predict the validation and the test images of a run, and those held out of its folds, in this order."""
    found = []
    for part, images in scored_parts(given).items():
        parts, what = np.full(len(images), part), f"predicting {part}"
        if has_boxes(predictor.facts.task):
            found.append(predict_boxes(predictor, images, parts=parts, what=what))
        else:
            probabilities = predictor.outputs(images, what)[PROBABILITIES]
            found.append(Predictions(images.ids, parts, images.labels, probabilities, images.class_names))
    return join_parts(found)


def plot_samples(run_folder: Any, train: ImageSet, settings: "TrainingSettings") -> None:
    """Draw training images of each class, and what augmentation makes of some."""
    chosen = _samples(train.labels, len(train.class_names))
    if has_boxes(settings.task):
        plot_box_samples(run_folder, train, chosen, settings)
        return
    names = [train.class_names[train.labels[i]] for i in chosen]
    plot_image_grid(
        [thumbnail(train.read(i))[0] for i in chosen],
        names,
        "Training images of each class",
        run_folder / PLOTS / "class_samples.png",
    )
    if settings.augmentation.is_empty:
        return
    change = rand_augment_layer(settings.augmentation, settings.seed)
    images, captions = [], []
    for index in chosen[:: max(1, len(chosen) // 4)][:4]:
        image = load_image(train, index, settings.resize)
        generators = [image_generator(settings.seed, epoch, train.ids[index]) for epoch in range(5)]
        drawn = [augment_image(image, settings.augmentation, generator) for generator in generators]
        images += [image, *(change(index, np.stack(drawn)).numpy() if change else drawn)]
        captions += [f"{train.class_names[train.labels[index]]}, as it is", *(f"in epoch {k + 1}" for k in range(5))]
    path = run_folder / PLOTS / "augmented_samples.png"
    plot_image_grid(images, captions, "What augmentation makes of training images", path, columns=6)


def _predictor(
    model: "keras.Model", facts: ModelFacts, settings: "TrainingSettings", *, stored: bool
) -> KerasPredictor:
    """Return what predicts with the model, or with its trained part on stored features."""
    from tfvision.models.cut import cut_model
    from tfvision.training.feeding import predict_stored

    cut = cut_model(model) if stored else None
    run = functools.partial(predict_stored, cut, settings) if cut else None
    return KerasPredictor(model, facts, settings.batch_size, run)


def _plot_results(
    run: Run, predictions: Predictions | BoxPredictions, metrics: Mapping[str, Any], parts: Mapping[str, ImageSet]
) -> None:
    plots = run.folder / PLOTS
    if (run.folder / HISTORY).is_file():  # a shallow classifier has no epochs
        with open(run.folder / HISTORY, newline="", encoding="utf-8") as file:
            plot_learning_curves(list(csv.DictReader(file)), plots / "learning_curves.png", monitor=run.config.monitor)
    part = "test" if "test" in metrics else "validation"
    found, scores = predictions.part(part), metrics[part]
    if isinstance(found, BoxPredictions):
        plot_box_results(plots, found, scores, parts[part], part)
        found, scores = found.classes, scores.get("classes")
    if found:
        _plot_classes(plots, found, scores, parts[part], part)


def _plot_classes(
    plots: Path, found: Predictions, scores: Mapping[str, Any], images_of_part: ImageSet, part: str
) -> None:
    names = found.class_names
    plot_confusion_matrix(
        np.array(scores["confusion_matrix"]), names, plots / "confusion_matrix.png", f"Confusion matrix, {part}"
    )
    for plot, file in (
        (plot_precision_recall, "precision_recall"),
        (plot_roc, "roc"),
        (plot_calibration, "calibration"),
    ):
        plot(found.labels, found.probabilities, names, plots / f"{file}.png")
    worst = worst_mistakes(found)
    places = {image_id: index for index, image_id in enumerate(images_of_part.ids)}
    captions = [
        f"{names[found.labels[i]]}, taken for {names[found.predicted[i]]} ({found.probabilities[i].max():.0%})"
        for i in worst
    ]
    images = [thumbnail(images_of_part.read(places[found.ids[i]]))[0] for i in worst]
    plot_image_grid(images, captions, f"Worst mistakes, {part}", plots / "worst_mistakes.png")


def _samples(labels: np.ndarray, num_classes: int) -> list[int]:
    """Return indexes of the first few images of each class, class by class."""
    each = max(1, _SAMPLES // num_classes)
    return [int(i) for k in range(num_classes) for i in np.flatnonzero(labels == k)[:each]][:_SAMPLES]

"""What a finished model is worth: predictions, and from them metrics, pictures and the report."""

import csv
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from tfvision.data.augmentation.augment import augment_image, image_generator
from tfvision.data.augmentation.augment_layers import rand_augment_layer
from tfvision.data.imageset import ImageSet
from tfvision.data.pipeline import evaluation_batches, load_image
from tfvision.errors import RunError
from tfvision.evaluation.image_grid import plot_image_grid
from tfvision.evaluation.inference import run_model
from tfvision.evaluation.learning_curves import plot_learning_curves
from tfvision.evaluation.metrics import compute_metrics
from tfvision.evaluation.mistakes import worst_mistakes
from tfvision.evaluation.plots import plot_calibration, plot_confusion_matrix, plot_precision_recall, plot_roc
from tfvision.evaluation.predictions import Predictions, class_probabilities, read_predictions, write_predictions
from tfvision.files import write_json
from tfvision.prediction import Predictor, map_labels, predict_images
from tfvision.progress import say_result
from tfvision.report.page import write_report
from tfvision.runs import HISTORY, METRICS, PLOTS, PREDICTIONS, Run

if TYPE_CHECKING:
    import keras

    from tfvision.training.settings import TrainingSettings

_SAMPLES = 24  # images in a picture of samples
_THUMBNAIL = 300  # px, the longer side of an image in a picture


def write_results(
    run: Run,
    model: "keras.Model",
    parts: Mapping[str, ImageSet],
    settings: "TrainingSettings",
    *,
    stored: bool = False,
    outputs: Mapping[str, np.ndarray] | None = None,
) -> dict[str, Any]:
    """Predict validation and test once, and write everything that follows from it into the run folder.

    Args:
        run: The run; its history is there, if it has one.
        model: The best model.
        parts: Images of each part.
        settings: Resize and batch size.
        stored: Whether the frozen part's features are in the store, in full precision, so that only what was trained
            has to be computed.
        outputs: What the model gives for each part, where that is known already.

    Returns:
        What stands in metrics.json.
    """
    scored = {part: parts[part] for part in ("validation", "test") if len(parts[part])}
    if outputs is None:
        outputs = {part: _predict(model, part, images, settings, stored=stored) for part, images in scored.items()}
    predictions = _predictions(outputs, scored)
    if not np.isfinite(predictions.probabilities).all():
        raise RunError(f"the model of {run.folder} predicts NaN; training diverged, try a lower --learning-rate")
    write_predictions(run.folder / PREDICTIONS, predictions)
    # Every figure comes from the file, as anyone can repeat it.
    predictions = read_predictions(run.folder / PREDICTIONS)
    metrics = {part: compute_part(predictions.part(part)) for part in scored}
    write_json(run.folder / METRICS, metrics)
    _plot_results(run, predictions, metrics, parts)
    say_result(f"\n{describe_scores(metrics)}\nreport: {write_report(run.folder)}")
    return metrics


def evaluate_images(predictor: Predictor, images: ImageSet) -> dict[str, Any]:
    """Score a model on other labelled images.

    Args:
        predictor: See `load_predictor`.
        images: Their classes are matched with the model's by name.

    Returns:
        One part of metrics.json, and `missing_classes`: those of the model that the images lack.

    Raises:
        DataError: A class the model does not know, or unreadable images.
    """
    labels, missing = map_labels(images, predictor.facts.class_names)
    found = predict_images(predictor, replace(images, labels=labels))
    return {**compute_part(found), "missing_classes": missing}


def compute_part(predictions: Predictions) -> dict[str, Any]:
    """Return the metrics of one part, as they stand in metrics.json."""
    return compute_metrics(predictions.labels, predictions.probabilities, predictions.class_names)


def describe_scores(metrics: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a line for each part: accuracy and F1 with their intervals."""
    lines = []
    for part, scores in metrics.items():
        f1, name = ("f1", f"F1 of {scores['positive_class']}") if "f1" in scores else ("f1_macro", "macro-F1")
        shown = "  ".join(
            f"{label} {scores[key]:.4f} {_interval(scores['ci95'][key])}"
            for key, label in (("accuracy", "accuracy"), (f1, name))
        )
        lines.append(f"{part:<10} {shown}  log loss {scores['log_loss']:.4f}  n={scores['n']:,}")
    return "\n".join(lines)


def plot_samples(run_folder: Any, train: ImageSet, settings: "TrainingSettings") -> None:
    """Draw training images of each class, and what augmentation makes of some."""
    chosen = _samples(train.labels, len(train.class_names))
    names = [train.class_names[train.labels[i]] for i in chosen]
    plot_image_grid(
        [_thumbnail(train, i) for i in chosen],
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


def _predict(
    model: "keras.Model", part: str, images: ImageSet, settings: "TrainingSettings", *, stored: bool
) -> np.ndarray:
    from tfvision.models.cut import cut_model
    from tfvision.training.feeding import predict_stored

    what = f"predicting {part}"
    if stored and (cut := cut_model(model)):
        return predict_stored(cut, images, settings, what=what)
    batches = evaluation_batches(images, resize=settings.resize, batch_size=settings.batch_size, labelled=False)
    return run_model(model, batches, what=what, total=len(images))


def _predictions(outputs: Mapping[str, np.ndarray], scored: Mapping[str, ImageSet]) -> Predictions:
    """Join what a model gave for each part, in the order of `scored`."""
    ids = [image_id for images in scored.values() for image_id in images.ids]
    parts = np.repeat(list(scored), [len(images) for images in scored.values()])
    labels = np.concatenate([images.labels for images in scored.values()])
    class_names = next(iter(scored.values())).class_names
    probabilities = class_probabilities(np.concatenate([outputs[part] for part in scored]), len(class_names))
    return Predictions(tuple(ids), parts, labels, probabilities, class_names)


def _plot_results(
    run: Run, predictions: Predictions, metrics: Mapping[str, Any], parts: Mapping[str, ImageSet]
) -> None:
    plots = run.folder / PLOTS
    if (run.folder / HISTORY).is_file():  # a shallow classifier has no epochs
        with open(run.folder / HISTORY, newline="", encoding="utf-8") as file:
            plot_learning_curves(list(csv.DictReader(file)), plots / "learning_curves.png", monitor=run.config.monitor)
    part = "test" if "test" in metrics else "validation"
    found, names = predictions.part(part), predictions.class_names
    plot_confusion_matrix(
        np.array(metrics[part]["confusion_matrix"]), names, plots / "confusion_matrix.png", f"Confusion matrix, {part}"
    )
    for plot, file in (
        (plot_precision_recall, "precision_recall"),
        (plot_roc, "roc"),
        (plot_calibration, "calibration"),
    ):
        plot(found.labels, found.probabilities, names, plots / f"{file}.png")
    worst = worst_mistakes(found)
    places = {image_id: index for index, image_id in enumerate(parts[part].ids)}
    captions = [
        f"{names[found.labels[i]]}, taken for {names[found.predicted[i]]} ({found.probabilities[i].max():.0%})"
        for i in worst
    ]
    images = [_thumbnail(parts[part], places[found.ids[i]]) for i in worst]
    plot_image_grid(images, captions, f"Worst mistakes, {part}", plots / "worst_mistakes.png")


def _thumbnail(images: ImageSet, index: int) -> np.ndarray:
    """Return an image small enough to keep many of them, for a picture."""
    pixels = images.read(index)
    scale = _THUMBNAIL / max(pixels.shape[:2])
    return pixels if scale >= 1 else cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def _samples(labels: np.ndarray, num_classes: int) -> list[int]:
    """Return indexes of the first few images of each class, class by class."""
    each = max(1, _SAMPLES // num_classes)
    return [int(i) for k in range(num_classes) for i in np.flatnonzero(labels == k)[:each]][:_SAMPLES]


def _interval(bounds: list[float] | None) -> str:
    return f"[{bounds[0]:.4f}, {bounds[1]:.4f}]" if bounds else ""

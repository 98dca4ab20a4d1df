"""Pictures of a run: samples of its images, and what its predictions look like."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfvision.data.augmentation.augment import augment_image, image_generator
from tfvision.data.augmentation.augment_layers import rand_augment_layer
from tfvision.data.batches.pipeline import load_image
from tfvision.data.images.imageset import ImageSet
from tfvision.evaluation.box_predictions import BoxPredictions
from tfvision.evaluation.parts import judged_part
from tfvision.evaluation.predictions import Predictions
from tfvision.experiment.box_pictures import plot_box_results, plot_box_samples
from tfvision.experiment.class_pictures import plot_classes
from tfvision.plots.image_grid import plot_image_grid
from tfvision.plots.learning_curves import plot_learning_curves
from tfvision.plots.thumbnails import thumbnail
from tfvision.runs.folder import Run
from tfvision.runs.names import (
    AUGMENTED_SAMPLES,
    CLASS_SAMPLES,
    HISTORY,
    LEARNING_CURVES,
    PLOTS,
)
from tfvision.tasks import has_boxes

if TYPE_CHECKING:
    from tfvision.training.settings import TrainingSettings


_SAMPLES = 24  # images in a picture of samples


def plot_samples(run_folder: Path, train: ImageSet, settings: "TrainingSettings") -> None:
    """Draw training images of each class, and what augmentation makes of some.

    Args:
        run_folder: The run folder.
        train: The training images.
        settings: Task, resize, augmentation and seed.
    """
    chosen = _samples(train.labels, len(train.class_names))
    if has_boxes(settings.task):
        plot_box_samples(run_folder, train, chosen, settings)
        return
    names = [train.class_names[train.labels[i]] for i in chosen]
    plot_image_grid(
        [thumbnail(train.read(i))[0] for i in chosen],
        names,
        "Training images of each class",
        run_folder / PLOTS / CLASS_SAMPLES,
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
    path = run_folder / PLOTS / AUGMENTED_SAMPLES
    plot_image_grid(images, captions, "What augmentation makes of training images", path, columns=6)


def plot_results(
    run: Run, predictions: Predictions | BoxPredictions, metrics: Mapping[str, Any], parts: Mapping[str, ImageSet]
) -> None:
    """Draw the learning curves, and what the predictions of the part that is judged look like.

    Args:
        run: The run; its history is there, if it has one.
        predictions: Of all parts.
        metrics: The content of metrics.json.
        parts: Images of each part.
    """
    plots = run.folder / PLOTS
    if (run.folder / HISTORY).is_file():  # a shallow classifier has no epochs
        with open(run.folder / HISTORY, newline="", encoding="utf-8") as file:
            plot_learning_curves(list(csv.DictReader(file)), plots / LEARNING_CURVES, monitor=run.config.monitor)
    part = judged_part(metrics)
    found, scores = predictions.part(part), metrics[part]
    if isinstance(found, BoxPredictions):
        plot_box_results(plots, found, scores, parts[part], part)
        classes, scores = found.classes, scores.get("classes")
    else:
        classes = found
    if classes:
        plot_classes(plots, classes, scores, parts[part], part)


def _samples(labels: np.ndarray, num_classes: int) -> list[int]:
    """Return indexes of the first few images of each class, class by class."""
    each = max(1, _SAMPLES // num_classes)
    return [int(i) for k in range(num_classes) for i in np.flatnonzero(labels == k)[:each]][:_SAMPLES]

"""Pictures of a run: samples of its images, and what its predictions look like."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfvision.data.batches.samples import augmented_samples
from tfvision.data.images.imageset import ImageSet
from tfvision.evaluation.box_predictions import BoxPredictions
from tfvision.evaluation.parts import judged_part
from tfvision.evaluation.predictions import Predictions
from tfvision.experiment.box_pictures import plot_box_results, plot_box_samples
from tfvision.experiment.class_pictures import LookFunction, plot_classes
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
from tfvision.system.files import read_written_rows
from tfvision.tasks import has_boxes

if TYPE_CHECKING:
    from tfvision.training.settings import TrainingSettings


_ROWS = 24  # classes in a picture of samples, a row each
_AUGMENTED_ROWS = 12  # classes in the picture of augmentation


def plot_samples(run_folder: Path, train: ImageSet, settings: "TrainingSettings") -> None:
    """Draw training images of each class, and what augmentation makes of some.

    Args:
        run_folder: The run folder.
        train: The training images.
        settings: Task, resize, augmentation and seed.
    """
    count = len(train.class_names)
    if has_boxes(settings.task):
        rows = _samples(train.labels, count, max(1, _ROWS // count))
        plot_box_samples(run_folder, train, [index for row in rows for index in row if index is not None], settings)
        return
    columns = 8 if count <= 6 else 6 if count <= 12 else 4
    rows = _samples(train.labels, count, columns)
    places = [index for row in rows for index in row]
    plot_image_grid(
        [None if i is None else thumbnail(train.read(i))[0] for i in places],
        ["" if i is None else train.class_names[train.labels[i]] for i in places],
        f"Training images of {_which(train, _ROWS)}",
        run_folder / PLOTS / CLASS_SAMPLES,
        columns=columns,
    )
    if settings.augmentation.is_empty:
        return
    images, captions = [], []
    for index in [row[0] for row in rows if row[0] is not None][:_AUGMENTED_ROWS]:
        images += augmented_samples(
            train, index, resize=settings.resize, augmentation=settings.augmentation, seed=settings.seed, count=5
        )
        captions += [f"{train.class_names[train.labels[index]]}, as it is", *(f"in epoch {k + 1}" for k in range(5))]
    path = run_folder / PLOTS / AUGMENTED_SAMPLES
    title = f"What augmentation makes of an image of {_which(train, _AUGMENTED_ROWS)}"
    plot_image_grid(images, captions, title, path, columns=6)


def plot_results(
    run: Run,
    predictions: Predictions | BoxPredictions,
    metrics: Mapping[str, Any],
    parts: Mapping[str, ImageSet],
    look: LookFunction,
) -> None:
    """Draw the learning curves, and what the predictions of the part that is judged look like.

    Args:
        run: The run; its history is there, if it has one.
        predictions: Of all parts.
        metrics: The content of metrics.json.
        parts: Images of each part.
        look: Says where the model looked; not asked about boxes.
    """
    plots = run.folder / PLOTS
    if (run.folder / HISTORY).is_file():  # a shallow classifier has no epochs
        rows = read_written_rows(run.folder / HISTORY, ("epoch",))
        plot_learning_curves(rows, plots / LEARNING_CURVES, monitor=run.config.monitor)
    part = judged_part(metrics)
    found, scores = predictions.part(part), metrics[part]
    if isinstance(found, BoxPredictions):
        plot_box_results(plots, found, scores, parts[part], part)
        if found.classes:
            plot_classes(plots, found.classes, scores.get("classes"), parts[part], part)
    else:
        plot_classes(plots, found, scores, parts[part], part, look)


def _samples(labels: np.ndarray, num_classes: int, columns: int) -> list[list[int | None]]:
    """Return indexes of the first few images of each class, a row each, filled up with None."""
    found = [np.flatnonzero(labels == k)[:columns].tolist() for k in range(min(num_classes, _ROWS))]
    return [[*row, *[None] * (columns - len(row))] for row in found]


def _which(images: ImageSet, most: int) -> str:
    """Return `each class`, or how many of them a picture shows."""
    count = len(images.class_names)
    return "each class" if count <= most else f"the first {most} of {count} classes"

"""Pictures of a run that finds boxes."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tfvision.data.batches.pipeline import load_image
from tfvision.data.batches.targets import targets_of
from tfvision.data.batches.views import Item, move, show_view
from tfvision.data.boxes.orientation import to_upright
from tfvision.data.images.imageset import ImageSet
from tfvision.evaluation.box_metrics import worst_boxes
from tfvision.evaluation.box_predictions import BoxPredictions
from tfvision.plots.boxes import DrawnBox, plot_iou_histogram
from tfvision.plots.image_grid import plot_image_grid
from tfvision.plots.thumbnails import thumbnail
from tfvision.runs.names import AUGMENTED_SAMPLES, BOX_SAMPLES, CLASS_SAMPLES, IOU_HISTOGRAM, PLOTS, WORST_BOXES
from tfvision.tasks import LOCALIZE

if TYPE_CHECKING:
    from pathlib import Path

    from tfvision.training.settings import TrainingSettings


_SHOWN = 16


def plot_box_results(
    plots: "Path", predictions: BoxPredictions, scores: Mapping[str, Any], images: ImageSet, part: str
) -> None:
    """Draw the histogram of overlaps, evenly spaced images, and the worst ones.

    Args:
        plots: The folder of the plots.
        predictions: The boxes of one part.
        scores: The scores of the part, as in metrics.json.
        images: The images of the part, in the order of `predictions`.
        part: Its name, for the titles.
    """
    plot_ious(plots, predictions.ious, scores, part)
    spread = np.unique(np.linspace(0, len(images) - 1, min(_SHOWN, len(images))).astype(int))
    for rows, title, name in (
        (spread, f"True (solid) and predicted (dashed) boxes, {part}", BOX_SAMPLES),
        (
            worst_boxes(predictions, _SHOWN),
            f"Least overlap of true (solid) and predicted (dashed), {part}",
            WORST_BOXES,
        ),
    ):
        _plot_boxes(rows, predictions, images, title, plots / name)


def plot_ious(plots: "Path", ious: np.ndarray, scores: Mapping[str, Any], part: str) -> None:
    """Draw the histogram of overlaps beside the best baseline.

    Args:
        plots: The folder of the plots.
        ious: float64 (n,), the overlap of each predicted box with the true one, 0..1.
        scores: The scores of the part, as in metrics.json.
        part: Its name, for the title.
    """
    best = max(scores["baselines"], key=lambda name: scores["baselines"][name]["mean_iou"])
    baseline = f"best baseline, {best.replace('_', ' ')}", scores["baselines"][best]["mean_iou"]
    plot_iou_histogram(ious, plots / IOU_HISTOGRAM, f"Overlap of boxes, {part}", baseline)


def plot_box_samples(run_folder: "Path", train: ImageSet, chosen: Sequence[int], settings: "TrainingSettings") -> None:
    """Draw training images with their boxes, and what augmentation makes of some.

    Args:
        run_folder: The run folder.
        train: The training images, with boxes.
        chosen: Indexes of the images to draw.
        settings: Resize, augmentation and seed.
    """
    assert train.boxes is not None, "the images of a run that finds boxes are scanned"
    shown = [thumbnail(train.read(i)) for i in chosen]
    boxes = [[DrawnBox(train.boxes[i] * scale)] for i, (_, scale) in zip(chosen, shown, strict=True)]
    names = [train.class_names[train.labels[i]] for i in chosen]
    path = run_folder / PLOTS / CLASS_SAMPLES
    plot_image_grid([image for image, _ in shown], names, "Training images with their boxes", path, boxes=boxes)
    if settings.augmentation.is_empty:
        return
    images, captions, boxes = [], [], []
    for index in chosen[:: max(1, len(chosen) // 4)][:4]:
        image = load_image(train, index, settings.resize)
        targets = targets_of(train.select([index]), LOCALIZE, settings.resize)
        assert targets.boxes is not None, "the task asks for boxes"
        box = targets.boxes[0]
        items, options = [Item(index, epoch) for epoch in range(5)], (settings.augmentation, settings.seed)
        drawn = [move(box, image.shape[:2], item, train.ids[index], *options) for item in items]
        images += [image, *(show_view(image, item, train.ids[index], *options, boxed=True) for item in items)]
        boxes += [[DrawnBox(box)], *([DrawnBox(moved)] for moved, _ in drawn)]
        captions += [f"{train.class_names[train.labels[index]]}, as it is"]
        captions += [f"in epoch {k + 1}, {left:.0%} left" for k, (_, left) in enumerate(drawn)]
    path = run_folder / PLOTS / AUGMENTED_SAMPLES
    plot_image_grid(images, captions, "What augmentation makes of images and boxes", path, columns=6, boxes=boxes)


def _plot_boxes(
    rows: Sequence[int] | np.ndarray, predictions: BoxPredictions, images: ImageSet, title: str, path: "Path"
) -> None:
    assert images.frames is not None and images.boxes is not None, "the images of a run that finds boxes are scanned"
    pictures, captions, boxes = [], [], []
    for row in rows:
        width, height, turn = images.frames[row].tolist()
        picture, scale = thumbnail(images.read(row))
        predicted = to_upright(predictions.predicted[row], turn, width, height)
        pictures.append(picture)
        boxes.append([DrawnBox(images.boxes[row] * scale), DrawnBox(predicted * scale, predicted=True)])
        label = f"{predictions.labels[row]}, " if predictions.labels[row] else ""
        captions.append(f"{label}IoU {predictions.ious[row]:.2f}")
    plot_image_grid(pictures, captions, title, path, boxes=boxes)

"""Pictures of predicted classes: confusion, curves, worst mistakes."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfvision.data.images.imageset import ImageSet
from tfvision.data.sources.spelling import is_not_utf8
from tfvision.data.storage.directory import Directory
from tfvision.evaluation.mistakes import worst_mistakes
from tfvision.evaluation.predictions import Predictions
from tfvision.plots.classes import plot_calibration, plot_confusion_matrix, plot_precision_recall, plot_roc
from tfvision.plots.image_grid import plot_image_grid
from tfvision.plots.png import write_png
from tfvision.plots.thumbnails import thumbnail
from tfvision.runs.names import (
    CALIBRATION_CURVE,
    CONFUSION_MATRIX,
    MISTAKES,
    MISTAKES_FOLDER,
    PRECISION_RECALL,
    ROC,
    WORST_MISTAKES,
)
from tfvision.system.files import to_csv, write_text

# Images and what is said about them to uint8 (height, width, 3) each, where a model looked; none if that cannot be said.
LookFunction = Callable[[ImageSet, Predictions], Sequence[np.ndarray]]

_LOOKED_AT = 8  # of the mistakes: with a large backbone each takes a second


def plot_classes(
    plots: Path,
    found: Predictions,
    scores: Mapping[str, Any],
    images_of_part: ImageSet | None,
    part: str,
    look: LookFunction | None = None,
) -> None:
    """Draw the confusion matrix, the curves and the worst mistakes of predicted classes.

    Args:
        plots: The folder of the pictures.
        found: Predictions of the images of a part.
        scores: Their metrics, see `compute_metrics`.
        images_of_part: The images, for the worst mistakes; None if they are gone.
        part: Name of the part.
        look: Says where the model looked in the worst mistakes, which is shown beside the first of them.
    """
    names = found.class_names
    plot_confusion_matrix(
        np.array(scores["confusion_matrix"]), names, plots / CONFUSION_MATRIX, f"Confusion matrix, {part}"
    )
    for plot, file in (
        (plot_precision_recall, PRECISION_RECALL),
        (plot_roc, ROC),
        (plot_calibration, CALIBRATION_CURVE),
    ):
        plot(found.labels, found.probabilities, names, plots / file)
    if images_of_part is None:
        return
    worst = worst_mistakes(found)
    places = {image_id: index for index, image_id in enumerate(images_of_part.ids)}
    rows = [places[found.ids[i]] for i in worst]
    captions = [
        f"{names[found.labels[i]]}, taken for {names[found.predicted[i]]} ({found.probabilities[i].max():.0%})"
        for i in worst
    ]
    images = [thumbnail(images_of_part.read(row))[0] for row in rows]
    plot_image_grid(images, captions, f"Worst mistakes, {part}", plots / WORST_MISTAKES)
    looked: Sequence[np.ndarray] = ()
    if look and worst:
        looked = look(images_of_part.select(rows[:_LOOKED_AT]), found.select(np.array(worst[:_LOOKED_AT])))
    _write_mistakes(plots, found, worst, images, [_file_of(images_of_part, row) for row in rows], looked)


def _write_mistakes(
    plots: Path,
    found: Predictions,
    worst: Sequence[int],
    images: Sequence[np.ndarray],
    files: Sequence[str],
    looked: Sequence[np.ndarray],
) -> None:
    """Write `mistakes.csv` beside the folder of pictures, a picture of each, and where the model looked in the first."""
    shutil.rmtree(plots / MISTAKES_FOLDER, ignore_errors=True)
    table = []
    for number, (i, image, file) in enumerate(zip(worst, images, files, strict=True), start=1):
        picture = f"{number:02}.png"
        write_png(image, plots / MISTAKES_FOLDER / picture)
        row = {
            "id": found.ids[i],
            "label": found.class_names[found.labels[i]],
            "predicted": found.class_names[found.predicted[i]],
            "probability": f"{found.probabilities[i, found.predicted[i]]:.4f}",
            "file": file,
            "picture": f"{plots.name}/{MISTAKES_FOLDER}/{picture}",
        }
        if looked:
            row["looked"] = ""
        if number <= len(looked):
            row["looked"] = f"{plots.name}/{MISTAKES_FOLDER}/{number:02}_looked.png"
            write_png(looked[number - 1], plots.parent / row["looked"])
        table.append(row)
    if table:
        write_text(plots.parent / MISTAKES, to_csv(table))
    else:
        (plots.parent / MISTAKES).unlink(missing_ok=True)


def _file_of(images: ImageSet, row: int) -> str:
    """Return the path of an image that is a file of its own; "" for one in a .zip or an array, or a name not in UTF-8."""
    if not isinstance(images.storage, Directory):
        return ""
    path = str(images.storage.path / images.names[row])
    return "" if is_not_utf8(path) else path

"""Measured points of a learning curve: the answers of a model trained on a share, and what they are worth."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfvision.errors import DataError
from tfvision.evaluation.box_predictions import BoxPredictions, read_box_predictions, write_classes_or_boxes
from tfvision.evaluation.predictions import Predictions, read_predictions
from tfvision.system.digests import keep_digests
from tfvision.system.terminal import console
from tfvision.tasks import Task, has_boxes, has_classes

POINTS = "points"


@dataclass(frozen=True, eq=False)
class MeasuredPoint:
    """One training of a learning curve.

    Attributes:
        share: Share of the training images, above 0 to 1.
        repeat: Which draw of the images, from 1 on.
        images: How many images the model was trained on.
        values: float64 (n,), for each scored image 1 where the class is right and 0 where it is wrong, or the overlap
            of the boxes, 0..1; the same images, in the same order, for all points.
    """

    share: float
    repeat: int
    images: int
    values: np.ndarray

    @property
    def score(self) -> float:
        """The mean of the values: accuracy, or mean overlap; 0..1."""
        return float(self.values.mean())


def point_values(predictions: Predictions | BoxPredictions) -> np.ndarray:
    """Return what each answer is worth, float64 (n,): 1 for the right class and 0 for a wrong one, or the overlap of boxes."""
    if isinstance(predictions, BoxPredictions):
        if predictions.classes is None:
            return predictions.ious
        predictions = predictions.classes
    return (predictions.predicted == predictions.labels).astype(np.float64)


def score_name(task: Task) -> str:
    """Return the name of the score of a curve: that of classes where the task has some."""
    return "accuracy" if has_classes(task) else "mean_iou"


class PointFiles:
    """The predictions of each training, a file each, from which a killed curve goes on.

    Args:
        folder: The folder of the curve.
        task: What the models say.
    """

    def __init__(self, folder: Path, task: Task) -> None:
        self.folder, self.task = folder / POINTS, task

    def path(self, share: float, repeat: int) -> Path:
        """Return where the predictions of a training are."""
        return self.folder / f"share_{share:g}_{repeat}.csv"

    def read(self, share: float, repeat: int) -> np.ndarray | None:
        """Return the values of a finished training, see `MeasuredPoint`; None if it has yet to be done, or done again."""
        path = self.path(share, repeat)
        if not path.is_file():
            return None
        try:
            found = read_box_predictions(path) if has_boxes(self.task) else read_predictions(path)
        except DataError as error:
            console.print(f"{error}: it is trained again")
            return None
        return point_values(found)

    def write(self, share: float, repeat: int, predictions: Predictions | BoxPredictions) -> np.ndarray:
        """Write the predictions of a training, whole or not at all; return their values as they are read again."""
        self.folder.mkdir(parents=True, exist_ok=True)
        keep_digests(self.folder)
        path = self.path(share, repeat)
        write_classes_or_boxes(path, predictions)
        values = self.read(share, repeat)
        assert values is not None, "it has just been written"
        return values

"""Targets: what a batch carries beside its pixels, for each task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tfvision.data.boxes.geometry import box_areas, clip_boxes
from tfvision.data.boxes.resizing import resize_boxes
from tfvision.data.images.imageset import ImageSet
from tfvision.data.pixels.resize import Resize
from tfvision.errors import DataError
from tfvision.tasks import BOTH, BOX, PROBABILITIES, has_boxes, has_classes

if TYPE_CHECKING:
    import tensorflow as tf

LEAST_LEFT = 0.25  # share of a box that must be left in sight for an image to be trained on


class Places(NamedTuple):
    """Where the boxes of a batch are.

    Attributes:
        boxes: float64 (b, 4), in pixels of the resized images.
        left: float64 (b,), the share of each that augmentation left in sight.
    """

    boxes: np.ndarray
    left: np.ndarray

    def set(self, row: int, box: np.ndarray, left: float) -> None:
        """Move one box."""
        self.boxes[row], self.left[row] = box, left


@dataclass(frozen=True)
class Targets:
    """What a model is to say of some images, all of them in memory.

    Attributes:
        task: See `tfvision.tasks`.
        labels: float32 (n, classes) one-hot, or (n, 1) for two classes; None without classes.
        boxes: float64 (n, 4), pixels of the resized images, clipped; None without boxes.
        left: float64 (n,), the share of each box that the resize left in sight; None without boxes.
        size: Width and height of the resized images.
    """

    task: str
    labels: np.ndarray | None
    boxes: np.ndarray | None
    left: np.ndarray | None
    size: tuple[int, int]

    def places(self, rows: np.ndarray) -> Places | None:
        """Return the boxes of some images as they are, int (b,), to be moved; None without boxes."""
        return None if self.boxes is None else Places(self.boxes[rows], np.ones(len(rows)))

    def numbers(self, rows: np.ndarray, moved: Places | None = None) -> tuple[np.ndarray, ...]:
        """Return the arrays of a batch, float32 each: labels, or boxes and weights, or all three in this order.

        Args:
            rows: int (b,), which images.
            moved: Where augmentation took their boxes; as they are when None.

        Returns:
            Boxes are shares of the sides; their weight is 0 where too little is in sight, else 1.
        """
        arrays: list[np.ndarray] = []
        if self.labels is not None:
            arrays.append(self.labels[rows])
        if moved := moved or self.places(rows):
            seen = moved.left * self.left[rows] >= LEAST_LEFT
            arrays += [(moved.boxes / np.tile(self.size, 2)).astype(np.float32), seen.astype(np.float32)]
        return tuple(arrays)

    def packed(self, dataset: tf.data.Dataset, inputs: int = 1) -> tf.data.Dataset:
        """Return batches as `fit` takes them: inputs, targets, and with boxes sample weights.

        Args:
            dataset: Of batches of so many inputs, and then of what `numbers` returns.
            inputs: How many.
        """
        import tensorflow as tf

        def pack(*batch: tf.Tensor) -> tuple[Any, ...]:
            given, rest = batch[:inputs] if inputs > 1 else batch[0], batch[inputs:]
            if self.task != BOTH:
                return given, *rest
            labels, boxes, weights = rest
            return given, {BOX: boxes, PROBABILITIES: labels}, {BOX: weights, PROBABILITIES: tf.ones_like(weights)}

        return dataset if inputs == 1 and self.task != BOTH else dataset.map(pack)

    @property
    def shapes(self) -> tuple[tuple[int | None, ...], ...]:
        """Shapes of what `numbers` returns."""
        labels = [(None, self.labels.shape[1])] if self.labels is not None else []
        return (*labels, *([(None, 4), (None,)] if self.boxes is not None else []))


def targets_of(images: ImageSet, task: str, resize: Resize) -> Targets:
    """Return the targets of images for a task.

    Raises:
        DataError: Labels or boxes that the task needs are missing.
    """
    if has_classes(task) and len(images) and images.labels.min() < 0:
        missing = images.ids[int(np.argmin(images.labels))]
        raise DataError(f"image {missing} has no label; expected labels for all images, or use labelled=False")
    labels = encode_labels(images) if has_classes(task) else None
    size = (resize.width, resize.height)
    if not has_boxes(task):
        return Targets(task, labels, None, None, size)
    if images.boxes is None or images.frames is None:
        raise DataError("the images have no boxes; open them with boxes=True and scan them")
    moved = resize_boxes(images.boxes, images.frames[:, 1::-1], resize).numpy()
    clipped = clip_boxes(moved, size)
    return Targets(task, labels, clipped, box_areas(clipped) / box_areas(moved), size)


def encode_labels(images: ImageSet) -> np.ndarray:
    """Return the labels as a model wants them: float32 one-hot (n, classes), or (n, 1) for two classes."""
    if len(images.class_names) == 2:
        return images.labels[:, None].astype(np.float32)
    return np.eye(len(images.class_names), dtype=np.float32)[images.labels]

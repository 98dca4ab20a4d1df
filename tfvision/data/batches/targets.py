"""Targets: what a batch contains besides its pixels, for each task."""

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

LEAST_LEFT = 0.25  # share of a box that must remain visible for an image to be trained on


class Places(NamedTuple):
    """Where the boxes of a batch are.

    Attributes:
        boxes: float64 (b, 4), in pixels of the resized images.
        left: float64 (b,), the share of each box that is visible after augmentation.
    """

    boxes: np.ndarray
    left: np.ndarray

    def set(self, row: int, box: np.ndarray, left: float) -> None:
        """Move one box.

        Args:
            row: Its row in the batch.
            box: float (4,), where it is now, in pixels of the resized image.
            left: The share of it that is visible, 0..1.
        """
        self.boxes[row], self.left[row] = box, left


@dataclass(frozen=True)
class Targets:
    """What a model should predict for some images, all of it in memory.

    Attributes:
        task: One of `tfvision.tasks.TASKS`.
        labels: float32 (n, classes) one-hot, or (n, 1) for two classes; None without classes.
        boxes: float64 (n, 4), in pixels of the resized images, clipped to them; None without boxes.
        left: float64 (n,), the share of each box that is visible after the resize; None without boxes.
        size: Width and height of the resized images.
    """

    task: str
    labels: np.ndarray | None
    boxes: np.ndarray | None
    left: np.ndarray | None
    size: tuple[int, int]

    def places(self, rows: np.ndarray) -> Places | None:
        """Return the boxes of the images at `rows`, int (b,), before any is moved; None without boxes."""
        return None if self.boxes is None else Places(self.boxes[rows], np.ones(len(rows)))

    def numbers(self, rows: np.ndarray, moved: Places | None = None) -> tuple[np.ndarray, ...]:
        """Return the targets of a batch.

        Args:
            rows: int (b,), which images.
            moved: Where augmentation moved their boxes; None if it did not.

        Returns:
            Labels, or boxes and weights, or all three in this order, float32 each. Boxes are given as shares of the
            sides of the image; their weight is 0 if too little of the box is visible, else 1.
        """
        arrays: list[np.ndarray] = []
        if self.labels is not None:
            arrays.append(self.labels[rows])
        if moved := moved or self.places(rows):
            assert self.left is not None, "boxes come with their shares"
            seen = moved.left * self.left[rows] >= LEAST_LEFT
            arrays += [(moved.boxes / np.tile(self.size, 2)).astype(np.float32), seen.astype(np.float32)]
        return tuple(arrays)

    def packed(self, dataset: tf.data.Dataset, inputs: int = 1) -> tf.data.Dataset:
        """Return batches as `fit` takes them: inputs, targets, and sample weights if there are boxes.

        Args:
            dataset: Batches of the inputs, followed by what `numbers` returns.
            inputs: The number of inputs.

        Returns:
            The batches; with classes and boxes, targets and sample weights are dictionaries by output.
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
        """The shapes of what `numbers` returns, with None for the batch."""
        labels = [(None, self.labels.shape[1])] if self.labels is not None else []
        return (*labels, *([(None, 4), (None,)] if self.boxes is not None else []))


def targets_of(images: ImageSet, task: str, resize: Resize) -> Targets:
    """Return the targets of images for a task.

    Args:
        images: The images; for a task with boxes they have been scanned.
        task: One of `tfvision.tasks.TASKS`.
        resize: The resize that their boxes go through.

    Returns:
        The targets, in the order of the images.

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
    """Return the labels as a model takes them: float32 one-hot or soft (n, classes), or (n, 1) for two classes."""
    if images.soft_labels is not None:
        return images.soft_labels
    if len(images.class_names) == 2:
        return images.labels[:, None].astype(np.float32)
    return np.eye(len(images.class_names), dtype=np.float32)[images.labels]

"""ImageSet -> tf.data.Dataset: every batch is a pure function of its step number.

Batches can therefore be made in parallel and in any order, with the same pixels, and training can resume at any step.
Only what a library's layer adds to them is made one batch after the other, see `augment_layers`.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfvision.data.augmentation.augment_layers import BatchChange, rand_augment_layer
from tfvision.data.augmentation.mixing import batch_generator, mix_batch
from tfvision.data.augmentation.options import Augmentation, check_boxes_stay_whole
from tfvision.data.batches.balance import weights_of_labels
from tfvision.data.batches.order import Epochs
from tfvision.data.batches.targets import encode_labels, targets_of
from tfvision.data.batches.views import Item, Selection, draw_view, move, show_view
from tfvision.data.images.imageset import ImageSet
from tfvision.data.images.scan import content_hash
from tfvision.data.pixels.resize import Resize, resize_images
from tfvision.errors import DataError, UsageError
from tfvision.tasks import CLASSIFY, has_boxes

__all__ = ["TrainingBatches", "encode_labels", "evaluation_batches", "load_image", "load_images", "training_batches"]

_PREFETCHED = 2
_PENDING_BYTES = 32 << 20


@dataclass(frozen=True)
class TrainingBatches:
    """All epochs of training in one dataset.

    Attributes:
        dataset: Batches of images, uint8 (b, height, width, channels), and targets, float32. For classes: labels
            (b, classes), one-hot or mixed, or (b, 1) for two classes, and weights (b,) if the classes have weights; for
            boxes: (b, 4) and weights (b,), see `Targets`; for both: two dictionaries. The last batch may be smaller.
        steps_per_epoch: Batches in one epoch.
        size: Images in one epoch, copies included.
    """

    dataset: tf.data.Dataset
    steps_per_epoch: int
    size: int


def training_batches(
    images: ImageSet,
    *,
    resize: Resize,
    batch_size: int,
    seed: int,
    epochs: int,
    augmentation: Augmentation | None = None,
    oversample: bool = False,
    first_epoch: int = 0,
    views: int | None = None,
    task: str = CLASSIFY,
    class_weights: Mapping[int, float] | None = None,
) -> TrainingBatches:
    """Return shuffled and augmented batches for the epochs from `first_epoch` up to `epochs`.

    Args:
        images: The training part.
        resize: The size and channels of the batches.
        batch_size: Images in a batch.
        seed: Seed of the order and the augmentation.
        epochs: Number of the epoch after the last one.
        augmentation: What may be done to the images; nothing if None.
        oversample: Whether to add augmented copies until all classes have the same size.
        first_epoch: The epoch to start with, when training resumes.
        views: Number of fixed augmentations of each image that epochs choose among; None to draw new ones each epoch.
        task: One of `tfvision.tasks.TASKS`.
        class_weights: Weights of the classes, see `weights_of_labels`; only for tasks without boxes.

    Returns:
        The batches of all epochs.

    Raises:
        UsageError: A batch size or number of epochs below 1, a missing engine, or AugMix, MixUp or CutMix with boxes.
        DataError: There are no images, or one lacks a label or box that the task needs.
    """
    check_images(images, batch_size)
    if epochs <= first_epoch:
        raise UsageError(f"{epochs} epochs starting with epoch {first_epoch}; expected at least one")
    augmentation = augmentation or Augmentation(horizontal_flip=False)
    check_boxes_stay_whole(augmentation, task)
    targets, boxed = targets_of(images, task, resize), has_boxes(task)
    order = Epochs.of(images.labels, batch_size=batch_size, seed=seed, oversample=oversample)

    def load_batch(step: int) -> tuple[np.ndarray, ...]:
        epoch, entries = order.batch(step)
        chosen = order.entries[entries]
        pixels, moved = load_images(images, chosen[:, 0], resize), targets.places(chosen[:, 0])
        for row, (index, copy) in enumerate(chosen.tolist()):
            if copy or not augmentation.is_empty:
                image_id = images.ids[index]
                drawn = epoch if views is None else draw_view(views, seed, epoch, image_id, copy)
                item, size = Item(index, drawn, copy), pixels.shape[1:3]
                pixels[row] = show_view(pixels[row], item, image_id, augmentation, seed, boxed=boxed)
                if moved and targets.boxes is not None:
                    moved.set(row, *move(targets.boxes[index], size, item, image_id, augmentation, seed))
        numbers = targets.numbers(chosen[:, 0], moved)
        if augmentation.mixing:
            (labels,) = numbers
            pixels, labels = mix_batch(pixels, labels, augmentation, batch_generator(seed, step))
            numbers = (labels,)
        if class_weights:
            (labels,) = numbers
            return pixels, labels, weights_of_labels(labels, class_weights)
        return pixels, *numbers

    shapes = ((None, resize.height, resize.width, resize.channels), *targets.shapes)
    if class_weights:
        shapes = (*shapes, (None,))
    change = rand_augment_layer(augmentation, seed)
    dataset = step_dataset(load_batch, range(first_epoch * order.steps, epochs * order.steps), shapes, change=change)
    return TrainingBatches(targets.packed(dataset), order.steps, len(order))


def evaluation_batches(
    images: ImageSet, *, resize: Resize, batch_size: int, labelled: bool = True, task: str = CLASSIFY
) -> tf.data.Dataset:
    """Return the images once, in order and not augmented.

    Args:
        images: Any part.
        resize: The size and channels of the batches.
        batch_size: Images in a batch.
        labelled: Whether batches have targets, as in `training_batches`.
        task: One of `tfvision.tasks.TASKS`.

    Returns:
        Batches of uint8 (b, height, width, channels), with targets if `labelled`.

    Raises:
        UsageError: A batch size below 1.
        DataError: There are no images, or one lacks a label or box that the task needs.
    """
    check_images(images, batch_size)
    targets = targets_of(images, task, resize) if labelled else None

    def load_batch(step: int) -> tuple[np.ndarray, ...]:
        chosen = np.arange(step * batch_size, min((step + 1) * batch_size, len(images)))
        pixels = load_images(images, chosen, resize)
        return (pixels, *targets.numbers(chosen)) if targets else (pixels,)

    shapes = ((None, resize.height, resize.width, resize.channels), *(targets.shapes if targets else ()))
    dataset = step_dataset(load_batch, range(-(-len(images) // batch_size)), shapes)
    return targets.packed(dataset) if targets else dataset


def selection_batches(selection: Selection, *, resize: Resize, batch_size: int) -> tf.data.Dataset:
    """Return the images of a selection once, in order, each in the view of its item.

    Args:
        selection: A selection of scanned images.
        resize: The size and channels of the batches.
        batch_size: Images in a batch.

    Returns:
        Batches of uint8 (b, height, width, channels). Making one raises a DataError if an image has changed since the
        scan: what is computed from it would be stored under the wrong key.
    """
    images, items = selection.images, selection.items

    def load_batch(step: int) -> tuple[np.ndarray]:
        chosen = items[step * batch_size : (step + 1) * batch_size]
        for index in {item.index for item in chosen}:
            if images.hashes and content_hash(images, index) != images.hashes[index]:
                raise DataError(f"image {images.ids[index]} has changed since it was scanned; begin again")
        pixels = load_images(images, np.array([item.index for item in chosen]), resize)
        for row, item in enumerate(chosen):
            pixels[row] = selection.show(pixels[row], item)
        return (pixels,)

    shape = (None, resize.height, resize.width, resize.channels)
    return step_dataset(load_batch, range(-(-len(items) // batch_size)), [shape])


def load_image(images: ImageSet, index: int, resize: Resize) -> np.ndarray:
    """Return one image as a model sees it, not augmented.

    Args:
        images: The set that it belongs to.
        index: Which image.
        resize: The size and channels of the result.

    Returns:
        uint8 (height, width, channels).

    Raises:
        DataError: The image is unreadable.
    """
    return load_images(images, np.array([index]), resize)[0]


def load_images(images: ImageSet, indexes: np.ndarray, resize: Resize) -> np.ndarray:
    """Read, decode and resize some images.

    Args:
        images: The set that they belong to.
        indexes: int (b,), which images.
        resize: The size and channels of the result.

    Returns:
        uint8 (b, height, width, channels).

    Raises:
        DataError: An image is unreadable.
    """
    shape = (resize.height, resize.width, resize.channels)
    result = np.empty((len(indexes), *shape), np.uint8)
    pending: dict[tuple[int, ...], list[tuple[int, np.ndarray]]] = {}
    pending_bytes = 0
    for row, index in enumerate(indexes):
        image = images.read(int(index))
        if image.shape == shape:
            result[row] = image
            continue
        pending.setdefault(image.shape, []).append((row, image))
        pending_bytes += image.nbytes
        # Only a few large photos wait for others, so that a batch never takes gigabytes of memory.
        if pending_bytes > _PENDING_BYTES:
            _resize_into(result, pending, resize)
            pending, pending_bytes = {}, 0
    _resize_into(result, pending, resize)
    return result


def step_dataset(
    load_batch: Callable[[int], tuple[np.ndarray, ...]],
    steps: range,
    shapes: Sequence[tuple[int | None, ...]],
    *,
    types: Sequence[tf.DType] = (tf.uint8, tf.float32, tf.float32, tf.float32),
    change: BatchChange | None = None,
) -> tf.data.Dataset:
    """Make a dataset of what a function returns for each step; several steps are computed ahead and in parallel.

    Args:
        load_batch: Returns the arrays of a step, given its number; a pure function, called in threads.
        steps: The numbers of the steps.
        shapes: The shape of each array, with None for the batch.
        types: The TensorFlow dtype of each array; those beyond the number of shapes are ignored.
        change: What a library's layer does to the first array, one batch after the other.

    Returns:
        Batches of the arrays, as a tuple; of the array itself if there is only one.
    """
    types = tuple(types[: len(shapes)])

    def load(step: tf.Tensor) -> tf.Tensor | tuple[tf.Tensor, ...]:
        # Declared stateless, which it is; otherwise op determinism would run one batch after the other.
        batch = tf.numpy_function(lambda number: load_batch(int(number)), [step], types, stateful=False)
        batch = tuple(tf.ensure_shape(tensor, shape) for tensor, shape in zip(batch, shapes, strict=True))
        return batch if len(batch) > 1 else batch[0]

    numbers = tf.data.Dataset.range(steps.start, steps.stop)
    dataset = numbers.map(load, num_parallel_calls=os.cpu_count(), deterministic=True)
    if change:
        dataset = tf.data.Dataset.zip(numbers, dataset).map(lambda step, batch: (change(step, batch[0]), *batch[1:]))
    return dataset.prefetch(_PREFETCHED)


def check_images(images: ImageSet, batch_size: int) -> None:
    """Refuse images and batch sizes that no batches can be made of.

    Args:
        images: The images.
        batch_size: Images in a batch.

    Raises:
        UsageError: A batch size below 1.
        DataError: There are no images.
    """
    if batch_size < 1:
        raise UsageError(f"batch size {batch_size}; expected 1 or more")
    if not len(images):
        raise DataError("no images for the batches; give a set with at least one")


def data_error(error: BaseException) -> DataError | None:
    """Return the DataError that TensorFlow wrapped into its own error when a batch failed, or None."""
    found = re.search(r"(?:UnreadableImage|DataError): (.+)", str(error))
    return DataError(found[1].strip()) if found else None


def _resize_into(
    result: np.ndarray, pending: Mapping[tuple[int, ...], Sequence[tuple[int, np.ndarray]]], resize: Resize
) -> None:
    """Resize images of one shape together: one call costs more than the pixels of a small image."""
    with tf.device("/CPU:0"):
        for group in pending.values():
            rows = [row for row, _ in group]
            result[rows] = resize_images(np.stack([image for _, image in group]), resize).numpy()

"""Batches for a `fit` of one's own: images and numbers of classes, as Keras' own datasets are."""

import numpy as np
import tensorflow as tf

from tfvision.data.batches.pipeline import check_images, load_images
from tfvision.data.images.imageset import ImageSet
from tfvision.data.pixels.resize import Resize


def plain_batches(images: ImageSet, resize: Resize, *, batch_size: int, shuffle: bool, seed: int) -> "tf.data.Dataset":
    """Return images as batches, see `ImageSet.to_dataset`.

    Args:
        images: The images.
        resize: Size and channels of the batches.
        batch_size: Images in a batch.
        shuffle: Whether each epoch has an order of its own.
        seed: Seed of the orders.

    Returns:
        Batches of float32 (b, height, width, channels), 0..255, with int64 labels (b,) if every image has one. It has
        `class_names`, as the datasets of `keras.utils.image_dataset_from_directory` do.

    Raises:
        UsageError: A batch size below 1.
        DataError: There are no images.
    """
    check_images(images, batch_size)
    labelled = bool((images.labels >= 0).all())

    def load(rows: tf.Tensor) -> tf.Tensor:
        pixels = tf.numpy_function(lambda some: load_images(images, some, resize), [rows], tf.uint8, stateful=False)
        pixels = tf.ensure_shape(pixels, (None, resize.height, resize.width, resize.channels))
        return tf.cast(pixels, tf.float32)

    rows = tf.data.Dataset.range(len(images))
    if shuffle:
        rows = rows.shuffle(len(images), seed=seed, reshuffle_each_iteration=True)
    labels = tf.constant(images.labels.astype(np.int64))
    dataset = rows.batch(batch_size).map(
        lambda some: (load(some), tf.gather(labels, some)) if labelled else load(some),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    dataset = dataset.prefetch(2)
    dataset.class_names = list(images.class_names)
    return dataset

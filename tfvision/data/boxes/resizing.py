"""Boxes through the one resize and back, in TensorFlow operations, since the exported model maps them back too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfvision.data.pixels.resize import Resize, crop_window, padded_window

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf


def resize_boxes(boxes: np.ndarray | tf.Tensor, sizes: np.ndarray | tf.Tensor, resize: Resize) -> tf.Tensor:
    """Move boxes from the original images to the resized ones.

    Args:
        boxes: float (n, 4), in pixels of each original image.
        sizes: int (n, 2), height and width of each original image.
        resize: The resize.

    Returns:
        float64 (n, 4), in pixels of the resized image; with `crop` a box may be partly or wholly outside.
    """
    import tensorflow as tf

    scales, offsets = _resize_map(sizes, resize)
    return tf.cast(boxes, tf.float64) * scales + offsets


def restore_boxes(boxes: np.ndarray | tf.Tensor, sizes: np.ndarray | tf.Tensor, resize: Resize) -> tf.Tensor:
    """Move boxes from the resized images back to the original ones.

    Args:
        boxes: float (n, 4), in pixels of the resized image.
        sizes: int (n, 2), height and width of each original image.
        resize: The resize.

    Returns:
        float64 (n, 4), in pixels of each original image.
    """
    import tensorflow as tf

    scales, offsets = _resize_map(sizes, resize)
    return (tf.cast(boxes, tf.float64) - offsets) / scales


def predicted_boxes(shares: np.ndarray | tf.Tensor, sizes: np.ndarray | tf.Tensor, resize: Resize) -> tf.Tensor:
    """Turn the output of a model into boxes in the original images, with ordered corners and clipped to the image.

    Args:
        shares: float (n, 4), corners as shares of the sides of the resized image.
        sizes: int (n, 2), height and width of each original image.
        resize: The resize.

    Returns:
        float64 (n, 4), in pixels of each original image.
    """
    import tensorflow as tf

    sides = tf.constant([resize.width, resize.height] * 2, tf.float64)
    boxes = restore_boxes(tf.cast(shares, tf.float64) * sides, sizes, resize)
    first, second = boxes[:, :2], boxes[:, 2:]
    ordered = tf.concat([tf.minimum(first, second), tf.maximum(first, second)], axis=1)
    limits = tf.cast(tf.tile(tf.reverse(tf.convert_to_tensor(sizes), axis=[1]), [1, 2]), tf.float64)
    return tf.clip_by_value(ordered, 0.0, limits)


def _resize_map(sizes: np.ndarray | tf.Tensor, resize: Resize) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the factors of xmin, ymin, xmax, ymax, and what is added after them, each float64 (n, 4)."""
    import tensorflow as tf

    height, width = tf.unstack(tf.cast(sizes, tf.int64), axis=1)
    nothing = tf.zeros_like(height)
    source, target = (
        (nothing, nothing, height, width),
        (nothing, nothing, nothing + resize.height, nothing + resize.width),
    )
    if resize.mode == "crop":
        source = crop_window(height, width, resize)
    elif resize.mode == "pad":
        target = padded_window(height, width, resize)
    top, left, height, width = (tf.cast(side, tf.float64) for side in source)
    to_top, to_left, to_height, to_width = (tf.cast(side, tf.float64) for side in target)
    across, down = to_width / width, to_height / height
    x, y = to_left - left * across, to_top - top * down
    return tf.stack([across, down, across, down], axis=1), tf.stack([x, y, x, y], axis=1)

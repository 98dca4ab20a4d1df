"""A loaded SavedModel called like a function: with a batch or a single image, of bytes or of floats."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def make_callable(module: tf.Module, serve: Callable[[tf.Tensor], dict[str, tf.Tensor]], channels: int | None) -> None:
    """Let `tf.saved_model.load(folder)(images)` answer as `serving_default` does.

    It takes uint8 or float32, (b, height, width, channels) or (height, width, channels); floats must be in 0..255 and are
    rounded. Floats within 0..1 are refused, since they would be taken for nearly black images.

    Args:
        module: What is saved; it gets `__call__`.
        serve: Takes uint8 (b, height, width, channels).
        channels: 3, or None for any number.
    """

    @tf.function
    def call(images: tf.Tensor) -> Any:
        if images.shape.rank == 3:
            images = images[tf.newaxis]
        if images.dtype.is_floating:
            images = _rounded(images)
        return serve(images)

    for dtype in (tf.uint8, tf.float32):
        for shape in ((None, None, None, channels), (None, None, channels)):
            call.get_concrete_function(tf.TensorSpec(shape, dtype, name="images"))
    module.__call__ = call


def _rounded(images: tf.Tensor) -> tf.Tensor:
    low, high = tf.reduce_min(images), tf.reduce_max(images)
    expected = "expected pixels as uint8, or as floats in 0..255; multiply floats of 0..1 by 255. Got floats within"
    checks = [
        tf.debugging.Assert((low >= 0) & (high <= 255) & ((high > 1) | (high == 0)), [expected, low, high]),
    ]
    with tf.control_dependencies(checks):
        return tf.cast(tf.round(images), tf.uint8)

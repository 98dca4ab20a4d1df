"""The one resize without its rounding: what a gradient can go through on its way to the pixels of a file."""

from typing import TYPE_CHECKING

from tfvision.data.pixels.resize import Resize, crop_window, padded_window

if TYPE_CHECKING:
    import tensorflow as tf

_GRAY_WEIGHTS = (9798 / 2**15, 19235 / 2**15, 3735 / 2**15)


def resize_smoothly(images: "tf.Tensor", resize: Resize) -> "tf.Tensor":
    """Bring a batch to the channels and the size of `resize`, differentiably.

    Args:
        images: float32 (batch, height, width, 1 | 3), in 0..255.
        resize: The size and how to reach it.

    Returns:
        float32 with the height, width and channels of `resize`; within 1 of what `resize_images` gives, which rounds
        colours to gray and then once more.
    """
    import tensorflow as tf

    images = _as_channels(images, resize.channels)
    size = (resize.height, resize.width)
    if tuple(images.shape[1:3]) == size:
        return images
    shape = tf.shape(images, out_type=tf.int64)
    if resize.mode == "pad":
        images = _padded(images, shape, resize)
    else:
        if resize.mode == "crop":
            top, left, height, width = crop_window(shape[1], shape[2], resize)
            images = images[:, top : top + height, left : left + width]
        images = _resized(images, tf.constant(size), resize)
    return tf.ensure_shape(images, (None, *size, resize.channels))


def _as_channels(images: "tf.Tensor", channels: int) -> "tf.Tensor":
    import tensorflow as tf

    if images.shape[-1] == channels:
        return images
    if channels == 3:
        return tf.repeat(images, 3, axis=-1)
    return tf.reduce_sum(images * tf.constant(_GRAY_WEIGHTS), -1, keepdims=True)


def _padded(images: "tf.Tensor", shape: "tf.Tensor", resize: Resize) -> "tf.Tensor":
    import tensorflow as tf

    top, left, height, width = (tf.cast(side, tf.int32) for side in padded_window(shape[1], shape[2], resize))
    images = _resized(images, tf.stack([height, width]), resize)
    return tf.pad(images, [[0, 0], [top, resize.height - top - height], [left, resize.width - left - width], [0, 0]])


def _resized(images: "tf.Tensor", size: "tf.Tensor", resize: Resize) -> "tf.Tensor":
    import tensorflow as tf

    if resize.kernel == "area":
        return _resized_by_area(images, size)
    antialias = resize.antialias and resize.kernel != "nearest"
    resized = tf.image.resize(images, size, method=resize.kernel, antialias=antialias)
    return tf.clip_by_value(tf.cast(resized, tf.float32), 0.0, 255.0)


def _resized_by_area(images: "tf.Tensor", size: "tf.Tensor") -> "tf.Tensor":
    """Resize by two matrix products: TensorFlow has no gradient of this kernel, which is linear in rows and columns."""
    import tensorflow as tf

    rows, columns = (_area_weights(tf.shape(images)[axis], size[axis - 1]) for axis in (1, 2))
    return tf.einsum("yh,bhwc,xw->byxc", rows, images, columns)


def _area_weights(length: "tf.Tensor", wanted: "tf.Tensor") -> "tf.Tensor":
    """Return the weights of the old rows in each new one, float32 (wanted, length)."""
    import tensorflow as tf

    return tf.image.resize(tf.eye(length)[None, :, :, None], tf.stack([wanted, length]), method="area")[0, :, :, 0]

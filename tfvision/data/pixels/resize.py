"""The one resize, with the same rounding in training, evaluation, prediction and the exported graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from tfvision.data.options import ResizeMode, ResizeOptions
from tfvision.errors import UsageError, check_known, worded

if TYPE_CHECKING:
    import tensorflow as tf

KERNELS, MODES = get_args(get_type_hints(ResizeOptions)["kernel"]), get_args(ResizeMode)
CHANNELS = (1, 3)

_GRAY_WEIGHTS = (9798, 19235, 3735)  # red, green and blue, out of 2 ** 15, as in OpenCV 5
_GRAY_BITS = 15


@dataclass(frozen=True)
class Resize:
    """How images are brought to one size; stored with a run.

    Attributes:
        height: Rows of the result.
        width: Columns of the result.
        kernel: One of `KERNELS`.
        antialias: Whether to widen the kernel when shrinking (bilinear, bicubic, lanczos3).
        mode: `stretch` both sides; `crop` the largest centred window of the wanted aspect ratio; or `pad` to it with
            zeros.
        channels: 3, where gray is repeated; or 1, where colours are weighted as by OpenCV's COLOR_RGB2GRAY.

    Raises:
        UsageError: A size below 1, an unknown kernel or mode, or another number of channels.
    """

    height: int
    width: int
    kernel: str = "bilinear"
    antialias: bool = True
    mode: str = "stretch"
    channels: int = 3

    def __post_init__(self) -> None:
        for name in ("height", "width"):
            side = getattr(self, name)
            if isinstance(side, bool) or not isinstance(side, int) or side < 1:
                raise UsageError(f"resize {name} {worded(side)}; expected a whole number of pixels, 1 or more")
        for name, known in (("kernel", KERNELS), ("mode", MODES)):
            check_known(f"resize {name}", getattr(self, name), known)
        if not isinstance(self.antialias, bool):
            raise UsageError(f"resize antialias {worded(self.antialias)}; expected true or false")
        if isinstance(self.channels, bool) or self.channels not in CHANNELS:
            raise UsageError(f"resize channels {worded(self.channels)}; expected 1 or 3")

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Resize:
        """Build a Resize from the values that `to_dict` returned.

        Args:
            values: The fields by name; height and width are required.

        Returns:
            The Resize.

        Raises:
            UsageError: A key is unknown or missing, or a value is wrong.
        """
        known = [field.name for field in fields(cls)]
        for key in values:
            check_known("resize key", key, known)
        if missing := [key for key in ("height", "width") if key not in values]:
            raise UsageError(f"resize without {missing[0]}; expected at least height and width")
        return cls(**values)


def resize_images(images: tf.Tensor, resize: Resize) -> tf.Tensor:
    """Bring one image or a batch to the channels and the size of `resize`, by TensorFlow operations only.

    The result is rounded half to even and clipped, so that it has the same bits eagerly, in a graph with unknown
    height, width and channels, and for one image or a batch. Images of the right size are returned unchanged.

    Args:
        images: uint8 (height, width, 1 | 3) or (batch, height, width, 1 | 3).
        resize: The size and how to reach it.

    Returns:
        uint8 with the height, width and channels of `resize`.

    Raises:
        UsageError: The images have neither 1 nor 3 channels.
    """
    import tensorflow as tf

    images = _with_channels(tf.convert_to_tensor(images), resize.channels)
    shape = (resize.height, resize.width)
    if tuple(images.shape[-3:-1]) == shape:
        return images
    if images.shape.rank == 3:
        return resize_images(images[tf.newaxis], resize)[0]
    if resize.mode == "crop":
        images = _crop_to_aspect(images, resize)
    images = _pad(images, resize) if resize.mode == "pad" else _rounded(images, shape, resize)
    return tf.ensure_shape(images, (None, *shape, resize.channels))


def crop_window(
    height: tf.Tensor, width: tf.Tensor, resize: Resize
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return the largest centred window with the aspect ratio of `resize`, in whole pixels.

    Args:
        height: int64 of any shape, rows of the images.
        width: int64 of the same shape, columns of the images.
        resize: A resize with mode `crop`.

    Returns:
        Top, left, height and width of the window, int64 of the same shape each.
    """
    import tensorflow as tf

    inner_height = tf.clip_by_value(_ratio(width, resize.height, resize.width), 1, height)
    inner_width = tf.clip_by_value(_ratio(height, resize.width, resize.height), 1, width)
    return (height - inner_height) // 2, (width - inner_width) // 2, inner_height, inner_width


def padded_window(
    height: tf.Tensor, width: tf.Tensor, resize: Resize
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return where the images lie in the padded result: the largest centred window with their aspect ratio.

    Args:
        height: int64 of any shape, rows of the images.
        width: int64 of the same shape, columns of the images.
        resize: A resize with mode `pad`.

    Returns:
        Top, left, height and width of the window, int64 of the same shape each.
    """
    import tensorflow as tf

    inner_height = tf.clip_by_value(_ratio(height, resize.width, width), 1, resize.height)
    inner_width = tf.clip_by_value(_ratio(width, resize.height, height), 1, resize.width)
    return (resize.height - inner_height) // 2, (resize.width - inner_width) // 2, inner_height, inner_width


def _with_channels(images: tf.Tensor, channels: int) -> tf.Tensor:
    """Repeat gray, or weight colours; an image with equal channels keeps exactly its values."""
    import tensorflow as tf

    known = images.shape[-1]
    if known == channels:
        return images
    if known not in (None, *CHANNELS):
        raise UsageError(f"images of {known} channels; expected 1 or 3")
    if known != 3:
        images = tf.broadcast_to(images, tf.concat([tf.shape(images)[:-1], [3]], axis=0))
        images = tf.ensure_shape(images, (*[None] * (images.shape.rank - 1), 3))
    if channels == 3:
        return images
    weighted = tf.reduce_sum(tf.cast(images, tf.int32) * _GRAY_WEIGHTS, axis=-1, keepdims=True)
    return tf.cast(tf.bitwise.right_shift(weighted + (1 << (_GRAY_BITS - 1)), _GRAY_BITS), tf.uint8)


def _rounded(images: tf.Tensor, size: tuple[int, int] | tf.Tensor, resize: Resize) -> tf.Tensor:
    import tensorflow as tf

    antialias = resize.antialias and resize.kernel not in ("area", "nearest")
    resized = tf.image.resize(images, size, method=resize.kernel, antialias=antialias)
    if resized.dtype == tf.uint8:
        return resized
    return tf.cast(tf.clip_by_value(tf.round(resized), 0.0, 255.0), tf.uint8)


def _crop_to_aspect(images: tf.Tensor, resize: Resize) -> tf.Tensor:
    top, left, height, width = crop_window(*_sides(images), resize)
    return images[:, top : top + height, left : left + width]


def _pad(images: tf.Tensor, resize: Resize) -> tf.Tensor:
    """Resize with the aspect ratio kept, then pad to the wanted size with zeros."""
    import tensorflow as tf

    top, left, height, width = (tf.cast(side, tf.int32) for side in padded_window(*_sides(images), resize))
    images = _rounded(images, tf.stack([height, width]), resize)
    below, right = resize.height - top - height, resize.width - left - width
    return tf.pad(images, [[0, 0], [top, below], [left, right], [0, 0]])


def _sides(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    import tensorflow as tf

    shape = tf.shape(images, out_type=tf.int64)
    return shape[1], shape[2]


def _ratio(value: tf.Tensor, numerator: tf.Tensor | int, denominator: tf.Tensor | int) -> tf.Tensor:
    """Return value * numerator / denominator, rounded; in integers, so that it is the same on every device."""
    return (value * numerator + denominator // 2) // denominator

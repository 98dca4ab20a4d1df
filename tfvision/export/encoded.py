"""Encoded images in a SavedModel's graph: decoded, turned upright by EXIF, and prepared each on its own.

One that cannot be decoded leaves the others their answers.
"""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import NamedTuple

import tensorflow as tf

from tfvision.data.boxes.orientation import STEPS

_SOI, _EXIF, _PNG = b"\xff\xd8", b"Exif\0\0", b"\x89PNG\r\n\x1a\n"
_ORIENTATION = 0x0112
# Markers without a length, and those after which come no more of a header: the first scan, the end.
_BARE = (0x01, *range(0xD0, 0xD9))
_LAST = (0xD9, 0xDA)


class PreparedBatch(NamedTuple):
    """A batch of images that were prepared one by one.

    Attributes:
        tensors: Each (b, ...); zeros for an image that could not be decoded.
        sizes: int32 (b, 2), height and width of the upright images.
        is_whole: bool (b,), whether an image could be decoded.
    """

    tensors: tuple[tf.Tensor, ...]
    sizes: tf.Tensor
    is_whole: tf.Tensor


def prepare_encoded(
    encoded: tf.Tensor, prepare: Callable[[tf.Tensor], Sequence[tf.Tensor]], specs: Sequence[tf.TensorSpec]
) -> PreparedBatch:
    """Decode JPEG or PNG strings and prepare each image.

    Args:
        encoded: string (b,).
        prepare: Takes one upright image, uint8 (height, width, 3), and returns tensors of fixed shapes.
        specs: The shapes and dtypes of these.

    Returns:
        The prepared batch.
    """
    count = tf.size(encoded)

    def prepare_one(place: tf.Tensor, data: tf.Tensor) -> tuple[tf.Tensor, ...]:
        image = turn_upright(decode_bytes(data), find_orientation(data))
        return place, tf.shape(image)[:2], *prepare(image)

    # A dataset, since it is the only part of a graph that goes on after an error. Its last element is one of zeros, to
    # which the places of images that could not be decoded lead.
    zeros = (count, tf.zeros(2, tf.int32), *(tf.zeros(spec.shape, spec.dtype) for spec in specs))
    images = tf.data.Dataset.from_tensor_slices((tf.range(count), encoded))
    prepared = images.map(prepare_one, num_parallel_calls=tf.data.AUTOTUNE).ignore_errors()
    whole = prepared.concatenate(tf.data.Dataset.from_tensors(zeros)).batch(tf.cast(count, tf.int64) + 1)
    places, sizes, *tensors = whole.get_single_element()
    last = tf.size(places) - 1
    where = tf.tensor_scatter_nd_update(tf.fill([count + 1], last), places[:, tf.newaxis], tf.range(last + 1))[:count]
    return PreparedBatch(tuple(tf.gather(tensor, where) for tensor in tensors), tf.gather(sizes, where), where < last)


def marked_broken(answers: dict[str, tf.Tensor], is_whole: tf.Tensor) -> dict[str, tf.Tensor]:
    """Return answers with NaN, -1 and "" for the images that could not be decoded.

    Args:
        answers: Tensors (b, ...).
        is_whole: bool (b,).

    Returns:
        The answers, by the same names.
    """
    return {name: tf.where(_beside(is_whole, found), found, _nothing(found.dtype)) for name, found in answers.items()}


def decode_bytes(data: tf.Tensor) -> tf.Tensor:
    """Decode one JPEG or PNG, uint8 (height, width, 3)."""
    # This op reads PNG too; the accurate transform is the one that the decoder in training uses.
    return tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE")


def turn_upright(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turn an image as its EXIF orientation says.

    Args:
        image: (height, width, channels).
        orientation: int32 (), 1..8.

    Returns:
        The upright image.
    """
    swap, mirror_x, mirror_y = (tf.constant(column) for column in zip(*(STEPS[k] for k in range(1, 9)), strict=True))
    place = orientation - 1
    image = tf.cond(swap[place], lambda: tf.transpose(image, [1, 0, 2]), lambda: image)
    mirrored = tf.cond(mirror_x[place], lambda: tf.reverse(image, [1]), lambda: image)
    return tf.cond(mirror_y[place], lambda: tf.reverse(mirrored, [0]), lambda: mirrored)


def find_orientation(data: tf.Tensor) -> tf.Tensor:
    """Read the EXIF orientation of a JPEG or PNG from its bytes.

    Args:
        data: string ().

    Returns:
        int32 (), 1..8; 1 if there is none.
    """
    content = tf.io.decode_raw(data, tf.uint8)
    start = tf.case(
        [
            (tf.equal(tf.strings.substr(data, 0, 2), _SOI), lambda: _exif_in_jpeg(data, content)),
            (tf.equal(tf.strings.substr(data, 0, 8), _PNG), lambda: _exif_in_png(data, content)),
        ],
        default=lambda: tf.constant(-1),
    )
    found = tf.cond(start >= 0, lambda: _orientation_in_tiff(content, start), lambda: tf.constant(1))
    return tf.where((found >= 1) & (found <= 8), found, 1)


def _exif_in_jpeg(data: tf.Tensor, content: tf.Tensor) -> tf.Tensor:
    """Return where the TIFF header of the EXIF segment begins, or -1."""

    def goes_on(position: tf.Tensor, found: tf.Tensor) -> tf.Tensor:
        inside = position + 4 <= tf.size(content)
        marker = _byte(content, position + 1)
        return (found < 0) & inside & (_byte(content, position) == 0xFF) & ~_is_in(marker, _LAST)

    def step(position: tf.Tensor, found: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        marker = _byte(content, position + 1)
        is_exif = (marker == 0xE1) & tf.equal(tf.strings.substr(data, position + 4, len(_EXIF)), _EXIF)
        length = tf.where(_is_in(marker, _BARE), 2, 2 + _number(content, position + 2, 2, False))
        return position + tf.where(marker == 0xFF, 1, length), tf.where(is_exif, position + 10, found)

    return tf.while_loop(goes_on, step, (tf.constant(2), tf.constant(-1)))[1]


def _exif_in_png(data: tf.Tensor, content: tf.Tensor) -> tf.Tensor:
    """Return where the `eXIf` chunk's content begins, or -1."""

    def goes_on(position: tf.Tensor, found: tf.Tensor) -> tf.Tensor:
        return (found < 0) & (position + 12 <= tf.size(content)) & (position >= 8)

    def step(position: tf.Tensor, found: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        is_exif = tf.equal(tf.strings.substr(data, position + 4, 4), b"eXIf")
        length = _number(content, position, 4, False)
        # A false length may be negative, which ends the search.
        return tf.where(length < 0, -1, position + 12 + length), tf.where(is_exif, position + 8, found)

    return tf.while_loop(goes_on, step, (tf.constant(8), tf.constant(-1)))[1]


def _orientation_in_tiff(content: tf.Tensor, start: tf.Tensor) -> tf.Tensor:
    """Return the orientation in the first directory of a TIFF header, 1 if it has none."""
    little = _byte(content, start) == 0x49
    directory = start + _number(content, start + 4, 4, little)
    count = _number(content, directory, 2, little)

    def goes_on(entry: tf.Tensor, found: tf.Tensor) -> tf.Tensor:
        place = directory + 2 + 12 * entry
        return (found < 0) & (entry < count) & (place >= 0) & (place + 12 <= tf.size(content))

    def step(entry: tf.Tensor, found: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        place = directory + 2 + 12 * entry
        is_it = _number(content, place, 2, little) == _ORIENTATION
        return entry + 1, tf.where(is_it, _number(content, place + 8, 2, little), found)

    found = tf.while_loop(goes_on, step, (tf.constant(0), tf.constant(-1)))[1]
    return tf.where(found < 0, 1, found)


def _byte(content: tf.Tensor, position: tf.Tensor) -> tf.Tensor:
    """Return one byte as int32; 0 outside the file."""
    inside = (position >= 0) & (position < tf.size(content))
    return tf.where(inside, tf.cast(content[tf.where(inside, position, 0)], tf.int32), 0)


def _number(content: tf.Tensor, position: tf.Tensor, size: int, little: tf.Tensor | bool) -> tf.Tensor:
    """Return a number of 2 or 4 bytes as int32; one above 2^31 is negative."""
    values = [_byte(content, position + offset) for offset in range(size)]
    big, small = (reduce(lambda number, byte: number * 256 + byte, order) for order in (values, values[::-1]))
    return tf.where(little, small, big)


def _is_in(value: tf.Tensor, known: Sequence[int]) -> tf.Tensor:
    return tf.reduce_any(value == tf.constant(known))


def _beside(mask: tf.Tensor, found: tf.Tensor) -> tf.Tensor:
    return tf.reshape(mask, tf.concat([tf.shape(mask), tf.ones(tf.rank(found) - 1, tf.int32)], 0))


def _nothing(dtype: tf.DType) -> tf.Tensor:
    if dtype == tf.string:
        return tf.constant("")
    return tf.constant(float("nan"), dtype) if dtype.is_floating else tf.constant(-1, dtype)

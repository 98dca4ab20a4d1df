"""One look at every image: whether it is intact, its statistics, its hashes and its thumbnail."""

import posixpath
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from tfvision.audit.statistics import Quality, describe_image, measure_quality
from tfvision.data.copies.hashing import perceptual_hashes
from tfvision.data.images.imageset import ImageSet
from tfvision.data.images.scan import hash_file, hash_pixels, look_at_all
from tfvision.data.pixels.decoding import UnreadableImage, decode
from tfvision.data.pixels.headers import read_header
from tfvision.errors import DataError

THUMBNAIL = 32
# The bytes that each format begins with, and the extensions that belong to it.
_FORMATS = {
    "JPEG": ((b"\xff\xd8\xff",), {".jpg", ".jpeg"}),
    "PNG": ((b"\x89PNG\r\n\x1a\n",), {".png"}),
    "GIF": ((b"GIF87a", b"GIF89a"), {".gif"}),
    "BMP": ((b"BM",), {".bmp"}),
    "TIFF": ((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), {".tif", ".tiff"}),
    "WebP": ((b"RIFF",), {".webp"}),
}


@dataclass(frozen=True)
class Look:
    """What one look at a readable image tells.

    Attributes:
        size: Height and width in pixels.
        quality: See `measure_quality`.
        statistics: float32, see `describe_image`.
        thumbnail: uint8 (32, 32), gray.
        content: Hash of the file, or of the pixels in an array.
        perceptual: uint64 (8,), see `perceptual_hashes`.
        format: The format of a file whose extension implies another one; "" if they agree.
    """

    size: tuple[int, int]
    quality: Quality
    statistics: np.ndarray
    thumbnail: np.ndarray
    content: str
    perceptual: np.ndarray
    format: str


@dataclass(frozen=True)
class Damage:
    """Why an image cannot be used: `problem` is unreadable, truncated or empty."""

    problem: str
    reason: str


def look_at(images: ImageSet, progress: Callable[[int, int], None] | None = None) -> list[Look | Damage]:
    """Look at every image once, in threads.

    Args:
        images: The images.
        progress: Called with (done, total) as the work goes on.

    Returns:
        For each image what the look told, or why it cannot be used.
    """
    return list(look_at_all(images, lambda index: _look(images, index), progress))


def _look(images: ImageSet, index: int) -> Look | Damage:
    try:
        data = b"" if images.in_arrays else images.read_bytes(index)
    except DataError as error:
        return Damage("unreadable", str(error))
    try:
        pixels = images.read(index) if images.in_arrays else decode(data, images.ids[index])
    except UnreadableImage as error:
        return Damage(_kind_of_damage(data), error.reason)
    except DataError as error:
        return Damage("unreadable", str(error))
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return Look(
        pixels.shape[:2],
        measure_quality(pixels),
        describe_image(pixels),
        cv2.resize(gray, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA),
        hash_pixels(pixels) if images.in_arrays else hash_file(data),
        perceptual_hashes(pixels),
        "" if images.in_arrays else _other_format(data, images.names[index]),
    )


def _kind_of_damage(data: bytes) -> str:
    if not data:
        return "empty"
    try:
        header = read_header(data)
    except Exception:  # a header that claims too many pixels raises; nothing says that the file is cut off
        return "unreadable"
    return "truncated" if header is not None and not header.is_whole else "unreadable"


def _other_format(data: bytes, name: str) -> str:
    """Return the format of the content if the extension of the name implies another one, else ""."""
    suffix = posixpath.splitext(name)[1].lower()
    for name_of_format, (starts, suffixes) in _FORMATS.items():
        if data.startswith(starts):
            return "" if suffix in suffixes else name_of_format
    return ""

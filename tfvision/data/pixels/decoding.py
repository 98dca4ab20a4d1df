"""The one decoder: bytes to RGB pixels; the size is checked before anything is decoded."""

from __future__ import annotations

import io
import os

import cv2
import numpy as np
from PIL import Image, ImageOps

from tfvision.data.pixels.apart import DecodeError, decode_apart
from tfvision.data.pixels.header import Header
from tfvision.data.pixels.headers import read_header
from tfvision.errors import DataError, UsageError
from tfvision.system.decoder_messages import about_to_decode

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif"})
MAX_PIXELS = 100_000_000
_LIMIT, _LEAST_LIMIT = "TFVISION_MAX_PIXELS", 1_000_000


# Images are decoded in parallel by our own threads; a second level of threads only slows them down.
cv2.setNumThreads(1)
# The error that we raise says what OpenCV would print.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


class UnreadableImage(DataError):
    """An image that cannot be decoded.

    Args:
        name: What to call the image.
        reason: Why it cannot be decoded.

    Attributes:
        reason: Why it cannot be decoded, without the name of the image.
    """

    def __init__(self, name: str, reason: str):
        super().__init__(
            f"unreadable image {name}: {reason}; repair or remove it, or go on without it with --on-bad skip"
        )
        self.reason = reason


def decode(data: bytes, name: str) -> np.ndarray:
    """Decode an image to RGB, turned upright by its EXIF orientation.

    Gray and black-and-white are repeated to three channels, palettes are looked up, CMYK is converted. Alpha is
    dropped: the colours are those in the file, even where they are transparent. 16-bit values are reduced to their
    high byte (value // 256).

    Args:
        data: JPEG, PNG, BMP, WebP, TIFF, GIF, HEIC or AVIF; the first of several frames or pages counts.
        name: What to call the image in an error.

    Returns:
        uint8 (height, width, 3).

    Raises:
        UnreadableImage: Not an image, damaged, truncated, more than 100 million pixels, or pixels that cannot be taken
            as RGB: another number of bands, floats, signed numbers.
    """
    header = _check_header(data, name)
    about_to_decode()
    pixels = _read(data if header.plain is None else header.plain, name, header)
    height, width = pixels.shape[:2]
    turned = height == header.width and width == header.height
    if (height != header.height or width != header.width) and not turned and header.reader != "apart":
        claimed = f"{header.width:,} x {header.height:,}"
        raise UnreadableImage(name, f"its header claims {claimed} pixels, and it has {width:,} x {height:,}")
    return pixels


def max_pixels() -> int:
    """Return how many pixels an image may have.

    Returns:
        100 million, or `$TFVISION_MAX_PIXELS`.

    Raises:
        UsageError: The environment variable is no number, or less than a million.
    """
    asked = os.environ.get(_LIMIT)
    if not asked:
        return MAX_PIXELS
    try:
        found = int(asked.replace("_", ""))
    except ValueError:
        found = 0
    if found < _LEAST_LIMIT:
        raise UsageError(
            f"{_LIMIT} is {asked!r}; expected a number of pixels, {_LEAST_LIMIT} or more, such as {4 * MAX_PIXELS}"
        )
    return found


def _check_header(data: bytes, name: str) -> Header:
    header = read_header(data)
    if header is None:
        raise UnreadableImage(name, "it is damaged or no image" if data else "it is empty")
    pixels = header.width * header.height
    if pixels > _LEAST_LIMIT and pixels > (most := max_pixels()):  # the environment is asked for large ones only
        claimed = f"{header.width:,} x {header.height:,}"
        raise UnreadableImage(name, f"its header claims {claimed} pixels, more than {most:,} in all")
    if not header.is_whole:  # OpenCV may fill the missing part with gray
        raise UnreadableImage(name, "it is truncated")
    if header.problem:
        raise UnreadableImage(name, header.problem)
    return header


def _read(data: bytes, name: str, header: Header) -> np.ndarray:
    """Decode the pixels by the reader that the header asks for."""
    if header.reader == "pillow":
        return _read_by_pillow(data, name)
    if header.reader == "apart":
        try:
            return decode_apart(data, header.height * header.width)
        except DecodeError as error:
            raise UnreadableImage(name, str(error)) from None
    unchanged = header.reader == "opencv unchanged"
    try:
        pixels = cv2.imdecode(
            np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED if unchanged else cv2.IMREAD_COLOR_RGB
        )
    except cv2.error as error:
        if error.code == cv2.Error.STS_NO_MEM:  # no fault of the image, which is not to be left out for it
            raise MemoryError(f"decoding {name}") from error
        pixels = None
    if pixels is None or pixels.ndim != 3:
        raise UnreadableImage(name, "its pixels are damaged")
    if not unchanged:
        return pixels
    if pixels.dtype == np.uint16:
        pixels = np.right_shift(pixels, 8, out=pixels).astype(np.uint8)
    return cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGB if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB)


def _read_by_pillow(data: bytes, name: str) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(data), formats=("TIFF",)) as image:
            ImageOps.exif_transpose(image, in_place=True)
            return np.array(image.convert("RGB"))
    except MemoryError:
        raise
    except Exception:  # a decoder may fail in any way on damaged pixels
        raise UnreadableImage(name, "its pixels are damaged") from None

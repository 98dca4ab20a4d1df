"""The one decoder: bytes to RGB pixels; the size is checked before anything is decoded."""

from __future__ import annotations

import io

import cv2
import numpy as np
from PIL import Image, ImageOps

from tfvision.data.pixels.headers import Header, read_header
from tfvision.data.pixels.heif import decode_heif
from tfvision.errors import DataError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif"})
MAX_PIXELS = 100_000_000


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
    reader = _check_header(data, name).reader
    if reader in ("pillow", "heif"):
        return _decode_otherwise(data, name, reader)
    unchanged = reader == "opencv unchanged"
    flags = cv2.IMREAD_UNCHANGED if unchanged else cv2.IMREAD_COLOR_RGB
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except (cv2.error, MemoryError):
        pixels = None
    if pixels is None or pixels.ndim != 3:
        raise UnreadableImage(name, "its pixels are damaged")
    if not unchanged:
        return pixels
    if pixels.dtype == np.uint16:
        pixels = np.right_shift(pixels, 8).astype(np.uint8)
    return cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGB if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB)


def _check_header(data: bytes, name: str) -> Header:
    try:
        header = read_header(data)
    except Image.DecompressionBombError:
        raise UnreadableImage(name, f"its header claims more than {MAX_PIXELS:,} pixels") from None
    if header is None:
        raise UnreadableImage(name, "it is damaged or no image" if data else "it is empty")
    if header.width * header.height > MAX_PIXELS:
        claimed = f"{header.width:,} x {header.height:,}"
        raise UnreadableImage(name, f"its header claims {claimed} pixels, more than {MAX_PIXELS:,} in all")
    if not header.is_whole:  # OpenCV may fill the missing part with gray
        raise UnreadableImage(name, "it is truncated")
    if header.problem:
        raise UnreadableImage(name, header.problem)
    return header


def _decode_otherwise(data: bytes, name: str, reader: str) -> np.ndarray:
    try:
        if reader == "heif":
            return decode_heif(data)
        with Image.open(io.BytesIO(data), formats=("TIFF",)) as image:
            return np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except Exception:  # a decoder may fail in any way on damaged pixels
        raise UnreadableImage(name, "its pixels are damaged") from None

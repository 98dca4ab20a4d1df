"""Decoding in a process of its own, with bounds of memory and of CPU time.

For formats whose real size only their decoder finds: a HEIC or AVIF says its size in several places, of which the video
stream has the last word.
"""

from typing import TYPE_CHECKING

import numpy as np

from tfvision.data.pixels.heif import decode_heif
from tfvision.system.bounded import NotRead, heif_library

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tfvision.system.bounded_work import Said

_MEMORY = 288 << 20  # bytes above those of the pixels and what any work may take
_SECONDS, _PIXELS_A_SECOND = 8, 4_000_000  # CPU time above that of any work
_STRIP = 1 << 24  # bytes of pixels sent at a time


class DecodeError(Exception):
    """An image that could not be decoded apart; its text says why."""


def decode_apart(data: bytes, pixels: int) -> np.ndarray:
    """Decode a HEIC or AVIF in another process.

    Args:
        data: The file.
        pixels: How many pixels its header claims.

    Returns:
        uint8 (height, width, 3), RGB, upright.

    Raises:
        DecodeError: It cannot be decoded, or not within the memory and the time that its pixels need.
    """
    memory, seconds = 3 * pixels + _MEMORY, _SECONDS + pixels // _PIXELS_A_SECOND
    answers = heif_library().ask(f"{__name__}:strips", pixels, data=data, memory=memory, seconds=seconds)
    try:
        size, _ = next(answers)
        if "problem" in size:
            raise DecodeError(size["problem"])
        found, done = np.empty(3 * size["height"] * size["width"], np.uint8), 0
        for _, strip in answers:
            found[done : done + len(strip)] = np.frombuffer(strip, np.uint8)
            done += len(strip)
    except NotRead:
        raise DecodeError("it takes more memory or time than its size needs, or ends its decoder") from None
    return found.reshape(size["height"], size["width"], 3)


def strips(data: bytes, pixels: int) -> "Iterator[Said]":
    """Yield the height and width of an upright image, or what is wrong with it, then its rows from the top.

    Args:
        data: A HEIC or AVIF file.
        pixels: How many pixels its header claims.

    Yields:
        `{"height": ..., "width": ...}` or `{"problem": ...}`, then bytes of RGB.
    """
    try:
        image = decode_heif(data)
        image.load()
    except MemoryError:
        raise
    except Exception:  # a decoder may fail in any way on damaged pixels
        yield {"problem": "its pixels are damaged"}, b""
        return
    if image.width * image.height > pixels:
        yield {"problem": "it is larger than its header claims"}, b""
        return
    yield {"height": image.height, "width": image.width}, b""
    rows = max(1, _STRIP // (3 * image.width))
    for top in range(0, image.height, rows):
        yield {}, image.crop((0, top, image.width, min(top + rows, image.height))).tobytes()

"""HEIC, the photos of phones, and AVIF: the first by the extra `heif`, the second by Pillow."""

import io
import struct
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec

from PIL import Image, ImageOps, features

from tfvision.data.pixels.header import UPRIGHT, Header

_AVIF, _HEIC = frozenset({b"avif", b"avis"}), frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"})
INSTALL = "pip install 'tfvision[heif]'"
_MOST_BOXES = 100_000
_PROPERTIES = (b"meta", b"iprp", b"ipco")
_WITH_VERSION = frozenset({b"meta"})
# The EXIF orientation by the quarters an AVIF is turned to the left by, and by the axis it is mirrored at, if any.
_TURNS: dict[tuple[int, int | None], int] = {
    **{(0, None): 1, (1, None): 8, (2, None): 3, (3, None): 6},
    **{(0, 0): 4, (1, 0): 5, (2, 0): 2, (3, 0): 7, (0, 1): 2, (1, 1): 7, (2, 1): 4, (3, 1): 5},
}


def heif_format(head: bytes) -> str:
    """Return `AVIF` or `HEIC` by the brands at the beginning of a file; "" for anything else."""
    if head[4:8] != b"ftyp":
        return ""
    brands = {head[start : start + 4] for start in (8, *range(16, min(len(head) - 3, 64), 4))}
    return "AVIF" if brands & _AVIF else "HEIC" if brands & _HEIC else ""


@cache
def reads(kind: str) -> bool:
    """Tell whether a format of `heif_format` can be decoded here."""
    return bool(features.check("avif")) if kind == "AVIF" else find_spec("pillow_heif") is not None


def read_heif(data: bytes, kind: str) -> Header | None:
    """Read the size of the largest picture in a file; its pixels are to be decoded apart.

    Args:
        data: A HEIC or AVIF file.
        kind: Which of them.

    Returns:
        The header; None if the file is damaged.
    """
    if not reads(kind):
        return Header(1, 1, problem=f"it is {kind}, which is read with {INSTALL}")
    try:
        sizes = [struct.unpack_from(">II", data, start + 4) for start in _find(data, (*_PROPERTIES, b"ispe"))]
    except (ValueError, struct.error):
        return None
    width, height = max(sizes, key=lambda size: size[0] * size[1], default=(0, 0))
    if not width or not height:
        return None
    return Header(height, width, orientation=_turn(data) if kind == "AVIF" else UPRIGHT, reader="apart")


def open_heif(data: bytes) -> Image.Image:
    """Open a HEIC or AVIF file whose format `reads`; the pixels are not decoded before they are asked for."""
    if heif_format(data[:64]) == "AVIF":
        return Image.open(io.BytesIO(data), formats=("AVIF",))
    from pillow_heif import HeifImageFile  # an extra; loads libheif

    image: Image.Image = HeifImageFile(io.BytesIO(data))  # type: ignore[no-untyped-call]
    return image


def decode_heif(data: bytes) -> Image.Image:
    """Decode a HEIC or AVIF file whose format `reads`.

    Args:
        data: The file.

    Returns:
        The upright image in RGB; values of more than 8 bits are scaled to 8.
    """
    image = open_heif(data)
    ImageOps.exif_transpose(image, in_place=True)  # a copy of a large photo is some hundred MB
    return image if image.mode == "RGB" else image.convert("RGB")


def _turn(data: bytes) -> int:
    """Return the EXIF orientation that Pillow gives an AVIF."""
    turns, mirrors = (_find(data, (*_PROPERTIES, name)) for name in (b"irot", b"imir"))
    return _TURNS[data[turns[0]] & 3 if turns else 0, data[mirrors[0]] & 1 if mirrors else None]


def _find(data: bytes, path: tuple[bytes, ...]) -> list[int]:
    """Return where the content of each box with a path begins.

    Raises:
        ValueError: A box lies outside of the one that holds it, or there are too many.
    """
    found = [(0, len(data))]
    for name in path:
        within = found
        found = [
            (start + 4 * (kind in _WITH_VERSION), end)
            for outer in within
            for kind, start, end in _boxes(data, *outer)
            if kind == name
        ]
    return [start for start, _ in found]


def _boxes(data: bytes, place: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, and where the content begins and ends, of each box in a stretch of a file."""
    for _ in range(_MOST_BOXES):
        if place >= end:
            return
        size, kind = struct.unpack_from(">I4s", data, place)
        start = place + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start)
            start += 8
        place = place + size if size else end  # 0: up to the end
        if not start <= place <= end:
            raise ValueError("a box that lies outside")
        yield kind, start, place
    raise ValueError("too many boxes")

"""The orientation in EXIF data, and the entries of a TIFF directory, of which EXIF data is one.

Read here rather than by Pillow, which copies what every entry points at: a file of 2 MB whose 65,000 entries all point
at the whole of it would take 100 GB.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from tfvision.data.pixels.header import UPRIGHT

EXIF_START = b"Exif\0\0"
TIFF_STARTS = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
MOST_ENTRIES = 4096  # as in libtiff

_ORIENTATION = 274


@dataclass(frozen=True)
class TiffEntry:
    """An entry of a directory.

    Attributes:
        tag: What it tells.
        kind: The type of its values, a number of the TIFF standard.
        count: How many values it has.
        place: Where the bytes of its own end begin, which hold the values, or where these are.
    """

    tag: int
    kind: int
    count: int
    place: int


def byte_order(data: bytes) -> str:
    """Return the byte order of a TIFF, `<` or `>`, as `struct` names it."""
    return "<" if data[:1] == b"I" else ">"


def first_entries(data: bytes) -> Iterator[TiffEntry]:
    """Yield the entries of the first directory of a TIFF or BigTIFF, in their order.

    Args:
        data: The file, or EXIF data without its first six bytes.

    Yields:
        The entries.

    Raises:
        ValueError: It is none, its directory lies outside or has more than 4,096 entries.
        struct.error: It ends within its directory.
    """
    if not data.startswith(TIFF_STARTS):
        raise ValueError("no TIFF")
    order, is_big = byte_order(data), b"+" in data[:4]
    if is_big and struct.unpack_from(f"{order}HH", data, 4) != (8, 0):
        raise ValueError("offsets of another size")
    (start,) = struct.unpack_from(f"{order}Q" if is_big else f"{order}I", data, 8 if is_big else 4)
    if start > len(data):
        raise ValueError("its directory lies outside")
    (count,) = struct.unpack_from(f"{order}Q" if is_big else f"{order}H", data, start)
    if count > MOST_ENTRIES:
        raise ValueError("too many entries")
    form, step, start = (f"{order}HHQ", 20, start + 8) if is_big else (f"{order}HHI", 12, start + 2)
    for place in range(start, start + step * count, step):
        tag, kind, values = struct.unpack_from(form, data, place)
        yield TiffEntry(tag, kind, values, place + struct.calcsize(form))


def exif_orientation(exif: bytes) -> int:
    """Return the orientation in EXIF data, 1..8; 1 if it has none or is damaged.

    Args:
        exif: The data, with or without its first six bytes.

    Returns:
        The orientation.
    """
    data = exif.removeprefix(EXIF_START)
    try:
        for entry in first_entries(data):
            if entry.tag == _ORIENTATION:
                (found,) = struct.unpack_from(f"{byte_order(data)}H", data, entry.place)
                return found if 1 <= found <= 8 else UPRIGHT
    except (ValueError, struct.error):
        pass
    return UPRIGHT

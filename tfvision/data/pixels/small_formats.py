"""The headers of GIF, BMP and WebP."""

import struct

from tfvision.data.pixels.exif import exif_orientation
from tfvision.data.pixels.header import UPRIGHT, Header

GIF_STARTS = (b"GIF87a", b"GIF89a")
BITMAP_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # bytes

_HAS_EXIF = 0x08  # a flag of WebP
_MOST_CHUNKS = 100_000


def read_gif(data: bytes) -> Header | None:
    """Read the size of the canvas of a GIF; None if it has none."""
    width, height = struct.unpack_from("<HH", data.ljust(10, b"\0"), 6)
    return Header(height, width) if width and height else None


def read_bmp(data: bytes) -> Header | None:
    """Read the size of a BMP; None if it is damaged. Rows from top to bottom are a height below 0."""
    data = data.ljust(26, b"\0")
    (kind,) = struct.unpack_from("<I", data, 14)
    if kind not in BITMAP_HEADERS:
        return None
    width, height = struct.unpack_from("<HH" if kind == BITMAP_HEADERS[0] else "<ii", data, 18)
    return Header(abs(height), width) if width > 0 and height else None


def read_webp(data: bytes) -> Header | None:
    """Read the size and the orientation of a WebP, and whether it has its end; None if it is damaged."""
    data = data if len(data) >= 30 else data.ljust(30, b"\0")
    kind, start = data[12:16], data[20:30]
    orientation = UPRIGHT
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(start[at : at + 3], "little") for at in (4, 7))
        orientation = _orientation(data) if start[0] & _HAS_EXIF else UPRIGHT
    elif kind == b"VP8L" and start[0] == 0x2F:
        bits = int.from_bytes(start[1:5], "little")
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif kind == b"VP8 " and start[3:6] == b"\x9d\x01\x2a":
        width, height = (int.from_bytes(start[at : at + 2], "little") & 0x3FFF for at in (6, 8))
    else:
        return None
    whole = 8 + int.from_bytes(data[4:8], "little") <= len(data)
    return Header(height, width, whole, orientation=orientation) if width and height else None


def _orientation(data: bytes) -> int:
    place = 12
    for _ in range(_MOST_CHUNKS):
        if place + 8 > len(data):
            break
        (size,) = struct.unpack_from("<I", data, place + 4)
        if data[place : place + 4] == b"EXIF":
            return exif_orientation(data[place + 8 : place + 8 + size])
        place += 8 + size + size % 2
    return UPRIGHT

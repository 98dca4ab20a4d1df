"""The markers of a JPEG, found as libjpeg finds them."""

import re
import struct

from tfvision.data.pixels.exif import EXIF_START, exif_orientation
from tfvision.data.pixels.header import UPRIGHT, Header

JPEG_START = b"\xff\xd8\xff"

# The next marker, wherever it stands: libjpeg passes over anything else between two segments, so over FF 00 too. RST
# markers have no length and stand within scans.
_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
_START, _END, _SCAN, _EXIF = 0xD8, 0xD9, 0xDA, 0xE1
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_NO_MARKERS = frozenset({0x00, 0xFF, *range(0xD0, 0xD8)})
_FIRST = 0xC0  # lower ones are no markers of images
_SPECIAL = frozenset({_START, _END, _SCAN, _EXIF, *range(_FIRST)}) | _FRAMES
_SEGMENT = struct.Struct(">BBH").unpack_from
_SCANS = 20  # a camera needs 1, a progressive file 10
_SCANNED = 1_500_000_000  # scans times pixels, each scan as 10,000 at least: some seconds of decoding
_SEGMENTS, _JUNK = 10_000, 1 << 16  # before the first scan: how many, and bytes between two of them
_BYTES_A_PIXEL, _SLACK = 64, 1 << 24  # what the scans may have: more than any pixel can take


def read_jpeg(data: bytes) -> Header | None:
    """Read the size, the orientation and the number of scans, and whether the end marker is there.

    Segments are skipped by their length, since a thumbnail in them has its own markers; what a camera appends after the
    end (a film, a second picture) is ignored.

    Args:
        data: A file that begins as a JPEG.

    Returns:
        The header; None if it is damaged.
    """
    head = _read_head(data)
    if head is None:
        return None
    height, width, orientation, start = head
    pixels = height * width
    most = _BYTES_A_PIXEL * pixels + _SLACK
    scans, is_whole = _count_scans(data, start, start + most) if start else (0, False)
    problem = ""
    if scans > _SCANS and scans * (pixels + 10_000) > _SCANNED:
        problem = f"it has {scans:,} scans, and a file of its size needs at most {_SCANS}; save it again"
    elif scans and not is_whole and start + most < len(data):
        is_whole, problem = True, f"its scans go on after {most:,} bytes, more than its pixels need; save it again"
    return Header(height, width, is_whole, problem, "opencv", orientation)


def _read_head(data: bytes) -> tuple[int, int, int, int] | None:
    """Return height, width, orientation and where the first scan begins, 0 if the file ends before; None for damage."""
    height = width = orientation = 0
    position = 2
    for _ in range(_SEGMENTS):
        try:
            first, marker, length = _SEGMENT(data, position)
        except struct.error:
            return (height, width, orientation or UPRIGHT, 0) if height else None
        if first != 0xFF or marker in _NO_MARKERS:  # junk, or fill bytes
            match = _MARKER.search(data, position, position + _JUNK)
            if match is None:
                return (height, width, orientation or UPRIGHT, 0) if height and len(data) < position + _JUNK else None
            position = match.start()
            continue
        if marker in _SPECIAL:
            if marker == _SCAN:
                return (height, width, orientation or UPRIGHT, position + 2) if height else None
            if marker in _FRAMES:
                if height:
                    return None  # a second frame
                height, width = (int.from_bytes(data[position + at : position + at + 2], "big") for at in (5, 7))
                if not height or not width:
                    return None
            elif marker == _EXIF:
                if not orientation and data.startswith(EXIF_START, position + 4):
                    orientation = exif_orientation(data[position + 4 : position + 2 + length])
            else:
                return None  # libjpeg gives up here
        position += 2 + max(2, length)
    return None


def _count_scans(data: bytes, position: int, end: int) -> tuple[int, bool]:
    """Return how many scans there are from the first one on, and whether the end marker follows them."""
    scans = 1
    position += int.from_bytes(data[position : position + 2], "big")
    while match := _MARKER.search(data, position, end):
        marker, position = match[1][0], match.end()
        if marker == _END:
            return scans, True
        scans += marker == _SCAN
        if marker >= _FIRST:  # lower ones are passed over within a scan
            position += max(2, int.from_bytes(data[position : position + 2], "big"))
    return scans, False

"""The markers of a JPEG, found as libjpeg finds them."""

import re

from tfvision.data.pixels.exif import EXIF_START, exif_orientation
from tfvision.data.pixels.header import UPRIGHT, Header

JPEG_START = b"\xff\xd8\xff"

# The next marker, wherever it stands: libjpeg passes over anything else between two segments, so over FF 00 too. RST
# markers have no length and stand within scans.
_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
_START, _END, _SCAN, _EXIF = 0xD8, 0xD9, 0xDA, 0xE1
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_FIRST = 0xC0  # lower ones are no markers of images
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
    size: tuple[int, int] | None = None
    orientation, scans, segments, is_whole = None, 0, 0, False
    position = first_scan = 2
    end = position + _JUNK
    while match := _MARKER.search(data, position, end):
        marker, segments, position = match[1][0], segments + 1, match.end()
        if marker == _END:
            is_whole = True
            break
        if marker == _START or (not scans and (marker < _FIRST or segments > _SEGMENTS)):
            return None  # libjpeg gives up here, or goes on for long
        if marker < _FIRST:  # within a scan it is passed over
            continue
        length = max(2, int.from_bytes(data[position : position + 2], "big"))
        if marker in _FRAMES:
            if size:
                return None  # a second frame
            height, width = (int.from_bytes(data[position + at : position + at + 2], "big") for at in (3, 5))
            size = height, width
        elif marker == _SCAN:
            if not size:
                return None
            first_scan, scans = (first_scan if scans else position), scans + 1
            end = first_scan + _most_bytes(size)
        elif marker == _EXIF and orientation is None and not scans and data.startswith(EXIF_START, position + 2):
            orientation = exif_orientation(data[position + 2 : position + length])
        position += length
        end = end if scans else position + _JUNK
    if not size or not all(size) or (is_whole and not scans):
        return None
    problem = ""
    if scans > _SCANS and scans * (size[0] * size[1] + 10_000) > _SCANNED:
        problem = f"it has {scans:,} scans, and a file of its size needs at most {_SCANS}; save it again"
    elif not is_whole and scans and end < len(data):
        is_whole, problem = True, f"its scans go on after {_most_bytes(size):,} bytes, more than its pixels need"
    return Header(*size, is_whole, problem, orientation=orientation or UPRIGHT)


def _most_bytes(size: tuple[int, int]) -> int:
    return _BYTES_A_PIXEL * size[0] * size[1] + _SLACK

"""The chunks of a PNG, and the PNG without those that its first picture does not need."""

import struct

from tfvision.data.pixels.exif import exif_orientation
from tfvision.data.pixels.header import UPRIGHT, Header

PNG_START = b"\x89PNG\r\n\x1a\n"

_HEAD, _PIXELS, _END, _EXIF = b"IHDR", b"IDAT", b"IEND", b"eXIf"
_NEEDED = frozenset({_HEAD, b"PLTE", b"tRNS", _PIXELS, _END, _EXIF})
_MOST_CHUNKS = 200_000
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by the kind of colours
_SLACK = 1 << 16
_MOST_EXIF = 1 << 16  # as in a JPEG
_CHUNK = struct.Struct(">I4s")


def read_png(data: bytes) -> Header | None:
    """Read the size and the orientation, and whether every chunk and the end are there.

    OpenCV takes memory for a chunk before it has read it, ends the process at a damaged animation, and unpacks profiles
    and texts. So it gets a PNG without any of them: in a file with an animation, that is its first picture, as for
    readers that know no animations.

    Args:
        data: A file that begins as a PNG.

    Returns:
        The header; None if it is damaged.
    """
    if len(data) < 33 or data[8:16] != b"\0\0\0\rIHDR":
        return None
    width, height = struct.unpack_from(">II", data, 16)
    if not width or not height:
        return None
    kept, is_plain, orientation, place, packed = [(0, 33)], True, UPRIGHT, 33, 0
    for _ in range(_MOST_CHUNKS):
        if place + 12 > len(data):
            return Header(height, width, is_whole=False)
        length, name = _CHUNK.unpack_from(data, place)
        end = place + 12 + length
        if end > len(data):
            return Header(height, width, is_whole=False)
        if name == _HEAD or (name not in _NEEDED and name[:1].isupper()):
            return None  # a second header, or a chunk that a reader must know and none does
        if name not in _NEEDED or (name == _EXIF and length > _MOST_EXIF):
            is_plain = False
            place = end
            continue
        kept.append((place, end))
        if name == _EXIF:
            orientation = exif_orientation(data[place + 8 : end - 4])
        elif name == _PIXELS:
            packed += length
        elif name == _END:
            plain = None if is_plain else b"".join(data[start:stop] for start, stop in kept)
            return Header(height, width, True, _problem(data, packed), orientation=orientation, plain=plain)
        place = end
    return Header(height, width, problem=f"it has more than {_MOST_CHUNKS:,} chunks; save it again")


def _problem(data: bytes, packed: int) -> str:
    """Say if there is more packed than any picture of this size needs: it would be unpacked all the same."""
    width, height, depth, colours = struct.unpack_from(">IIBB", data, 16)
    pixels = (width * depth * _CHANNELS.get(colours, 4) // 8 + 2) * height
    return (
        f"it has {packed:,} bytes for {width * height:,} pixels; save it again" if packed > 2 * pixels + _SLACK else ""
    )

"""The tags of a TIFF, read before any pixel is decoded, and whether its pixels can be taken as RGB.

Everything that libtiff would take memory or time for is compared with the size of the file first: what its entries
point at, its strips or tiles, and the size of one of these.
"""

import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tfvision.data.pixels.exif import MOST_ENTRIES, TiffEntry, byte_order, first_entries
from tfvision.data.pixels.header import UPRIGHT, Header

_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _SAMPLES, _PLANAR, _EXTRA, _FORMAT = 256, 257, 258, 262, 277, 284, 338, 339
_COMPRESSION, _ORIENTATION, _ROWS, _TILE_WIDTH, _TILE_HEIGHT = 259, 274, 278, 322, 323
_PLACES = ((273, 279), (324, 325))  # of strips, of tiles: offsets and lengths
_FEW, _MANY = 64, 1_000_000  # values of a tag, of those in _PLACES
_WANTED = {
    **dict.fromkeys((_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _SAMPLES, _PLANAR, _EXTRA, _FORMAT), _FEW),
    **dict.fromkeys((_COMPRESSION, _ORIENTATION, _ROWS, _TILE_WIDTH, _TILE_HEIGHT), _FEW),
    **dict.fromkeys((tag for pair in _PLACES for tag in pair), _MANY),
}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_NUMBERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q"}  # as struct calls them
_GRAY, _RGB, _CMYK = (0, 1), 2, 5
_ASSOCIATED, _UNASSOCIATED = 1, 2  # alpha: whether the colours are multiplied by it
_FORMATS = {1: "unsigned", 2: "signed", 3: "float", 4: "untyped"}
_JPEG = 7
_COMPRESSIONS = frozenset({1, 2, 3, 4, 5, _JPEG, 8, 32773, 32946})  # none, fax, LZW, JPEG, deflate, PackBits
_REPEATS = 4  # how often all bytes of the file may be pointed at: programs store equal tiles once
_SLACK = 1 << 24  # pixels of a tile, or bytes that are pointed at, that are no matter whatever the file's size

_HEAD, _DIRECTORY = 16, 8 + 20 * MOST_ENTRIES  # bytes of a BigTIFF; of a TIFF fewer

_Tags = Mapping[int, list[int]]


@dataclass(frozen=True)
class _Blocks:
    """The strips or tiles: height and width of one, and how many there must be."""

    height: int
    width: int
    count: int


def read_tiff(data: bytes) -> Header | None:
    """Read the first directory of a TIFF or BigTIFF.

    Args:
        data: The file.

    Returns:
        The header; None if it is damaged.
    """
    try:
        tags = _read_tags(data)
        height, width = tags[_HEIGHT][0], tags[_WIDTH][0]
        if height < 1 or width < 1:
            return None
        offsets, lengths = next((tags[a], tags[b]) for a, b in _PLACES if a in tags)
    except (KeyError, ValueError, struct.error, StopIteration, IndexError):
        return None
    ends = [start + length for start, length in zip(offsets, lengths, strict=False)]
    if len(offsets) != len(lengths) or min(*offsets, *lengths) < 0:
        return None
    blocks = _blocks(tags, height, width)
    if blocks is None or blocks.count > len(offsets):
        return None
    problem = _problem(tags) or _excess(data, blocks, lengths, height * width)
    orientation = _one(tags, _ORIENTATION, UPRIGHT)
    return Header(
        height,
        width,
        max(ends) <= len(data),
        problem,
        _reader(tags),
        orientation if 1 <= orientation <= 8 else UPRIGHT,
    )


def count_pixels(size: int, read: Callable[[int, int], bytes]) -> int:
    """Count the pixels that the first directory claims, which may lie anywhere in the file, without reading the rest.

    Args:
        size: The size of the file in bytes.
        read: Returns so many bytes from a place in it.

    Returns:
        Height times width; 0 if the file is damaged.
    """
    head = read(min(_HEAD, size), 0)
    place, form = (8, "Q") if b"+" in head[:4] else (4, "I")
    sides: dict[int, int] = {}
    try:
        (start,) = struct.unpack_from(byte_order(head) + form, head, place)
        directory = read(min(_DIRECTORY, max(0, size - start)), min(start, size))
        moved = head[:place] + struct.pack(byte_order(head) + form, _HEAD)
        moved += bytes(_HEAD - len(moved)) + directory
        for entry in first_entries(moved):
            if entry.tag in (_WIDTH, _HEIGHT) and entry.count == 1 and entry.kind in _NUMBERS:
                sides.setdefault(entry.tag, _numbers(moved, entry, _SIZES[entry.kind], place)[0])
    except (ValueError, struct.error):
        return 0
    return max(0, sides.get(_WIDTH, 0)) * max(0, sides.get(_HEIGHT, 0))


def _read_tags(data: bytes) -> dict[int, list[int]]:
    """Return the numbers of the wanted tags; the first entry of a tag counts, as in libtiff.

    Raises:
        ValueError: A tag has no or too many values, or the entries point at more than is there.
        struct.error: The file ends within them.
    """
    tags: dict[int, list[int]] = {}
    pointed = 0
    for entry in first_entries(data):
        size = entry.count * _SIZES.get(entry.kind, 1)
        inline = 8 if b"+" in data[:4] else 4
        pointed += size if size > inline else 0
        if entry.tag in _WANTED and entry.tag not in tags:
            if not 0 < entry.count <= _WANTED[entry.tag] or entry.kind not in _NUMBERS:
                raise ValueError("not its values")
            tags[entry.tag] = _numbers(data, entry, size, inline)
    if pointed > _REPEATS * len(data):
        raise ValueError("its entries point at more than there is")
    return tags


def _numbers(data: bytes, entry: TiffEntry, size: int, inline: int) -> list[int]:
    order, start = byte_order(data), entry.place
    if size > inline:
        (start,) = struct.unpack_from(f"{order}Q" if inline == 8 else f"{order}I", data, start)
    if start + size > len(data):
        raise ValueError("it ends before the values of a tag")
    return list(struct.unpack_from(f"{order}{entry.count}{_NUMBERS[entry.kind]}", data, start))


def _blocks(tags: _Tags, height: int, width: int) -> _Blocks | None:
    planes = _one(tags, _SAMPLES, 1) if _one(tags, _PLANAR, 1) == 2 else 1
    if _TILE_WIDTH not in tags and _TILE_HEIGHT not in tags:  # either makes libtiff look for tiles
        rows = min(_one(tags, _ROWS, height), height)
        return _Blocks(rows, width, math.ceil(height / rows) * planes) if rows > 0 else None
    tile = _one(tags, _TILE_HEIGHT, 0), _one(tags, _TILE_WIDTH, 0)
    if min(tile) < 1:
        return None
    return _Blocks(*tile, math.ceil(height / tile[0]) * math.ceil(width / tile[1]) * planes)


def _excess(data: bytes, blocks: _Blocks, lengths: list[int], pixels: int) -> str:
    """Return what the file would have taken more memory or time for than its pixels need; "" for nothing."""
    if blocks.height * blocks.width > max(pixels, _SLACK):
        return f"its tiles are {blocks.width:,} x {blocks.height:,} pixels, larger than the image; save it again"
    if sum(lengths) > _REPEATS * len(data) + _SLACK:
        return "its strips overlap; save it again"
    return ""


def _problem(tags: _Tags) -> str:
    samples, alpha, photometric = _one(tags, _SAMPLES, 1), _has_alpha(tags), _one(tags, _PHOTOMETRIC, -1)
    bits, formats = set(tags.get(_BITS, (1,))), set(tags.get(_FORMAT, (1,)))
    channels = {_RGB: 3, _CMYK: 4}
    expected = channels.get(photometric, 1 if photometric in _GRAY else samples)
    if samples - alpha != expected or samples > 4:
        return f"it has {samples} bands; expected 1 or 3, with or without alpha; keep three of them"
    if formats != {1} or not bits <= {1, 2, 4, 8, 16} or len(bits) > 1:
        kinds = " and ".join(_FORMATS.get(kind, "unknown") for kind in sorted(formats))
        sizes = " and ".join(map(str, sorted(bits)))
        return f"its values are {kinds} with {sizes} bits; expected unsigned with 8 or 16; scale them to 0..255"
    if 16 in bits and photometric == _CMYK:
        return "it is CMYK with 16 bits; expected 8 bits; convert it to RGB"
    if 16 in bits and _one(tags, _PLANAR, 1) == 2 and samples > 1:
        return "it stores 16 bits plane by plane; expected interleaved channels; save it so"
    if (compression := _one(tags, _COMPRESSION, 1)) not in _COMPRESSIONS:
        return f"its compression ({compression}) is not read; save it with LZW or deflate"
    return ""


def _reader(tags: _Tags) -> str:
    if _one(tags, _PHOTOMETRIC, -1) != _RGB:
        return "opencv"
    if 16 in tags.get(_BITS, ()):
        return "opencv unchanged"
    return "pillow" if tags.get(_EXTRA) == [_UNASSOCIATED] else "opencv"


def _has_alpha(tags: _Tags) -> bool:
    """Tell whether the last band is alpha, as is a fourth band beside RGB without a tag, which OpenCV writes."""
    extra = tags.get(_EXTRA, ())
    if not extra:
        return _one(tags, _PHOTOMETRIC, -1) == _RGB and _one(tags, _SAMPLES, 1) == 4
    return len(extra) == 1 and extra[0] in (_ASSOCIATED, _UNASSOCIATED)


def _one(tags: _Tags, tag: int, default: int) -> int:
    return tags[tag][0] if tag in tags else default

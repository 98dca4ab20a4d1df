"""The tags of a TIFF, read before any pixel is decoded, and whether its pixels can be taken as RGB.

Pillow's tag reader is used rather than `Image.open`, which does not support images with many bands.
"""

import io
import warnings
from dataclasses import dataclass

from PIL import TiffImagePlugin

TIFF_STARTS = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")

_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _SAMPLES, _PLANAR, _EXTRA, _FORMAT = 256, 257, 258, 262, 277, 284, 338, 339
_PLACES = ((273, 279), (324, 325))  # of strips, of tiles: offsets and lengths
_GRAY, _RGB, _CMYK = (0, 1), 2, 5
_ASSOCIATED, _UNASSOCIATED = 1, 2  # alpha: whether the colours are multiplied by it
_FORMATS = {1: "unsigned", 2: "signed", 3: "float", 4: "untyped"}

# We raise an error for a damaged tag; Pillow's warning would only be noise to the user.
warnings.filterwarnings("ignore", module="PIL.TiffImagePlugin")


@dataclass(frozen=True)
class Tiff:
    """The first image of a TIFF.

    Attributes:
        height: Rows before the orientation is applied.
        width: Columns before the orientation is applied.
        is_whole: Whether the file has all of its pixels.
        problem: Why it cannot be taken as RGB; "" if it can.
        reader: The reader that keeps the stored values: "opencv"; "opencv unchanged" for 16 bits, which OpenCV would
            otherwise round instead of taking the high byte; "pillow" for alpha, by which OpenCV multiplies colours.
    """

    height: int
    width: int
    is_whole: bool
    problem: str
    reader: str


def read_tiff(data: bytes) -> Tiff | None:
    """Read the tags of a TIFF or BigTIFF; return None if they are damaged."""
    try:
        tags = TiffImagePlugin.ImageFileDirectory_v2(data[: 16 if b"+" in data[:4] else 8])
        stream = io.BytesIO(data)
        stream.seek(tags.next)
        tags.load(stream)
        height, width = int(tags[_HEIGHT]), int(tags[_WIDTH])
        ends = [end for places in _PLACES if places[0] in tags for end in map(sum, zip(*map(tags.get, places)))]  # noqa: B905
        if height < 1 or width < 1 or not ends:
            return None
        return Tiff(height, width, max(ends) <= len(data), _problem(tags), _reader(tags))
    except Exception:  # a parser may fail in any way on foreign bytes
        return None


def _problem(tags: TiffImagePlugin.ImageFileDirectory_v2) -> str:
    samples, alpha, photometric = tags.get(_SAMPLES, 1), _has_alpha(tags), tags.get(_PHOTOMETRIC)
    bits, formats = set(tags.get(_BITS, (1,))), set(tags.get(_FORMAT, (1,)))
    channels: dict[int | None, int] = {_RGB: 3, _CMYK: 4}
    expected = channels.get(photometric, 1 if photometric in _GRAY else samples)
    if samples - alpha != expected or samples > 4:
        return f"it has {samples} bands; expected 1 or 3, with or without alpha; keep three of them"
    if formats != {1} or not bits <= {1, 2, 4, 8, 16} or len(bits) > 1:
        kinds = " and ".join(_FORMATS.get(kind, "unknown") for kind in sorted(formats))
        sizes = " and ".join(map(str, sorted(bits)))
        return f"its values are {kinds} with {sizes} bits; expected unsigned with 8 or 16; scale them to 0..255"
    if 16 in bits and photometric == _CMYK:
        return "it is CMYK with 16 bits; expected 8 bits; convert it to RGB"
    if 16 in bits and tags.get(_PLANAR) == 2 and samples > 1:
        return "it stores 16 bits plane by plane; expected interleaved channels; save it so"
    return ""


def _reader(tags: TiffImagePlugin.ImageFileDirectory_v2) -> str:
    if tags.get(_PHOTOMETRIC) != _RGB:
        return "opencv"
    if 16 in tags.get(_BITS, ()):
        return "opencv unchanged"
    return "pillow" if tags.get(_EXTRA) == (_UNASSOCIATED,) else "opencv"


def _has_alpha(tags: TiffImagePlugin.ImageFileDirectory_v2) -> bool:
    """Tell whether the last band is alpha, as is a fourth band beside RGB without a tag, which OpenCV writes."""
    extra = tags.get(_EXTRA, ())
    if not extra:
        return tags.get(_PHOTOMETRIC) == _RGB and tags.get(_SAMPLES) == 4
    return len(extra) == 1 and extra[0] in (_ASSOCIATED, _UNASSOCIATED)

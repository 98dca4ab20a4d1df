"""The headers of image files, read before any pixel is decoded.

JPEG and PNG are read here: their end must be found anyway, and Pillow takes as long for the header of a small JPEG as
OpenCV takes for its pixels. TIFF is read by its tags, all other formats by Pillow.
"""

import io
import warnings
from dataclasses import dataclass

from PIL import Image

from tfvision.data.pixels.heif import INSTALL, heif_format, heif_size, reads
from tfvision.data.pixels.tiff import TIFF_STARTS, read_tiff

_JPEG_START, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_PNG_START, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
_OTHERS = ("BMP", "WEBP", "GIF")
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE = frozenset((0x01, *range(0xD0, 0xDA)))

# We check the number of pixels ourselves; Pillow's warning would only be noise to the user.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


HEAD_BYTES = 64  # enough to tell the format
_BITMAP_HEADERS = (12, 40, 52, 56, 64, 108, 124)


@dataclass(frozen=True)
class Header:
    """What the header of an image says.

    Attributes:
        height: Rows before the EXIF orientation is applied.
        width: Columns before the EXIF orientation is applied.
        is_whole: Whether the file has its end.
        problem: Why its pixels cannot be taken as RGB; "" if they can.
        reader: "opencv", "opencv unchanged" or "pillow", see `Tiff`; or "heif".
    """

    height: int
    width: int
    is_whole: bool
    problem: str = ""
    reader: str = "opencv"


def image_format(head: bytes) -> str:
    """Tell the format of a file by its first bytes.

    TIFF is not among them: raw photos and slides begin like one, and the picture that is found in them is a preview.

    Args:
        head: At least `HEAD_BYTES` bytes.

    Returns:
        `JPEG`, `PNG`, `GIF`, `WEBP`, `BMP`, `HEIC` or `AVIF`; "" for anything else.
    """
    if head.startswith(_JPEG_START):
        return "JPEG"
    if head.startswith(_PNG_START):
        return "PNG"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BITMAP_HEADERS:
        return "BMP"
    return heif_format(head)


def read_header(data: bytes) -> Header | None:
    """Read the header of an image.

    Args:
        data: A JPEG, PNG, BMP, WebP, TIFF, GIF, HEIC or AVIF file.

    Returns:
        The header; None if this is not such an image or its header is damaged.

    Raises:
        PIL.Image.DecompressionBombError: Pillow refuses the size.
    """
    if data.startswith(_JPEG_START):
        return _read_jpeg(data)
    if data.startswith(_PNG_START):
        width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
        return Header(height, width, _PNG_END in data) if data[12:16] == b"IHDR" and height and width else None
    if data.startswith(TIFF_STARTS):
        tiff = read_tiff(data)
        return Header(tiff.height, tiff.width, tiff.is_whole, tiff.problem, tiff.reader) if tiff else None
    if kind := heif_format(data[:HEAD_BYTES]):
        return _read_heif(data, kind)
    try:
        with Image.open(io.BytesIO(data), formats=_OTHERS) as image:
            return Header(image.height, image.width, True)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Image.DecompressionBombError(str(error)) from error
    except Exception:  # a parser may fail in any way on foreign bytes
        return None


def _read_heif(data: bytes, kind: str) -> Header | None:
    if not reads(kind):
        return Header(1, 1, True, f"it is {kind}, which is read with {INSTALL}")
    size = heif_size(data)
    return Header(*size, True, reader="heif") if size else None


def _read_jpeg(data: bytes) -> Header | None:
    """Read the size, and whether an end marker follows the first scan.

    Segments before the scan are skipped by their length, since a thumbnail in them has its own end marker; what a
    camera appends after the end (a film, a second picture) is ignored.
    """
    size = None
    position = 2
    while 0 <= (position := data.find(b"\xff", position)) < len(data) - 8:
        marker = data[position + 1]
        if marker == 0xDA:
            return Header(*size, data.find(_JPEG_END, position) >= 0) if size and all(size) else None
        if marker in _FRAMES:
            size = (
                int.from_bytes(data[position + 5 : position + 7], "big"),
                int.from_bytes(data[position + 7 : position + 9], "big"),
            )
        if marker == 0xFF:
            position += 1
        elif marker in _BARE:
            position += 2
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return Header(*size, False) if size and all(size) else None

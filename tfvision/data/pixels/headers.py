"""The headers of image files, read before any pixel is decoded.

All are read here and not by Pillow: each as its decoder will read it, so that nothing it finds comes as a surprise, and
in less time than Pillow takes for the header of a small JPEG, which is that of its pixels.
"""

from tfvision.data.pixels.exif import TIFF_STARTS
from tfvision.data.pixels.header import Header
from tfvision.data.pixels.heif import heif_format, read_heif
from tfvision.data.pixels.jpeg import JPEG_START, read_jpeg
from tfvision.data.pixels.png import PNG_START, read_png
from tfvision.data.pixels.small_formats import BITMAP_HEADERS, GIF_STARTS, read_bmp, read_gif, read_webp
from tfvision.data.pixels.tiff import read_tiff

HEAD_BYTES = 64  # enough to tell the format

_READERS = {"JPEG": read_jpeg, "PNG": read_png, "GIF": read_gif, "WEBP": read_webp, "BMP": read_bmp, "TIFF": read_tiff}


def image_format(head: bytes) -> str:
    """Tell the format of a file by its first bytes.

    TIFF is not among them: raw photos and slides begin like one, and the picture that is found in them is a preview.

    Args:
        head: At least `HEAD_BYTES` bytes.

    Returns:
        `JPEG`, `PNG`, `GIF`, `WEBP`, `BMP`, `HEIC` or `AVIF`; "" for anything else.
    """
    if head.startswith(JPEG_START):
        return "JPEG"
    if head.startswith(PNG_START):
        return "PNG"
    if head.startswith(GIF_STARTS):
        return "GIF"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in BITMAP_HEADERS:
        return "BMP"
    return heif_format(head)


def read_header(data: bytes) -> Header | None:
    """Read the header of an image.

    Args:
        data: A JPEG, PNG, BMP, WebP, TIFF, GIF, HEIC or AVIF file.

    Returns:
        The header; None if this is not such an image or its header is damaged.
    """
    kind = "TIFF" if data.startswith(TIFF_STARTS) else image_format(data[:HEAD_BYTES])
    if not kind:
        return None
    return _READERS[kind](data) if kind in _READERS else read_heif(data, kind)

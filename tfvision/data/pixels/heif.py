"""HEIC, the photos of phones, and AVIF: the first by the extra `heif`, the second by Pillow."""

import io
from functools import cache
from importlib.util import find_spec

import numpy as np
from PIL import Image, ImageOps, features

_AVIF, _HEIC = frozenset({b"avif", b"avis"}), frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"})
INSTALL = "pip install 'tfvision[heif]'"


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


def heif_size(data: bytes) -> tuple[int, int] | None:
    """Return height and width; None if the file is damaged."""
    try:
        with _opened(data) as image:
            return image.height, image.width
    except Exception:  # a parser may fail in any way on foreign bytes
        return None


def decode_heif(data: bytes) -> np.ndarray:
    """Decode an image, turned upright.

    Args:
        data: A HEIC or AVIF file whose format `reads`.

    Returns:
        uint8 (height, width, 3), RGB; values of more than 8 bits are scaled to 8.
    """
    with _opened(data) as image:
        return np.array(ImageOps.exif_transpose(image).convert("RGB"))


def _opened(data: bytes) -> Image.Image:
    """Open a file; the pixels are not decoded before they are asked for."""
    if heif_format(data[:64]) == "AVIF":
        return Image.open(io.BytesIO(data), formats=("AVIF",))
    from pillow_heif import HeifImageFile  # an extra; loads libheif

    image: Image.Image = HeifImageFile(io.BytesIO(data))  # type: ignore[no-untyped-call]
    return image

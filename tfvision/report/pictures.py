"""Embed pictures in a page, so that it needs no other file."""

import base64
from pathlib import Path

import cv2
import numpy as np

_SIDE, _SMALL = 160, 64  # long side of a thumbnail, and up to which its pixels are to be seen


def data_uri(image: bytes, kind: str = "png") -> str:
    """Return an image as a data URI for the `src` of an `img` element.

    Args:
        image: Content of the image file.
        kind: Its format, `png`, `jpeg` or `svg+xml`.

    Returns:
        The data URI.
    """
    return f"data:image/{kind};base64,{base64.b64encode(image).decode('ascii')}"


def embed_plot(plot: Path) -> str:
    """Return a plot as a data URI.

    Args:
        plot: The SVG or PNG file; one of the other kind is taken for it, as older versions wrote them.

    Returns:
        The data URI; empty if there is neither.
    """
    for path in (plot, plot.with_suffix(".svg"), plot.with_suffix(".png")):
        try:
            return data_uri(path.read_bytes(), "svg+xml" if path.suffix == ".svg" else "png")
        except OSError:
            continue
    return ""


def thumbnail_uri(image: np.ndarray) -> str:
    """Return an image as a data URI, shrunk to a long side of 160 px if it is larger; up to 64 px without loss.

    Args:
        image: uint8 (height, width, 3), RGB, or (height, width, 1).

    Returns:
        The data URI.
    """
    scale = _SIDE / max(image.shape[:2])
    small = is_small(image)
    if scale < 1:
        size = [max(1, round(side * scale)) for side in image.shape[1::-1]]
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    pixels = image if image.ndim == 2 or image.shape[2] == 1 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    kind = "png" if small else "jpeg"
    return data_uri(cv2.imencode(f".{kind}", pixels)[1].tobytes(), kind)


def is_small(image: np.ndarray) -> bool:
    """Tell whether an image is so small that a page enlarges it without smoothing."""
    return max(image.shape[:2]) <= _SMALL


def image_of(uri: str) -> np.ndarray | None:
    """Return the picture of a data URI of PNG or JPEG, uint8 (height, width, 3), RGB; None if it is damaged."""
    content = np.frombuffer(base64.b64decode(uri.partition(",")[2]), np.uint8)
    image = cv2.imdecode(content, cv2.IMREAD_COLOR)
    return None if image is None else image[..., ::-1]

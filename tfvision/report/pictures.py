"""Embed pictures in a page, so that it needs no other file."""

import base64
from pathlib import Path


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

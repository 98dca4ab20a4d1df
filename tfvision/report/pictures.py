"""Embed pictures in a page, so that it needs no other file."""

import base64


def data_uri(image: bytes, kind: str = "png") -> str:
    """Return an image as a data URI for the `src` of an `img` element.

    Args:
        image: Content of the image file.
        kind: Its format, `png` or `jpeg`.

    Returns:
        The data URI.
    """
    return f"data:image/{kind};base64,{base64.b64encode(image).decode('ascii')}"

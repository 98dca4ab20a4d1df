"""Pictures inside a page, so that it needs no other file."""

import base64


def data_uri(image: bytes, kind: str = "png") -> str:
    """Return an image file's bytes as what `src` of an `img` takes; `kind` is `png` or `jpeg`."""
    return f"data:image/{kind};base64,{base64.b64encode(image).decode('ascii')}"

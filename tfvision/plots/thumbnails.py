"""Images small enough to keep many of them, for a picture."""

import cv2
import numpy as np

_LONGER_SIDE = 300  # px


def thumbnail(pixels: np.ndarray) -> tuple[np.ndarray, float]:
    """Return an image shrunk to 300 px, and the factor it was shrunk by; smaller ones as they are.

    Args:
        pixels: uint8 `(height, width, channels)`.
    """
    scale = _LONGER_SIDE / max(pixels.shape[:2])
    if scale >= 1:
        return pixels, 1.0
    return cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), scale

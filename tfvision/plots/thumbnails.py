"""Images small enough that many can be kept in memory until they are drawn."""

import cv2
import numpy as np

_LONGER_SIDE = 300  # px


def thumbnail(pixels: np.ndarray) -> tuple[np.ndarray, float]:
    """Shrink an image so that its longer side has 300 px.

    Args:
        pixels: uint8 `(height, width, channels)`.

    Returns:
        The image, and the factor it was scaled by; a smaller image as it is, and 1.
    """
    scale = _LONGER_SIDE / max(pixels.shape[:2])
    if scale >= 1:
        return pixels, 1.0
    return cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), scale

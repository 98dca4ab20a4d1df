"""Maps laid over images."""

import cv2
import numpy as np

_SHARE = 0.5  # of the map in the mixture


def lay_over(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Lay a map over an image: red where it is high, blue where it is low.

    Args:
        image: uint8 (height, width, channels), RGB or gray.
        heat: float32 (height, width), 0..1.

    Returns:
        uint8 (height, width, 3), RGB.
    """
    if image.shape[2] == 1:
        image = np.repeat(image, 3, axis=2)
    colours = cv2.applyColorMap(np.rint(255 * np.clip(heat, 0, 1)).astype(np.uint8), cv2.COLORMAP_TURBO)[..., ::-1]
    return np.rint((1 - _SHARE) * image + _SHARE * colours).astype(np.uint8)


def spread(heat: np.ndarray, height: int, width: int) -> np.ndarray:
    """Enlarge a map to the size of its image, and scale its highest place to 1.

    Args:
        heat: float32 (h, w), 0 and up.
        height: Of the image, in pixels.
        width: Of the image, in pixels.

    Returns:
        float32 (height, width), 0..1; all 0 for a map of zeros.
    """
    large = np.maximum(cv2.resize(heat.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC), 0)
    return large / max(float(large.max()), 1e-12)

"""The warp of an image: one affine map with bilinear interpolation, and the ways to fill the border."""

import cv2
import numpy as np

FILLS = {"reflect": cv2.BORDER_REFLECT_101, "constant": cv2.BORDER_CONSTANT, "nearest": cv2.BORDER_REPLICATE}


def warp_image(image: np.ndarray, matrix: np.ndarray, fill: str) -> np.ndarray:
    """Move the pixels of an image.

    Args:
        image: uint8 (height, width) or (height, width, channels).
        matrix: float (2, 3), from (x, y, 1) in the image to (x, y) in the result; (0, 0) is the centre of the first
            pixel.
        fill: How to fill the border, one of FILLS.

    Returns:
        uint8 of the same height and width; OpenCV drops a channel axis of one.
    """
    height, width = image.shape[:2]
    return cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=FILLS[fill])


def rotation_matrix(height: int, width: int, angle: float, scale: float = 1.0) -> np.ndarray:
    """Return the matrix of a rotation and scaling around the centre.

    Args:
        height: Height of the image, in pixels.
        width: Width of the image, in pixels.
        angle: Degrees counter-clockwise.
        scale: Factor by which the image is enlarged.

    Returns:
        float64 (2, 3), as `warp_image` takes it.
    """
    return cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, scale)

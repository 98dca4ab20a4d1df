"""Changes of colour as matrices: they are multiplied together, and the pixels are visited once."""

import math

import cv2
import numpy as np

LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, as in Pillow's "L" and OpenCV's gray


def saturation_matrix(factor: float) -> np.ndarray:
    """Return the matrix, float64 (3, 3), that scales the distance of colours from gray: 0 is gray, 1 has no effect."""
    return factor * np.eye(3) + (1 - factor) * LUMA


def hue_matrix(turn: float) -> np.ndarray:
    """Return the matrix that rotates RGB around its gray axis.

    A third of a turn changes red to green, green to blue and blue to red, exactly as in HSV; between these, the mean of
    the channels is preserved instead of HSV's value, and hues are not rounded to 180 steps.

    Args:
        turn: Share of the colour circle.

    Returns:
        float64 (3, 3), to be multiplied by (red, green, blue).
    """
    angle = 2 * math.pi * turn
    same, along, against = (1 / 3 + 2 / 3 * math.cos(angle - shift * 2 * math.pi / 3) for shift in range(3))
    return np.array([[same, against, along], [along, same, against], [against, along, same]])


def recolour(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Multiply every pixel by a matrix; the result is rounded and clipped to 0..255.

    Args:
        image: uint8 (height, width, 3), RGB.
        matrix: float (3, 3), or (3, 4) whose last column is added.

    Returns:
        uint8 (height, width, 3).
    """
    return cv2.transform(image, matrix)


def has_colour(image: np.ndarray) -> bool:
    """Return whether an image has three channels."""
    return image.ndim == 3 and image.shape[2] == 3

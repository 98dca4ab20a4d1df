"""Changes of colour as matrices: one pass over the pixels, whatever was multiplied together before."""

import math

import cv2
import numpy as np

LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, as in Pillow's "L" and OpenCV's gray


def saturation_matrix(factor: float) -> np.ndarray:
    """Return the matrix, float64 (3, 3), that moves colours away from their gray: 0 is gray, 1 changes nothing."""
    return factor * np.eye(3) + (1 - factor) * LUMA


def hue_matrix(turn: float) -> np.ndarray:
    """Return the matrix that turns RGB around its gray axis.

    A third of a turn makes red green, green blue and blue red, exactly as in HSV; between, the mean of
    the channels is kept instead of HSV's value, and nothing is rounded to 180 hues.

    Args:
        turn: Share of the colour circle.

    Returns:
        float64 (3, 3), to be multiplied with (red, green, blue).
    """
    angle = 2 * math.pi * turn
    same, along, against = (1 / 3 + 2 / 3 * math.cos(angle - shift * 2 * math.pi / 3) for shift in range(3))
    return np.array([[same, against, along], [along, same, against], [against, along, same]])


def recolour(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Multiply every pixel with a matrix, rounded and clipped.

    Args:
        image: uint8 (height, width, 3), RGB.
        matrix: float (3, 3), or (3, 4) with what is added in the last column.

    Returns:
        uint8 (height, width, 3).
    """
    return cv2.transform(image, matrix)


def has_colour(image: np.ndarray) -> bool:
    """Return whether an image has three channels."""
    return image.ndim == 3 and image.shape[2] == 3

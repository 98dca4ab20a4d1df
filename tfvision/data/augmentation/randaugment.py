"""RandAugment on OpenCV: a few operations on each image, drawn from 14, all of one magnitude.

Cubuk, Zoph, Shlens and Le, "RandAugment: Practical automated data augmentation with a reduced search
space", 2020. Operations and their strength at magnitude 1 are AutoAugment's at its highest level.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from tfvision.data.augmentation.colour import LUMA, has_colour, recolour, saturation_matrix
from tfvision.data.augmentation.warp import rotation_matrix, warp_image

_DEGREES = 30.0  # of rotate
_SLOPE = 0.3  # of shear, sideways for each pixel
_SHARE = 0.45  # of the side, of translate
_FACTOR = 0.9  # away from 1, of color, contrast, brightness and sharpness
_BITS = 4  # lost by posterize


def rand_augment(
    image: np.ndarray, magnitude: float, draws: Sequence[float], fill: str, operations: Sequence[str] | None = None
) -> np.ndarray:
    """Apply some operations one after the other.

    Args:
        image: uint8 (height, width) or (height, width, channels), RGB or one channel.
        magnitude: Strength of every operation, 0..1.
        draws: Two numbers from 0 to under 1 for each operation: which, and in which of two directions.
        fill: What stands beyond the border, see `tfvision.data.augmentation.warp.FILLS`.
        operations: Keys of OPERATIONS to draw from; all by default.

    Returns:
        uint8 of the same height and width; OpenCV drops a channel axis of one.
    """
    names = operations or tuple(OPERATIONS)
    for which, direction in zip(draws[::2], draws[1::2], strict=True):
        operation = OPERATIONS[names[int(which * len(names))]]
        image = operation(image, magnitude if direction < 0.5 else -magnitude, fill)
    return image


def identity(image: np.ndarray, strength: float, fill: str) -> np.ndarray:
    """Return the image as it is."""
    return image


def autocontrast(image: np.ndarray, strength: float, fill: str) -> np.ndarray:
    """Stretch each channel to 0..255, whatever the strength."""
    return cv2.merge([_stretch(channel) for channel in cv2.split(image)])


def equalize(image: np.ndarray, strength: float, fill: str) -> np.ndarray:
    """Make the values of each channel equally frequent, whatever the strength."""
    return cv2.merge([cv2.equalizeHist(channel) for channel in cv2.split(image)])


def rotate(image: np.ndarray, strength: float, fill: str) -> np.ndarray:
    """Turn by up to 30 degrees, counter-clockwise where the strength is positive."""
    return warp_image(image, rotation_matrix(*image.shape[:2], strength * _DEGREES), fill)


def solarize(image: np.ndarray, strength: float, fill: str) -> np.ndarray:
    """Invert the values from a threshold on: 256 (none) at strength 0, 0 (all) at 1."""
    threshold = round(256 * (1 - abs(strength)))
    _, inverted = cv2.threshold(image, threshold - 1, 255, cv2.THRESH_BINARY)
    return image ^ inverted.reshape(image.shape)


def color(image: np.ndarray, strength: float, fill: str) -> np.ndarray:
    """Multiply the distance from gray by 0.1 (strength -1) to 1.9 (strength 1)."""
    return recolour(image, saturation_matrix(1 + strength * _FACTOR)) if has_colour(image) else image


def posterize(image: np.ndarray, strength: float, fill: str) -> np.ndarray:
    """Clear the lowest bits: none at strength 0, four at 1."""
    return image & np.uint8(256 - (1 << round(abs(strength) * _BITS)))


def contrast(image: np.ndarray, strength: float, fill: str) -> np.ndarray:
    """Multiply the distance from the mean brightness by 0.1 (strength -1) to 1.9 (strength 1)."""
    factor = 1 + strength * _FACTOR
    means = cv2.mean(image)
    mean = float(LUMA @ means[:3]) if has_colour(image) else means[0]
    return cv2.addWeighted(image, factor, image, 0, mean * (1 - factor))


def brightness(image: np.ndarray, strength: float, fill: str) -> np.ndarray:
    """Multiply all values by 0.1 (strength -1) to 1.9 (strength 1)."""
    return cv2.convertScaleAbs(image, alpha=1 + strength * _FACTOR)


def sharpness(image: np.ndarray, strength: float, fill: str) -> np.ndarray:
    """Multiply the distance from a smoothed image by 0.1 (strength -1) to 1.9 (strength 1).

    Smoothed is 4/13 of the pixel and 9/13 of the mean of its 3x3 neighbourhood, which is Pillow's SMOOTH.
    """
    factor = 1 + strength * _FACTOR
    blurred = cv2.blur(image, (3, 3)).reshape(image.shape)
    return cv2.addWeighted(image, factor + (1 - factor) * 4 / 13, blurred, (1 - factor) * 9 / 13, 0)


def shear_x(image: np.ndarray, strength: float, fill: str) -> np.ndarray:
    """Move rows sideways, by up to 0.3 px for each px from the middle row."""
    slope = strength * _SLOPE
    return warp_image(image, np.array([[1, slope, -slope * (image.shape[0] - 1) / 2], [0, 1, 0]]), fill)


def shear_y(image: np.ndarray, strength: float, fill: str) -> np.ndarray:
    """Move columns up and down, by up to 0.3 px for each px from the middle column."""
    slope = strength * _SLOPE
    return warp_image(image, np.array([[1, 0, 0], [slope, 1, -slope * (image.shape[1] - 1) / 2]]), fill)


def translate_x(image: np.ndarray, strength: float, fill: str) -> np.ndarray:
    """Move by up to 0.45 of the width."""
    return warp_image(image, np.array([[1, 0, strength * _SHARE * image.shape[1]], [0, 1, 0]]), fill)


def translate_y(image: np.ndarray, strength: float, fill: str) -> np.ndarray:
    """Move by up to 0.45 of the height."""
    return warp_image(image, np.array([[1, 0, 0], [0, 1, strength * _SHARE * image.shape[0]]]), fill)


# The order decides which draw is which operation: it is a part of every run's results.
OPERATIONS: dict[str, Callable[[np.ndarray, float, str], np.ndarray]] = {
    operation.__name__: operation
    for operation in (
        identity,
        autocontrast,
        equalize,
        rotate,
        solarize,
        color,
        posterize,
        contrast,
        brightness,
        sharpness,
        shear_x,
        shear_y,
        translate_x,
        translate_y,
    )
}
# Those that move no pixel.
COLOURS = tuple(
    name for name in OPERATIONS if name not in ("rotate", "shear_x", "shear_y", "translate_x", "translate_y")
)


def _stretch(channel: np.ndarray) -> np.ndarray:
    lowest, highest, _, _ = cv2.minMaxLoc(channel)
    if highest == lowest:
        return channel
    factor = 255 / (highest - lowest)
    return cv2.convertScaleAbs(channel, alpha=factor, beta=-lowest * factor)

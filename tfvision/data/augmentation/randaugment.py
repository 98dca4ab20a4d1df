"""RandAugment with OpenCV: a few operations on each image, drawn from 14, all of the same magnitude.

Cubuk, Zoph, Shlens and Le, "RandAugment: Practical automated data augmentation with a reduced search space", 2020. The
operations and their strengths at magnitude 1 are those of AutoAugment at its highest level. All have the same
arguments, whether or not they use them.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from tfvision.data.augmentation.colour import LUMA, has_colour, recolour, saturation_matrix
from tfvision.data.augmentation.warp import rotation_matrix, warp_image

_DEGREES = 30.0  # rotate
_SLOPE = 0.3  # shear: pixels sideways for each pixel from the middle
_SHARE = 0.45  # translate: share of the side
_FACTOR = 0.9  # color, contrast, brightness and sharpness: distance of the factor from 1
_BITS = 4  # posterize: bits cleared


def rand_augment(
    image: np.ndarray, magnitude: float, draws: Sequence[float], fill: str, operations: Sequence[str] | None = None
) -> np.ndarray:
    """Apply randomly drawn operations, one after the other.

    Args:
        image: uint8 (height, width) or (height, width, channels), RGB or one channel.
        magnitude: Strength of every operation, 0..1.
        draws: Two numbers in [0, 1) for each operation: which one, and in which of two directions.
        fill: How to fill the border, one of `FILLS` in `tfvision.data.augmentation.warp`.
        operations: Keys of OPERATIONS to draw from; all if None.

    Returns:
        uint8 of the same height and width; OpenCV drops a channel axis of one.
    """
    names = operations or tuple(OPERATIONS)
    for which, direction in zip(draws[::2], draws[1::2], strict=True):
        operation = OPERATIONS[names[int(which * len(names))]]
        image = operation(image, magnitude if direction < 0.5 else -magnitude, fill)
    return image


def identity(image: np.ndarray, strength: float, fill: str) -> np.ndarray:
    """Return the image unchanged.

    Args:
        image: uint8 (height, width) or (height, width, channels), RGB or one channel.
        strength: Has no effect.
        fill: Has no effect.

    Returns:
        uint8 of the same height and width.
    """
    return image


def autocontrast(image: np.ndarray, strength: float, fill: str) -> np.ndarray:
    """Stretch the values of each channel to 0..255.

    Args:
        image: uint8 (height, width) or (height, width, channels), RGB or one channel.
        strength: Has no effect.
        fill: Has no effect.

    Returns:
        uint8 of the same height and width.
    """
    return cv2.merge([_stretch(channel) for channel in cv2.split(image)])


def equalize(image: np.ndarray, strength: float, fill: str) -> np.ndarray:
    """Equalize the histogram of each channel.

    Args:
        image: uint8 (height, width) or (height, width, channels), RGB or one channel.
        strength: Has no effect.
        fill: Has no effect.

    Returns:
        uint8 of the same height and width.
    """
    return cv2.merge([cv2.equalizeHist(channel) for channel in cv2.split(image)])


def rotate(image: np.ndarray, strength: float, fill: str) -> np.ndarray:
    """Rotate by up to 30 degrees, counter-clockwise if the strength is positive.

    Args:
        image: uint8 (height, width) or (height, width, channels), RGB or one channel.
        strength: -1..1.
        fill: How to fill the border, one of `FILLS`.

    Returns:
        uint8 of the same height and width.
    """
    height, width = image.shape[:2]
    return warp_image(image, rotation_matrix(height, width, strength * _DEGREES), fill)


def solarize(image: np.ndarray, strength: float, fill: str) -> np.ndarray:
    """Invert the values from a threshold on: 256 (none) at strength 0, 0 (all) at 1.

    Args:
        image: uint8 (height, width) or (height, width, channels), RGB or one channel.
        strength: -1..1; the sign has no effect.
        fill: Has no effect.

    Returns:
        uint8 of the same height and width.
    """
    threshold = round(256 * (1 - abs(strength)))
    _, inverted = cv2.threshold(image, threshold - 1, 255, cv2.THRESH_BINARY)
    return image ^ inverted.reshape(image.shape)


def color(image: np.ndarray, strength: float, fill: str) -> np.ndarray:
    """Multiply the distance from gray by 0.1 (strength -1) to 1.9 (strength 1).

    Args:
        image: uint8 (height, width) or (height, width, channels), RGB or one channel.
        strength: -1..1.
        fill: Has no effect.

    Returns:
        uint8 of the same height and width.
    """
    return recolour(image, saturation_matrix(1 + strength * _FACTOR)) if has_colour(image) else image


def posterize(image: np.ndarray, strength: float, fill: str) -> np.ndarray:
    """Clear the lowest bits: none at strength 0, four at 1.

    Args:
        image: uint8 (height, width) or (height, width, channels), RGB or one channel.
        strength: -1..1; the sign has no effect.
        fill: Has no effect.

    Returns:
        uint8 of the same height and width.
    """
    return image & np.uint8(256 - (1 << round(abs(strength) * _BITS)))


def contrast(image: np.ndarray, strength: float, fill: str) -> np.ndarray:
    """Multiply the distance from the mean brightness by 0.1 (strength -1) to 1.9 (strength 1).

    Args:
        image: uint8 (height, width) or (height, width, channels), RGB or one channel.
        strength: -1..1.
        fill: Has no effect.

    Returns:
        uint8 of the same height and width.
    """
    factor = 1 + strength * _FACTOR
    means = cv2.mean(image)
    mean = float(LUMA @ means[:3]) if has_colour(image) else means[0]
    return cv2.addWeighted(image, factor, image, 0, mean * (1 - factor))


def brightness(image: np.ndarray, strength: float, fill: str) -> np.ndarray:
    """Multiply all values by 0.1 (strength -1) to 1.9 (strength 1).

    Args:
        image: uint8 (height, width) or (height, width, channels), RGB or one channel.
        strength: -1..1.
        fill: Has no effect.

    Returns:
        uint8 of the same height and width.
    """
    return cv2.convertScaleAbs(image, alpha=1 + strength * _FACTOR)


def sharpness(image: np.ndarray, strength: float, fill: str) -> np.ndarray:
    """Multiply the distance from a smoothed image by 0.1 (strength -1) to 1.9 (strength 1).

    The smoothed image is 4/13 of the pixel and 9/13 of the mean of its 3x3 neighbourhood, which is Pillow's SMOOTH.

    Args:
        image: uint8 (height, width) or (height, width, channels), RGB or one channel.
        strength: -1..1.
        fill: Has no effect.

    Returns:
        uint8 of the same height and width.
    """
    factor = 1 + strength * _FACTOR
    blurred = cv2.blur(image, (3, 3)).reshape(image.shape)
    return cv2.addWeighted(image, factor + (1 - factor) * 4 / 13, blurred, (1 - factor) * 9 / 13, 0)


def shear_x(image: np.ndarray, strength: float, fill: str) -> np.ndarray:
    """Shift rows sideways, by up to 0.3 px for each px from the middle row.

    Args:
        image: uint8 (height, width) or (height, width, channels), RGB or one channel.
        strength: -1..1.
        fill: How to fill the border, one of `FILLS`.

    Returns:
        uint8 of the same height and width.
    """
    slope = strength * _SLOPE
    return warp_image(image, np.array([[1, slope, -slope * (image.shape[0] - 1) / 2], [0, 1, 0]]), fill)


def shear_y(image: np.ndarray, strength: float, fill: str) -> np.ndarray:
    """Shift columns up or down, by up to 0.3 px for each px from the middle column.

    Args:
        image: uint8 (height, width) or (height, width, channels), RGB or one channel.
        strength: -1..1.
        fill: How to fill the border, one of `FILLS`.

    Returns:
        uint8 of the same height and width.
    """
    slope = strength * _SLOPE
    return warp_image(image, np.array([[1, 0, 0], [slope, 1, -slope * (image.shape[1] - 1) / 2]]), fill)


def translate_x(image: np.ndarray, strength: float, fill: str) -> np.ndarray:
    """Shift sideways by up to 0.45 of the width.

    Args:
        image: uint8 (height, width) or (height, width, channels), RGB or one channel.
        strength: -1..1.
        fill: How to fill the border, one of `FILLS`.

    Returns:
        uint8 of the same height and width.
    """
    return warp_image(image, np.array([[1, 0, strength * _SHARE * image.shape[1]], [0, 1, 0]]), fill)


def translate_y(image: np.ndarray, strength: float, fill: str) -> np.ndarray:
    """Shift up or down by up to 0.45 of the height.

    Args:
        image: uint8 (height, width) or (height, width, channels), RGB or one channel.
        strength: -1..1.
        fill: How to fill the border, one of `FILLS`.

    Returns:
        uint8 of the same height and width.
    """
    return warp_image(image, np.array([[1, 0, 0], [0, 1, strength * _SHARE * image.shape[0]]]), fill)


# The order decides which draw means which operation, so results depend on it.
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
# The operations that do not move pixels.
COLOURS = tuple(
    name for name in OPERATIONS if name not in ("rotate", "shear_x", "shear_y", "translate_x", "translate_y")
)


def _stretch(channel: np.ndarray) -> np.ndarray:
    lowest, highest, _, _ = cv2.minMaxLoc(channel)
    if highest == lowest:
        return channel
    factor = 255 / (highest - lowest)
    return cv2.convertScaleAbs(channel, alpha=factor, beta=-lowest * factor)

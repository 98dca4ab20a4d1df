"""Corruptions: what may happen to an image between the camera and the model, at five severities.

After Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations", ICLR
2019. The strengths are our own: relative to the size of the image, so that they mean the same at 32 and at 500 px.
"""

from collections.abc import Callable

import cv2
import numpy as np

from tfvision.data.augmentation.warp import rotation_matrix, warp_image
from tfvision.errors import UsageError, nearest, worded

SEVERITIES = 5

_NOISE = (0.04, 0.08, 0.12, 0.18, 0.26)  # standard deviation, as a share of 255
_BLUR = (0.012, 0.02, 0.03, 0.045, 0.06)  # standard deviation, as a share of the shorter side
_CONTRAST = (0.75, 0.55, 0.4, 0.25, 0.15)  # share of the contrast that is left
_QUALITY = (60, 35, 20, 12, 7)  # JPEG quality
_BRIGHTNESS = (0.1, 0.18, 0.26, 0.34, 0.42)  # added or subtracted, as a share of 255
_PIXELS = (0.7, 0.55, 0.4, 0.3, 0.2)  # share of each side that is left
_OCCLUDED = (0.05, 0.1, 0.2, 0.3, 0.4)  # share of the area
_DEGREES = (5, 10, 20, 30, 45)
_BLENDED = (0.1, 0.2, 0.3, 0.4, 0.5)  # share of the other image
_GRAY = 127


def parse_corruptions(text: str) -> list[str]:
    """Parse a list of corruptions.

    Args:
        text: Names separated by commas, or `all`.

    Returns:
        The names, without repetitions.

    Raises:
        UsageError: A name is unknown, or there is none.
    """
    names = list(CORRUPTIONS) if text == "all" else list(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in CORRUPTIONS:
            known = f"expected all, or some of {','.join(CORRUPTIONS)}"
            raise UsageError(f"unknown corruption {worded(name)}{nearest(name, CORRUPTIONS)}; {known}")
    return names


def add_noise(image: np.ndarray, severity: int, generator: np.random.Generator) -> np.ndarray:
    """Add white Gaussian noise, the same on all channels for gray images.

    Args:
        image: uint8 (height, width, channels).
        severity: 1 to 5.
        generator: Random generator for this image.

    Returns:
        uint8 of the same shape.
    """
    channels = 1 if (image == image[..., :1]).all() else image.shape[2]
    noise = generator.standard_normal((*image.shape[:2], channels), np.float32)
    return _to_bytes(image + 255 * _NOISE[severity - 1] * noise)


def blur(image: np.ndarray, severity: int, generator: np.random.Generator) -> np.ndarray:
    """Blur with a Gaussian.

    Args:
        image: uint8 (height, width, channels).
        severity: 1 to 5.
        generator: Not used.

    Returns:
        uint8 of the same shape.
    """
    return low_pass(image, _BLUR[severity - 1] * min(image.shape[:2]))


def low_pass(image: np.ndarray, deviation: float) -> np.ndarray:
    """Keep what is coarser than a Gaussian.

    Args:
        image: uint8 (height, width, channels).
        deviation: Standard deviation of the Gaussian, in pixels.

    Returns:
        uint8 of the same shape.
    """
    return cv2.GaussianBlur(image, (0, 0), deviation).reshape(image.shape)


def lower_contrast(image: np.ndarray, severity: int, generator: np.random.Generator) -> np.ndarray:
    """Pull all values towards their mean.

    Args:
        image: uint8 (height, width, channels).
        severity: 1 to 5.
        generator: Not used.

    Returns:
        uint8 of the same shape.
    """
    mean = image.mean(dtype=np.float64)
    return _to_bytes(mean + (image - mean) * _CONTRAST[severity - 1])


def compress(image: np.ndarray, severity: int, generator: np.random.Generator) -> np.ndarray:
    """Encode as JPEG and decode again.

    Args:
        image: uint8 (height, width, channels).
        severity: 1 to 5.
        generator: Not used.

    Returns:
        uint8 of the same shape.
    """
    gray = image.shape[2] == 1
    # OpenCV encodes BGR; decoding turns it back into RGB.
    _, data = cv2.imencode(
        ".jpg", np.ascontiguousarray(image[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY[severity - 1]]
    )
    decoded = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_COLOR_RGB)
    assert decoded is not None  # these bytes were encoded just now
    return decoded.reshape(image.shape)


def change_brightness(image: np.ndarray, severity: int, generator: np.random.Generator) -> np.ndarray:
    """Make the image brighter or darker, at random.

    Args:
        image: uint8 (height, width, channels).
        severity: 1 to 5.
        generator: Random generator for this image.

    Returns:
        uint8 of the same shape.
    """
    sign = 1 if generator.random() < 0.5 else -1
    return _to_bytes(image + np.float32(sign * 255 * _BRIGHTNESS[severity - 1]))


def pixelate(image: np.ndarray, severity: int, generator: np.random.Generator) -> np.ndarray:
    """Shrink, then enlarge without smoothing.

    Args:
        image: uint8 (height, width, channels).
        severity: 1 to 5.
        generator: Not used.

    Returns:
        uint8 of the same shape.
    """
    height, width = image.shape[:2]
    share = _PIXELS[severity - 1]
    small = cv2.resize(
        image, (max(1, round(width * share)), max(1, round(height * share))), interpolation=cv2.INTER_AREA
    )
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST).reshape(image.shape)


def occlude(image: np.ndarray, severity: int, generator: np.random.Generator) -> np.ndarray:
    """Cover part of the image with a gray rectangle of its aspect ratio, placed at random (Zeiler, Fergus, ECCV 2014).

    Args:
        image: uint8 (height, width, channels).
        severity: 1 to 5.
        generator: Random generator for this image.

    Returns:
        uint8 of the same shape.
    """
    height, width = image.shape[:2]
    share = _OCCLUDED[severity - 1] ** 0.5
    rows, columns = max(1, round(height * share)), max(1, round(width * share))
    top, left = (generator.random(2) * (height - rows + 1, width - columns + 1)).astype(int)
    result = image.copy()
    result[top : top + rows, left : left + columns] = _GRAY
    return result


def tilt(image: np.ndarray, severity: int, generator: np.random.Generator) -> np.ndarray:
    """Rotate to the left or to the right, at random; the border is mirrored.

    Args:
        image: uint8 (height, width, channels).
        severity: 1 to 5.
        generator: Random generator for this image.

    Returns:
        uint8 of the same shape.
    """
    degrees = _DEGREES[severity - 1] * (1 if generator.random() < 0.5 else -1)
    height, width = image.shape[:2]
    return warp_image(image, rotation_matrix(height, width, degrees), "reflect").reshape(image.shape)


def blend(image: np.ndarray, severity: int, other: np.ndarray) -> np.ndarray:
    """Blend another image over this one.

    Args:
        image: uint8 (height, width, channels).
        severity: 1 to 5.
        other: uint8 with the same number of channels; resized to the size of `image`.

    Returns:
        uint8 of the shape of `image`.
    """
    height, width = image.shape[:2]
    other = cv2.resize(other, (width, height), interpolation=cv2.INTER_AREA).reshape(image.shape)
    share = np.float32(_BLENDED[severity - 1])
    return _to_bytes((1 - share) * image + share * other)


def _to_bytes(values: np.ndarray) -> np.ndarray:
    return np.rint(values).clip(0, 255).astype(np.uint8)


# `blend` takes another image instead of a generator, see `corrupt_images`.
CORRUPTIONS: dict[str, Callable[..., np.ndarray]] = {
    "noise": add_noise,
    "blur": blur,
    "contrast": lower_contrast,
    "jpeg": compress,
    "brightness": change_brightness,
    "pixelate": pixelate,
    "occlusion": occlude,
    "rotation": tilt,
    "blend": blend,
}

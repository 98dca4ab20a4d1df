"""Numbers that describe an image without a network: quality, colour and frequency."""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

_SEEN = 256  # long side at which quality is measured
_SIDE = 64  # side at which colours and frequencies are measured
_BANDS = (0, 1.5, 3, 5, 8, 12, 17, 23, 32)  # edges of the rings in cycles per image
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_LOG_WEIGHT = 5.0  # a factor of e in power counts as five levels of L*a*b*, which has about a hundred
_COLOURED = 3.0  # mean difference of the channels in gray levels; JPEG alone causes up to two


@dataclass(frozen=True)
class Quality:
    """What makes a single image conspicuous.

    Attributes:
        low: Gray level that 5 % of the pixels are below, 0..255.
        high: Gray level that 95 % of the pixels are below, 0..255.
        contrast: Largest standard deviation of a channel, in gray levels.
        blur: Blur effect, 0 sharp .. 1; NaN for images without any edge.
        has_colour: Whether the channels differ.
    """

    low: float
    high: float
    contrast: float
    blur: float
    has_colour: bool


def measure_quality(pixels: np.ndarray) -> Quality:
    """Measure an image, uint8 (height, width, 3), shrunk to a long side of 256 if it is larger."""
    scale = _SEEN / max(pixels.shape[:2])
    if scale < 1:
        size = [max(1, round(side * scale)) for side in pixels.shape[1::-1]]
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    low, high = np.quantile(gray, (0.05, 0.95))
    spread = np.ptp(pixels.astype(np.int16), axis=2)
    contrast = pixels.reshape(-1, 3).std(axis=0).max()
    return Quality(float(low), float(high), float(contrast), blur_effect(gray), bool(spread.mean() > _COLOURED))


def blur_effect(gray: np.ndarray) -> float:
    """Return how little an image changes when it is blurred once more.

    Crete et al., "The blur effect: perception and estimation with a new no-reference perceptual blur metric", 2007.

    Args:
        gray: uint8 (height, width).

    Returns:
        0 (sharp) to 1 (blurred already), the worse of both directions; NaN without any edge.
    """
    values = gray.astype(np.float32)
    found = []
    for axis in (0, 1):
        before = np.abs(np.diff(values, axis=axis))
        after = np.abs(np.diff(cv2.blur(values, (1, 9) if axis == 0 else (9, 1)), axis=axis))
        if total := before.sum():
            found.append(1 - np.maximum(0, before - after).sum() / total)
    return float(max(found)) if found else float("nan")


def describe_image(pixels: np.ndarray) -> np.ndarray:
    """Describe colour and texture by quantiles in L*a*b* and the power in rings of frequencies.

    Args:
        pixels: uint8 (height, width, 3).

    Returns:
        float32 (32,), in units of about a level of L*a*b*.
    """
    small = cv2.resize(pixels, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    colours = np.quantile(lab.reshape(-1, 3), _QUANTILES, axis=0).T.ravel()
    chroma = np.hypot(lab[..., 1], lab[..., 2]).mean()
    light, red_green, blue_yellow = (_ring_powers(lab[..., channel]) for channel in range(3))
    return np.array([*colours, chroma, *light, *red_green[1::2], *blue_yellow[1::2]], np.float32)


def _ring_powers(channel: np.ndarray) -> np.ndarray:
    """Return the logarithm of the mean power in each ring, float (8,)."""
    window, rings, counts = _rings()
    power = np.abs(np.fft.fft2((channel - channel.mean()) * window)) ** 2
    return _LOG_WEIGHT * np.log1p(np.bincount(rings, power.ravel(), len(_BANDS) + 1)[1:-1] / counts)


@cache
def _rings() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the window, the ring of each frequency (from 1; the last is outside) and the size of each ring."""
    axis = np.fft.fftfreq(_SIDE, 1 / _SIDE)
    rings = np.digitize(np.hypot(axis[:, None], axis[None]), _BANDS).ravel()
    hann = np.hanning(_SIDE)
    return hann[:, None] * hann[None], rings, np.bincount(rings, minlength=len(_BANDS) + 1)[1:-1]

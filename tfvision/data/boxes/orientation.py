"""EXIF orientation: boxes between the pixels as a file stores them and the upright image."""

import numpy as np

from tfvision.data.pixels.header import UPRIGHT
from tfvision.data.pixels.headers import read_header

# How a stored image becomes upright, by orientation: whether rows and columns are swapped first, and whether the
# result is then mirrored left to right and top to bottom.
STEPS = {
    1: (False, False, False),
    2: (False, True, False),
    3: (False, True, True),
    4: (False, False, True),
    5: (True, False, False),
    6: (True, True, False),
    7: (True, True, True),
    8: (True, False, True),
}


def read_orientation(data: bytes) -> int:
    """Return the EXIF orientation of an encoded image, 1..8; 1 if it has none, or none that the decoder applies."""
    header = read_header(data)
    return UPRIGHT if header is None else header.orientation


def swaps_sides(orientation: int) -> bool:
    """Tell whether the upright image has the width and height of the stored one swapped."""
    return STEPS[orientation][0]


def to_upright(box: np.ndarray, orientation: int, width: int, height: int) -> np.ndarray:
    """Move a box from the stored pixels to the upright image.

    Args:
        box: float (4,), in stored pixels.
        orientation: EXIF orientation, 1..8.
        width: Width of the upright image, in pixels.
        height: Height of the upright image, in pixels.

    Returns:
        float64 (4,), in pixels of the upright image.
    """
    swap, mirror_x, mirror_y = STEPS[orientation]
    return _mirrored(_swapped(box) if swap else box, mirror_x, mirror_y, width, height)


def to_stored(box: np.ndarray, orientation: int, width: int, height: int) -> np.ndarray:
    """Move a box from the upright image back to the stored pixels.

    Args:
        box: float (4,), in pixels of the upright image.
        orientation: EXIF orientation, 1..8.
        width: Width of the upright image, in pixels.
        height: Height of the upright image, in pixels.

    Returns:
        float64 (4,), in stored pixels.
    """
    swap, mirror_x, mirror_y = STEPS[orientation]
    moved = _mirrored(box, mirror_x, mirror_y, width, height)
    return _swapped(moved) if swap else moved


def _swapped(box: np.ndarray) -> np.ndarray:
    return np.asarray(box, np.float64)[[1, 0, 3, 2]]


def _mirrored(box: np.ndarray, mirror_x: bool, mirror_y: bool, width: int, height: int) -> np.ndarray:
    xmin, ymin, xmax, ymax = box
    if mirror_x:
        xmin, xmax = width - xmax, width - xmin
    if mirror_y:
        ymin, ymax = height - ymax, height - ymin
    return np.array([xmin, ymin, xmax, ymax], np.float64)

"""Changes that take either the texture or the shape out of an image.

After Geirhos et al., "ImageNet-trained CNNs are biased towards texture", ICLR 2019, and "Generalisation in humans and
deep neural networks", NeurIPS 2018; shuffled patches after Zhang and Zhu, "Interpreting Adversarially Trained CNNs", ICML
2019. The strengths are our own, in pixels at the model's input.
"""

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np

from tfvision.robustness.corruptions import low_pass

TextureChange = Callable[[np.ndarray, np.random.Generator], np.ndarray | None]

LEAST_SIDE = 8  # pixels: the finest grid has a pixel in each patch
_GRIDS = (2, 4, 8)
_DEVIATIONS = (1, 2, 4)  # pixels
_MIDDLE = 128
_BORDER = 0.08  # share of each side that GrabCut takes for background
_ROUNDS = 5
_SMALLEST, _LARGEST = 0.02, 0.98  # share of the inner rectangle that an object takes where GrabCut found one


def to_gray(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Take out the colours.

    Args:
        image: uint8 (height, width, channels), RGB or one channel.
        generator: Not used.

    Returns:
        uint8 of the same shape, all channels equal.
    """
    return _repeat(_gray(image), image)


def shuffle_patches(image: np.ndarray, generator: np.random.Generator, *, grid: int) -> np.ndarray:
    """Put the patches of a grid into another order: texture stays, shape goes.

    Args:
        image: uint8 (height, width, channels), at least `grid` pixels on each side. Where the sides are no multiple of
            `grid`, the rest on the right and at the bottom stays where it is.
        generator: Random generator for this image.
        grid: Patches along each side, 2 or more.

    Returns:
        uint8 of the same shape; the order is never the old one.
    """
    rows, columns, channels = image.shape[0] // grid, image.shape[1] // grid, image.shape[2]
    inner = image[: rows * grid, : columns * grid]
    patches = inner.reshape(grid, rows, grid, columns, channels).swapaxes(1, 2).reshape(-1, rows, columns, channels)
    moved = patches[_new_order(grid * grid, generator)].reshape(grid, grid, rows, columns, channels)
    result = image.copy()
    result[: rows * grid, : columns * grid] = moved.swapaxes(1, 2).reshape(inner.shape)
    return result


def keep_low(image: np.ndarray, generator: np.random.Generator, *, deviation: float) -> np.ndarray:
    """Keep what is coarser than a Gaussian.

    Args:
        image: uint8 (height, width, channels).
        generator: Not used.
        deviation: Standard deviation of the Gaussian, in pixels.

    Returns:
        uint8 of the same shape.
    """
    return low_pass(image, deviation)


def keep_high(image: np.ndarray, generator: np.random.Generator, *, deviation: float) -> np.ndarray:
    """Keep what is finer than a Gaussian, around middle gray: the image less what `keep_low` keeps, plus 128.

    Args:
        image: uint8 (height, width, channels).
        generator: Not used.
        deviation: Standard deviation of the Gaussian, in pixels.

    Returns:
        uint8 of the same shape, clipped to 0..255.
    """
    fine = image.astype(np.int16) - low_pass(image, deviation)
    return (fine + _MIDDLE).clip(0, 255).astype(np.uint8)


def keep_edges(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Keep the edges alone (Canny, 1986), black on white; the upper threshold is Otsu's, the lower one half of it.

    Args:
        image: uint8 (height, width, channels), RGB or one channel.
        generator: Not used.

    Returns:
        uint8 of the same shape, 0 and 255.
    """
    gray = _gray(image)
    upper, _ = cv2.threshold(gray, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return _repeat(255 - cv2.Canny(gray, upper / 2, upper), image)


def keep_silhouette(image: np.ndarray, generator: np.random.Generator) -> np.ndarray | None:
    """Fill the object in the middle with black, the rest with white.

    The object is found by GrabCut (Rother et al., SIGGRAPH 2004), to which the border of the image is background.

    Args:
        image: uint8 (height, width, channels), RGB or one channel.
        generator: Not used.

    Returns:
        uint8 of the same shape, 0 and 255; None where GrabCut takes nearly nothing or nearly everything for the object.
    """
    height, width = image.shape[:2]
    top, left = max(1, round(height * _BORDER)), max(1, round(width * _BORDER))
    rectangle = left, top, width - 2 * left, height - 2 * top
    mask = np.zeros((height, width), np.uint8)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)  # of this thread: GrabCut begins with random clusters
    try:
        cv2.grabCut(_colours(image), mask, rectangle, *models, _ROUNDS, cv2.GC_INIT_WITH_RECT)
    except cv2.error:  # no pixels are left for one of its two models
        return None
    found = (mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)
    share = found.sum() / (rectangle[2] * rectangle[3])
    silhouette = np.where(found, 0, 255).astype(np.uint8)
    return _repeat(silhouette, image) if _SMALLEST <= share <= _LARGEST else None


def _new_order(count: int, generator: np.random.Generator) -> np.ndarray:
    order = generator.permutation(count)
    return np.roll(order, 1) if (order == np.arange(count)).all() else order


def _gray(image: np.ndarray) -> np.ndarray:
    return image[..., 0] if image.shape[2] == 1 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def _colours(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image)


def _repeat(gray: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Return a gray image (height, width) with as many channels as `image`."""
    return np.repeat(gray[..., None], image.shape[2], axis=2)


# A change returns None for an image that it does not work on. Without randomness they are still given a generator.
TEXTURE_CHANGES: dict[str, TextureChange] = {
    "gray": to_gray,
    **{f"shuffle {grid}x{grid}": partial(shuffle_patches, grid=grid) for grid in _GRIDS},
    **{f"low-pass {deviation} px": partial(keep_low, deviation=deviation) for deviation in _DEVIATIONS},
    **{f"high-pass {deviation} px": partial(keep_high, deviation=deviation) for deviation in _DEVIATIONS},
    "edges": keep_edges,
    "silhouette": keep_silhouette,
}

"""Augmentation of one image with OpenCV and NumPy, drawn from a generator that the id of the image seeds."""

import math

import cv2
import numpy as np

from tfvision.data.augmentation.augmix import mix_chains
from tfvision.data.augmentation.colour import has_colour, hue_matrix, recolour, saturation_matrix
from tfvision.data.augmentation.draws import Draws, generator_of, image_generator, signed
from tfvision.data.augmentation.geometry import Geometry, draw_geometry
from tfvision.data.augmentation.options import Augmentation
from tfvision.data.augmentation.randaugment import COLOURS, OPERATIONS, rand_augment
from tfvision.data.augmentation.turns import copy_turn, turn_image

__all__ = ["Draws", "augment_copy", "augment_image", "image_generator", "move_box"]

_RAND_DRAWS = 20  # two for each operation, and at most 10 operations
_LEVELS = np.arange(256)
_ERASED = (0.02, 0.33)  # least and greatest share of the image
_ASPECT = 0.3  # least aspect ratio of an erased rectangle; the greatest is 1 / 0.3


def augment_image(
    image: np.ndarray, augmentation: Augmentation, generator: np.random.Generator, *, boxed: bool = False
) -> np.ndarray:
    """Return an augmented image: exact flips and quarter turns first, then all other geometry in one warp.

    Tones, colours, RandAugment, AugMix and erasing follow, in this order. Colour changes do not affect images of one
    channel, and RandAugment is done here only with the engine opencv.

    Args:
        image: uint8 (height, width, channels), RGB or one channel.
        augmentation: What may be done.
        generator: The same numbers are drawn from it whatever is switched on, so that one setting does not change the
            draws of another; the noise of erasing comes after them.
        boxed: Whether there is a box in the image. If so, the border is filled with black, since a mirrored part of the
            object would lie outside its box, and RandAugment draws only operations on colours.

    Returns:
        uint8 of the same shape; the image itself if nothing was done.
    """
    draws, rest = _draw(generator)
    height, width = image.shape[:2]
    geometry = draw_geometry(height, width, augmentation, draws)
    result = geometry.move_image(image, "constant" if boxed else augmentation.fill)
    result = _tone(result, augmentation, draws)
    result = _recolour(result, augmentation, draws)
    if augmentation.rand_magnitude and augmentation.engine == "opencv":
        rest, operations = rest[: 2 * augmentation.rand_operations], COLOURS if boxed else tuple(OPERATIONS)
        result = rand_augment(result, augmentation.rand_magnitude, rest, augmentation.fill, operations)
    result = result.reshape(image.shape)
    if augmentation.augmix:
        result = mix_chains(result, augmentation, generator_of(draws.augmix))
    return _erase(result, draws, generator) if draws.erasing < augmentation.erasing else result


def augment_copy(
    image: np.ndarray, augmentation: Augmentation, generator: np.random.Generator, *, boxed: bool = False
) -> np.ndarray:
    """Augment a copy made by oversampling; if no augmentation is switched on, flip it in one of three ways.

    Args:
        image: uint8 (height, width, channels).
        augmentation: What may be done.
        generator: The generator of this copy, see `image_generator`.
        boxed: As in `augment_image`.

    Returns:
        uint8 of the same shape.
    """
    if not augmentation.is_empty:
        return augment_image(image, augmentation, generator, boxed=boxed)
    return turn_image(image, copy_turn(generator))


def move_box(
    box: np.ndarray,
    size: tuple[int, int],
    augmentation: Augmentation,
    generator: np.random.Generator,
    *,
    copy: bool = False,
) -> tuple[np.ndarray, float]:
    """Return where `augment_image`, or `augment_copy`, moves a box, given a generator in the same state.

    Args:
        box: float (4,), in pixels of the image.
        size: Height and width of the image, in pixels.
        augmentation: What may be done.
        generator: The generator of this image.
        copy: Whether this is a copy made by oversampling.

    Returns:
        The box around the visible part of the moved box, float64 (4,); and the visible share of its area, 0..1.
    """
    if copy and augmentation.is_empty:
        return Geometry(copy_turn(generator)).move_box(box, *size)
    return draw_geometry(*size, augmentation, _draw(generator)[0]).move_box(box, *size)


def _draw(generator: np.random.Generator) -> tuple[Draws, list[float]]:
    numbers = generator.random(len(Draws._fields) + _RAND_DRAWS).tolist()
    return Draws(*numbers[:-_RAND_DRAWS]), numbers[-_RAND_DRAWS:]


def _tone(image: np.ndarray, options: Augmentation, draws: Draws) -> np.ndarray:
    """Change all values by one lookup table: contrast and brightness, then OpenCV's convertScaleAbs."""
    scaled = draws.scale_abs < options.scale_abs
    if not (options.brightness or options.contrast or scaled):
        return image
    table: np.ndarray = _LEVELS.astype(np.uint8)
    if options.brightness or options.contrast:
        mean = sum(cv2.sumElems(image)) / image.size
        factor = 1 + signed(draws.contrast) * options.contrast
        added = 255 * signed(draws.brightness) * options.brightness
        table = ((_LEVELS - mean) * factor + (mean + added)).round().clip(0, 255).astype(np.uint8)
    if scaled:
        table = cv2.convertScaleAbs(table, alpha=options.scale_alpha, beta=options.scale_beta)
    return cv2.LUT(image, table)


def _recolour(image: np.ndarray, options: Augmentation, draws: Draws) -> np.ndarray:
    """Multiply every pixel by one matrix: hue, saturation, shift of the channels, grayscale."""
    grayed = draws.grayscale < options.grayscale
    wanted = options.hue or options.saturation or options.channel_shift or grayed
    if not (wanted and has_colour(image)):
        return image
    saturation = saturation_matrix(1 + signed(draws.saturation) * options.saturation)
    added = [[255 * options.channel_shift * signed(draw)] for draw in (draws.red, draws.green, draws.blue)]
    matrix = np.hstack([saturation @ hue_matrix(signed(draws.hue) * options.hue), added])
    return recolour(image, saturation_matrix(0) @ matrix if grayed else matrix)


def _erase(image: np.ndarray, draws: Draws, generator: np.random.Generator) -> np.ndarray:
    """Replace a rectangle by noise: Zhong et al., "Random Erasing Data Augmentation", 2020.

    The logarithm of its aspect ratio is drawn uniformly; a side longer than that of the image is cut.
    """
    height, width = image.shape[:2]
    area = (_ERASED[0] + draws.area * (_ERASED[1] - _ERASED[0])) * height * width
    aspect = _ASPECT ** (1 - 2 * draws.aspect)
    rows = min(max(round(math.sqrt(area * aspect)), 1), height)
    columns = min(max(round(math.sqrt(area / aspect)), 1), width)
    top, left = int(draws.erase_y * (height - rows + 1)), int(draws.erase_x * (width - columns + 1))
    result = image.copy()
    place = result[top : top + rows, left : left + columns]
    place[:] = np.frombuffer(generator.bytes(place.size), np.uint8).reshape(place.shape)
    return result

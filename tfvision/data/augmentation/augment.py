"""Augmentation of one image on OpenCV and NumPy, drawn from a generator that the image itself keys."""

import hashlib
import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.random.bit_generator import ISeedSequence

from tfvision.config import Augmentation
from tfvision.data.augmentation.colour import has_colour, hue_matrix, recolour, saturation_matrix
from tfvision.data.augmentation.randaugment import rand_augment
from tfvision.data.augmentation.warp import rotation_matrix, warp_image

_RAND_DRAWS = 20  # two for each of the most operations
_QUARTERS = (cv2.ROTATE_90_COUNTERCLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_CLOCKWISE)
_EXACT = ("horizontal_flip", "vertical_flip", "quarter_turns")  # change places of pixels, never their values
_LEVELS = np.arange(256)
_ERASED = (0.02, 0.33)  # share of the image
_ASPECT = 0.3  # of an erased rectangle, to 1 / 0.3


class Draws(NamedTuple):
    """The numbers drawn for one image, 0..1. Their order is a part of every run's results: add at the end only."""

    flip_x: float
    flip_y: float
    turns: float
    angle: float
    shift_x: float
    shift_y: float
    zoom: float
    brightness: float
    contrast: float
    spare: float
    shear: float
    crop: float
    crop_x: float
    crop_y: float
    saturation: float
    hue: float
    red: float
    green: float
    blue: float
    grayscale: float
    scale_abs: float
    erasing: float
    area: float
    aspect: float
    erase_x: float
    erase_y: float


class Turn(NamedTuple):
    """One of the eight ways a square can lie: mirrored left and right or not, then turned by quarters to the left."""

    mirrored: bool = False
    quarters: int = 0


_COPY_TURNS = (Turn(True, 2), Turn(True), Turn(False, 2))  # top and bottom, left and right, both


def image_generator(seed: int, epoch: int, image_id: str, copy: int = 0) -> np.random.Generator:
    """Return the generator of one image in one epoch, whoever asks for it and when.

    Args:
        seed: The seed of the run.
        epoch: Number of the epoch, from 0.
        image_id: The id of the image.
        copy: Number of the copy when oversampling; 0 is the image itself.
    """
    key = hashlib.blake2b(f"{seed}/{epoch}/{copy}/{image_id}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(_Key(np.frombuffer(key, np.uint64))))


def augment_image(image: np.ndarray, augmentation: Augmentation, generator: np.random.Generator) -> np.ndarray:
    """Return a changed copy of an image: flips and turns exactly, the rest of the geometry in one warp.

    Then tones, colours, RandAugment and erasing, in this order. Changes of colour leave images of one
    channel alone, and RandAugment is done here only with the engine opencv.

    Args:
        image: uint8 (height, width, channels), RGB or one channel.
        augmentation: What may be done.
        generator: The same numbers are drawn from it whatever is switched on, so one setting does not
            change the draws of another; the noise of erasing comes after them.

    Returns:
        uint8 of the same shape; the image itself where nothing was done.
    """
    numbers = generator.random(len(Draws._fields) + _RAND_DRAWS).tolist()
    draws, rest = Draws(*numbers[:-_RAND_DRAWS]), numbers[-_RAND_DRAWS:]
    square = image.shape[0] == image.shape[1]
    turn = _drawn_turn(square, augmentation, draws.flip_x, draws.flip_y, draws.turns)
    result = turn_image(np.ascontiguousarray(image), turn)
    result = _warp(result, augmentation, draws)
    result = _tone(result, augmentation, draws)
    result = _recolour(result, augmentation, draws)
    if augmentation.rand_magnitude and augmentation.engine == "opencv":
        rest = rest[: 2 * augmentation.rand_operations]
        result = rand_augment(result, augmentation.rand_magnitude, rest, augmentation.fill)
    result = result.reshape(image.shape)
    return _erase(result, draws, generator) if draws.erasing < augmentation.erasing else result


def augment_copy(image: np.ndarray, augmentation: Augmentation, generator: np.random.Generator) -> np.ndarray:
    """Augment a copy made by oversampling; where nothing is switched on, flip it in one of three ways.

    Args:
        image: uint8 (height, width, channels).
        augmentation: What may be done.
        generator: The generator of this copy.

    Returns:
        uint8 of the same shape.
    """
    if not augmentation.is_empty:
        return augment_image(image, augmentation, generator)
    return turn_image(image, _COPY_TURNS[generator.integers(3)])


def possible_turns(augmentation: Augmentation, height: int, width: int) -> list[Turn] | None:
    """Return all that an augmentation of flips and quarter turns alone can make of an image, as it is being first.

    Args:
        augmentation: What may be done.
        height: Of the images, in pixels.
        width: A side that is not square is turned by halves only.

    Returns:
        1 to 8 turns, or None where other changes may be done, which are endless.
    """
    if any(name not in _EXACT for name in augmentation.active):
        return None
    draws = [(x, y, t) for x in (0.0, 0.9) for y in (0.0, 0.9) for t in (0.0, 0.25, 0.5, 0.75)]
    found = {_drawn_turn(height == width, augmentation, *numbers) for numbers in draws}
    return sorted(found, key=lambda turn: (turn != Turn(), turn))


def drawn_turn(augmentation: Augmentation, generator: np.random.Generator, *, square: bool, copy: bool = False) -> Turn:
    """Return the turn that `augment_image`, or `augment_copy`, would do with this generator."""
    if copy and augmentation.is_empty:
        return _COPY_TURNS[generator.integers(3)]
    return _drawn_turn(square, augmentation, *generator.random(3))


def turn_image(image: np.ndarray, turn: Turn) -> np.ndarray:
    """Mirror and turn an image `(height, width, channels)`; the image itself where nothing is to be done."""
    if turn.mirrored:
        image = cv2.flip(image, 1).reshape(image.shape)
    if turn.quarters:
        channels = image.shape[2]
        image = cv2.rotate(image, _QUARTERS[turn.quarters - 1])
        image = image.reshape(*image.shape[:2], channels)
    return image


class _Key(ISeedSequence):
    """Hands a key to Philox, which would ask the system for entropy first where it is given as `key`."""

    def __init__(self, key: np.ndarray):
        self.key = key

    def generate_state(self, n_words: int, dtype: type = np.uint64) -> np.ndarray:
        return self.key


def _drawn_turn(square: bool, options: Augmentation, flip_x: float, flip_y: float, turns: float) -> Turn:
    mirror_x = options.horizontal_flip and flip_x < 0.5
    mirror_y = options.vertical_flip and flip_y < 0.5
    quarters = 0
    if options.quarter_turns:
        quarters = int(turns * 4) if square else 2 * int(turns * 2)
    # Top and bottom mirrored is left and right mirrored and half a turn.
    return Turn(bool(mirror_x) != bool(mirror_y), (quarters + 2 * bool(mirror_y)) % 4)


def _warp(image: np.ndarray, options: Augmentation, draws: Draws) -> np.ndarray:
    """Slant, turn and zoom around the centre, move, then enlarge a window to the whole."""
    if not (options.rotation or options.shift or options.zoom or options.shear or options.crop):
        return image
    height, width = image.shape[:2]
    matrix = rotation_matrix(image, _signed(draws.angle) * options.rotation, 1 + _signed(draws.zoom) * options.zoom)
    if options.shear:
        slope = math.tan(math.radians(_signed(draws.shear) * options.shear))
        matrix[:, 1] += slope * matrix[:, 0]
        matrix[:, 2] -= slope * (height - 1) / 2 * matrix[:, 0]
    matrix[0, 2] += _signed(draws.shift_x) * options.shift * width
    matrix[1, 2] += _signed(draws.shift_y) * options.shift * height
    if options.crop:
        share = 1 - draws.crop * options.crop
        left, top = draws.crop_x * (1 - share) * width, draws.crop_y * (1 - share) * height
        matrix /= share
        # Borders of pixels are scaled, centres are half a pixel from them.
        matrix[:, 2] += (0.5 - left) / share - 0.5, (0.5 - top) / share - 0.5
    return warp_image(image, matrix, options.fill)


def _tone(image: np.ndarray, options: Augmentation, draws: Draws) -> np.ndarray:
    """Look every value up in one table: contrast and brightness, then OpenCV's convertScaleAbs."""
    scaled = draws.scale_abs < options.scale_abs
    if not (options.brightness or options.contrast or scaled):
        return image
    table = _LEVELS.astype(np.uint8)
    if options.brightness or options.contrast:
        mean = sum(cv2.sumElems(image)) / image.size
        factor = 1 + _signed(draws.contrast) * options.contrast
        added = 255 * _signed(draws.brightness) * options.brightness
        table = ((_LEVELS - mean) * factor + (mean + added)).round().clip(0, 255).astype(np.uint8)
    if scaled:
        table = cv2.convertScaleAbs(table, alpha=options.scale_alpha, beta=options.scale_beta)
    return cv2.LUT(image, table)


def _recolour(image: np.ndarray, options: Augmentation, draws: Draws) -> np.ndarray:
    """Multiply every pixel with one matrix: hue, saturation, what is added to each channel, gray."""
    grayed = draws.grayscale < options.grayscale
    wanted = options.hue or options.saturation or options.channel_shift or grayed
    if not (wanted and has_colour(image)):
        return image
    saturation = saturation_matrix(1 + _signed(draws.saturation) * options.saturation)
    added = [[255 * options.channel_shift * _signed(draw)] for draw in (draws.red, draws.green, draws.blue)]
    matrix = np.hstack([saturation @ hue_matrix(_signed(draws.hue) * options.hue), added])
    return recolour(image, saturation_matrix(0) @ matrix if grayed else matrix)


def _erase(image: np.ndarray, draws: Draws, generator: np.random.Generator) -> np.ndarray:
    """Replace a rectangle by noise: Zhong et al., "Random Erasing Data Augmentation", 2020.

    Its aspect is drawn evenly in the logarithm; a side longer than the image's is cut.
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


def _signed(draw: float) -> float:
    """Return a number from -1 to 1."""
    return 2 * draw - 1

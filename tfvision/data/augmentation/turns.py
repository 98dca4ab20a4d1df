"""Flips and quarter turns: they change places of pixels, never their values, so few that all can be named."""

from typing import NamedTuple

import cv2
import numpy as np

from tfvision.data.augmentation.options import Augmentation

_EXACT = ("horizontal_flip", "vertical_flip", "quarter_turns")
_QUARTERS = (cv2.ROTATE_90_COUNTERCLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_CLOCKWISE)


class Turn(NamedTuple):
    """One of the eight ways a square can lie: mirrored left and right or not, then turned by quarters to the left."""

    mirrored: bool = False
    quarters: int = 0


_COPY_TURNS = (Turn(True, 2), Turn(True), Turn(False, 2))  # top and bottom, left and right, both


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
    found = {turn_of_draws(height == width, augmentation, *numbers) for numbers in draws}
    return sorted(found, key=lambda turn: (turn != Turn(), turn))


def drawn_turn(augmentation: Augmentation, generator: np.random.Generator, *, square: bool, copy: bool = False) -> Turn:
    """Return the turn that `augment_image`, or `augment_copy`, would do with this generator."""
    if copy and augmentation.is_empty:
        return copy_turn(generator)
    return turn_of_draws(square, augmentation, *generator.random(3))


def copy_turn(generator: np.random.Generator) -> Turn:
    """Draw one of three flips for a copy of an image."""
    return _COPY_TURNS[generator.integers(3)]


def turn_of_draws(square: bool, options: Augmentation, flip_x: float, flip_y: float, turns: float) -> Turn:
    """Return what three numbers in 0..1 make of the options."""
    mirror_x = options.horizontal_flip and flip_x < 0.5
    mirror_y = options.vertical_flip and flip_y < 0.5
    quarters = 0
    if options.quarter_turns:
        quarters = int(turns * 4) if square else 2 * int(turns * 2)
    # Top and bottom mirrored is left and right mirrored and half a turn.
    return Turn(bool(mirror_x) != bool(mirror_y), (quarters + 2 * bool(mirror_y)) % 4)


def turn_image(image: np.ndarray, turn: Turn) -> np.ndarray:
    """Mirror and turn an image `(height, width, channels)`; the image itself where nothing is to be done."""
    if turn.mirrored:
        image = cv2.flip(image, 1).reshape(image.shape)
    if turn.quarters:
        channels = image.shape[2]
        image = cv2.rotate(image, _QUARTERS[turn.quarters - 1])
        image = image.reshape(*image.shape[:2], channels)
    return image


def turn_points(points: np.ndarray, turn: Turn, height: int, width: int) -> np.ndarray:
    """Return where `turn_image` takes points, float (n, 2) of x and y, in an image of this height and width."""
    points = np.array(points, np.float64)
    if turn.mirrored:
        points[:, 0] = width - points[:, 0]
    for _ in range(turn.quarters):
        points = np.stack([points[:, 1], width - points[:, 0]], axis=1)
        height, width = width, height
    return points

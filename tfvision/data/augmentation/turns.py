"""Flips and quarter turns: they move pixels without changing their values, and there are only eight of them."""

from typing import NamedTuple

import cv2
import numpy as np

from tfvision.data.augmentation.options import Augmentation

_EXACT = ("horizontal_flip", "vertical_flip", "quarter_turns")
_QUARTERS = (cv2.ROTATE_90_COUNTERCLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_CLOCKWISE)


class Turn(NamedTuple):
    """One of the eight symmetries of a square.

    Attributes:
        mirrored: Whether left and right are swapped first.
        quarters: Quarter turns to the left after that, 0..3.
    """

    mirrored: bool = False
    quarters: int = 0


_COPY_TURNS = (Turn(True, 2), Turn(True), Turn(False, 2))  # top and bottom, left and right, both


def possible_turns(augmentation: Augmentation, height: int, width: int) -> list[Turn] | None:
    """Return all turns that an augmentation of only flips and quarter turns can produce, with no turn first.

    Args:
        augmentation: What may be done.
        height: Height of the images, in pixels.
        width: Width of the images, in pixels; images that are not square are turned by 180 degrees only.

    Returns:
        1 to 8 turns; None if other changes may be done, since there is no end of those.
    """
    if any(name not in _EXACT for name in augmentation.active):
        return None
    draws = [(x, y, t) for x in (0.0, 0.9) for y in (0.0, 0.9) for t in (0.0, 0.25, 0.5, 0.75)]
    found = {turn_of_draws(height == width, augmentation, *numbers) for numbers in draws}
    return sorted(found, key=lambda turn: (turn != Turn(), turn))


def drawn_turn(augmentation: Augmentation, generator: np.random.Generator, *, square: bool, copy: bool = False) -> Turn:
    """Return the turn that `augment_image`, or `augment_copy`, would do with this generator.

    Args:
        augmentation: Flips and quarter turns only, see `possible_turns`.
        generator: The generator of the image.
        square: Whether the image is square.
        copy: Whether it is a copy made by oversampling.

    Returns:
        The turn.
    """
    if copy and augmentation.is_empty:
        return copy_turn(generator)
    return turn_of_draws(square, augmentation, *generator.random(3))


def copy_turn(generator: np.random.Generator) -> Turn:
    """Draw one of three turns for a copy of an image: a flip top to bottom, one left to right, or both."""
    return _COPY_TURNS[generator.integers(3)]


def turn_of_draws(square: bool, options: Augmentation, flip_x: float, flip_y: float, turns: float) -> Turn:
    """Return the turn that the options allow and three drawn numbers choose.

    Args:
        square: Whether the image is square; else it is turned by 180 degrees only.
        options: What may be done.
        flip_x: Decides about the flip left to right, 0..1.
        flip_y: Decides about the flip top to bottom, 0..1.
        turns: Decides about the quarter turns, 0..1.

    Returns:
        The turn.
    """
    mirror_x = options.horizontal_flip and flip_x < 0.5
    mirror_y = options.vertical_flip and flip_y < 0.5
    quarters = 0
    if options.quarter_turns:
        quarters = int(turns * 4) if square else 2 * int(turns * 2)
    # A flip top to bottom equals a flip left to right and half a turn.
    return Turn(bool(mirror_x) != bool(mirror_y), (quarters + 2 * bool(mirror_y)) % 4)


def turn_image(image: np.ndarray, turn: Turn) -> np.ndarray:
    """Mirror and turn an image.

    Args:
        image: uint8 (height, width, channels).
        turn: What to do.

    Returns:
        uint8; an odd number of quarter turns swaps height and width. The image itself if there is nothing to do.
    """
    if turn.mirrored:
        image = cv2.flip(image, 1).reshape(image.shape)
    if turn.quarters:
        channels = image.shape[2]
        image = cv2.rotate(image, _QUARTERS[turn.quarters - 1])
        image = image.reshape(*image.shape[:2], channels)
    return image


def turn_points(points: np.ndarray, turn: Turn, height: int, width: int) -> np.ndarray:
    """Return where `turn_image` moves points.

    Args:
        points: float (n, 2), x and y in pixels.
        turn: What is done.
        height: Height of the image, in pixels.
        width: Width of the image, in pixels.

    Returns:
        float64 (n, 2).
    """
    points = np.array(points, np.float64)
    if turn.mirrored:
        points[:, 0] = width - points[:, 0]
    for _ in range(turn.quarters):
        points = np.stack([points[:, 1], width - points[:, 0]], axis=1)
        height, width = width, height
    return points

"""The random numbers that decide how one image is changed, from a generator that the id of the image seeds."""

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.random.bit_generator import ISeedSequence

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


class Draws(NamedTuple):
    """The numbers drawn for one image, 0..1. Results depend on their order: add new ones at the end only."""

    flip_x: float
    flip_y: float
    turns: float
    angle: float
    shift_x: float
    shift_y: float
    zoom: float
    brightness: float
    contrast: float
    augmix: float  # seeds everything that AugMix draws
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


def image_generator(seed: int, epoch: int, image_id: str, copy: int = 0) -> np.random.Generator:
    """Return the random generator of one image in one epoch; it depends on the arguments only.

    Args:
        seed: The seed of the run.
        epoch: Number of the epoch, from 0.
        image_id: The id of the image.
        copy: Number of the copy when oversampling; 0 is the image itself.

    Returns:
        A new generator.
    """
    key = hashlib.blake2b(f"{seed}/{epoch}/{copy}/{image_id}".encode(), digest_size=16).digest()
    return _generator(np.frombuffer(key, np.uint64))


def generator_of(draw: float) -> np.random.Generator:
    """Return a generator seeded by one drawn number, for a change that needs any number of draws."""
    return _generator(np.array([draw, 0.0]).view(np.uint64))


def signed(draw: float) -> float:
    """Return a draw, 0..1, scaled to -1..1."""
    return 2 * draw - 1


class _Key(ISeedSequence):
    """Passes a key to Philox; given as its argument `key`, Philox would first ask the system for entropy."""

    def __init__(self, key: np.ndarray):
        self.key = key

    def generate_state(self, n_words: int, dtype: "DTypeLike" = np.uint64) -> np.ndarray:
        return self.key


def _generator(key: np.ndarray) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(_Key(key)))  # type: ignore[arg-type]  # missing in NumPy's stubs

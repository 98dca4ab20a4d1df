"""Augmentation of one image on OpenCV and NumPy, drawn from a generator that the image itself keys."""

import hashlib

import cv2
import numpy as np

from tfvision.config import Augmentation

FILLS = {"reflect": cv2.BORDER_REFLECT_101, "constant": cv2.BORDER_CONSTANT, "nearest": cv2.BORDER_REPLICATE}

_DRAWS = 10
_QUARTERS = (cv2.ROTATE_90_COUNTERCLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_CLOCKWISE)
_LEVELS = np.arange(256)


def image_generator(seed: int, epoch: int, image_id: str, copy: int = 0) -> np.random.Generator:
    """Return the generator of one image in one epoch, whoever asks for it and when.

    Args:
        seed: The seed of the run.
        epoch: Number of the epoch, from 0.
        image_id: The id of the image.
        copy: Number of the copy when oversampling; 0 is the image itself.
    """
    key = hashlib.blake2b(f"{seed}/{epoch}/{copy}/{image_id}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=np.frombuffer(key, np.uint64)))


def augment_image(image: np.ndarray, augmentation: Augmentation, generator: np.random.Generator) -> np.ndarray:
    """Return a changed copy of an image: flips and turns exactly, the rest of the geometry in one warp.

    Args:
        image: uint8 (height, width, channels).
        augmentation: What may be done.
        generator: Ten numbers are drawn from it whatever is switched on, so one setting does not
            change the draws of another.

    Returns:
        uint8 of the same shape; the image itself where nothing was done.
    """
    draws = generator.random(_DRAWS)
    result = _turn(np.ascontiguousarray(image), augmentation, *draws[:3])
    angle, shift_x, shift_y, zoom, brightness, contrast = 2 * draws[3:9] - 1
    if augmentation.rotation or augmentation.shift or augmentation.zoom:
        height, width = image.shape[:2]
        offset = (shift_x * augmentation.shift * width, shift_y * augmentation.shift * height)
        result = _warp(result, angle * augmentation.rotation, 1 + zoom * augmentation.zoom, offset, augmentation.fill)
    if augmentation.brightness or augmentation.contrast:
        result = _tone(result, 255 * brightness * augmentation.brightness, 1 + contrast * augmentation.contrast)
    return result.reshape(image.shape)


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
    axes = ((0,), (1,), (0, 1))[generator.integers(3)]
    return np.ascontiguousarray(np.flip(image, axes))


def _turn(image: np.ndarray, augmentation: Augmentation, flip_x: float, flip_y: float, turns: float) -> np.ndarray:
    mirror_x = augmentation.horizontal_flip and flip_x < 0.5
    mirror_y = augmentation.vertical_flip and flip_y < 0.5
    if mirror_x or mirror_y:
        image = cv2.flip(image, -1 if mirror_x and mirror_y else int(mirror_x))
    if augmentation.quarter_turns:
        quarters = int(turns * 4) if image.shape[0] == image.shape[1] else 2 * int(turns * 2)
        if quarters:
            image = cv2.rotate(image, _QUARTERS[quarters - 1])
    return image


def _warp(image: np.ndarray, angle: float, scale: float, offset: tuple[float, float], fill: str) -> np.ndarray:
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, scale)
    matrix[:, 2] += offset
    return cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=FILLS[fill])


def _tone(image: np.ndarray, added: float, factor: float) -> np.ndarray:
    mean = image.mean()
    table = (_LEVELS - mean) * factor + (mean + added)
    return cv2.LUT(image, table.round().clip(0, 255).astype(np.uint8))

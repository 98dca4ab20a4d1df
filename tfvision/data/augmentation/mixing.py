"""MixUp and CutMix: each image of a batch is mixed with another one, and its label becomes one of two classes.

Zhang, Cisse, Dauphin and Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", ICLR 2018; Yun, Han, Oh, Chun, Choe
and Yoo, "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features", ICCV 2019. As in the
code of both papers, a batch has one share and one rectangle. If both are on, each batch is mixed by one of them, with
equal probability, as in Wightman's timm.
"""

import math

import cv2
import numpy as np

from tfvision.data.augmentation.options import Augmentation

_STREAM = 1  # separates these draws from the order of epochs, which is drawn from (seed, epoch)


def batch_generator(seed: int, step: int) -> np.random.Generator:
    """Return the random generator that decides how the batch of a step is mixed; it depends on the arguments only.

    Args:
        seed: The seed of the run.
        step: Number of the step, counted from the start of training.

    Returns:
        A new generator.
    """
    return np.random.default_rng((seed, step, _STREAM))


def mix_batch(
    images: np.ndarray, labels: np.ndarray, augmentation: Augmentation, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Mix each image of a batch with another one of the batch, and their labels by the same shares.

    Args:
        images: uint8 (b, height, width, channels).
        labels: float32 (b, classes), or (b, 1) for two classes.
        augmentation: Its `mixing`, one way or both, and their alpha: the share that an image keeps is
            Beta(alpha, alpha).
        generator: The generator of this batch.

    Returns:
        Images and labels of the same shapes and dtypes. The partners are a permutation of the batch, in which an image
        may be its own partner and so remain unchanged.
    """
    way = augmentation.mixing[generator.integers(len(augmentation.mixing))]
    partners = generator.permutation(len(images))
    alpha = getattr(augmentation, way)
    share = float(generator.beta(alpha, alpha))
    if way == "mixup":
        return mixup(images, partners, share), mix_labels(labels, partners, share)
    height, width = images.shape[1:3]
    rectangle = draw_rectangle(height, width, share, generator)
    mixed, share = cutmix(images, partners, rectangle)
    return mixed, mix_labels(labels, partners, share)


def mixup(images: np.ndarray, partners: np.ndarray, share: float) -> np.ndarray:
    """Return share * image + (1 - share) * partner, rounded.

    Args:
        images: uint8 (b, height, width, channels).
        partners: int (b,), the image of the batch that each is mixed with.
        share: The share that an image keeps, 0..1.

    Returns:
        uint8 of the same shape.
    """
    rows = images.reshape(len(images), -1)
    return cv2.addWeighted(rows, share, rows[partners], 1 - share, 0).reshape(images.shape)


def cutmix(images: np.ndarray, partners: np.ndarray, rectangle: tuple[slice, slice]) -> tuple[np.ndarray, float]:
    """Replace a rectangle of each image by that of its partner.

    Args:
        images: uint8 (b, height, width, channels).
        partners: int (b,), as in `mixup`.
        rectangle: Rows and columns, within the image.

    Returns:
        uint8 of the same shape, and the share of its area that an image keeps, 0..1.
    """
    mixed = images.copy()
    mixed[:, *rectangle] = images[partners][:, *rectangle]
    (height, width), (rows, columns) = images.shape[1:3], rectangle
    return mixed, 1 - (rows.stop - rows.start) * (columns.stop - columns.start) / (height * width)


def draw_rectangle(height: int, width: int, share: float, generator: np.random.Generator) -> tuple[slice, slice]:
    """Draw the place of a rectangle that has the aspect ratio of the image and leaves a share of its area.

    Its centre is any pixel. What lies beyond the border is cut off, so that more than the share may be left.

    Args:
        height: Height of the image, in pixels.
        width: Width of the image, in pixels.
        share: The share of the area to leave, 0..1.
        generator: The generator of this batch.

    Returns:
        Rows and columns within the image.
    """
    scale = math.sqrt(1 - share)
    return _side(height, scale, generator), _side(width, scale, generator)


def mix_labels(labels: np.ndarray, partners: np.ndarray, share: float) -> np.ndarray:
    """Return share * label + (1 - share) * label of the partner.

    Args:
        labels: float (b, classes), or (b, 1) for two classes.
        partners: int (b,), as in `mixup`.
        share: The share that an image keeps, 0..1.

    Returns:
        float32 of the same shape.
    """
    return (share * labels + (1 - share) * labels[partners]).astype(np.float32)


def _side(length: int, scale: float, generator: np.random.Generator) -> slice:
    cut = round(length * scale)
    start = int(generator.integers(length)) - cut // 2
    return slice(max(start, 0), min(start + cut, length))

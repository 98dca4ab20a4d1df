"""AugMix: an image mixed with chains of operations on itself, so that it changes a lot and still shows its class.

Hendrycks, Mu, Cubuk, Zoph, Gilmer and Lakshminarayanan, "AugMix: A Simple Data Processing Method to Improve Robustness
and Uncertainty", ICLR 2020; without the paper's consistency loss, which needs three views of each image in a step.
"""

import numpy as np

from tfvision.data.augmentation.options import Augmentation
from tfvision.data.augmentation.randaugment import OPERATIONS

_STRONGEST = 10  # the severity at which operations are as strong as RandAugment's at magnitude 1
_DEPTHS = (1, 3)  # least and greatest depth of a chain if it is drawn
# The paper leaves out operations that overlap with the corruptions of ImageNet-C, so that these stay unseen. The
# rotation of `tfvision evaluate --corrupt` does not: ImageNet-C has no rotation, and the paper rotates images.
CHAINED = tuple(name for name in OPERATIONS if name not in ("identity", "color", "contrast", "brightness", "sharpness"))


def mix_chains(image: np.ndarray, options: Augmentation, generator: np.random.Generator) -> np.ndarray:
    """Mix an image with chains of operations on it.

    The weights of the chains are Dirichlet(alpha, ..., alpha), the share of all chains together is Beta(alpha, alpha).
    Each operation is drawn from `CHAINED`, its strength uniformly up to the severity, in one of two directions.

    Args:
        image: uint8 (height, width, channels), RGB or one channel.
        options: Severity (`augmix`), `augmix_width`, `augmix_depth`, `augmix_alpha`, `fill`.
        generator: The generator of this image.

    Returns:
        uint8 of the same shape.
    """
    weights = generator.dirichlet([options.augmix_alpha] * options.augmix_width)
    share = generator.beta(options.augmix_alpha, options.augmix_alpha)
    mixed = image * np.float32(1 - share)
    for weight in weights:
        mixed += _chain(image, options, generator) * np.float32(share * weight)
    return np.rint(mixed).clip(0, 255).astype(np.uint8)


def _chain(image: np.ndarray, options: Augmentation, generator: np.random.Generator) -> np.ndarray:
    changed = image
    for _ in range(options.augmix_depth or generator.integers(*_DEPTHS, endpoint=True)):
        operation = OPERATIONS[CHAINED[generator.integers(len(CHAINED))]]
        changed = operation(changed, generator.uniform(-1, 1) * options.augmix / _STRONGEST, options.fill)
    return changed.reshape(image.shape)

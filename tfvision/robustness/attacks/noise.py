"""A control that is no attack: a random change at the edge of the budget, which should do little."""

import tensorflow as tf

from tfvision.robustness.attacks.effort import Crafted
from tfvision.robustness.attacks.geometry import project, steepest


def random_change(images: tf.Tensor, epsilon: tf.Tensor, seed: tf.Tensor, *, norm: str = "linf") -> Crafted:
    """Change every value by plus or minus the budget, or the image in a random direction.

    Args:
        images: float32 (b, height, width, channels), in 0..255.
        epsilon: float32, the budget; a scalar.
        seed: int32 (2,).
        norm: `linf` or `l2`.

    Returns:
        The changed images.
    """
    drawn = tf.random.stateless_normal(tf.shape(images), seed)
    none = tf.constant(0)
    return Crafted(project(images + epsilon * steepest(drawn, norm), images, epsilon, norm), none, none)

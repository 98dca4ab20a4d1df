"""Budgets as geometry: balls of a norm around an image, steps in them, and the way back into them.

Everything is TensorFlow operations on float32 (b, height, width, channels) in pixel units, 0..255, and runs inside a
compiled function. `epsilon` is the radius of the ball in the same units; the L2 norm is that of the whole image.
"""

import tensorflow as tf

NORMS = ("linf", "l2")
_TINY = 1e-12
_AXES = (1, 2, 3)


def l2_norm(values: tf.Tensor) -> tf.Tensor:
    """Return the L2 norm of each image, float32 (b, 1, 1, 1)."""
    return tf.sqrt(tf.reduce_sum(tf.square(values), _AXES, keepdims=True))


def steepest(gradient: tf.Tensor, norm: str) -> tf.Tensor:
    """Return the step of size 1 that a linear function rises most along.

    Args:
        gradient: float32 (b, height, width, channels).
        norm: One of `NORMS`.

    Returns:
        The sign of each value for `linf`, the direction of length 1 for `l2`; zeros where the gradient is zero.
    """
    return tf.sign(gradient) if norm == "linf" else gradient / tf.maximum(l2_norm(gradient), _TINY)


def project(moved: tf.Tensor, images: tf.Tensor, epsilon: tf.Tensor, norm: str) -> tf.Tensor:
    """Return moved images, brought back into the ball around the images and into 0..255.

    Args:
        moved: float32 (b, height, width, channels).
        images: float32 of the same shape, in 0..255.
        epsilon: float32, the radius; a scalar.
        norm: One of `NORMS`.

    Returns:
        float32 of the same shape. Clipping comes last: it never takes an image away from one that is in 0..255.
    """
    change = moved - images
    if norm == "linf":
        change = tf.clip_by_value(change, -epsilon, epsilon)
    else:
        change *= tf.minimum(1.0, epsilon / tf.maximum(l2_norm(change), _TINY))
    return tf.clip_by_value(images + change, 0.0, 255.0)


def random_start(images: tf.Tensor, epsilon: tf.Tensor, norm: str, seed: tf.Tensor) -> tf.Tensor:
    """Draw a point in the ball around each image: uniformly for `linf`; for `l2` in a uniform direction and distance.

    Args:
        images: float32 (b, height, width, channels), in 0..255.
        epsilon: float32, the radius; a scalar.
        norm: One of `NORMS`.
        seed: int32 (2,).

    Returns:
        float32 of the same shape, in 0..255.
    """
    shape = tf.shape(images)
    if norm == "linf":
        change = epsilon * tf.random.stateless_uniform(shape, seed, -1.0, 1.0)
    else:
        direction = steepest(tf.random.stateless_normal(shape, seed), norm)
        change = epsilon * direction * tf.random.stateless_uniform((shape[0], 1, 1, 1), seed + 1)
    return project(images + change, images, epsilon, norm)

"""Losses that attacks climb, of logits float32 (b, classes) and true classes int32 (b,), and their gradients.

The larger, the further an image is from its true class.
"""

from collections.abc import Callable

import tensorflow as tf

Logits = Callable[[tf.Tensor], tf.Tensor]
Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]

_FAR = 1e9
_TINY = 1e-12


def log_odds(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Return the logarithm of the odds against the true class, float32 (b,).

    The cross-entropy is `log(1 + exp(.))` of it: its gradient has the same direction in each image, and does not vanish
    where the model is sure, as that of the cross-entropy does in float32.

    Args:
        logits: float32 (b, classes).
        labels: int32 (b,), the true classes.

    Returns:
        float32 (b,), positive where the true class has less than half of the probability.
    """
    own, others = split_logits(logits, labels)
    return tf.reduce_logsumexp(others, -1) - own


def margin(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Return the lead of the best other class over the true one, float32 (b,).

    Args:
        logits: float32 (b, classes).
        labels: int32 (b,), the true classes.

    Returns:
        float32 (b,), positive where another class wins.
    """
    own, others = split_logits(logits, labels)
    return tf.reduce_max(others, -1) - own


def logits_ratio(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Return the difference of logits ratio (Croce and Hein, ICML 2020): the margin, whatever the scale of the logits.

    Args:
        logits: float32 (b, classes). The margin is divided by the lead of the first over the third; of two classes,
            where there is no third, it is not divided.
        labels: int32 (b,), the true classes.

    Returns:
        float32 (b,).
    """
    if logits.shape[-1] < 3:
        return margin(logits, labels)
    first_three = tf.math.top_k(logits, 3).values
    return margin(logits, labels) / (first_three[:, 0] - first_three[:, 2] + _TINY)


def split_logits(logits: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the logit of the true class (b,), and those of the others (b, classes), the true one far below them."""
    own = tf.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
    return tf.reduce_sum(own * logits, -1), logits - _FAR * own


def is_wrong(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Return where another class than the true one is taken, the first of equals: bool (b,)."""
    return tf.argmax(logits, -1, output_type=labels.dtype) != labels


def climb(logits: Logits, loss: Loss, images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Run a model forward and back.

    Args:
        logits: float32 pixels (b, height, width, channels) to logits (b, classes).
        loss: One of this module's.
        images: float32 pixels.
        labels: int32 (b,), the true classes.

    Returns:
        Logits (b, classes), losses (b,) and the gradient of each image's loss with regard to its pixels, zero where
        the model gives none.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        found = logits(images)
        losses = loss(found, labels)
        total = tf.reduce_sum(losses)
    gradient = tape.gradient(total, images, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return found, losses, gradient

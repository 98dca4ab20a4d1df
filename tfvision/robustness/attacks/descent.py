"""Projected gradient attacks: FGSM (Goodfellow et al., ICLR 2015) and PGD (Madry et al., ICLR 2018).

One compiled loop takes a batch of any size. An image leaves it as soon as the model is wrong about it, so that the cost
is that of the images that withstand.
"""

import tensorflow as tf

from tfvision.robustness.attacks.effort import Crafted
from tfvision.robustness.attacks.geometry import project, random_start, steepest
from tfvision.robustness.attacks.losses import Logits, Loss, climb, is_wrong, log_odds

_REACH = 2.5  # all steps together, in radii: an image can cross the ball, and turn (Madry et al.)


def fast_gradient_sign(
    logits: Logits, images: tf.Tensor, labels: tf.Tensor, epsilon: tf.Tensor, *, norm: str = "linf"
) -> Crafted:
    """Take one step of the whole budget.

    Args:
        logits: float32 pixels to logits.
        images: float32 (b, height, width, channels), in 0..255.
        labels: int32 (b,), the true classes.
        epsilon: float32, the budget; a scalar.
        norm: `linf`, or `l2` for a step along the gradient itself.

    Returns:
        The changed images.
    """
    found, _, gradient = climb(logits, log_odds, images, labels)
    right = tf.cast(~is_wrong(found, labels), images.dtype)[:, None, None, None]
    moved = project(images + right * epsilon * steepest(gradient, norm), images, epsilon, norm)
    count = tf.shape(images)[0]
    return Crafted(moved, count, count)


def projected_gradient(
    logits: Logits,
    images: tf.Tensor,
    labels: tf.Tensor,
    epsilon: tf.Tensor,
    seed: tf.Tensor,
    *,
    norm: str = "linf",
    steps: int = 20,
    restarts: int = 1,
    step: float | None = None,
    random: bool = True,
    early_stop: bool = True,
    loss: Loss = log_odds,
) -> Crafted:
    """Climb the loss in steps, and go back into the ball after each.

    Args:
        logits: float32 pixels to logits.
        images: float32 (b, height, width, channels), in 0..255.
        labels: int32 (b,), the true classes.
        epsilon: float32, the budget; a scalar.
        seed: int32 (2,), of the random starts.
        norm: `linf` or `l2`.
        steps: Steps of each start.
        restarts: Starts; an image that withstood one is attacked again.
        step: The size of a step as a share of the budget; default 2.5 over the number of steps.
        random: Whether to start at a random point of the ball, else at the image.
        early_stop: Whether an image leaves as soon as the model is wrong about it.
        loss: What is climbed.

    Returns:
        The changed images; of one that withstood, the last point of its last start.
    """
    size = epsilon * (step or _REACH / steps)

    def restart(number: tf.Tensor, found: tf.Tensor, left: tf.Tensor, passes: tf.Tensor) -> tuple[tf.Tensor, ...]:
        origin, own = tf.gather(images, left), tf.gather(labels, left)
        start = random_start(origin, epsilon, norm, seed + number) if random else origin
        moved, gradients = _ascend(logits, loss, start, origin, own, epsilon, size, norm, steps, early_stop)
        found = tf.tensor_scatter_nd_update(found, left[:, None], moved)
        right = tf.where(~is_wrong(logits(moved), own))[:, 0]
        return number + 1, found, tf.gather(left, right), passes + tf.stack([tf.shape(left)[0], gradients])

    every = tf.range(tf.shape(images)[0])
    state = (tf.constant(0), images, every, tf.zeros(2, tf.int32))
    shapes = (tf.TensorShape([]), images.shape, tf.TensorShape([None]), tf.TensorShape([2]))
    _, found, _, passes = tf.while_loop(
        lambda number, found, left, passes: (number < restarts) & (tf.size(left) > 0), restart, state, shapes
    )
    return Crafted(found, passes[0] + passes[1], passes[1])


def _ascend(
    logits: Logits,
    loss: Loss,
    start: tf.Tensor,
    origin: tf.Tensor,
    labels: tf.Tensor,
    epsilon: tf.Tensor,
    size: tf.Tensor,
    norm: str,
    steps: int,
    early_stop: bool,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the points reached, and the number of gradients that it took."""

    def take(
        number: tf.Tensor, found: tf.Tensor, rows: tf.Tensor, at: tf.Tensor, gradients: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        own = tf.gather(labels, rows)
        values, _, gradient = climb(logits, loss, at, own)
        gradients += tf.shape(rows)[0]
        if early_stop:
            found = tf.tensor_scatter_nd_update(found, rows[:, None], at)
            right = tf.where(~is_wrong(values, own))[:, 0]
            rows, at, gradient = tf.gather(rows, right), tf.gather(at, right), tf.gather(gradient, right)
        moved = project(at + size * steepest(gradient, norm), tf.gather(origin, rows), epsilon, norm)
        return number + 1, found, rows, moved, gradients

    every = tf.range(tf.shape(start)[0])
    free = tf.TensorShape([None, *start.shape[1:]])
    _, found, rows, at, gradients = tf.while_loop(
        lambda number, found, rows, at, gradients: (number < steps) & (tf.size(rows) > 0),
        take,
        (tf.constant(0), start, every, start, tf.constant(0)),
        (tf.TensorShape([]), free, tf.TensorShape([None]), free, tf.TensorShape([])),
    )
    return tf.tensor_scatter_nd_update(found, rows[:, None], at), gradients

"""The smallest change that misleads: Carlini and Wagner, "Towards Evaluating the Robustness of Neural Networks", 2017."""

from typing import NamedTuple

import tensorflow as tf

from tfvision.robustness.attacks.effort import Crafted
from tfvision.robustness.attacks.geometry import l2_norm
from tfvision.robustness.attacks.losses import Logits, is_wrong, margin

_FIRST = 1e-2  # weight of the margin in the first round
_REACH = 5.0  # learning rate of Adam times steps, in the space of the inverse hyperbolic tangent
_STEP = 1.0  # of a step that follows, as a share of the best distance so far, in each value
_DECAY = (0.9, 0.999)
_EDGE = 1 - 1e-6  # black and white lie at infinity
_UNKNOWN = 1e10


class _Search(NamedTuple):
    """The binary search of each image: the weight in use, and those known to be too small and large enough."""

    weight: tf.Tensor
    low: tf.Tensor
    high: tf.Tensor
    best: tf.Tensor
    distance: tf.Tensor


def carlini_wagner(
    logits: Logits, images: tf.Tensor, labels: tf.Tensor, *, steps: int = 100, rounds: int = 6
) -> Crafted:
    """Find the change of least L2 norm, by a binary search for the weight of the margin against the distance.

    Args:
        logits: float32 pixels to logits.
        images: float32 (b, height, width, channels), in 0..255.
        labels: int32 (b,), the true classes.
        steps: Steps of Adam in each round; its learning rate falls to a hundredth within them.
        rounds: Rounds of the search; the weight grows tenfold until an image is misled.

    Returns:
        The nearest images found that the model is wrong about; unchanged where none was found, or was wrong already.
    """
    origin = tf.atanh(_EDGE * (images / 127.5 - 1))
    wrong = is_wrong(logits(images), labels)
    count = tf.shape(images)[0]
    start = _Search(
        tf.fill((count,), _FIRST),
        tf.zeros((count,)),
        tf.fill((count,), _UNKNOWN),
        images,
        tf.where(wrong, 0.0, _UNKNOWN),
    )

    def search(number: tf.Tensor, *values: tf.Tensor) -> tuple[tf.Tensor, ...]:
        state = _Search(*values)
        misled, best, distance = _descend(logits, images, labels, origin, state, steps)
        return number + 1, *_next_weight(state._replace(best=best, distance=distance), misled)

    _, *values = tf.while_loop(lambda number, *_: number < rounds, search, (tf.constant(0), *start))
    gradients = count * steps * rounds
    return Crafted(_Search(*values).best, gradients + count, gradients)


def _descend(
    logits: Logits,
    images: tf.Tensor,
    labels: tf.Tensor,
    origin: tf.Tensor,
    state: _Search,
    steps: int,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return which images were misled in this round, and the nearest ones so far with their distances."""

    rate = _rate(images, state.distance, steps)

    def take(
        number: tf.Tensor, at: tf.Tensor, mean: tf.Tensor, square: tf.Tensor, misled: tf.Tensor, *best: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        pixels, wrong, gradient = _objective(logits, images, labels, at, state.weight)
        distance = l2_norm(pixels - images)[:, 0, 0, 0]
        nearer = wrong & (distance < best[1])
        nearest = tf.where(nearer[:, None, None, None], pixels, best[0])
        mean = _DECAY[0] * mean + (1 - _DECAY[0]) * gradient
        square = _DECAY[1] * square + (1 - _DECAY[1]) * tf.square(gradient)
        time = tf.cast(number + 1, tf.float32)
        corrected = (mean / (1 - _DECAY[0] ** time)) / (tf.sqrt(square / (1 - _DECAY[1] ** time)) + 1e-8)
        found = (nearest, tf.where(nearer, distance, best[1]))
        return number + 1, at - rate * tf.pow(0.01, time / steps) * corrected, mean, square, misled | wrong, *found

    none = tf.zeros_like(origin)
    begin = (tf.constant(0), origin, none, none, labels < 0, state.best, state.distance)
    *_, misled, best, distance = tf.while_loop(lambda number, *_: number < steps, take, begin)
    return misled, best, distance


def _rate(images: tf.Tensor, distance: tf.Tensor, steps: int) -> tf.Tensor:
    """Return the learning rate of each image at the begin of a round: a step no longer than its best distance so far."""
    values = tf.cast(tf.size(images[0]), tf.float32)
    near = _STEP * distance / (127.5 * tf.sqrt(values))
    return tf.minimum(_REACH / steps, near)[:, None, None, None]


def _objective(
    logits: Logits, images: tf.Tensor, labels: tf.Tensor, at: tf.Tensor, weight: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return pixels, which of them mislead, and the gradient of distance plus weighted lead of the true class."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(at)
        pixels = 127.5 * (tf.tanh(at) + 1)
        found = logits(pixels)
        lead = tf.maximum(-margin(found, labels), 0.0)
        squares = tf.reduce_sum(tf.square((pixels - images) / 255), (1, 2, 3))
        total = tf.reduce_sum(squares + weight * lead)
    gradient = tape.gradient(total, at, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return pixels, is_wrong(found, labels), gradient


def _next_weight(state: _Search, misled: tf.Tensor) -> _Search:
    high = tf.where(misled, tf.minimum(state.high, state.weight), state.high)
    low = tf.where(misled, state.low, tf.maximum(state.low, state.weight))
    weight = tf.where(high < _UNKNOWN, (low + high) / 2, low * 10)
    return state._replace(weight=weight, low=low, high=high)

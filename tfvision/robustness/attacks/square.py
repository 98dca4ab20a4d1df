"""Square: a random search that sees no gradient (Andriushchenko et al., "Square Attack", ECCV 2020)."""

import tensorflow as tf

from tfvision.robustness.attacks.effort import Crafted
from tfvision.robustness.attacks.geometry import l2_norm, project
from tfvision.robustness.attacks.losses import Logits, is_wrong, margin

_SHARE = 0.8  # of the pixels that the first squares cover
_HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)  # of 10,000 queries
_TINY = 1e-10


def square_attack(
    logits: Logits,
    images: tf.Tensor,
    labels: tf.Tensor,
    epsilon: tf.Tensor,
    seed: tf.Tensor,
    *,
    norm: str = "linf",
    queries: int = 500,
) -> Crafted:
    """Change a random square of each image to the edge of the ball, and keep it where the margin got worse.

    Args:
        logits: float32 pixels to logits; no gradient is asked for.
        images: float32 (b, height, width, channels), in 0..255.
        labels: int32 (b,), the true classes.
        epsilon: float32, the budget; a scalar.
        seed: int32 (2,), of everything drawn.
        norm: `linf`; or `l2`, where a square of one colour takes the budget that the rest of the change leaves, which
            is simpler than the bumps of the paper.
        queries: Forward passes of each image, at most.

    Returns:
        The changed images; of one that withstood, the point of the largest margin.
    """
    shares = tf.constant(square_shares(queries))

    def ask(
        number: tf.Tensor, found: tf.Tensor, passes: tf.Tensor, rows: tf.Tensor, at: tf.Tensor, best: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        origin, own = tf.gather(images, rows), tf.gather(labels, rows)
        tried = _propose(at, origin, epsilon, norm, shares[number], seed + tf.stack([0, number + 1]))
        values = logits(tried)
        leads = margin(values, own)
        better = leads > best
        at = tf.where(better[:, None, None, None], tried, at)
        found = tf.tensor_scatter_nd_update(found, rows[:, None], at)
        right = tf.where(~(better & is_wrong(values, own)))[:, 0]
        left = [tf.gather(value, right) for value in (rows, at, tf.maximum(leads, best))]
        return number + 1, found, passes + tf.size(rows), *left

    start = project(images + _stripes(images, epsilon, norm, seed), images, epsilon, norm)
    values = logits(start)
    right = tf.where(~is_wrong(values, labels))[:, 0]
    rows = tf.gather(tf.range(tf.shape(images)[0]), right)
    begin = (tf.constant(0), start, tf.shape(images)[0], rows, tf.gather(start, right))
    free = [tf.TensorShape([None, *value.shape[1:]]) if value.shape.rank else value.shape for value in begin]
    _, found, passes, *_ = tf.while_loop(
        lambda number, found, passes, rows, at, best: (number < queries - 1) & (tf.size(rows) > 0),
        ask,
        (*begin, tf.gather(margin(values, labels), right)),
        (*free, tf.TensorShape([None])),
    )
    return Crafted(found, passes, tf.constant(0))


def square_shares(queries: int) -> list[float]:
    """Return the share of the pixels in the square of each query: 80 % at first, and halved on and on."""
    return [_SHARE / 2 ** sum(10_000 * number > queries * when for when in _HALVINGS) for number in range(queries)]


def _stripes(images: tf.Tensor, epsilon: tf.Tensor, norm: str, seed: tf.Tensor) -> tf.Tensor:
    """Return vertical stripes of one colour each, at the edge of the ball."""
    shape = tf.shape(images)
    signs = _signs((shape[0], 1, shape[2], shape[3]), seed)
    stripes = epsilon * tf.ones_like(images) * signs
    return stripes if norm == "linf" else epsilon * stripes / tf.maximum(l2_norm(stripes), _TINY)


def _propose(
    at: tf.Tensor, origin: tf.Tensor, epsilon: tf.Tensor, norm: str, share: tf.Tensor, seed: tf.Tensor
) -> tf.Tensor:
    count, channels = tf.shape(at)[0], at.shape[3]
    square = _mask(at, share, seed)
    signs = _signs((count, 1, 1, channels), seed + 7)
    change = at - origin
    if norm == "linf":
        return project(origin + tf.where(square > 0, epsilon * signs, change), origin, epsilon, norm)
    rest = change * (1 - square)
    left = tf.sqrt(tf.maximum(tf.square(epsilon) - tf.square(l2_norm(rest)), 0.0))
    bump = square * (signs + change * square / (l2_norm(change * square) + _TINY))
    return project(origin + rest + left * bump / (l2_norm(bump) + _TINY), origin, epsilon, norm)


def _mask(at: tf.Tensor, share: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Return 1 inside a square placed at random in each image, else 0: float32 (b, height, width, 1)."""
    count, height, width = tf.shape(at)[0], tf.shape(at)[1], tf.shape(at)[2]
    area = share * tf.cast(height * width, tf.float32)
    side = tf.clip_by_value(tf.cast(tf.round(tf.sqrt(area)), tf.int32), 1, tf.minimum(height, width))
    places = tf.random.stateless_uniform((2, count, 1), seed)
    inside = []
    for place, length in zip(tf.unstack(places), (height, width), strict=True):
        first = tf.cast(place * tf.cast(length - side + 1, tf.float32), tf.int32)
        line = tf.range(length)[None]
        inside.append((line >= first) & (line < first + side))
    return tf.cast(inside[0][:, :, None, None] & inside[1][:, None, :, None], at.dtype)


def _signs(shape: tuple[tf.Tensor | int, ...], seed: tf.Tensor) -> tf.Tensor:
    return tf.sign(tf.random.stateless_uniform(shape, seed, -1.0, 1.0))

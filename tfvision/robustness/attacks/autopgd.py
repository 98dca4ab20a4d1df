"""AutoPGD: PGD with momentum that halves its own steps (Croce and Hein, "Reliable evaluation ...", ICML 2020)."""

from typing import NamedTuple

import tensorflow as tf

from tfvision.robustness.attacks.effort import Crafted
from tfvision.robustness.attacks.geometry import project, random_start, steepest
from tfvision.robustness.attacks.losses import Logits, Loss, climb, is_wrong, log_odds, logits_ratio

_MOMENTUM = 0.75  # share of the new step; the rest repeats the last one
_RISING = 0.75  # share of the steps between two checks that must rise, else the step is halved
_SHARES = (0.22, 0.03, 0.06)  # of all steps: those before the first check, how many fewer each time, the fewest


class _State(NamedTuple):
    """The climb of the images that still withstand, in the order of `rows`."""

    rows: tf.Tensor
    at: tf.Tensor
    before: tf.Tensor
    gradient: tf.Tensor
    loss: tf.Tensor
    best: tf.Tensor
    best_gradient: tf.Tensor
    best_loss: tf.Tensor
    checked_loss: tf.Tensor
    size: tf.Tensor
    rises: tf.Tensor
    halved: tf.Tensor


def auto_pgd(
    logits: Logits,
    images: tf.Tensor,
    labels: tf.Tensor,
    epsilon: tf.Tensor,
    seed: tf.Tensor,
    *,
    norm: str = "linf",
    steps: int = 20,
    restarts: int = 1,
    losses: tuple[Loss, ...] = (log_odds, logits_ratio),
) -> Crafted:
    """Climb each loss in turn; images that withstood one are attacked by the next.

    Args:
        logits: float32 pixels to logits.
        images: float32 (b, height, width, channels), in 0..255.
        labels: int32 (b,), the true classes.
        epsilon: float32, the budget; a scalar.
        seed: int32 (2,), of the random starts.
        norm: `linf` or `l2`.
        steps: Steps of each start.
        restarts: Starts with each loss.
        losses: What is climbed: the cross-entropy (as log odds, whose steps are the same) and the difference of logits
            ratio.

    Returns:
        The changed images; of one that withstood, the point of the largest loss of its last start.
    """
    found, left = images, tf.range(tf.shape(images)[0])
    total = tf.constant(0)
    for number, loss in enumerate(loss for loss in losses for _ in range(restarts)):
        origin, own = tf.gather(images, left), tf.gather(labels, left)
        start = random_start(origin, epsilon, norm, seed + number)
        moved, withstood, gradients = _climb_once(logits, loss, start, origin, own, epsilon, norm, steps)
        found = tf.tensor_scatter_nd_update(found, left[:, None], moved)
        left, total = tf.gather(left, withstood), total + gradients
    return Crafted(found, total, total)


def check_points(steps: int) -> list[int]:
    """Return for each step the number of steps since the last check if one is due after it, else 0."""
    span, fewer, fewest = (max(int(share * steps), 1) for share in _SHARES)
    due, since = [], 0
    for _ in range(steps):
        since += 1
        due.append(since if since == span else 0)
        if since == span:
            since, span = 0, max(span - fewer, fewest)
    return due


def _climb_once(
    logits: Logits,
    loss: Loss,
    start: tf.Tensor,
    origin: tf.Tensor,
    labels: tf.Tensor,
    epsilon: tf.Tensor,
    norm: str,
    steps: int,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return the points reached, the rows that withstood, and the number of gradients that it took."""
    due = tf.constant([*check_points(steps), 0])

    def take(number: tf.Tensor, found: tf.Tensor, gradients: tf.Tensor, *values: tf.Tensor) -> tuple[tf.Tensor, ...]:
        state = _State(*values)
        moved = _move(state, tf.gather(origin, state.rows), epsilon, norm, first=number == 0)
        own = tf.gather(labels, state.rows)
        logit, reached, gradient = climb(logits, loss, moved, own)
        gradients += tf.shape(state.rows)[0]
        state = _with_best(state, moved, reached, gradient)
        state = tf.cond(due[number] > 0, lambda: _checked(state, due[number]), lambda: state)
        return number + 1, *_leave(found, gradients, state, moved, is_wrong(logit, own))

    logit, reached, gradient = climb(logits, loss, start, labels)
    state = _first(start, reached, gradient, epsilon)
    begun = _leave(start, tf.shape(start)[0], state, start, is_wrong(logit, labels))
    values = (tf.constant(0), *begun)
    free = tuple(tf.TensorShape([None, *value.shape[1:]]) if value.shape.rank else value.shape for value in values)
    _, found, gradients, *values = tf.while_loop(
        lambda number, found, gradients, rows, *_: (number < steps) & (tf.size(rows) > 0), take, values, free
    )
    state = _State(*values)
    return tf.tensor_scatter_nd_update(found, state.rows[:, None], state.best), state.rows, gradients


def _first(start: tf.Tensor, loss: tf.Tensor, gradient: tf.Tensor, epsilon: tf.Tensor) -> _State:
    rows = tf.range(tf.shape(start)[0])
    size = tf.fill((tf.shape(start)[0], 1, 1, 1), 2 * epsilon)
    none = tf.zeros_like(rows)
    return _State(rows, start, start, gradient, loss, start, gradient, loss, loss, size, none, tf.zeros_like(rows) > 0)


def _move(state: _State, origin: tf.Tensor, epsilon: tf.Tensor, norm: str, *, first: tf.Tensor) -> tf.Tensor:
    share = tf.where(first, 1.0, _MOMENTUM)
    stepped = project(state.at + state.size * steepest(state.gradient, norm), origin, epsilon, norm)
    moved = state.at + share * (stepped - state.at) + (1 - share) * (state.at - state.before)
    return project(moved, origin, epsilon, norm)


def _with_best(state: _State, moved: tf.Tensor, loss: tf.Tensor, gradient: tf.Tensor) -> _State:
    better = loss > state.best_loss
    mask = better[:, None, None, None]
    return state._replace(
        before=state.at,
        at=moved,
        gradient=gradient,
        loss=loss,
        rises=state.rises + tf.cast(loss > state.loss, tf.int32),
        best=tf.where(mask, moved, state.best),
        best_gradient=tf.where(mask, gradient, state.best_gradient),
        best_loss=tf.maximum(loss, state.best_loss),
    )


def _checked(state: _State, span: tf.Tensor) -> _State:
    """Halve the steps of images whose loss no longer rises, and send them back to their best point."""
    few = tf.cast(state.rises, tf.float32) <= _RISING * tf.cast(span, tf.float32)
    stuck = ~state.halved & (state.checked_loss >= state.best_loss)
    halve = few | stuck
    mask = halve[:, None, None, None]
    return state._replace(
        size=tf.where(mask, state.size / 2, state.size),
        at=tf.where(mask, state.best, state.at),
        gradient=tf.where(mask, state.best_gradient, state.gradient),
        rises=tf.zeros_like(state.rises),
        halved=halve,
        checked_loss=state.best_loss,
    )


def _leave(
    found: tf.Tensor, gradients: tf.Tensor, state: _State, moved: tf.Tensor, wrong: tf.Tensor
) -> tuple[tf.Tensor, ...]:
    """Write down where images are that the model is wrong about, and go on with the others."""
    found = tf.tensor_scatter_nd_update(found, state.rows[:, None], moved)
    right = tf.where(~wrong)[:, 0]
    return found, gradients, *(tf.gather(value, right) for value in state)

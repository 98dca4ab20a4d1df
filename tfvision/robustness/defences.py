"""Defences: what training does to the pixels of each step, as functions that are handed to the trainer."""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from tfvision.training.defence_options import AdversarialOptions
from tfvision.training.defended import Defence, Inference, Perturbation, divergence
from tfvision.training.softened import cross_entropy

_WHITE = 255.0
_TRADES_START = 0.001 * _WHITE  # standard deviation of the random start in the authors' code
_CHALLENGE_STEPS = 7  # fewest: a single step does not notice that training with single steps has failed
_TINY = 1e-12

_Loss = Callable[[tf.Tensor], tf.Tensor]


def build_defence(options: AdversarialOptions, seed: int) -> Defence | None:
    """Build the defence that options ask for.

    Args:
        options: The attack and its strength.
        seed: Seed of the run.

    Returns:
        What the trainer does to pixels; None for nothing.
    """
    if options.attack == "none":
        return None
    if options.attack == "noise":
        noise = training_noise(options.sigma)
        return Defence(noise, noise, seed)
    ball = Neighbourhood(options.norm, options.epsilon)
    steps = max(options.steps, _CHALLENGE_STEPS)
    challenge = inner_pgd(ball, steps, 2.5 * options.epsilon / steps)
    if options.attack == "trades":
        return Defence(inner_trades(ball, options.steps, options.step), challenge, seed, options.beta)
    # Wong, Rice and Kolter, "Fast is better than free", 2020: one step from a random start.
    steps = 1 if options.attack == "fast" else options.steps
    return Defence(inner_pgd(ball, steps, options.step), challenge, seed)


@dataclass(frozen=True)
class Neighbourhood:
    """The changes that are allowed: at most epsilon away, and within 0..255.

    Attributes:
        norm: `linf`, the largest change of any value of a pixel, or `l2`, the Euclidean length of the change.
        epsilon: The radius in pixel units.
    """

    norm: str
    epsilon: float

    def draw(self, pixels: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Draw a point of the ball around each image, evenly.

        Args:
            pixels: float32 (b, height, width, channels), 0..255.
            seed: int64 (2,).

        Returns:
            float32 of the same shape.
        """
        shape = tf.shape(pixels)
        if self.norm == "linf":
            change = tf.random.stateless_uniform(shape, seed, -self.epsilon, self.epsilon)
            return self.project(pixels, pixels + change)
        along = self.direction(tf.random.stateless_normal(shape, seed))
        another = tf.random.experimental.stateless_fold_in(seed, tf.constant(1, tf.int64))
        share = tf.random.stateless_uniform([shape[0], 1, 1, 1], another)
        # Of a ball in d dimensions, the share r^d lies within the radius r.
        radius = self.epsilon * share ** (1 / tf.cast(tf.size(pixels) // shape[0], tf.float32))
        return self.project(pixels, pixels + radius * along)

    def direction(self, gradient: tf.Tensor) -> tf.Tensor:
        """Return the change of length 1 that follows a gradient most.

        Args:
            gradient: float32 (b, height, width, channels).

        Returns:
            float32 of the same shape: its sign, or for l2 the gradient of each image divided by its length.
        """
        return tf.sign(gradient) if self.norm == "linf" else gradient / tf.maximum(_length(gradient), _TINY)

    def project(self, pixels: tf.Tensor, moved: tf.Tensor) -> tf.Tensor:
        """Return the nearest allowed pixels.

        Args:
            pixels: float32 (b, height, width, channels), 0..255, the images.
            moved: float32 of the same shape.

        Returns:
            float32 of the same shape.
        """
        if self.norm == "linf":
            moved = tf.clip_by_value(moved, pixels - self.epsilon, pixels + self.epsilon)
        else:
            change = moved - pixels
            moved = pixels + change * tf.minimum(1.0, self.epsilon / tf.maximum(_length(change), _TINY))
        return tf.clip_by_value(moved, 0.0, _WHITE)


def inner_pgd(ball: Neighbourhood, steps: int, step_size: float) -> Perturbation:
    """Build projected gradient descent: from a random start, steps up the cross-entropy (Madry et al., 2018).

    Args:
        ball: Where changed pixels may lie.
        steps: Number of steps.
        step_size: Length of a step in pixel units.

    Returns:
        A function of model, pixels, labels and seed, see `Defence`.
    """

    def change(answer: Inference, pixels: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        def loss(moved: tf.Tensor) -> tf.Tensor:
            return tf.reduce_sum(cross_entropy(labels, answer(moved)))

        return _ascend(loss, ball.draw(pixels, seed), pixels, ball, steps, step_size)

    return change


def inner_trades(ball: Neighbourhood, steps: int, step_size: float) -> Perturbation:
    """Build the inner attack of TRADES: steps up the divergence from the answer to the image as it is.

    It needs no labels. The start is a little noise, since the divergence has no slope at the image itself.

    Args:
        ball: Where changed pixels may lie.
        steps: Number of steps.
        step_size: Length of a step in pixel units.

    Returns:
        A function of model, pixels, labels and seed, see `Defence`.
    """

    def change(answer: Inference, pixels: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        clean = answer(pixels)

        def loss(moved: tf.Tensor) -> tf.Tensor:
            return tf.reduce_sum(divergence(clean, answer(moved)))

        start = pixels + tf.random.stateless_normal(tf.shape(pixels), seed, stddev=_TRADES_START)
        return _ascend(loss, ball.project(pixels, start), pixels, ball, steps, step_size)

    return change


def training_noise(sigma: float) -> Perturbation:
    """Build Gaussian noise on pixels, as randomized smoothing adds it (Cohen et al., 2019).

    As there, pixels may leave 0..255: clipped noise would be another noise than the one that is certified.

    Args:
        sigma: Standard deviation in pixel units.

    Returns:
        A function of model, pixels, labels and seed, see `Defence`.
    """

    def change(answer: Inference, pixels: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return pixels + tf.random.stateless_normal(tf.shape(pixels), seed, stddev=sigma)

    return change


def _ascend(
    loss: _Loss, start: tf.Tensor, pixels: tf.Tensor, ball: Neighbourhood, steps: int, step_size: float
) -> tf.Tensor:
    def step(number: tf.Tensor, moved: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(moved)
            value = loss(moved)
        uphill = ball.direction(tape.gradient(value, moved))
        return number + 1, ball.project(pixels, moved + step_size * uphill)

    # A loop of the graph: unrolled, seven steps through a deep model would take minutes to trace.
    return tf.while_loop(lambda number, _: number < steps, step, (0, start), maximum_iterations=steps)[1]


def _length(change: tf.Tensor) -> tf.Tensor:
    """Return the Euclidean length of each image's change, float32 (b, 1, 1, 1)."""
    return tf.sqrt(tf.reduce_sum(change**2, axis=[1, 2, 3], keepdims=True))

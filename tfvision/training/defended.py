"""A model in training with a defence: the pixels of each step are changed before it learns from them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from tfvision.training.softened import is_right, softened_logarithms

Inference = Callable[[tf.Tensor], tf.Tensor]
Perturbation = Callable[[Inference, tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]

_STREAM = 5  # separates these draws from those of other parts of a run with the same seed


@dataclass(frozen=True)
class Defence:
    """How pixels are changed while a model is trained, and while it is validated.

    Both are functions of the model in inference mode (pixels to probabilities), pixels float32 (b, h, w, c) in 0..255,
    labels float32 (b, K) or (b, 1), and a seed int64 (2,), from which they draw everything random. They return pixels of
    the same shape.

    Attributes:
        change: What training does.
        challenge: What the column `robust_accuracy` is measured on in validation.
        seed: Seed of the run.
        beta: Weight of the divergence between the answers to clean and to changed pixels, which is added to the loss on
            clean ones (Zhang et al., "Theoretically Principled Trade-off between Robustness and Accuracy", 2019). None
            to learn from changed pixels alone (Madry et al., "Towards Deep Learning Models Resistant to Adversarial
            Attacks", 2018).
    """

    change: Perturbation
    challenge: Perturbation
    seed: int
    beta: float | None = None


class Defended(keras.Model):
    """A model that is trained on changed pixels; its variables are those of the inner model, and it is never saved.

    While pixels are changed, the model runs in inference mode, so that batch normalization and dropout are those of the
    finished model; it then learns in training mode. Random numbers depend on the seed, the phase and the step alone.

    Args:
        inner: Raw pixels in, probabilities out.
        defence: How pixels are changed.
        first_epoch: Number of the epoch of the run that the phase began with, from 0.
    """

    def __init__(self, inner: keras.Model, defence: Defence, first_epoch: int = 0) -> None:
        # Pixels of 8 bits and fractions of them would not survive a cast to half precision.
        super().__init__(name=inner.name, dtype=inner.dtype_policy, autocast=False)
        self.inner, self.defence = inner, defence
        self.robust = keras.metrics.Mean(name="robust_accuracy")
        self._seeds = ((defence.seed, _STREAM), first_epoch)

    @property
    def tail(self) -> keras.Model:
        """The functional model whose outputs these are."""
        return getattr(self.inner, "tail", self.inner)

    def call(self, pixels: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Return the inner model's answer.

        Args:
            pixels: (b, height, width, channels), 0..255.
            training: Whether batch normalization and dropout are active.

        Returns:
            Probabilities (b, K), or (b, 1) for two classes.
        """
        return self.inner(pixels, training=training)

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Change the pixels of a batch, and take one gradient step on them.

        Args:
            data: Pixels, labels, and weights of the images if there are any.

        Returns:
            The running means of loss and metrics.
        """
        pixels, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
        pixels = tf.cast(pixels, tf.float32)
        changed = tf.stop_gradient(self.defence.change(self._answer, pixels, labels, self._seed()))
        with tf.GradientTape() as tape:
            loss, outputs, robust = self._learn(pixels, changed, labels, weights)
            self._loss_tracker.update_state(loss, sample_weight=tf.shape(pixels)[0])
            scaled = self.optimizer.scale_loss(loss)
        trained = self.trainable_weights
        self.optimizer.apply_gradients(zip(tape.gradient(scaled, trained), trained, strict=True))
        self.robust.update_state(is_right(labels, robust))
        return self.compute_metrics(pixels, labels, outputs, sample_weight=weights)

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Score a batch as it is, and count the right answers to its challenged pixels.

        Args:
            data: As for `train_step`.

        Returns:
            The running means of loss and metrics.
        """
        pixels, labels, _ = keras.utils.unpack_x_y_sample_weight(data)
        seed = tf.constant(self._seeds[0], tf.int64)  # of every epoch the same, so that epochs can be compared
        changed = self.defence.challenge(self._answer, tf.cast(pixels, tf.float32), labels, seed)
        self.robust.update_state(is_right(labels, self._answer(changed)))
        return super().test_step(data)

    def _learn(
        self, pixels: tf.Tensor, changed: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return the loss, the outputs that metrics are computed from, and those for changed pixels."""
        if self.defence.beta is None:
            outputs = self(changed, training=True)
            return self._loss_of(changed, labels, outputs, weights), outputs, outputs
        outputs, robust = self(pixels, training=True), self(changed, training=True)
        apart = divergence(outputs, robust)
        apart = tf.reduce_mean(apart if weights is None else apart * tf.cast(weights, apart.dtype))
        return self._loss_of(pixels, labels, outputs, weights) + self.defence.beta * apart, outputs, robust

    def _loss_of(
        self, pixels: tf.Tensor, labels: tf.Tensor, outputs: tf.Tensor, weights: tf.Tensor | None
    ) -> tf.Tensor:
        return self.compute_loss(pixels, labels, outputs, sample_weight=weights, training=True)

    def _answer(self, pixels: tf.Tensor) -> tf.Tensor:
        return self.inner(pixels, training=False)

    def _seed(self) -> tf.Tensor:
        start, first_epoch = self._seeds
        fold_in = tf.random.experimental.stateless_fold_in
        of_phase = fold_in(tf.constant(start, tf.int64), tf.constant(first_epoch, tf.int64))
        # The optimizer counts the steps of the phase, and is restored when a run is resumed.
        step = tf.cast(keras.ops.convert_to_tensor(self.optimizer.iterations), tf.int64)
        return fold_in(of_phase, step)


def divergence(clean: tf.Tensor, changed: tf.Tensor) -> tf.Tensor:
    """Return the Kullback-Leibler divergence KL(clean || changed) of each image.

    Args:
        clean: Probabilities (b, K), or (b, 1) for two classes, of the images as they are.
        changed: Probabilities of the same shape.

    Returns:
        float32 (b,), 0 or more.
    """
    expected, found = softened_logarithms(clean), softened_logarithms(changed)
    return tf.reduce_sum(tf.exp(expected) * (expected - found), axis=-1)

"""Probabilities softened by a temperature, as a teacher gives them and a student learns them."""

import keras
import tensorflow as tf
from keras import ops

_LEAST = 1e-30


def softened_logarithms(outputs: tf.Tensor, temperature: float = 1.0) -> tf.Tensor:
    """Return the logarithms of a classifier's probabilities at a temperature.

    They come from the logits that Keras keeps behind a softmax or a sigmoid: a probability of 1 has lost how sure the
    model is, and gives no gradient.

    Args:
        outputs: Probabilities float (b, K), or (b, 1) of the second of two classes.
        temperature: What logits are divided by.

    Returns:
        float32 (b, K), with K = 2 for two classes.
    """
    logits = ops.cast(_logits(outputs), "float32")
    if logits.shape[-1] == 1:
        logits = ops.concatenate([ops.zeros_like(logits), logits], axis=-1)
    return ops.log_softmax(logits / temperature, axis=-1)


def shares_of(labels: tf.Tensor) -> tf.Tensor:
    """Return labels float (b, K) or (b, 1) as float32 (b, K), the share of each class."""
    labels = ops.cast(labels, "float32")
    return ops.concatenate([1 - labels, labels], axis=-1) if labels.shape[-1] == 1 else labels


def cross_entropy(labels: tf.Tensor, outputs: tf.Tensor, temperature: float = 1.0) -> tf.Tensor:
    """Return the cross-entropy of each image at a temperature.

    Args:
        labels: float (b, K), or (b, 1) for two classes; shares of classes are allowed.
        outputs: Probabilities of the same shape.
        temperature: What logits are divided by.

    Returns:
        float32 (b,).
    """
    return -ops.sum(shares_of(labels) * softened_logarithms(outputs, temperature), axis=-1)


class SoftenedLoss(keras.losses.Loss):
    """Cross-entropy with a softmax at a temperature (Papernot et al., "Distillation as a Defense", 2016).

    Its gradients are about the temperature times smaller than those of the ordinary loss, as in the paper.

    Args:
        temperature: What logits are divided by.
    """

    def __init__(self, temperature: float) -> None:
        super().__init__(name="softened_cross_entropy")
        self.temperature = temperature

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Return the loss of each image, float32 (b,); arguments as for `cross_entropy`."""
        return cross_entropy(y_true, y_pred, self.temperature)


def hard_metrics(num_classes: int) -> list[keras.metrics.Metric]:
    """Build accuracy and F1 against the most probable class of soft labels: in training, agreement with the teacher.

    Args:
        num_classes: Number of classes.

    Returns:
        The metrics, with the names and the values of `build_metrics` for labels of one class.
    """

    class HardF1(keras.metrics.F1Score):
        def update_state(self, y_true: tf.Tensor, y_pred: tf.Tensor, sample_weight: tf.Tensor | None = None) -> None:
            super().update_state(_hardened(y_true), y_pred, sample_weight)

    threshold = 0.5 if num_classes == 2 else None
    f1 = HardF1(average="macro", threshold=threshold, name="f1")
    return [keras.metrics.MeanMetricWrapper(is_right, name="accuracy"), f1]


def is_right(labels: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """Tell for each image whether the most probable class is that of its label.

    Args:
        labels: float (b, K), or (b, 1) for two classes, one-hot or soft.
        outputs: Probabilities of the same shape.

    Returns:
        float32 (b,), 0 or 1.
    """
    if outputs.shape[-1] == 1:
        return ops.squeeze(ops.cast((labels > 0.5) == (outputs > 0.5), "float32"), -1)
    return ops.cast(ops.argmax(labels, axis=-1) == ops.argmax(outputs, axis=-1), "float32")


def _hardened(labels: tf.Tensor) -> tf.Tensor:
    if labels.shape[-1] == 1:
        return ops.cast(labels > 0.5, "float32")
    return ops.one_hot(ops.argmax(labels, axis=-1), labels.shape[-1])


def _logits(outputs: tf.Tensor) -> tf.Tensor:
    """Return the logits behind probabilities; for a model that ends otherwise, numbers with the same softmax."""
    kept = getattr(outputs, "_keras_logits", None)
    if kept is not None:
        return kept
    clipped = ops.clip(ops.cast(outputs, "float32"), _LEAST, 1.0)
    if clipped.shape[-1] == 1:
        return ops.log(clipped) - ops.log(ops.clip(1 - clipped, _LEAST, 1.0))
    return ops.log(clipped)

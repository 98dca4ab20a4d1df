"""Logits of a finished model: what stands before its last activation, whose gradients do not vanish where it is sure."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tfvision.models.backbones.graph import copy_onto
from tfvision.models.combination import Combination
from tfvision.models.decision import Decision, least_probability
from tfvision.robustness.folding import fold_batch_norm

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class RecoveredLogits:
    """A model that gives logits.

    Attributes:
        model: Raw pixels to logits, float32 (b, classes), whose softmax are the probabilities.
        recovered: Whether the last activation could be taken off; otherwise they are logarithms of probabilities.
    """

    model: "keras.Model"
    recovered: bool


def recover_logits(model: "keras.Model", *, fold: bool = True) -> RecoveredLogits:
    """Take the last activation off a classifier; the logits z of a single sigmoid become `[-z, z] / 2`.

    Args:
        model: A functional classifier of one output: a sigmoid or a softmax, or probabilities that come some other way.
        fold: Whether to fold batch normalization, see `fold_batch_norm`.

    Returns:
        The model. It has weights of its own where layers were folded, and shares all others.
    """
    import keras

    last = model.output._keras_history.operation
    named = _activation(last)
    trunk = keras.Model(model.input, last.input if named else model.output)
    pixels = keras.Input(model.input.shape[1:], dtype=model.input.dtype, name="pixels")
    vector = _copy(trunk, pixels) if fold else trunk(pixels, training=False)
    if not named:
        return RecoveredLogits(keras.Model(pixels, _two_columns_of_logarithms(vector)), False)
    values = _linear(last)(vector) if _has_weights(last) else keras.ops.cast(vector, "float32")
    return RecoveredLogits(keras.Model(pixels, _two_columns(values)), True)


def shift_logits(logits: Any, decision: Decision | None) -> Any:
    """Return logits whose largest is that of the class which a stored decision takes: `z / temperature + offset`.

    Args:
        logits: float32 (b, classes).
        decision: What is stored with the model; None for nothing.

    Returns:
        float32 (b, classes).
    """
    if decision is None:
        return logits
    logits = logits / decision.temperature if decision.temperature != 1 else logits
    shift = decision.offsets or 0.0
    return logits + shift


def combine_logarithms(logs: Any, combination: Combination) -> Any:
    """Return the logarithms of an ensemble's probabilities, up to a constant for each image.

    The same formulas as `Combination.combine`, in steps that neither overflow nor lose the gradient where a member is sure.
    A majority vote has no gradient: its values are those of the vote, its gradient is that of the mean probability.

    Args:
        logs: float32 (m, b, K), the logarithms of each member's probabilities.
        combination: The rule.

    Returns:
        float32 (b, K).
    """
    import tensorflow as tf

    weights = tf.constant(combination.weights, tf.float32)
    if combination.kind == "geometric":
        return tf.tensordot(weights, logs, axes=1)
    if combination.kind == "stack":
        features = tf.concat(tf.unstack(logs, num=len(combination.weights)), axis=1)
        return features @ tf.constant(combination.coefficients) + tf.constant(combination.intercepts)
    mean = tf.reduce_logsumexp(logs + tf.math.log(weights)[:, tf.newaxis, tf.newaxis], axis=0)
    if combination.kind == "mean":
        return mean
    votes = tf.reduce_mean(tf.one_hot(tf.argmax(logs, axis=2), logs.shape[2]), axis=0) * len(combination.weights)
    return mean + tf.stop_gradient(tf.math.log(votes + tf.exp(mean) / 2) - mean)


def _activation(operation: "keras.Operation") -> bool:
    """Tell whether an operation ends in a sigmoid or a softmax over the last axis, of the values that it computes."""
    from keras import activations, layers

    if isinstance(operation, layers.Softmax):
        return operation.axis in (-1, 1)
    known = isinstance(operation, (layers.Dense, layers.Activation))
    return known and operation.activation in (activations.softmax, activations.sigmoid)


def _has_weights(operation: "keras.Operation") -> bool:
    return bool(getattr(operation, "weights", None))


def _linear(layer: "keras.Layer") -> "keras.Layer":
    """Return a Dense layer without its activation, in float32, with the same weights."""
    linear = type(layer).from_config({**layer.get_config(), "activation": "linear", "dtype": "float32"})
    linear.build(layer.input.shape)
    linear.set_weights(layer.get_weights())
    return linear


def _copy(trunk: "keras.Model", pixels: "keras.KerasTensor") -> "keras.KerasTensor":
    replaced = fold_batch_norm(trunk)
    try:
        return copy_onto(trunk, pixels, lambda operation: replaced.get(id(operation), operation))
    except ValueError:  # a layer that is called several times cannot take up what comes after one of its calls
        return trunk(pixels, training=False)


def _two_columns(values: "keras.KerasTensor") -> "keras.KerasTensor":
    from keras import ops

    return ops.concatenate([-values, values], axis=-1) / 2 if values.shape[-1] == 1 else values


def _two_columns_of_logarithms(probabilities: "keras.KerasTensor") -> "keras.KerasTensor":
    from keras import ops

    values = ops.cast(probabilities, "float32")
    values = ops.concatenate([1 - values, values], axis=-1) if values.shape[-1] == 1 else values
    return ops.log(ops.maximum(values, least_probability(values.shape[-1])))

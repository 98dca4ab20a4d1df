"""Batch normalization folded into the layers before it, and 1x1 convolutions as matrix products: faster gradients.

In inference mode batch normalization is an affine function of each channel, and TensorFlow's gradient of it costs as
much as that of a convolution. Its gradient of a 1x1 convolution takes up to five times as long as the matrix product
that it is. A folded model gives the same outputs up to rounding, and is only ever asked for gradients.
"""

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras

Replacements = dict[int, Callable[..., Any]]


def fold_batch_norm(model: "keras.Model") -> Replacements:
    """Return what stands in place of every batch normalization, and of the layer it is folded into.

    Args:
        model: A functional model.

    Returns:
        The `id` of an operation to what is called instead of it, as `copy_onto` uses it.
    """
    import keras

    uses = _count_uses(model)
    found: Replacements = {}
    for layer in model.operations:
        if type(layer) is not keras.layers.BatchNormalization:
            continue
        scale, shift = _affine(layer)
        before = layer.input._keras_history.operation
        if uses[id(layer.input)] == 1 and _takes(before, layer):
            found[id(before)] = _folded(before, scale, shift)
            found[id(layer)] = _same
        else:
            found[id(layer)] = _scaled(layer, scale, shift)
    return found


def _same(x: Any, **_: Any) -> Any:
    return x


def _scaled(layer: "keras.Layer", scale: np.ndarray, shift: np.ndarray) -> Callable[..., Any]:
    shape = [1] * len(layer.input.shape)
    shape[_axis(layer)] = len(scale)
    factor, summand = scale.reshape(shape), shift.reshape(shape)
    dtype = layer.compute_dtype

    def call(x: Any, **_: Any) -> Any:
        return x * factor.astype(dtype) + summand.astype(dtype)

    return call


def _affine(layer: "keras.Layer") -> tuple[np.ndarray, np.ndarray]:
    """Return scale and shift of a batch normalization in inference mode, float32 (channels,) each."""
    mean, variance = np.array(layer.moving_mean), np.array(layer.moving_variance)
    scale = 1 / np.sqrt(variance + layer.epsilon)
    scale = scale * np.array(layer.gamma) if layer.scale else scale
    shift = -mean * scale + (np.array(layer.beta) if layer.center else 0)
    return scale.astype(np.float32), shift.astype(np.float32)


def _takes(before: "keras.Operation", norm: "keras.Layer") -> bool:
    """Tell whether a layer can take up the batch normalization after it."""
    from keras import activations, layers

    return (
        type(before) in (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense)
        and before.activation is activations.linear
        and getattr(before, "data_format", "channels_last") == "channels_last"
        and _axis(norm) == len(norm.input.shape) - 1
    )


def _axis(norm: "keras.Layer") -> int:
    axis = norm.axis if isinstance(norm.axis, int) else norm.axis[0]
    return int(axis % len(norm.input.shape))


def _folded(layer: "keras.Layer", scale: np.ndarray, shift: np.ndarray) -> "keras.Layer":
    kernel, *bias = [np.array(weight) for weight in layer.get_weights()]
    summand = (bias[0] * scale if bias else 0) + shift
    # A depthwise kernel has its outputs in two axes: those of each channel, and the channels.
    kernel = kernel * (scale.reshape(kernel.shape[2:]) if _is_depthwise(layer) else scale)
    folded = _of_same_outputs(layer)
    folded.build(layer.input.shape)
    folded.set_weights([kernel[0, 0] if kernel.ndim == 4 and folded.kernel.ndim == 2 else kernel, summand])
    return folded


def _of_same_outputs(layer: "keras.Layer") -> "keras.Layer":
    """Return a layer of the same class with a bias, or a Dense layer for a 1x1 convolution."""
    from keras import layers

    pointwise = type(layer) is layers.Conv2D and layer.kernel_size == (1, 1) and layer.strides == (1, 1)
    if pointwise and layer.groups == 1:
        return layers.Dense(layer.filters, dtype=layer.dtype_policy, name=layer.name)
    return type(layer).from_config({**layer.get_config(), "use_bias": True})


def _is_depthwise(layer: "keras.Layer") -> bool:
    from keras import layers

    return isinstance(layer, layers.DepthwiseConv2D)


def _count_uses(model: "keras.Model") -> Counter[int]:
    nodes = [node for depth in model._nodes_by_depth.values() for node in depth]
    uses = Counter(id(tensor) for node in nodes for tensor in node.arguments.keras_tensors)
    uses.update(id(tensor) for tensor in model.outputs)
    return uses

"""ConvNeXt with true depthwise convolutions, which are several times faster on a CPU."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfvision.models.backbones.families import Backbone
from tfvision.models.backbones.graph import copied, copy_onto
from tfvision.models.backbones.stock import stock_model

if TYPE_CHECKING:
    import keras


def build_convnext(
    name: str, pixels: "keras.KerasTensor", facts: Backbone, options: Mapping[str, Any]
) -> "keras.KerasTensor":
    """Add ConvNeXt (Liu et al., 2022) to a graph, with the layer names of `keras.applications`.

    There each depthwise convolution is a `Conv2D` with as many groups as channels, which TensorFlow computes group by
    group on a CPU; a `DepthwiseConv2D` computes the same several times faster.

    Args:
        name: A key of BACKBONES.
        pixels: `(batch, height, width, 3)`, values 0..255.
        facts: Its entry in BACKBONES.
        options: Further arguments of the function in `keras.applications`.

    Returns:
        Feature maps `(batch, height // 32, width // 32, channels)`.
    """
    return copy_onto(stock_model(facts, input_shape=pixels.shape[1:], **options), pixels, _depthwise)


def load_convnext_weights(model: "keras.Model", name: str, facts: Backbone, path: Path) -> None:
    """Load a file that was saved from the model of `keras.applications`.

    Args:
        model: From its input to the output of `build_convnext`.
        name: A key of BACKBONES.
        facts: Its entry in BACKBONES.
        path: Weights without top.

    Raises:
        ValueError: The file does not fit.
    """
    stock = stock_model(facts, input_shape=(facts.minimum, facts.minimum, 3))
    stock.load_weights(path)
    ours, theirs = ([layer for layer in each.layers if layer.weights] for each in (model, stock))
    for layer, source in zip(ours, theirs, strict=True):
        weights = source.get_weights()
        if _is_depthwise(source):
            weights[0] = np.transpose(weights[0], (0, 1, 3, 2))
        layer.set_weights(weights)


def _depthwise(operation: "keras.Operation") -> "keras.Operation":
    import keras

    if not _is_depthwise(operation):
        return copied(operation)
    options: dict[str, Any] = {"padding": operation.padding, "dtype": operation.dtype_policy}
    return keras.layers.DepthwiseConv2D(operation.kernel_size, name=operation.name, **options)


def _is_depthwise(operation: "keras.Operation") -> bool:
    return getattr(operation, "groups", 1) > 1

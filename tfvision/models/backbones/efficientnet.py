"""EfficientNet with the second rescaling that its ImageNet weights need."""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tfvision.models.backbones.families import Backbone
from tfvision.models.backbones.graph import copied, copy_onto
from tfvision.models.backbones.preprocessing import _DEVIATION
from tfvision.models.backbones.stock import stock_model

if TYPE_CHECKING:
    import keras


def build_efficientnet(
    name: str, pixels: "keras.KerasTensor", facts: Backbone, options: Mapping[str, Any]
) -> "keras.KerasTensor":
    """Add EfficientNet as `weights="imagenet"` builds it.

    The normalization in its ImageNet weights divides by the square root of the standard deviation instead of the
    deviation itself. Keras makes up for it with one more rescaling after the normalization, but only if it is built
    with `imagenet`. Here the rescaling is always there, so that one graph serves ImageNet weights, other files and
    training from scratch.

    Args:
        name: A key of BACKBONES.
        pixels: `(batch, height, width, 3)`, values 0..255.
        facts: Its entry in BACKBONES.
        options: Further arguments of the function in `keras.applications`.

    Returns:
        Feature maps `(batch, height / 32, width / 32, channels)`, sides rounded up.
    """
    import keras

    def copy(operation: "keras.Operation") -> "Callable[..., keras.KerasTensor]":
        if not isinstance(operation, keras.layers.Normalization):
            return copied(operation)
        normalize = copied(operation)
        rescale = keras.layers.Rescaling([1 / math.sqrt(deviation) for deviation in _DEVIATION], dtype="float32")
        return lambda x: rescale(normalize(x))

    return copy_onto(stock_model(facts, input_shape=pixels.shape[1:], **options), pixels, copy)

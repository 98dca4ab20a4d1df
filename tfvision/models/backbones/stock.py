"""The models of `keras.applications`, untrained."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tfvision.models.backbones.families import Backbone
from tfvision.models.backbones.graph import copied, copy_onto

if TYPE_CHECKING:
    import keras


def build_stock(
    name: str, pixels: "keras.KerasTensor", facts: Backbone, options: Mapping[str, Any]
) -> "keras.KerasTensor":
    """Add the layers of a model of `keras.applications` to a graph.

    Args:
        name: A key of BACKBONES.
        pixels: `(batch, height, width, 3)`, preprocessed.
        facts: Its entry in BACKBONES.
        options: Further arguments of the function in `keras.applications`.

    Returns:
        Feature maps `(batch, h, w, channels)`.
    """
    return stock_model(facts, input_tensor=pixels, **options).output


def build_self_scaling(
    name: str, pixels: "keras.KerasTensor", facts: Backbone, options: Mapping[str, Any]
) -> "keras.KerasTensor":
    """Add the layers of a `keras.applications` model that scales pixels itself; copies do so in float32.

    EfficientNetV2 (Tan & Le, 2021) and MobileNetV3 (Howard et al., 2019) take pixels 0..255.

    Args:
        name: A key of BACKBONES.
        pixels: `(batch, height, width, 3)`, values 0..255.
        facts: Its entry in BACKBONES.
        options: Further arguments of the function in `keras.applications`.

    Returns:
        Feature maps `(batch, h, w, channels)`.
    """
    return copy_onto(stock_model(facts, input_shape=pixels.shape[1:], **options), pixels, copied)


def stock_model(facts: Backbone, **options: Any) -> "keras.Model":
    """Build the untrained model of `keras.applications`, without top.

    Args:
        facts: An entry of BACKBONES whose builder is a function of `keras.applications`.
        **options: Further arguments of that function, such as `input_shape` or `input_tensor`.

    Returns:
        The model, from pixels to feature maps.
    """
    import keras

    return getattr(keras.applications, facts.builder)(include_top=False, weights=None, **options)

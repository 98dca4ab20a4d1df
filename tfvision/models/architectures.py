"""Builders of what BACKBONES names: preprocessing and untrained layers, added to a graph."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tfvision.errors import UsageError
from tfvision.models.backbones import backbone_facts
from tfvision.models.families import Backbone

if TYPE_CHECKING:
    import keras

# Layers that stand before the backbone, by the beginning of their names.
BEFORE = ("pixels", "enlarge", "gray_to_rgb", "preprocess", "flip")

_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)


def build_backbone(
    name: str, pixels: "keras.KerasTensor", *, options: Mapping[str, Any] | None = None
) -> "keras.KerasTensor":
    """Add preprocessing and the untrained layers of a backbone to the graph that ends in `pixels`.

    Args:
        name: A key of BACKBONES, or `hub/...`, see `hub_facts`.
        pixels: `(batch, height, width, 3)` RGB or `(batch, height, width, 1)` gray, values 0..255. The small CNN takes
            one channel as it is; all others are made for RGB and see the gray one three times.
        options: Further arguments of the builder (`filters`, `kernel_size`, `padding`, `pools` of small_cnn).

    Returns:
        Feature maps `(batch, h, w, channels)`. The layers keep the names they have in `keras.applications`.

    Raises:
        UsageError: Unknown backbone, or an image too small for it.
    """
    facts = backbone_facts(name)
    height, width = pixels.shape[1:3]
    if min(height, width) < facts.minimum:
        raise UsageError(f"{name} needs images of at least {facts.minimum} px, got {height}x{width}; set --image-size")
    pixels = _preprocess(pixels, facts)
    options = {**facts.options, **(options or {})}
    if facts.builder == "small_cnn":
        from tfvision.models.small import small_cnn

        return small_cnn(pixels, **options)
    if facts.builder == "resnet18":
        from tfvision.models.resnet import resnet18

        return resnet18(pixels)
    if facts.builder == "hub":
        from tfvision.models.hub import hub_backbone

        return hub_backbone(name, pixels, facts)
    if facts.family == "ConvNeXt":
        from tfvision.models.convnext import convnext

        return convnext(pixels, facts)
    if facts.family == "EfficientNet":
        return _efficientnet(pixels, facts)
    if facts.family in ("EfficientNetV2", "MobileNetV3"):
        from tfvision.models.graph import copied, copy_onto

        # They scale pixels in themselves, which the copy does in float32.
        return copy_onto(stock_model(facts, input_shape=pixels.shape[1:], **options), pixels, copied)
    return stock_model(facts, input_tensor=pixels, **options).output


def stock_model(facts: Backbone, **options: Any) -> "keras.Model":
    """Build the untrained model of `keras.applications`, without top."""
    import keras

    return getattr(keras.applications, facts.builder)(include_top=False, weights=None, **options)


def _preprocess(pixels: "keras.KerasTensor", facts: Backbone) -> "keras.KerasTensor":
    """Turn pixels 0..255 into what a backbone was trained on, with stock operations that hold no weights."""
    import keras

    if pixels.shape[-1] == 1 and facts.builder != "small_cnn":
        pixels = keras.layers.Concatenate(dtype="float32", name="gray_to_rgb")([pixels] * 3)
    if facts.preprocessing == "caffe":
        pixels = keras.ops.flip(pixels, axis=-1)
    scale: dict[str, tuple[Any, Any]] = {
        "caffe": (1.0, [-103.939, -116.779, -123.68]),
        "tf": (1 / 127.5, -1.0),
        "torch": ([1 / (255 * d) for d in _DEVIATION], [-m / d for m, d in zip(_MEAN, _DEVIATION, strict=True)]),
        "scale": (1 / 255, 0.0),
        "hub": (facts.options.get("scale"), facts.options.get("offset")),
    }
    if facts.preprocessing == "none":
        return pixels
    factor, offset = scale[facts.preprocessing]
    # In float32 also where a mixed policy computes in 16 bits: bfloat16 would round the scaled pixels.
    return keras.layers.Rescaling(factor, offset=offset, dtype="float32", name="preprocess")(pixels)


def _efficientnet(pixels: "keras.KerasTensor", facts: Backbone) -> "keras.KerasTensor":
    """Add EfficientNet as `weights="imagenet"` builds it.

    Its ImageNet weights divide by the square root of the deviation where they should divide by the deviation, and
    only a constructor that is told `imagenet` makes good for it, with one more rescaling after the normalization.
    Here it always stands there, so that one graph serves ImageNet weights, own files and training from scratch.
    """
    import keras

    from tfvision.models.graph import copied, copy_onto

    def copy(operation: "keras.Operation") -> Any:
        if not isinstance(operation, keras.layers.Normalization):
            return copied(operation)
        normalize = copied(operation)
        rescale = keras.layers.Rescaling([1 / math.sqrt(deviation) for deviation in _DEVIATION], dtype="float32")
        return lambda x: rescale(normalize(x))

    return copy_onto(stock_model(facts, input_shape=pixels.shape[1:]), pixels, copy)

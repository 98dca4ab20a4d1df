"""Builders of what BACKBONES names: preprocessing and untrained layers, added to a graph."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tfvision.errors import UsageError
from tfvision.models.backbones.efficientnet import build_efficientnet
from tfvision.models.backbones.preprocessing import preprocess
from tfvision.models.backbones.stock import stock_model
from tfvision.models.backbones.table import backbone_facts

if TYPE_CHECKING:
    import keras


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
    pixels = preprocess(pixels, facts)
    options = {**facts.options, **(options or {})}
    if facts.builder == "small_cnn":
        from tfvision.models.backbones.small_cnn import build_small_cnn

        return build_small_cnn(pixels, **options)
    if facts.builder == "resnet18":
        from tfvision.models.backbones.resnet import build_resnet18

        return build_resnet18(pixels)
    if facts.builder == "hub":
        from tfvision.models.backbones.hub_graph import hub_backbone

        return hub_backbone(name, pixels, facts)
    if facts.family == "ConvNeXt":
        from tfvision.models.backbones.convnext import build_convnext

        return build_convnext(pixels, facts)
    if facts.family == "EfficientNet":
        return build_efficientnet(pixels, facts)
    if facts.family in ("EfficientNetV2", "MobileNetV3"):
        from tfvision.models.backbones.graph import copied, copy_onto

        # They scale pixels in themselves, which the copy does in float32.
        return copy_onto(stock_model(facts, input_shape=pixels.shape[1:], **options), pixels, copied)
    return stock_model(facts, input_tensor=pixels, **options).output

"""BUILDERS: functions that add the untrained layers of a backbone to a graph, by family."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tfvision.errors import UsageError
from tfvision.models.backbones.convnext import build_convnext
from tfvision.models.backbones.efficientnet import build_efficientnet
from tfvision.models.backbones.families import Backbone, row_of
from tfvision.models.backbones.hub_graph import build_hub
from tfvision.models.backbones.preprocessing import preprocess
from tfvision.models.backbones.resnet import build_resnet18
from tfvision.models.backbones.small_cnn import build_small_cnn
from tfvision.models.backbones.stock import build_self_scaling, build_stock
from tfvision.models.backbones.table import backbone_facts

if TYPE_CHECKING:
    import keras

    # The name of the backbone, preprocessed pixels, its facts and the builder's further arguments -> feature maps.
    Builder = Callable[[str, keras.KerasTensor, Backbone, Mapping[str, Any]], keras.KerasTensor]

# By builder or family, see `row_of`; a family without a row is built as `keras.applications` builds it.
# A builder imports Keras when it is called, so that importing this module does not.
BUILDERS: dict[str, "Builder"] = {
    "small_cnn": build_small_cnn,
    "resnet18": build_resnet18,
    "hub": build_hub,
    "ConvNeXt": build_convnext,
    "EfficientNet": build_efficientnet,
    "EfficientNetV2": build_self_scaling,
    "MobileNetV3": build_self_scaling,
}


def build_backbone(
    name: str, pixels: "keras.KerasTensor", *, options: Mapping[str, Any] | None = None
) -> "keras.KerasTensor":
    """Add preprocessing and the untrained layers of a backbone to the graph that ends in `pixels`.

    Args:
        name: A key of BACKBONES, or `hub/...`, see `hub_facts`.
        pixels: `(batch, height, width, 3)` RGB or `(batch, height, width, 1)` gray, values 0..255. The small CNN takes
            one channel as it is; all others are made for RGB and get the gray one three times.
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
    build = row_of(BUILDERS, facts) or build_stock
    return build(name, preprocess(pixels, facts), facts, {**facts.options, **(options or {})})

"""The facts about an architecture, and those that the members of each family share.

One function per family returns the entry of a member in BACKBONES. Its first argument names the member in the paper's
terms, `parameters` is the number of parameters without top, and a side in pixels is that of its ImageNet weights.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

_SIZES = (96, 128, 160, 192, 224, 256, 320, 384, 480)

_Row = TypeVar("_Row")


@dataclass(frozen=True)
class Backbone:
    """What tfvision knows about one architecture.

    Attributes:
        family: The family it belongs to, as its paper calls it.
        builder: Name of the function in `keras.applications`, or of tfvision's own (`small_cnn`, `resnet18`), or `hub`.
        preprocessing: How pixels 0..255 are scaled for the backbone: `caffe` (BGR minus the ImageNet mean), `tf`
            (-1..1), `torch` (0..1, then ImageNet's mean and deviation), `scale` (0..1), `none` where the
            architecture brings its own, or `hub` by the scale and offset in `options`.
        parameters: Number of parameters without top.
        stages: Names for `--unfreeze`, from the input to the output. A stage covers the layers after the stage
            before it, up to the last one with its name, or its name and a suffix (`block_1` is not `block_16`).
        prefix: What precedes the name of the stage in layer names.
        ends: Last layer of each stage where it has another name.
        sizes: Image sides in pixels that suit it, from the smallest sensible one to that of its ImageNet weights.
        minimum: Smallest side in pixels that it accepts.
        options: Further arguments of the builder.
        weights: File names of its ImageNet weights: first the one Keras downloads, then others.
        after_pooling: Number of its layers that come after the pooling in `keras.applications`.
    """

    family: str
    builder: str
    preprocessing: str
    parameters: int
    stages: tuple[str, ...]
    prefix: str = ""
    ends: Mapping[str, str] = field(default_factory=dict)
    sizes: tuple[int, ...] = (*_SIZES[:4], 224)
    minimum: int = 32
    options: Mapping[str, Any] = field(default_factory=dict)
    weights: tuple[str, ...] = ()
    after_pooling: int = 0


def row_of(table: Mapping[str, _Row], facts: Backbone) -> _Row | None:
    """Return the row of a backbone in a table such as BUILDERS.

    Args:
        table: Rows by builder or family.
        facts: The backbone's entry in BACKBONES.

    Returns:
        The row of its builder, else of its family, else None.
    """
    return table.get(facts.builder, table.get(facts.family))


def small_cnn(parameters: int) -> Backbone:
    """tfvision's small CNN, at its default options."""
    return Backbone("small", "small_cnn", "scale", parameters, ("conv1", "conv2"), sizes=(32,), minimum=8)


def vgg(depth: int, parameters: int) -> Backbone:
    """VGG (Simonyan & Zisserman, 2015)."""
    return Backbone(
        "VGG", f"VGG{depth}", "caffe", parameters, _numbered("block", 1, 5), weights=_tf_kernels(f"vgg{depth}")
    )


def resnet18(parameters: int) -> Backbone:
    """ResNet18 (He et al., 2016), tfvision's own: there are no weights for it yet."""
    return Backbone("ResNet", "resnet18", "torch", parameters, _numbered("conv", 1, 5))


def resnet(depth: int, parameters: int) -> Backbone:
    """ResNet (He et al., 2016)."""
    weights = _tf_kernels(f"resnet{depth}")
    return Backbone("ResNet", f"ResNet{depth}", "caffe", parameters, _numbered("conv", 1, 5), weights=weights)


def resnet_v2(depth: int, parameters: int) -> Backbone:
    """ResNet with pre-activation (He et al., 2016b)."""
    return Backbone(
        "ResNetV2",
        f"ResNet{depth}V2",
        "tf",
        parameters,
        _numbered("conv", 1, 5),
        ends={"conv5": "post_relu"},
        weights=_tf_kernels(f"resnet{depth}v2"),
    )


def mobilenet(alpha: float, text: str, parameters: int) -> Backbone:
    """MobileNet (Howard et al., 2017); `text` is `alpha` as written in the official file names."""
    return Backbone(
        "MobileNet",
        "MobileNet",
        "tf",
        parameters,
        ("conv1", *_numbered("block_", 1, 13)),
        ends={"conv1": "conv1_relu", **{f"block_{number}": f"conv_pw_{number}_relu" for number in range(1, 14)}},
        options={"alpha": alpha},
        weights=(f"mobilenet_{text}_224_tf_no_top.h5", f"mobilenet_v1_{alpha}_224_notop.weights.h5"),
    )


def mobilenet_v2(alpha: float, parameters: int) -> Backbone:
    """MobileNetV2 (Sandler et al., 2018)."""
    return Backbone(
        "MobileNetV2",
        "MobileNetV2",
        "tf",
        parameters,
        ("Conv1", "expanded_conv", *_numbered("block_", 1, 16), "Conv_1"),
        ends={"Conv_1": "out_relu"},
        options={"alpha": alpha},
        weights=(
            f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{alpha}_224_no_top.h5",
            f"mobilenet_v2_{alpha}_224_notop.weights.h5",
        ),
    )


def mobilenet_v3(size: str, parameters: int, blocks: int, first_block_end: str) -> Backbone:
    """MobileNetV3 (Howard et al., 2019); only the large one has a sum in its first block."""
    return Backbone(
        "MobileNetV3",
        f"MobileNetV3{size.title()}",
        "none",
        parameters,
        ("conv", "expanded_conv", *_numbered("expanded_conv_", 1, blocks), "conv_1"),
        ends={"conv": "conv_bn", "expanded_conv": first_block_end},
        weights=(f"weights_mobilenet_v3_{size}_224_1.0_float_no_top_v2.h5",),
    )


def efficientnet(number: int, parameters: int, size: int) -> Backbone:
    """EfficientNet (Tan & Le, 2019)."""
    return Backbone(
        "EfficientNet",
        f"EfficientNetB{number}",
        "none",
        parameters,
        ("stem", *_numbered("block", 1, 7), "top"),
        sizes=sizes_up_to(size),
        weights=(f"efficientnetb{number}_notop.h5",),
    )


def efficientnet_v2(variant: str, parameters: int, size: int, blocks: int = 6) -> Backbone:
    """EfficientNetV2 (Tan & Le, 2021)."""
    return Backbone(
        "EfficientNetV2",
        f"EfficientNetV2{variant}",
        "none",
        parameters,
        ("stem", *_numbered("block", 1, blocks), "top"),
        sizes=sizes_up_to(size),
        weights=(f"efficientnetv2-{variant.lower()}_notop.h5",),
    )


def convnext(variant: str, parameters: int) -> Backbone:
    """ConvNeXt (Liu et al., 2022)."""
    name = f"convnext_{variant.lower()}"
    return Backbone(
        "ConvNeXt",
        f"ConvNeXt{variant}",
        "none",
        parameters,
        ("stem", *_numbered("stage_", 0, 3)),
        prefix=f"{name}_",
        ends={"stage_3": "layer_normalization"},
        weights=(f"{name}_notop.h5",),
        after_pooling=1,
    )


def densenet(depth: int, parameters: int) -> Backbone:
    """DenseNet (Huang et al., 2017); the transition before a block belongs to it."""
    return Backbone(
        "DenseNet",
        f"DenseNet{depth}",
        "torch",
        parameters,
        _numbered("conv", 1, 5),
        ends={"conv5": "relu"},
        weights=_tf_kernels(f"densenet{depth}"),
    )


def nasnet(size: str, parameters: int, cells: int, pretrained: int) -> Backbone:
    """NASNet-A (Zoph et al., 2018): three groups of `cells` normal cells, each after reductions."""
    stages = (
        *("stem", "stem_1", "stem_2"),
        *_numbered("normal_", 0, cells - 1),
        f"reduce_{cells}",
        *_numbered("normal_", cells + 1, 2 * cells),
        f"reduce_{2 * cells}",
        *_numbered("normal_", 2 * cells + 1, 3 * cells),
    )
    ends = {stage: f"reduction_concat_{stage}" for stage in stages}
    ends |= {stage: stage.replace("normal", "normal_concat") for stage in stages if stage.startswith("normal")}
    return Backbone(
        "NASNet",
        f"NASNet{size.title()}",
        "tf",
        parameters,
        stages,
        ends={**ends, "stem": "stem_bn1"},
        sizes=sizes_up_to(pretrained),
        weights=(f"nasnet_{size}_no_top.h5",),
    )


def inception_v3(parameters: int) -> Backbone:
    """Inception v3 (Szegedy et al., 2016)."""
    return Backbone(
        "Inception",
        "InceptionV3",
        "tf",
        parameters,
        ("stem", *_numbered("mixed", 0, 10)),
        # Despite its name, mixed9_1 is a part of mixed10.
        ends={"stem": "max_pooling2d_1", "mixed9": "mixed9"},
        sizes=sizes_up_to(299),
        minimum=75,
        weights=_tf_kernels("inception_v3"),
    )


def inception_resnet_v2(parameters: int) -> Backbone:
    """Inception-ResNet v2 (Szegedy et al., 2017)."""
    return Backbone(
        "Inception",
        "InceptionResNetV2",
        "tf",
        parameters,
        ("stem", "mixed_5b", "block35", "mixed_6a", "block17", "mixed_7a", "block8", "conv_7b"),
        ends={"stem": "max_pooling2d_1", "block8": "custom_scale_layer_39"},
        sizes=sizes_up_to(299),
        minimum=75,
        weights=_tf_kernels("inception_resnet_v2"),
    )


def xception(parameters: int) -> Backbone:
    """Xception (Chollet, 2017)."""
    # Its shortcuts have no names: a block ends at the sum of block and shortcut, which Keras numbers.
    sums = {f"block{number}": f"add_{number - 2}" if number > 2 else "add" for number in range(2, 14)}
    return Backbone(
        "Xception",
        "Xception",
        "tf",
        parameters,
        _numbered("block", 1, 14),
        ends=sums,
        sizes=sizes_up_to(299),
        minimum=71,
        weights=_tf_kernels("xception"),
    )


def sizes_up_to(pretrained: int) -> tuple[int, ...]:
    """Return the image sides in pixels that suit a network, up to that of its pretrained weights."""
    return (*(size for size in _SIZES if size < pretrained), pretrained)


def _numbered(name: str, first: int, last: int) -> tuple[str, ...]:
    return tuple(f"{name}{number}" for number in range(first, last + 1))


def _tf_kernels(name: str) -> tuple[str, ...]:
    return (f"{name}_weights_tf_dim_ordering_tf_kernels_notop.h5",)


HUB = "hub/"  # prefix of the name of a KerasHub preset, or of the path of its folder

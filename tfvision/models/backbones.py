"""BACKBONES: one table of facts about every backbone, and the builder that reads it.

A further family is one entry. Nothing here imports Keras before a backbone is built, so that
`tfvision list backbones` answers at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tfvision.errors import UsageError
from tfvision.files import nearest

if TYPE_CHECKING:
    import keras

_ANY_SIZE = (96, 128, 160, 192, 224)


@dataclass(frozen=True)
class Backbone:
    """What tfvision knows of one architecture.

    Attributes:
        builder: Name of the function in `keras.applications`, or `small_cnn`.
        preprocessing: What the backbone expects of pixels 0..255: `caffe` (BGR minus the ImageNet mean), `tf`
            (-1..1), `scale` (0..1), or `none` where the architecture brings its own.
        parameters: Number of parameters without top.
        sizes: Sides in pixels that suit it; the first is the smallest that is sensible.
        minimum: Smallest side in pixels that it accepts.
        stages: Names for `--unfreeze`, from the input to the output. A stage covers the layers called so,
            or so and a suffix (`block_1` is not `block_16`).
        prefix: What stands before the stage in layer names.
        also: Layers of a stage that are called otherwise.
        options: Further arguments of the builder.
        weights: File names of its ImageNet weights: first the one Keras downloads, then others.
    """

    builder: str
    preprocessing: str
    parameters: int
    stages: tuple[str, ...]
    prefix: str = ""
    also: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sizes: tuple[int, ...] = _ANY_SIZE
    minimum: int = 32
    options: Mapping[str, Any] = field(default_factory=dict)
    weights: tuple[str, ...] = ()


_MOBILENET_V2_STAGES = ("Conv1", "expanded_conv", *(f"block_{i}" for i in range(1, 17)), "Conv_1")


def _convnext(builder: str, name: str, parameters: int) -> Backbone:
    return Backbone(
        builder,
        "none",
        parameters,
        ("stem", "stage_0", "stage_1", "stage_2", "stage_3"),
        prefix=f"{name}_",
        also={
            "stage_1": ("downsampling_block_0",),
            "stage_2": ("downsampling_block_1",),
            "stage_3": ("downsampling_block_2", "layer_normalization"),
        },
        weights=(f"{name}_notop.h5",),
    )


def _mobilenet_v2(alpha: float, parameters: int) -> Backbone:
    return Backbone(
        "MobileNetV2",
        "tf",
        parameters,
        _MOBILENET_V2_STAGES,
        options={"alpha": alpha},
        weights=(
            f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{alpha}_224_no_top.h5",
            f"mobilenet_v2_{alpha}_224_notop.weights.h5",
        ),
    )


BACKBONES: dict[str, Backbone] = {
    "vgg16": Backbone(
        "VGG16",
        "caffe",
        14_714_688,
        ("block1", "block2", "block3", "block4", "block5"),
        weights=("vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",),
    ),
    "resnet50": Backbone(
        "ResNet50",
        "caffe",
        23_587_712,
        ("conv1", "conv2", "conv3", "conv4", "conv5"),
        weights=("resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",),
    ),
    "mobilenet_v2": _mobilenet_v2(1.0, 2_257_984),
    "mobilenet_v2_035": _mobilenet_v2(0.35, 410_208),
    "convnext_tiny": _convnext("ConvNeXtTiny", "convnext_tiny", 27_820_128),
    "convnext_base": _convnext("ConvNeXtBase", "convnext_base", 87_566_464),
    "efficientnet_v2_b0": Backbone(
        "EfficientNetV2B0",
        "none",
        5_919_312,
        ("stem", "block1", "block2", "block3", "block4", "block5", "block6", "top"),
        weights=("efficientnetv2-b0_notop.h5",),
    ),
    "small_cnn": Backbone("small_cnn", "scale", 53_696, ("conv1", "conv2"), sizes=(32,), minimum=8),
}


def backbone_facts(name: str) -> Backbone:
    """Return the entry of `name` in BACKBONES.

    Raises:
        UsageError: No such backbone; the nearest one is named.
    """
    if name not in BACKBONES:
        raise UsageError(
            f"unknown backbone {name!r}{nearest(name, BACKBONES)}; `tfvision list backbones` shows all {len(BACKBONES)}"
        )
    return BACKBONES[name]


def default_image_size(name: str, image_side: int) -> int:
    """Return the side in pixels at which the backbone should see images whose longer side is `image_side`.

    Networks trained on 224 px lose most of their resolution on thumbnails, so small images are enlarged to the
    nearest size that suits the backbone; larger ones are shrunk to its largest. A CNN that is trained from
    scratch takes images as they are, up to 64 px.
    """
    facts = backbone_facts(name)
    if not facts.weights:
        return max(facts.minimum, min(image_side, 64))
    return next((size for size in facts.sizes if size >= image_side), facts.sizes[-1])


def build_backbone(
    name: str, pixels: "keras.KerasTensor", *, options: Mapping[str, Any] | None = None
) -> "keras.KerasTensor":
    """Add preprocessing and the untrained layers of a backbone to the graph that ends in `pixels`.

    Args:
        name: A key of BACKBONES.
        pixels: `(batch, height, width, 3)`, RGB, values 0..255.
        options: Further arguments of the builder (`filters`, `kernel_size` of small_cnn).

    Returns:
        Feature maps `(batch, h, w, channels)`. The layers keep the names they have in `keras.applications`.

    Raises:
        UsageError: Unknown backbone, or an image too small for it.
    """
    import keras

    facts = backbone_facts(name)
    height, width = pixels.shape[1:3]
    if min(height, width) < facts.minimum:
        raise UsageError(f"{name} needs images of at least {facts.minimum} px, got {height}x{width}; set --image-size")
    pixels = _preprocess(pixels, facts.preprocessing)
    options = {**facts.options, **(options or {})}
    if facts.builder == "small_cnn":
        from tfvision.models.small import small_cnn

        return small_cnn(pixels, **options)
    builder = getattr(keras.applications, facts.builder)
    return builder(include_top=False, weights=None, input_tensor=pixels, **options).output


def _preprocess(pixels: "keras.KerasTensor", mode: str) -> "keras.KerasTensor":
    """Turn RGB 0..255 into what a backbone was trained on, with stock operations that hold no weights."""
    import keras

    if mode == "caffe":
        bgr = keras.ops.flip(pixels, axis=-1)
        return keras.layers.Rescaling(1.0, offset=[-103.939, -116.779, -123.68], name="preprocess")(bgr)
    if mode == "tf":
        return keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="preprocess")(pixels)
    if mode == "scale":
        return keras.layers.Rescaling(1 / 255, name="preprocess")(pixels)
    return pixels

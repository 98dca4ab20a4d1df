"""ResNet18, which `keras.applications` lacks."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tfvision.models.backbones.families import Backbone

if TYPE_CHECKING:
    import keras


def build_resnet18(
    name: str, pixels: "keras.KerasTensor", facts: Backbone, options: Mapping[str, Any]
) -> "keras.KerasTensor":
    """Add ResNet18 (He et al., 2016) as in torchvision, with layer names in the style of `keras.applications`.

    Args:
        name: `resnet18`.
        pixels: `(batch, height, width, channels)`, normalized.
        facts: Its entry in BACKBONES.
        options: Not used.

    Returns:
        Feature maps `(batch, height / 32, width / 32, 512)`, sides rounded up.
    """
    from keras import layers

    x = _convolution(pixels, 64, 7, stride=2, name="conv1")
    x = layers.Activation("relu", name="conv1_relu")(x)
    x = layers.ZeroPadding2D(1, name="pool1_pad")(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool1_pool")(x)
    for stage, filters in enumerate((64, 128, 256, 512), start=2):
        x = _block(x, filters, stride=1 if stage == 2 else 2, name=f"conv{stage}_block1")
        x = _block(x, filters, stride=1, name=f"conv{stage}_block2")
    return x


def _block(x: "keras.KerasTensor", filters: int, *, stride: int, name: str) -> "keras.KerasTensor":
    """Add two convolutions and their shortcut, which is projected if the number of channels changes."""
    from keras import layers

    shortcut = x
    if x.shape[-1] != filters:
        shortcut = _convolution(x, filters, 1, stride=stride, name=f"{name}_0")
    x = _convolution(x, filters, 3, stride=stride, name=f"{name}_1")
    x = layers.Activation("relu", name=f"{name}_1_relu")(x)
    x = _convolution(x, filters, 3, stride=1, name=f"{name}_2")
    x = layers.Add(name=f"{name}_add")([shortcut, x])
    return layers.Activation("relu", name=f"{name}_out")(x)


def _convolution(x: "keras.KerasTensor", filters: int, side: int, *, stride: int, name: str) -> "keras.KerasTensor":
    """Add convolution and batch normalization, padded equally on all sides: Keras' `same` is uneven at stride 2."""
    from keras import initializers, layers

    if side > 1:
        x = layers.ZeroPadding2D(side // 2, name=f"{name}_pad")(x)
    scale = initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")
    options = {"strides": stride, "use_bias": False, "kernel_initializer": scale}
    x = layers.Conv2D(filters, side, name=f"{name}_conv", **options)(x)
    return layers.BatchNormalization(epsilon=1e-5, name=f"{name}_bn")(x)

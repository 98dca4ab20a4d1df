"""Under which licence the ImageNet weights of each architecture are given, as their source says."""

from tfvision.models.backbones.families import HUB

_APACHE, _MIT = "Apache 2.0", "MIT"

# As the documentation of `keras.applications` states it, by family.
# It states none for MobileNetV3, EfficientNet, EfficientNetV2 and ConvNeXt.
KERAS_WEIGHTS = {
    "VGG": "CC BY 4.0, from the Visual Geometry Group at Oxford",
    "ResNet": f"{_MIT}, from Kaiming He",
    "ResNetV2": "BSD, from Facebook",
    "Inception": _APACHE,
    "MobileNet": _APACHE,
    "MobileNetV2": _APACHE,
    "NASNet": _APACHE,
    "Xception": _MIT,
    "DenseNet": "BSD 3-clause, from Zhuang Liu",
}


def weights_licence(backbone: str, family: str, weights: str) -> str:
    """Return what is known of the licence of the weights that a training began with.

    Args:
        backbone: The backbone as it was asked for: a key of BACKBONES, `hub/...`, or the name of a model from Python.
        family: Its family in BACKBONES; "" if it is not there.
        weights: `imagenet`, `none`, a file or an earlier run.

    Returns:
        A sentence; it says `unknown` where the source states nothing.
    """
    if weights == "none":
        return "The weights were trained from scratch: no others went into them."
    if backbone.startswith(HUB) and weights == "imagenet":
        preset = backbone.removeprefix(HUB)
        return f"Licence of the weights that training began with: unknown here; the page of the preset `{preset}` may state it."
    if weights != "imagenet":
        return "Licence of the weights that training began with: unknown; they came from a file or an earlier run."
    if not family:
        return "Licence of the weights that training began with: unknown; the model was handed over from Python."
    stated = KERAS_WEIGHTS.get(family)
    if stated is None:
        return (
            f"Licence of the ImageNet weights that training began with: unknown; the documentation of Keras states none for "
            f"{family}."
        )
    return f"The documentation of Keras gives its ImageNet weights of {family} under {stated}."

"""BACKBONES: one table of facts about every backbone; `hub/...` names presets of KerasHub besides.

Another model is one entry; another family is one small function in `families` and, unless its model can be used as
`keras.applications` builds it, one file with a builder and its row in BUILDERS. Nothing here imports Keras, so that
`tfvision list backbones` answers at once.
"""

import re
from typing import ClassVar

from tfvision.errors import UsageError, nearest, worded
from tfvision.models.backbones import families
from tfvision.models.backbones.families import HUB, Backbone
from tfvision.system.shown import Shown

_ROWS: dict[str, Backbone] = {
    "small_cnn": families.small_cnn(53_696),
    "vgg16": families.vgg(16, 14_714_688),
    "vgg19": families.vgg(19, 20_024_384),
    "resnet18": families.resnet18(11_186_112),
    "resnet50": families.resnet(50, 23_587_712),
    "resnet101": families.resnet(101, 42_658_176),
    "resnet152": families.resnet(152, 58_370_944),
    "resnet50_v2": families.resnet_v2(50, 23_564_800),
    "resnet101_v2": families.resnet_v2(101, 42_626_560),
    "resnet152_v2": families.resnet_v2(152, 58_331_648),
    "mobilenet": families.mobilenet(1.0, "1_0", 3_228_864),
    "mobilenet_075": families.mobilenet(0.75, "7_5", 1_832_976),
    "mobilenet_050": families.mobilenet(0.5, "5_0", 829_536),
    "mobilenet_025": families.mobilenet(0.25, "2_5", 218_544),
    "mobilenet_v2": families.mobilenet_v2(1.0, 2_257_984),
    "mobilenet_v2_035": families.mobilenet_v2(0.35, 410_208),
    "mobilenet_v2_050": families.mobilenet_v2(0.5, 706_224),
    "mobilenet_v2_075": families.mobilenet_v2(0.75, 1_382_064),
    "mobilenet_v2_130": families.mobilenet_v2(1.3, 3_766_048),
    "mobilenet_v2_140": families.mobilenet_v2(1.4, 4_363_712),
    "mobilenet_v3_small": families.mobilenet_v3("small", 939_120, 10, "expanded_conv_project_bn"),
    "mobilenet_v3_large": families.mobilenet_v3("large", 2_996_352, 14, "expanded_conv_add"),
    "efficientnet_b0": families.efficientnet(0, 4_049_571, 224),
    "efficientnet_b1": families.efficientnet(1, 6_575_239, 240),
    "efficientnet_b2": families.efficientnet(2, 7_768_569, 260),
    "efficientnet_b3": families.efficientnet(3, 10_783_535, 300),
    "efficientnet_b4": families.efficientnet(4, 17_673_823, 380),
    "efficientnet_b5": families.efficientnet(5, 28_513_527, 456),
    "efficientnet_b6": families.efficientnet(6, 40_960_143, 528),
    "efficientnet_b7": families.efficientnet(7, 64_097_687, 600),
    "efficientnet_v2_b0": families.efficientnet_v2("B0", 5_919_312, 224),
    "efficientnet_v2_b1": families.efficientnet_v2("B1", 6_931_124, 240),
    "efficientnet_v2_b2": families.efficientnet_v2("B2", 8_769_374, 260),
    "efficientnet_v2_b3": families.efficientnet_v2("B3", 12_930_622, 300),
    "efficientnet_v2_s": families.efficientnet_v2("S", 20_331_360, 384),
    "efficientnet_v2_m": families.efficientnet_v2("M", 53_150_388, 480, blocks=7),
    "efficientnet_v2_l": families.efficientnet_v2("L", 117_746_848, 480, blocks=7),
    "convnext_tiny": families.convnext("Tiny", 27_820_128),
    "convnext_small": families.convnext("Small", 49_454_688),
    "convnext_base": families.convnext("Base", 87_566_464),
    "convnext_large": families.convnext("Large", 196_230_336),
    "convnext_xlarge": families.convnext("XLarge", 348_147_968),
    "densenet121": families.densenet(121, 7_037_504),
    "densenet169": families.densenet(169, 12_642_880),
    "densenet201": families.densenet(201, 18_321_984),
    "inception_v3": families.inception_v3(21_802_784),
    "inception_resnet_v2": families.inception_resnet_v2(54_336_736),
    "xception": families.xception(20_861_480),
    "nasnet_mobile": families.nasnet("mobile", 4_269_716, 4, 224),
    "nasnet_large": families.nasnet("large", 84_916_818, 6, 331),
}


class Backbones(dict[str, Backbone], Shown):
    """The facts about each backbone by its name: a dictionary that a notebook shows as a table."""

    drawn_by: ClassVar[str] = "backbones"

    def __repr__(self) -> str:
        rows = [("backbone", "parameters", "pixels")]
        rows += [(name, f"{facts.parameters:,}", f"{facts.sizes[0]}-{facts.sizes[-1]}") for name, facts in self.items()]
        width, digits = (max(len(row[column]) for row in rows) for column in (0, 1))
        return "\n".join(f"{name:<{width}}  {count:>{digits}}  {sizes}" for name, count, sizes in rows)


BACKBONES = Backbones(_ROWS)


def backbone_name(name: str) -> str:
    """Return the name of a backbone for another spelling of it.

    Args:
        name: Such as `VGG16`, `vgg-16`, `MobileNetV2` or `efficientnet-b0`.

    Returns:
        Its key in BACKBONES; the name as it is if it is no spelling of one.
    """
    if name in BACKBONES or name.startswith(HUB):
        return name
    letters = re.sub(r"[^0-9a-z]", "", name.lower())
    return next((known for known in BACKBONES if known.replace("_", "") == letters), name)


def backbone_facts(name: str) -> Backbone:
    """Return the entry of `name` in BACKBONES, or the facts about the preset that `hub/...` names.

    Args:
        name: A key of BACKBONES, or `hub/...`, see `hub_facts`.

    Returns:
        The facts.

    Raises:
        UsageError: No such backbone; the nearest one is named. See also `hub_facts`.
    """
    if name.startswith(HUB):
        from tfvision.models.backbones.hub_presets import hub_facts

        return hub_facts(name)
    if name not in BACKBONES:
        family = next((known for known in BACKBONES if known.startswith(name.lower() or " ")), "")
        suggested = f" (did you mean {family}?)" if family else nearest(name, BACKBONES)
        raise UsageError(
            f"unknown backbone {worded(name)}{suggested}; `tfvision list backbones` shows all "
            f"{len(BACKBONES)}, and hub/PRESET is one of KerasHub"
        )
    return BACKBONES[name]


def plain_name(name: str) -> str:
    """Return the name of a backbone in a form that files and Keras models can have: a preset's path has slashes."""
    return re.sub(r"[^\w.-]+", "_", name)


def default_image_size(name: str, image_side: int) -> int:
    """Return the side in pixels at which a backbone should see images.

    Networks trained on 224 px lose most of their resolution on thumbnails, so small images are enlarged to the
    next size that suits the backbone; larger ones are shrunk to its largest. The small CNN takes images as they
    are, up to 64 px.

    Args:
        name: A key of BACKBONES, or `hub/...`.
        image_side: Longer side of the images in pixels.

    Returns:
        The side in pixels.

    Raises:
        UsageError: As `backbone_facts`.
    """
    facts = backbone_facts(name)
    if name == "small_cnn":
        return max(facts.minimum, min(image_side, 64))
    return next((size for size in facts.sizes if size >= image_side), facts.sizes[-1])

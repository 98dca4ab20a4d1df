"""Options of `tfvision audit`, and why their defaults are what they are."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from tfvision.config.options import check_bounds, option
from tfvision.data.options import DuplicateOptions, Source
from tfvision.errors import UsageError, nearest, worded

# Words for several problems: what leaves no doubt, and what a person would mostly agree with.
_CERTAIN = (
    *("unreadable", "truncated", "empty", "blended"),
    *("exact_duplicate", "near_duplicate", "conflicting_labels", "leak"),
)
WORDS = {"certain": _CERTAIN, "likely": (*_CERTAIN, "constant", "foreign", "label_error")}


def removed_problems(remove: Sequence[str], known: Collection[str]) -> list[str]:
    """Return the problems that keep an image out of clean.csv, with `certain` and `likely` written out.

    Args:
        remove: Names of problems, or words for several.
        known: All problems.

    Returns:
        Names of problems.

    Raises:
        UsageError: An unknown name; the message gives the nearest known one.
    """
    names = [problem for word in remove for problem in WORDS.get(word, (word,))]
    for name in names:
        if name not in known:
            near = nearest(name, [*WORDS, *known])
            raise UsageError(f"remove: unknown problem {worded(name)}{near}; known are {', '.join([*WORDS, *known])}")
    return list(dict.fromkeys(names))


@dataclass
class QualityOptions:
    """What makes a single image conspicuous; measured at a long side of up to 256 pixels, as a network would see it."""

    dark: float = option(
        40.0, "too dark: 95 % of the pixels are below this gray level; nothing in it is lit", between=(0, 255)
    )
    bright: float = option(225.0, "too bright: 95 % of the pixels are above this gray level", between=(0, 255))
    contrast: float = option(
        1.0, "nearly constant: no channel deviates by as much, in gray levels; forests from above have 2", at_least=0
    )
    blur: float = option(
        0.6, "blurred: blur effect at least this (0 is sharp), and far above that of the other images", between=(0, 1)
    )
    size: float = option(4.0, "extreme size: longer or shorter by this factor than the median image", at_least=1)
    aspect: float = option(3.0, "extreme aspect: width / height off by this factor from the median image", at_least=1)
    colour: float = option(
        0.9, "gray among colour: found if at least this share of the images has colour", between=(0, 1)
    )

    def __post_init__(self) -> None:
        check_bounds(self, "quality")


@dataclass
class ForeignOptions:
    """When an image is foreign to the set, or has a foreign picture blended in.

    Distances are compared on a logarithmic scale, in standard deviations of the bulk (median and MAD). A few hundred
    neighbours, since intruders make dense clusters of their own: with 10 each finds its like.
    """

    neighbours: int = option(
        200, "rank of the neighbour whose distance counts; at most a third of the images", at_least=1
    )
    components: int = option(16, "principal components of the backbone's features", at_least=1)
    threshold: float = option(
        2.25,
        "foreign: mean of the scores by backbone and by statistics; sets without intruders have 1 % above 2",
        above=0,
    )
    threshold_alone: float = option(
        4.0, "foreign by statistics of colour and frequency alone, which scatter more: 1 % above 3.2", above=0
    )
    blend: float = option(
        0.7,
        "blended: least correlation of fine detail with other images that are no copies; others reach 0.5",
        between=(-1, 1),
    )
    blend_deviations: float = option(
        5.0, "blended: how far above the usual correlation in the set, in deviations", at_least=0
    )
    blend_partners: int = option(
        3,
        "blended: how many other images must share the picture; two may be another crop of it and that crop's copy",
        at_least=1,
    )

    blend_reach: float = option(
        0.8,
        "blended: share of the middle of the image that must agree; frames, watermarks and bars reach a third to two thirds",
        between=(0, 1),
    )

    def __post_init__(self) -> None:
        check_bounds(self, "foreign")


@dataclass
class LabelOptions:
    """Likely label errors by confident learning: Northcutt et al., 2021; computed by cleanlab."""

    folds: int = option(5, "folds for the out-of-fold probabilities; copies and groups stay in one", at_least=2)
    filter: Literal["both", "prune_by_noise_rate", "prune_by_class", "confident_learning"] = option(
        "both", "cleanlab's choice of errors; both: those that pruning by class and by noise rate agree on"
    )

    def __post_init__(self) -> None:
        check_bounds(self, "label")


@dataclass
class AuditConfig:
    """Options of `tfvision audit`."""

    data: str = option("digits", "folder, zip, CSV, .npy, .npz or .h5 of images; digits: scikit-learn's, as an example")
    output: str = option("audit", "the folder for audit.csv, audit.html and clean.csv")
    splits: str | None = option(
        None, "splits.csv of a run: copies across its parts are leaks; default the data's parts"
    )
    backbone: str = option("mobilenet_v2", "frozen backbone for foreign images and label errors")
    weights: str = option("imagenet", "its weights: imagenet, a file, a run; none to go without the backbone")
    image_size: int | None = option(
        None, "side in pixels that the backbone sees; default by the size of the images", at_least=1
    )
    batch_size: int = option(64, "images the backbone sees at once", at_least=1)
    cache: Literal["float16", "float32", "none"] = option(
        "float16", "how features of the backbone are stored for the next audit or training; none for not at all"
    )
    labelled: bool = option(True, "false for images without labels: what needs labels is left out")
    seed: int = option(0, "seed of folds and samples", between=(0, 2**32 - 1))
    remove: list[str] = option(
        ["certain"],
        "problems that keep an image out of clean.csv: certain, likely, or names of problems; of copies one stays",
    )
    shown: int = option(60, "pictures of each problem in audit.html; audit.csv has all", at_least=0)
    source: Source = option(Source, "how the data is read")
    quality: QualityOptions = option(QualityOptions, "single images")
    duplicates: DuplicateOptions = option(DuplicateOptions, "copies")
    foreign: ForeignOptions = option(ForeignOptions, "foreign and blended images")
    label: LabelOptions = option(LabelOptions, "label errors")

    def __post_init__(self) -> None:
        check_bounds(self)

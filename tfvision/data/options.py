"""Options of the data: how it is read, split, resized, and when two images are copies."""

from dataclasses import dataclass
from typing import Any, Literal

from tfvision.config.options import check_bounds, option
from tfvision.errors import UsageError


@dataclass
class Source:
    """How the data is read."""

    file_column: str | None = option(
        None, "CSV column that names the image files, or array of the images; found by name if not given"
    )
    label_column: str | None = option(None, "CSV column or array with the labels; found by name if not given")
    group_column: str | None = option(
        None, "CSV column or array whose equal values never stand in two parts of the split"
    )
    split_column: str | None = option(
        None, "CSV column with the part of each image, such as train or test; found by name if not given"
    )
    label_from_name: str | None = option(
        None, "regular expression whose one group is the label in a file's name, or in its path if it holds a slash"
    )
    positive_class: str | None = option(None, "the positive one of two classes; default '1' or 'true', else the second")
    pixel_rule: str | None = option(
        None, "how arrays that are no uint8 become 0..255, such as 'float 0..1'; found from their range if not given"
    )
    box_columns: list[str] | None = option(
        None, "four CSV columns of the box: xmin,ymin,xmax,ymax or x,y,width,height; found by name if not given"
    )
    box_unit: Literal["pixels", "relative"] | None = option(
        None, "unit of the boxes in a CSV; found from the numbers if not given"
    )
    several_boxes: Literal["largest", "first", "refuse"] = option(
        "largest", "which box counts where an image has several"
    )
    on_bad: Literal["fail", "skip"] = option(
        "fail", "what to do with unreadable images and wrong boxes: list them and stop, or go on"
    )

    def columns(self) -> dict[str, Any]:
        """Return what `open_images` asks for."""
        return {key: value for key, value in vars(self).items() if key != "on_bad"}


@dataclass
class SplitOptions:
    """How images are divided; stratified, from the seed, exact copies kept together."""

    validation: float = option(0.1, "share of the images for validation", at_least=0, below=1)
    test: float = option(0.1, "share of the images for the test", at_least=0, below=1)
    file: str | None = option(None, "splits.csv of another run, used instead")
    given: Literal["keep", "ignore"] = option(
        "keep", "keep the train, validation and test parts that the data brings, or draw anew from all images"
    )
    folds: int | None = option(
        None, "divide all images into so many folds, one of which is the test; see `crossval`", at_least=2
    )
    fold: int | None = option(None, "which fold is the test", at_least=1)
    held_out: float = option(
        0.0,
        "with folds: share of the images that stands in none of them and on which their models vote",
        between=(0, 0.9),
    )
    group_validation: bool = option(
        True,
        "keep groups apart between training and validation too; without it only from the test: where groups are few, "
        "training keeps images of each",
    )
    group_duplicates: bool = option(
        False, "keep near-duplicates, found by a perceptual hash and verified by their pixels, in one part too"
    )

    def __post_init__(self) -> None:
        check_bounds(self, "split")
        if (self.folds is None) != (self.fold is None):
            raise UsageError("split.folds and split.fold belong together: how many, and which one is the test")
        if self.folds is not None and self.fold is not None and self.fold > self.folds:
            raise UsageError(f"split.fold: expected 1 to split.folds, got fold {self.fold} of {self.folds}")
        if self.folds is not None and self.file:
            raise UsageError("split.folds draws a split, and split.file gives one; keep one of them")


ResizeMode = Literal["stretch", "crop", "pad"]


@dataclass
class ResizeOptions:
    """The one resize, of training, evaluation, prediction and the exported model."""

    kernel: Literal["bilinear", "bicubic", "lanczos3", "area", "nearest"] = option("bilinear", "interpolation kernel")
    antialias: bool = option(True, "low-pass before shrinking")
    mode: ResizeMode | None = option(
        None, "how another aspect ratio becomes a square; default crop, or stretch where boxes are asked for"
    )


@dataclass
class DuplicateOptions:
    """When two images are copies of one another; each pair is verified by its pixels.

    Copies under JPEG 80 or a shift by a pixel of 64 differ in up to 10 of 64 bits, other images in about 32. The fine
    detail of different images correlates up to 0.3, that of crops which overlap up to 0.6, of copies 0.8 or more; in
    smooth or dull images, where re-encoding is most of the detail, 0.4.
    """

    hash_distance: int = option(
        10,
        "bits of 64 in which perceptual hashes may differ for two images to be compared; more for tiny images, slower",
        between=(0, 16),
    )
    detail: float = option(
        0.75, "copies: least correlation of what is finer than 3 pixels, after alignment", between=(-1, 1)
    )
    correlation: float = option(
        0.9, "copies: and least correlation of all pixels; a picture blended into both has less", between=(-1, 1)
    )
    residual: float = option(
        6.0, "or their difference is no more than re-encoding makes, in gray levels (RMS)", at_least=0
    )
    dull_detail: float = option(0.35, "and then least correlation of fine detail", between=(-1, 1))
    shift: int = option(2, "pixels that a copy may be shifted", between=(0, 8))
    flips: bool = option(True, "find mirrored and turned copies too")

    def __post_init__(self) -> None:
        check_bounds(self, "duplicates")

"""Options of augmentation, and which of them do not go with boxes."""

from dataclasses import dataclass
from typing import Any, Literal

from tfvision.config.options import check_bounds, option
from tfvision.errors import UsageError
from tfvision.tasks import has_boxes


@dataclass(frozen=True)
class Augmentation:
    """Random changes of training images, drawn anew for each image in each epoch; amounts are drawn evenly from -x to x.

    Raises:
        UsageError: An amount out of range.
    """

    horizontal_flip: bool = option(True, "mirror left and right, every second time")
    vertical_flip: bool = option(False, "mirror top and bottom, every second time")
    quarter_turns: bool = option(False, "turn by 0, 90, 180 or 270 degrees (0 or 180 if the image is not square)")
    rotation: float = option(0.0, "turn by up to so many degrees", between=(0, 180))
    shift: float = option(0.0, "move by up to this share of each side", between=(0, 1))
    zoom: float = option(0.0, "enlarge or shrink by up to this share", between=(0, 0.9))
    shear: float = option(0.0, "slant to the left or right by up to so many degrees", between=(0, 60))
    crop: float = option(
        0.0, "enlarge a window, placed anywhere, whose sides are shorter by up to this share", between=(0, 0.9)
    )
    brightness: float = option(0.0, "add up to this share of 255", between=(0, 1))
    contrast: float = option(0.0, "stretch around the mean by up to this share", between=(0, 1))
    saturation: float = option(0.0, "strengthen or weaken the colours by up to this share", between=(0, 1))
    hue: float = option(0.0, "turn the colour circle by up to this share of it", between=(0, 0.5))
    channel_shift: float = option(0.0, "add up to this share of 255 to each channel on its own", between=(0, 1))
    grayscale: float = option(0.0, "probability of losing all colour", between=(0, 1))
    scale_abs: float = option(0.0, "probability of OpenCV's convertScaleAbs(scale_alpha, scale_beta)", between=(0, 1))
    scale_alpha: float = option(1.5, "factor of scale_abs", between=(0, 10))
    scale_beta: float = option(0.0, "what scale_abs adds", between=(-255, 255))
    erasing: float = option(0.0, "probability that a rectangle of 2 to 33 % of the image becomes noise", between=(0, 1))
    rand_magnitude: float = option(
        0.0, "strength of RandAugment; 0 is off; with boxes only its colours", between=(0, 1)
    )
    rand_operations: int = option(2, "operations of RandAugment on each image", between=(1, 10))
    engine: Literal["opencv", "keras_cv", "keras"] = option(
        "opencv",
        "who does RandAugment: tfvision on OpenCV, or the slower layer of a library; keras_cv ignores the seed",
    )
    augmix: float = option(0.0, "severity of AugMix (3 in its paper); 0 is off", between=(0, 10))
    augmix_width: int = option(3, "chains of operations that AugMix mixes", between=(1, 10))
    augmix_depth: int = option(0, "operations in each chain of AugMix; 0 draws 1 to 3", between=(0, 10))
    augmix_alpha: float = option(
        1.0, "alpha of the distributions that weigh AugMix's chains and the image", between=(0.01, 100)
    )
    mixup: float = option(
        0.0, "alpha of MixUp, which blends pairs of a batch and their labels; 0 is off", between=(0, 100)
    )
    cutmix: float = option(
        0.0,
        "alpha of CutMix, which puts a rectangle of one image into another; 0 is off; with mixup by turns",
        between=(0, 100),
    )
    fill: Literal["reflect", "constant", "nearest"] = option(
        "reflect", "what stands beyond the border; constant is black, and always taken where there are boxes"
    )

    def __post_init__(self) -> None:
        check_bounds(self, "augment")
        if self.mixing and self.rand_magnitude and self.engine != "opencv":
            raise UsageError(
                f"augment.engine {self.engine} takes whole batches, and would change what {self.mixing[0]} has mixed; "
                "leave the engine at opencv"
            )

    @property
    def mixing(self) -> tuple[str, ...]:
        """Those of `mixup` and `cutmix` that are on: they mix images of a batch, all else changes each on its own."""
        return tuple(name for name in _MIXING if getattr(self, name))

    @property
    def active(self) -> dict[str, Any]:
        """The options that change images, by name; not those that belong to one that is off, nor fill."""
        return {
            name: value
            for name, value in vars(self).items()
            if value and name != "fill" and getattr(self, _AUGMENTATION_SWITCHES.get(name, name))
        }

    def describe(self) -> str:
        """Return those that act in one line, such as `horizontal flip, shift 0.1`; `none` if there are none."""
        values = {name: value for name, value in self.active.items() if value != "opencv"}
        if self.fill != "reflect" and any(getattr(self, name) for name in _FILLING):
            values["fill"] = self.fill
        shown = [
            name.replace("_", " ") + ("" if value is True else f" {value if isinstance(value, str) else f'{value:g}'}")
            for name, value in values.items()
        ]
        return ", ".join(shown) if shown else "none"

    @property
    def is_empty(self) -> bool:
        """Whether no image is ever changed on its own; pairs may still be mixed."""
        return not self.active.keys() - set(_MIXING)


_MIXING = ("mixup", "cutmix")
_FILLING = ("rotation", "shift", "zoom", "shear", "rand_magnitude", "augmix")  # what leaves a border to fill

# Options that mean nothing while the one they belong to is off.
_AUGMENTATION_SWITCHES = {
    "scale_alpha": "scale_abs",
    "scale_beta": "scale_abs",
    "rand_operations": "rand_magnitude",
    "engine": "rand_magnitude",
    "augmix_width": "augmix",
    "augmix_depth": "augmix",
    "augmix_alpha": "augmix",
}


def check_boxes_stay_whole(augmentation: Augmentation, task: str) -> None:
    """Refuse AugMix, MixUp and CutMix for boxes: they overlay images that show the object in different places.

    Args:
        augmentation: The options.
        task: What the model is asked for.

    Raises:
        UsageError: With what to do instead.
    """
    names = (*(["augmix"] if augmentation.augmix else []), *augmentation.mixing)
    if names and has_boxes(task):
        raise UsageError(
            f"augment.{names[0]}: shows an object at several places, and task {task} needs one box; leave it out"
        )

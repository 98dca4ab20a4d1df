"""What people type for an option, understood: other names of options, and other spellings of values."""

import re
from collections.abc import Mapping
from typing import Any

from tfvision.errors import UsageError
from tfvision.models.backbones.table import backbone_name

# Other names that options have in other programs.
ALIASES = {
    "batch": "batch_size",
    "lr": "learning_rate",
    "imgsz": "image_size",
    "img_size": "image_size",
    "arch": "backbone",
}


def understood(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return options by our names and in our spelling.

    Args:
        values: Options as they were given, in Python, a file or by flags.

    Returns:
        The same, where `batch` is `batch_size`, `weights=None` is `none`, `VGG16` is `vgg16`, and an image size of
        `96x96` or `(96, 96)` is 96. What is not understood stays as it is.

    Raises:
        UsageError: An option under two names, or an image size that is not square.
    """
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = ALIASES.get(key, key)
        if name in found:
            raise UsageError(f"{key} is {name}, which is given too; keep one of them")
        found[name] = value
    if "weights" in found and str(found["weights"]).lower() in ("none", "imagenet"):
        found["weights"] = str(found["weights"]).lower()
    if isinstance(found.get("backbone"), str):
        found["backbone"] = backbone_name(found["backbone"])
    if found.get("image_size") is not None:
        found["image_size"] = _side(found["image_size"])
    return found


def _side(size: Any) -> Any:
    """Return the side of a square given as `96x96`, `(96, 96)` or `[96, 96]`."""
    sides = size
    if isinstance(size, str) and (match := re.fullmatch(r"\s*(\d+)\s*[x×*, ]\s*(\d+)\s*", size)):
        sides = [int(match[1]), int(match[2])]
    if not isinstance(sides, (list, tuple)) or len(sides) not in (2, 3):
        return size
    if sides[0] != sides[1]:
        raise UsageError(
            f"image_size: models see squares here, got {sides[0]}x{sides[1]}; give one side, such as {sides[0]}"
        )
    return sides[0]

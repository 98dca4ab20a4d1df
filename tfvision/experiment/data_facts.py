"""What the images of a run are, as its model card tells: how many, of which size and groups, what was left out or guessed."""

from pathlib import PurePath
from typing import Any

import numpy as np

from tfvision.experiment.preparation import Prepared
from tfvision.system.local_paths import shorten_paths
from tfvision.training.config import TrainConfig


def describe_data(data: Prepared, config: TrainConfig) -> dict[str, Any]:
    """Return the content of data.json.

    Args:
        data: The readable images and their split.
        config: Options of the run.

    Returns:
        `name`; `images`, those that are used; `left_out` of the split; `width` and `height` in pixels, each smallest,
        median and largest; `given`, whether the data came with parts that were kept; `gray`; `groups`, the number of groups in each part, and `group_column` where one was named;
        `notes`, what was dropped and guessed. Plain values, without paths of this machine.
    """
    images, used = data.images, data.split != ""
    heights, widths = (np.asarray(data.sizes)[used, side] for side in (0, 1))
    found: dict[str, Any] = {
        "name": PurePath(config.data.replace("\\", "/")).name or config.data,
        "images": int(used.sum()),
        "left_out": int((~used).sum()),
        "width": _spread(widths),
        "height": _spread(heights),
        "given": images.parts is not None
        and config.split.given == "keep"
        and not (config.split.file or config.split.folds),
        "gray": bool(data.is_gray),
        "notes": [shorten_paths(note, config.data)[0] for note in data.notes],
    }
    if images.groups is not None:
        parts = [str(part) for part in np.unique(data.split[used])]
        found["groups"] = {part: len(set(images.groups[data.split == part])) for part in parts}
        found["group_column"] = images.columns.get("group_column")
    return found


def _spread(values: np.ndarray) -> list[int]:
    return [int(values.min()), int(np.median(values)), int(values.max())] if len(values) else []

"""Where a backbone's weights come from: ImageNet, a file, an earlier run, or nowhere."""

from pathlib import Path

from tfvision.errors import UsageError
from tfvision.models.backbones.hub_presets import hub_weights
from tfvision.models.backbones.table import backbone_facts
from tfvision.models.weight_folders import weight_folders

_MODEL = "model.keras"  # in a run folder; `tfvision.runs` must not be imported here


def find_weights(backbone: str, weights: str) -> Path | None:
    """Find the file of a backbone's weights.

    `imagenet` is looked for in the folder `$TFVISION_WEIGHTS`, in `weights/` of `$TFVISION_DATA`, and where Keras keeps
    its downloads, and so is a name of a file that is not in the working folder; for a KerasHub preset it means the
    preset's own weights. A run folder stands for its model.

    Args:
        backbone: A key of BACKBONES, or `hub/...`.
        weights: `imagenet`, `none`, a file or a run folder.

    Returns:
        The file, or None if there is nothing to load or it is not on this machine.

    Raises:
        UsageError: `weights` names a file that does not exist, or the backbone has no ImageNet weights.
    """
    facts = backbone_facts(backbone)
    if weights == "none":
        return None
    if weights != "imagenet":
        path = Path(weights) / _MODEL if Path(weights).is_dir() else Path(weights)
        folders = weight_folders() if path.name == weights else []
        if found := next((each for each in (path, *(folder / path for folder in folders)) if each.is_file()), None):
            return found
        raise UsageError(f"no weights file {path}; expected imagenet, none, a weights file or a run that exists")
    if facts.builder == "hub":
        return hub_weights(backbone)
    if not facts.weights:
        raise UsageError(f"{backbone} has no ImageNet weights: it is trained from scratch; use --weights none")
    return next(
        (folder / name for folder in weight_folders() for name in facts.weights if (folder / name).is_file()), None
    )

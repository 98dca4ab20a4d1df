"""Where a backbone's weights come from: ImageNet, a file, or nowhere."""

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from tfvision.errors import UsageError
from tfvision.models.backbones import backbone_facts

if TYPE_CHECKING:
    import keras

_OWN = (("TFVISION_WEIGHTS", ""), ("TFVISION_DATA", "weights"))


def find_weights(backbone: str, weights: str) -> Path | None:
    """Return the file of a backbone's weights, or None where there are none to load or none on this machine.

    `imagenet` is looked for in the folder `$TFVISION_WEIGHTS`, in `weights/` of `$TFVISION_DATA`, and where Keras keeps
    its downloads.

    Raises:
        UsageError: `weights` names a file that does not exist, or ImageNet weights that do not exist at all.
    """
    facts = backbone_facts(backbone)
    if weights == "none":
        return None
    if weights != "imagenet":
        if Path(weights).is_file():
            return Path(weights)
        raise UsageError(f"no weights file {weights}; expected imagenet, none or a file that exists")
    if not facts.weights:
        raise UsageError(f"{backbone} has no ImageNet weights: it is trained from scratch; use --weights none")
    return next((folder / name for folder in _folders() for name in facts.weights if (folder / name).is_file()), None)


def load_backbone_weights(model: "keras.Model", backbone: str, weights: str) -> None:
    """Load a backbone's weights into the backbone part of a flat model.

    Args:
        model: From the input to the backbone's output.
        backbone: A key of BACKBONES.
        weights: `imagenet`, `none`, or a file that `keras.applications` would load without its top.

    Raises:
        UsageError: The file is missing, of another architecture, or damaged.
    """
    path = find_weights(backbone, weights)
    if path is None and weights == "imagenet":
        path = _download(backbone)
    if path is None:
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras warns of each container of a file that an older Keras wrote
            model.load_weights(path)
    except (ValueError, OSError, KeyError) as error:
        reason = " ".join(str(error).split())[:160]
        raise UsageError(
            f"{path} does not fit {backbone}; expected its weights without top, as keras.applications saves them ({reason})"
        ) from None


def _folders() -> list[Path]:
    keras_home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    own = [Path(os.environ[name]) / below for name, below in _OWN if os.environ.get(name)]
    return [*own, keras_home / "models"]


def _download(backbone: str) -> Path:
    """Let Keras download the official file, through the application that knows its address."""
    import keras

    facts = backbone_facts(backbone)
    try:
        getattr(keras.applications, facts.builder)(include_top=False, weights="imagenet", **facts.options)
    except Exception as error:  # Keras raises a bare Exception when a download fails
        raise UsageError(
            f"the ImageNet weights of {backbone} are not on this machine and could not be downloaded; put "
            f"{facts.weights[0]} into {_folders()[-1]} (or a folder named by TFVISION_WEIGHTS), "
            "or train from scratch with --weights none"
        ) from error
    path = find_weights(backbone, "imagenet")
    if path is None:
        raise UsageError(
            f"Keras did not leave {facts.weights[0]} in {_folders()[-1]}; give the file with --weights FILE"
        )
    return path

"""Loading the weights of a backbone."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tfvision.errors import UsageError, one_line
from tfvision.models.backbones.convnext import load_convnext_weights
from tfvision.models.backbones.families import Backbone, row_of
from tfvision.models.backbones.hub_graph import load_hub_weights
from tfvision.models.backbones.preprocessing import BEFORE
from tfvision.models.backbones.table import backbone_facts
from tfvision.models.heads.heads import HEAD
from tfvision.models.weight_folders import weight_folders
from tfvision.models.weights_file import check_weights_file, operation_names, refusing_damage
from tfvision.models.weights_location import find_weights
from tfvision.system.files import refuse_no_space

if TYPE_CHECKING:
    import keras

# Loaders of original weights files for backbones that are built differently here; by builder or family, see `row_of`.
LOADERS: dict[str, Callable[["keras.Model", str, Backbone, Path], None]] = {
    "hub": load_hub_weights,
    "ConvNeXt": load_convnext_weights,
}


def load_backbone_weights(model: "keras.Model", backbone: str, weights: str) -> None:
    """Load a backbone's weights into the backbone part of a flat model.

    Args:
        model: From the input to the backbone's output.
        backbone: A key of BACKBONES.
        weights: `imagenet`, `none`, a file that `keras.applications` would load without its top, or an earlier run.

    Raises:
        UsageError: The file is missing, of another architecture, or damaged.
        DataError: A `.keras` file that tfvision did not save.
    """
    path, facts = find_weights(backbone, weights), backbone_facts(backbone)
    if facts.builder == "hub" and weights == "imagenet" and (path is None or path.suffix == ".json"):
        load_hub_weights(model, backbone, facts)  # downloaded, or in shards
        return
    if path is None and weights == "imagenet":
        path = _download(backbone)
    if path is None:
        return
    again = "; remove it, and it is downloaded again" if weights == "imagenet" and facts.builder != "hub" else ""
    try:
        check_weights_file(path)
    except UsageError as error:
        raise UsageError(f"{error}{again}") from None
    if path.suffix == ".keras":
        _check_same_backbone(model, backbone, path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras warns about each container in a file that an older Keras wrote
            _load(model, backbone, facts, path)
    except UsageError:
        raise
    except Exception as error:  # a damaged file fails in many ways
        refuse_no_space(error, path)
        reason = one_line(error)
        author = "KerasHub" if facts.builder == "hub" else "keras.applications"
        raise UsageError(
            f"{path} does not fit {backbone}; expected its weights without top, as {author} saves them ({reason}){again}"
        ) from None


def _load(model: "keras.Model", backbone: str, facts: Backbone, path: Path) -> None:
    """Load arrays only: Keras matches them by the order of the layers, whatever head follows in the file."""
    load_theirs = row_of(LOADERS, facts)
    try:
        model.load_weights(path)
    except ValueError:
        if load_theirs is None or path.suffix == ".keras":
            raise
        # The file was saved from the original model, not from the one tfvision builds.
        load_theirs(model, backbone, facts, path)


def _check_same_backbone(model: "keras.Model", backbone: str, path: Path) -> None:
    """Refuse a run of another backbone, or of the same one with other layers."""
    from tfvision.models.model_file import read_facts

    with refusing_damage(path):
        found = read_facts(path).backbone
    if found != backbone:
        raise UsageError(f"{path} is a {found}, expected a {backbone}; use --backbone {found} or other --weights")
    other = (HEAD, *BEFORE)
    theirs = [name for name in operation_names(path) if not name.startswith(other)]
    ours = [operation.name for operation in model.operations if not operation.name.startswith(other)]
    if theirs != ours:
        raise UsageError(
            f"{path} does not fit {backbone}: it has {len(theirs)} layers before its head, expected {len(ours)} "
            "of the same names; build the backbone with the options of that run"
        )


def _download(backbone: str) -> Path:
    """Let Keras download the official file, through its application, which knows the address."""
    import keras

    facts = backbone_facts(backbone)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the weights are those of 224 px, which is what is wanted
            getattr(keras.applications, facts.builder)(include_top=False, weights="imagenet", **facts.options)
    except Exception as error:  # Keras raises a bare Exception when a download fails
        raise UsageError(
            f"the ImageNet weights of {backbone} are not on this machine and could not be downloaded; put "
            f"{facts.weights[0]} into {weight_folders()[-1]} (or a folder named by TFVISION_WEIGHTS), "
            "or train from scratch with --weights none"
        ) from error
    path = find_weights(backbone, "imagenet")
    if path is None:
        raise UsageError(
            f"Keras did not leave {facts.weights[0]} in {weight_folders()[-1]}; give the file with --weights FILE"
        )
    return path

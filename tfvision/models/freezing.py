"""What is trainable: layers chosen by count, share or name, with batch normalization apart; and its parameters."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from tfvision.errors import UsageError, nearest, worded
from tfvision.models.backbones.families import HUB, Backbone
from tfvision.models.backbones.preprocessing import BEFORE
from tfvision.models.backbones.table import BACKBONES, plain_name
from tfvision.models.heads.heads import HEAD

if TYPE_CHECKING:
    import keras


class Parameters(NamedTuple):
    """Numbers of parameters of a model; batch normalization's moving statistics count as frozen."""

    total: int
    trainable: int
    frozen: int


def count_parameters(model: "keras.Model") -> Parameters:
    """Count the parameters of a model."""
    total = int(model.count_params())
    trainable = sum(int(_size(weight.shape)) for weight in model.trainable_weights)
    return Parameters(total, trainable, total - trainable)


def backbone_layers(model: "keras.Model") -> list["keras.layers.Layer"]:
    """Return the layers of a classifier's backbone, from input to output, head and preprocessing excluded."""
    return [layer for layer in model.layers if not layer.name.startswith((HEAD, *BEFORE))]


def stage_layers(names: Sequence[str], facts: Backbone) -> dict[str, list[str]]:
    """Divide a backbone's layers into its stages.

    Args:
        names: Names of the layers, from input to output.
        facts: The backbone's entry in BACKBONES.

    Returns:
        Names of the layers of each stage that the backbone has, in order.
    """
    stages: dict[str, list[str]] = {}
    start = 0
    for stage in facts.stages:
        called = {facts.ends[stage]} if stage in facts.ends else set(_called(names, stage, facts.prefix))
        ends = [place for place, name in enumerate(names) if name in called]
        if ends:
            stages[stage], start = list(names[start : ends[-1] + 1]), ends[-1] + 1
    return stages


def numbered_stages(names: Sequence[str]) -> dict[str, list[str]]:
    """Divide the layers of a KerasHub preset, which no table describes, by their names up to the first number.

    `stack0_block1_add` belongs to `stack0`, `transformer_block_2_mha` to `transformer_block_2`. Layers without a number
    belong to the stage before them, those at the start to `stem`.
    """
    stages: dict[str, list[str]] = {}
    stage = "stem"
    for name in names:
        # block6a_ belongs to block6; the 2 of conv2d is not counted as a number.
        if match := re.match(r"[a-zA-Z]+(?:_[a-zA-Z]+)*?_?\d+(?!d(?:_|$))(?=[a-z]?(?:_|$))", name):
            stage = match[0]
        stages.setdefault(stage, []).append(name)
    return stages


def trains_batch_norm(model: "keras.Model") -> bool:
    """Tell whether any batch normalization of the backbone is trainable now."""
    inner = (each for layer in backbone_layers(model) for each in layer._flatten_layers())
    return any(each.trainable for each in inner if _is_batch_norm(each))


def unfreeze(model: "keras.Model", what: str, *, batch_norm: bool = False) -> None:
    """Open a part of the backbone for training and freeze the rest; the head is always open.

    A compiled model must be compiled again for the change to take effect.

    Args:
        model: A classifier of `build_classifier`.
        what: `none`; `all`; a count such as `15`, the last layers of the backbone; a share such as `30%` of them; or
            names of stages or layers, `block4,block5`. The layers counted are those of the
            `keras.applications` model without final pooling, which belongs to the head. Only ConvNeXt pools before
            its last layer, a normalization; there the pooling counts too, and `15` opens the layers that are
            `layers[-15:]` of `ConvNeXtBase(include_top=False, pooling="avg")`.
        batch_norm: Whether opened batch normalization of the backbone is trained. If not, it also keeps its
            moving statistics: with `trainable=False` Keras runs it in inference mode, `fit` or not.

    Raises:
        UsageError: A name that is not a stage or layer (the nearest is named), or a count out of range.
    """
    open_layers(model, what, batch_norm=batch_norm)
    model.tfvision_open = str(what)  # what `train` goes by where its options do not say


def open_layers(model: "keras.Model", what: str, *, batch_norm: bool = False) -> None:
    """Do what `unfreeze` does for a while: it is no wish of the user.

    Args:
        model: See `unfreeze`.
        what: See `unfreeze`.
        batch_norm: See `unfreeze`.

    Raises:
        UsageError: See `unfreeze`.
    """
    layers = backbone_layers(model)
    opened = set(_chosen([layer.name for layer in layers], str(what).strip(), model.name))
    for layer in layers:
        # A KerasHub backbone may be a single layer with batch normalization inside.
        for each in layer._flatten_layers():
            each.trainable = layer.name in opened and (batch_norm or not _is_batch_norm(each))


def _chosen(names: Sequence[str], what: str, backbone: str) -> Sequence[str]:
    if what == "none":
        return []
    if what == "all":
        return names
    if re.fullmatch(r"\d+", what):
        counted = _counted(names, BACKBONES.get(backbone))
        if int(what) > len(counted):
            raise UsageError(f"--unfreeze {what}: {backbone} has only {len(counted)} layers; use all")
        return counted[len(counted) - int(what) :]
    if match := re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", what):
        if float(match[1]) > 100:
            raise UsageError(f"--unfreeze {what}: a share is at most 100%")
        counted = _counted(names, BACKBONES.get(backbone))
        return counted[len(counted) - round(len(counted) * float(match[1]) / 100) :]
    return [name for token in what.split(",") for name in _named(names, token.strip(), backbone)]


def _counted(names: Sequence[str], facts: Backbone | None) -> list[str]:
    """Return the layers that a count or a share refers to, including the pooling if layers come after it."""
    place = len(names) - facts.after_pooling if facts else len(names)
    return [*names[:place], *([f"{HEAD}pool"] if place < len(names) else []), *names[place:]]


def _named(names: Sequence[str], token: str, backbone: str) -> list[str]:
    """Return the layers of a stage, else those called `token`, or `token` and a suffix."""
    facts = BACKBONES.get(backbone)
    stages = stage_layers(names, facts) if facts else {}
    if backbone.startswith(plain_name(HUB)):
        stages = numbered_stages(names)
    found = stages.get(token) or _called(names, token, facts.prefix if facts else "")
    if not found or not token:
        raise UsageError(
            f"--unfreeze {worded(token)} names no layer of {backbone}{nearest(token, [*stages, *names])}; "
            f"expected none, all, a count, a share or stages: {', '.join(stages) or 'its layer names'}"
        )
    return found


def _called(names: Sequence[str], token: str, prefix: str) -> list[str]:
    """Return the names that are `token`, or `token` and a suffix; `block_1` is not `block_16`."""
    # EfficientNet numbers the blocks of a stage by letters: block6a_, block6b_.
    pattern = re.compile(rf"(?:bn_)?{re.escape(token)}(?:[a-z](?=_))?(?:_.*)?")
    return [name for name in names if pattern.fullmatch(name.removeprefix(prefix)) or name == token]


def _is_batch_norm(layer: "keras.layers.Layer") -> bool:
    return type(layer).__name__ == "BatchNormalization"


def _size(shape: Sequence[int]) -> int:
    size = 1
    for side in shape:
        size *= side
    return size

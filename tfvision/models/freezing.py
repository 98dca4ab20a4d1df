"""What is trainable: chosen by count, share or name; counted; and kept so for batch normalization."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from tfvision.errors import UsageError
from tfvision.files import nearest
from tfvision.models.backbones import BACKBONES
from tfvision.models.heads import HEAD

if TYPE_CHECKING:
    import keras

# Layers that tfvision sets before the backbone; everything else that is no head belongs to the backbone.
_BEFORE = ("pixels", "enlarge", "preprocess", "flip")


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
    return [layer for layer in model.layers if not layer.name.startswith(HEAD) and not layer.name.startswith(_BEFORE)]


def trains_batch_norm(model: "keras.Model") -> bool:
    """Tell whether any batch normalization of the backbone is trainable as the model stands."""
    return any(layer.trainable for layer in backbone_layers(model) if _is_batch_norm(layer))


def unfreeze(model: "keras.Model", what: str, *, batch_norm: bool = False) -> None:
    """Open a part of the backbone for training and freeze the rest; the head is always open.

    A model that was compiled must be compiled again, else the change has no effect.

    Args:
        model: A classifier of `build_classifier`.
        what: `none`; `all`; a count such as `15`, the last layers of the backbone as `keras.applications` counts
            them; a share such as `30%` of them; or names of stages or layers, `block4,block5`.
        batch_norm: Whether opened batch normalization of the backbone is trained. If not, it also keeps its
            moving statistics: with `trainable=False` Keras runs it in inference mode, `fit` or not.

    Raises:
        UsageError: A name that is no stage or layer (the nearest is named), or a count out of range.
    """
    layers = backbone_layers(model)
    opened = set(_chosen(layers, str(what).strip(), model.name))
    for layer in layers:
        layer.trainable = layer.name in opened and (batch_norm or not _is_batch_norm(layer))


def _chosen(layers: Sequence["keras.layers.Layer"], what: str, backbone: str) -> list[str]:
    names = [layer.name for layer in layers]
    if what == "none":
        return []
    if what == "all":
        return names
    if re.fullmatch(r"\d+", what):
        if int(what) > len(names):
            raise UsageError(f"--unfreeze {what}: {backbone} has only {len(names)} layers; use all")
        return names[len(names) - int(what) :]
    if match := re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", what):
        if float(match[1]) > 100:
            raise UsageError(f"--unfreeze {what}: a share is at most 100%")
        return names[len(names) - round(len(names) * float(match[1]) / 100) :]
    return [name for token in what.split(",") for name in _named(names, token.strip(), backbone)]


def _named(names: Sequence[str], token: str, backbone: str) -> list[str]:
    """Return the layers of a stage: called `token`, or `token` and a suffix; `block_1` is not `block_16`."""
    facts = BACKBONES.get(backbone)
    prefix, stages = (facts.prefix, facts.stages) if facts else ("", ())
    also = facts.also.get(token, ()) if facts else ()
    # EfficientNet numbers the blocks of a stage by letters: block6a_, block6b_.
    pattern = re.compile(rf"(?:bn_)?(?:{'|'.join(map(re.escape, (token, *also)))})(?:[a-z](?=_))?(?:_.*)?")
    found = [name for name in names if pattern.fullmatch(name.removeprefix(prefix)) or name == token]
    if not found or not token:
        raise UsageError(
            f"--unfreeze {token!r} names no layer of {backbone}{nearest(token, [*stages, *names])}; "
            f"expected none, all, a count, a share or stages: {', '.join(stages) or 'its layer names'}"
        )
    return found


def _is_batch_norm(layer: "keras.layers.Layer") -> bool:
    return type(layer).__name__ == "BatchNormalization"


def _size(shape: Sequence[int]) -> int:
    size = 1
    for side in shape:
        size *= side
    return size

"""Image backbones of KerasHub, by preset: their facts, their graph, their weights and their scaling of pixels."""

import importlib.util
import inspect
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfvision.errors import UsageError, nearest, one_line
from tfvision.models.backbones import HUB
from tfvision.models.families import Backbone, sizes_up_to
from tfvision.models.graph import copied, copy_onto, find_unnamed, number_from_zero
from tfvision.models.vit import embed_patches, embedding_weights, is_embedding, maps_of_tokens
from tfvision.system.device import quiet_start

if TYPE_CHECKING:
    import keras

_FILES = ("model.weights.h5", "model.weights.json")  # of a preset's weights, whole or in shards
_CONVERTER = "image_converter.json"


def hub_facts(name: str) -> Backbone:
    """Return what a preset says of itself.

    Args:
        name: `hub/` and a preset's name (`hub/resnet_18_imagenet`), an address (`hub/hf://timm/resnet18.a1_in1k`), or a
            folder that `save_to_preset` wrote (`hub/./folder`, `hub//data/folder`).

    Returns:
        An entry as in BACKBONES. `options` has the preset, and `fixed`: the side that a network of position embeddings
        was trained at, else None. Stages are found in the names of the layers, see `numbered_stages`.

    Raises:
        UsageError: KerasHub is not installed; no such preset (the nearest is named), or one of text; it cannot be
            downloaded, is damaged or does not say how pixels are scaled.
    """
    preset = name.removeprefix(HUB)
    keras_hub = require_hub(name)
    config = Path(preset, "config.json")
    if not _is_folder(preset):
        _check_known(name, keras_hub)
        return _facts(name, 0)
    if not config.is_file():
        raise UsageError(
            f"{name}: {preset} holds no config.json; expected a folder that KerasHub's save_to_preset wrote"
        )
    return _facts(name, config.stat().st_mtime_ns)


def require_hub(what: str) -> Any:
    """Import KerasHub.

    Args:
        what: What needs it, for the error.

    Raises:
        UsageError: It is not installed, or does not start.
    """
    if importlib.util.find_spec("keras_hub") is None:
        raise UsageError(f"{what} needs keras-hub; install it with: pip install 'tfvision[hub]'")
    try:
        with quiet_start():
            import keras_hub
    except ImportError as error:
        raise UsageError(
            f"{what}: keras-hub does not start ({one_line(error) or type(error).__name__}); try pip install --upgrade 'tfvision[hub]'"
        ) from None
    for noisy in ("kagglehub", "huggingface_hub.utils._http", "absl"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    return keras_hub


def hub_backbone(name: str, pixels: "keras.KerasTensor", facts: Backbone) -> "keras.KerasTensor":
    """Add a preset's untrained layers to a graph.

    What KerasHub builds of stock layers, its ViT too, becomes a part of the flat graph, layer by layer, so that it is
    counted, frozen, cut and saved as any other. What cannot be taken apart stands there as one layer.

    Args:
        name: `hub/...`.
        pixels: `(batch, side, side, 3)`, scaled.
        facts: Of `hub_facts`.

    Returns:
        Feature maps `(batch, h, w, channels)`; patches of a transformer in their places, its class token left out.

    Raises:
        UsageError: The preset cannot be built at this size, or gives no feature maps.
    """
    import keras

    stock = _stock(name, facts, pixels.shape[1])
    try:
        features = copy_onto(_to_deepest(name, stock), pixels, _copier(set()))
    except UsageError:
        raise
    except Exception:  # what KerasHub's own layers do in building has no common error
        stock = _stock(name, facts, pixels.shape[1])  # anew: its layers were called meanwhile
        features = _deepest(name, stock(keras.tree.map_structure(lambda _: pixels, stock.input)))
    if len(features.shape) == 4:
        return features
    side = getattr(stock, "patch_size", None)
    try:
        return maps_of_tokens(features, pixels.shape[1:3], side)
    except ValueError as error:
        raise UsageError(f"{name} gives no feature maps: {error}; choose another preset") from None


def hub_weights(name: str) -> Path | None:
    """Return the file of a preset's weights where it is a folder, None where KerasHub knows where they are.

    Raises:
        UsageError: The folder holds none.
    """
    preset = name.removeprefix(HUB)
    if not _is_folder(preset):
        return None
    found = next((Path(preset, file) for file in _FILES if Path(preset, file).is_file()), None)
    if found is None:
        raise UsageError(
            f"{name} has no {_FILES[0]}; train it from scratch with --weights none, or give another preset"
        )
    return found


def load_hub_weights(model: "keras.Model", name: str, facts: Backbone, path: Path | None = None) -> None:
    """Load a preset's weights into the backbone part of a flat model.

    Args:
        model: From its input to the end of `hub_backbone`.
        name: `hub/...`.
        facts: Of `hub_facts`.
        path: A file that KerasHub's backbone saved; default the preset's own weights.

    Raises:
        ValueError: They do not fit.
        UsageError: They cannot be downloaded, or are of another image size.
    """
    side, fixed = model.get_layer("preprocess").output.shape[1], facts.options["fixed"]
    if fixed and side != fixed:
        raise UsageError(
            f"{name} was trained at {fixed} px, and its position embeddings fit no other; got {side} px: "
            f"set --image-size {fixed}, or --weights none to train it from scratch"
        )
    if path is None:
        stock = _stock(name, facts, side, weights=True)
    else:
        stock = _stock(name, facts, side)
        stock.load_weights(path)
    nested = [layer for layer in model.layers if type(layer) is type(stock)]
    if nested:
        nested[0].set_weights(stock.get_weights())
        return
    given = dict(_weights(_to_deepest(name, stock).layers, ""))
    for layer in model.layers:
        if layer.weights:
            layer.set_weights(given.pop(layer.name))


@lru_cache(maxsize=16)
def _facts(name: str, written: int) -> Backbone:
    """Read a preset; `written` tells a folder that changed from one that did not."""
    import keras_hub
    from keras_hub.src.utils.preset_utils import get_preset_loader  # nothing public reads a preset without building it

    preset = name.removeprefix(HUB)
    with _refusing(name):
        loader = get_preset_loader(preset)
        kind = loader.check_backbone_class()
        if not _is_image(kind, keras_hub):
            raise _no_image(name, kind)
        try:
            converter = keras_hub.layers.ImageConverter.from_preset(preset)
        except FileNotFoundError:
            raise UsageError(
                f"{name} has no {_CONVERTER}, which says how pixels are scaled; write it with "
                "keras_hub.layers.ImageConverter(image_size=..., scale=..., offset=...).save_to_preset(folder)"
            ) from None
    shape = loader.config.get("config", {}).get("image_shape") or (None,)
    own = converter.image_size[0] if converter.image_size else None
    options, patch = inspect.signature(kind).parameters, _patch(loader.config.get("config", {}))
    fixed = shape[0] or (own if "patch_size" in options else None)
    if "position_embedding_shape" in options:  # which are interpolated to any other size
        fixed = None
    return Backbone(
        kind.__name__.removesuffix("Backbone"),
        "hub",
        "hub",
        kind.presets.get(preset, {}).get("metadata", {}).get("params", 0),
        (),
        sizes=(fixed,) if fixed else tuple(size // patch * patch for size in sizes_up_to(own or 224)),
        minimum=1 if fixed else 32,
        options={
            "preset": preset,
            "fixed": fixed,
            "scale": _plain(converter.scale, 1.0),
            "offset": _plain(converter.offset, 0.0),
        },
    )


def _patch(options: Mapping[str, Any]) -> int:
    """Return the side of a patch in pixels, 1 where there are none."""
    patch = options.get("patch_size") or 1
    return int(patch if isinstance(patch, (int, float)) else patch[0])


def _stock(name: str, facts: Backbone, side: int, *, weights: bool = False) -> "keras.Model":
    """Let KerasHub build a preset for images of `side` px, or as it is where its class asks for no size."""
    import keras_hub

    preset = facts.options["preset"]
    with _refusing(name):
        try:
            return keras_hub.models.Backbone.from_preset(preset, load_weights=weights, image_shape=(side, side, 3))
        except TypeError:
            return keras_hub.models.Backbone.from_preset(preset, load_weights=weights)


@contextmanager
def _refusing(name: str) -> Iterator[None]:
    """Turn what KerasHub raises into one line."""
    try:
        yield
    except UsageError:
        raise
    except Exception as error:  # files and networks fail in many ways
        kind = type(error).__name__
        if _is_folder(name.removeprefix(HUB)):
            reason = f"cannot be built ({one_line(error) or kind}); expected a preset that KerasHub loads"
        else:
            reason = (
                f"is not on this machine and could not be downloaded ({kind}); try again with a network, or give "
                "the folder of a preset as hub//path/to/folder"
            )
        raise UsageError(f"{name} {reason}") from None


def _check_known(name: str, keras_hub: Any) -> None:
    """Refuse a name that KerasHub does not know, or knows as no image backbone, before it looks in the network."""
    from keras_hub.src.utils.preset_utils import list_subclasses

    preset = name.removeprefix(HUB)
    kinds = [kind for kind in list_subclasses(keras_hub.models.Backbone) if preset in kind.presets]
    if "://" in preset or any(_is_image(kind, keras_hub) for kind in kinds):
        return
    if kinds:
        raise _no_image(name, kinds[0])
    presets = keras_hub.models.Backbone.presets
    raise UsageError(
        f"unknown preset {preset!r} of KerasHub{nearest(preset, presets)}; "
        "expected hub/PRESET, or the folder of one as hub/./folder or hub//path/to/folder"
    )


def _no_image(name: str, kind: type) -> UsageError:
    return UsageError(
        f"{name} is a {kind.__name__}; expected a backbone of images alone, such as hub/resnet_18_imagenet"
    )


def _is_folder(preset: str) -> bool:
    return preset.startswith(("/", "."))


def _is_image(kind: type, keras_hub: Any) -> bool:
    """Tell whether a class of backbones sees images alone: it has a converter of images and no tokens."""
    from keras_hub.src.utils.preset_utils import list_subclasses

    if not issubclass(kind, keras_hub.models.Backbone):
        return False
    return any(each.backbone_cls is kind for each in list_subclasses(keras_hub.layers.ImageConverter)) and not any(
        each.backbone_cls is kind for each in list_subclasses(keras_hub.models.Tokenizer)
    )


def _deepest(name: str, outputs: Any) -> "keras.KerasTensor":
    """Return the features of an output; of several, those of the smallest maps, which are the furthest from the pixels.

    The last of equals. Not those of most channels: a pyramid may have the same number on all levels.
    """
    import keras

    tensors = [tensor for tensor in keras.tree.flatten(outputs) if len(tensor.shape) in (3, 4)]
    if not tensors:
        raise UsageError(f"{name} gives no feature maps; choose another preset")
    return min(reversed(tensors), key=lambda tensor: (len(tensor.shape) == 3, int(np.prod(tensor.shape[1:-1]))))


def _to_deepest(name: str, stock: "keras.Model") -> "keras.Model":
    """Return the part of a backbone that its deepest output needs, with the layer names of a fresh process."""
    import keras

    part = keras.Model(stock.inputs, _deepest(name, stock.output))
    number_from_zero(part)
    return part


def _copier(used: set[str], prefix: str = "") -> Callable[["keras.Operation"], Callable[..., Any]]:
    """Return what gives each operation's copy, called as it was behind `prefix`; composite layers are taken apart.

    Two layers with weights of one name are refused, since weights are found by it.
    """
    import keras

    def copy(operation: "keras.Operation") -> Callable[..., Any]:
        is_layer = isinstance(operation, keras.Layer)
        # Operations that are no layers have the numbers of this process.
        first = f"{prefix}{operation.name if is_layer or not prefix else type(operation).__name__.lower()}"
        name = next(name for name in chain([first], (f"{first}_{n}" for n in count(2))) if name not in used)
        if name != first and getattr(operation, "weights", None):
            raise ValueError(f"two layers are called {first}")
        used.add(name)
        if is_embedding(operation):
            return lambda pixels: embed_patches(pixels, operation)
        if _is_composite(operation):
            return lambda x: _taken_apart(operation, x, "" if _is_stack(operation) else f"{name}_", used)
        if _is_hubs(operation):
            # Some of its layers cannot be loaded from what they say of themselves.
            keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(operation))
        return copied(operation, name)

    return copy


def _taken_apart(layer: "keras.Layer", x: "keras.KerasTensor", prefix: str, used: set[str]) -> "keras.KerasTensor":
    """Add what a composite layer calls, as calls of its own."""
    import keras

    inside = keras.Input(batch_shape=x.shape, dtype=x.dtype)
    return copy_onto(keras.Model(inside, layer.call(inside)), x, _copier(used, prefix))


def _is_hubs(operation: "keras.Operation") -> bool:
    return type(operation).__module__.startswith("keras_hub.")


def _is_composite(operation: "keras.Operation") -> bool:
    """Tell whether a layer of KerasHub only calls other layers, and these alike in training and inference."""
    if not _is_hubs(operation) or "training" in inspect.signature(operation.call).parameters:
        return False
    own = [*operation._trainable_variables, *operation._non_trainable_variables]
    return not own and any(each.weights for each in _parts(operation))


def _is_stack(layer: "keras.Layer") -> bool:
    """Tell whether a composite layer is a row of numbered blocks, whose names say enough."""
    return sum(_is_composite(each) for each in _parts(layer)) > 1


def _parts(layer: "keras.Layer") -> list["keras.Layer"]:
    """Return the layers in a layer; those without a name are numbered from 1, where Keras counts on with every build."""
    parts = list(layer._flatten_layers(include_self=False, recursive=False))
    for name, unnamed in find_unnamed(parts).items():
        for number, (_, part) in enumerate(unnamed, start=1):
            part.name = f"{name}_{number}" if len(unnamed) > 1 else name
    return parts


def _weights(layers: list["keras.Layer"], prefix: str) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Give the weights of KerasHub's layers by the names that `_copier` gives the copies."""
    for layer in layers:
        name = f"{prefix}{layer.name}"
        if is_embedding(layer):
            yield from embedding_weights(layer).items()
        elif _is_composite(layer):
            yield from _weights(_parts(layer), "" if _is_stack(layer) else f"{name}_")
        elif layer.weights:
            yield name, layer.get_weights()


def _plain(value: Any, default: float) -> float | list[float]:
    """Return a number, or a list of one for each channel."""
    return default if value is None else np.asarray(value, np.float64).tolist()

"""Image backbones of KerasHub, by preset: their graph and their weights."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfvision.errors import UsageError
from tfvision.models.backbones.families import Backbone
from tfvision.models.backbones.graph import copied, copy_onto, find_unnamed, number_from_zero
from tfvision.models.backbones.hub_presets import most_weights, refusing
from tfvision.models.backbones.vit import embed_patches, embedding_weights, is_embedding, maps_of_tokens
from tfvision.models.model_config import refusing_more_weights

if TYPE_CHECKING:
    import keras


def build_hub(
    name: str, pixels: "keras.KerasTensor", facts: Backbone, options: Mapping[str, Any]
) -> "keras.KerasTensor":
    """Add a preset's untrained layers to a graph.

    What KerasHub builds from stock layers, its ViT included, becomes part of the flat graph, layer by layer, so that it
    is counted, frozen, cut and saved like any other backbone. What cannot be taken apart stays a single layer.

    Args:
        name: `hub/...`.
        pixels: `(batch, side, side, 3)`, scaled.
        facts: From `hub_facts`.
        options: Not used.

    Returns:
        Feature maps `(batch, h, w, channels)`; a transformer's patches in their places, without its class token.

    Raises:
        UsageError: The preset cannot be built at this size, or gives no feature maps.
    """
    import keras

    stock = _stock(name, facts, pixels.shape[1])
    try:
        features = copy_onto(_to_deepest(name, stock, pixels.shape[1]), pixels, _copier(set()))
    except UsageError:
        raise
    except Exception:  # KerasHub's own layers fail in many ways
        stock = _stock(name, facts, pixels.shape[1])  # a new one: the layers of the first have been called
        features = _deepest(name, stock(keras.tree.map_structure(lambda _: pixels, stock.input)))
    if len(features.shape) == 4:
        return features
    side = getattr(stock, "patch_size", None)
    try:
        return maps_of_tokens(features, pixels.shape[1:3], side)
    except ValueError as error:
        raise UsageError(f"{name} gives no feature maps: {error}; choose another preset") from None


def load_hub_weights(model: "keras.Model", name: str, facts: Backbone, path: Path | None = None) -> None:
    """Load a preset's weights into the backbone part of a flat model.

    Args:
        model: From its input to the output of `build_hub`.
        name: `hub/...`.
        facts: From `hub_facts`.
        path: A file saved from KerasHub's backbone; default the preset's own weights.

    Raises:
        ValueError: The weights do not fit.
        UsageError: They cannot be downloaded, or are for another image size.
    """
    side, fixed = model.get_layer("preprocess").output.shape[1], facts.options["fixed"]
    if fixed and side != fixed:
        raise UsageError(
            f"{name} was trained at {fixed} px, and its position embeddings fit no other size; got {side} px: "
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
    given = dict(_weights(_to_deepest(name, stock, side).layers, ""))
    for layer in model.layers:
        if layer.weights:
            layer.set_weights(given.pop(layer.name))


def _stock(name: str, facts: Backbone, side: int, *, weights: bool = False) -> "keras.Model":
    """Let KerasHub build a preset for images of `side` px, or as it is if its class takes no size."""
    import keras_hub

    preset = facts.options["preset"]
    most = most_weights(preset)
    with refusing(name), nullcontext() if most is None else refusing_more_weights(most):
        try:
            return keras_hub.models.Backbone.from_preset(preset, load_weights=weights, image_shape=(side, side, 3))
        except TypeError:
            return keras_hub.models.Backbone.from_preset(preset, load_weights=weights)


def _deepest(name: str, outputs: Any, sized: Any = None) -> "keras.KerasTensor":
    """Return the feature maps of an output; of several, the smallest, which are the furthest from the pixels.

    Of equal ones, the last. The number of channels would not tell: a pyramid may have the same on all levels.

    Args:
        name: `hub/...`.
        outputs: A tensor, or several.
        sized: The same outputs with their sizes, for a backbone that was built for images of any size.
    """
    import keras

    tensors = keras.tree.flatten(outputs)
    shapes = [tensor.shape for tensor in keras.tree.flatten(outputs if sized is None else sized)]
    maps = [place for place, shape in enumerate(shapes) if len(shape) in (3, 4)]
    if not maps:
        raise UsageError(f"{name} gives no feature maps; choose another preset")
    return tensors[min(reversed(maps), key=lambda place: (len(shapes[place]) == 3, int(np.prod(shapes[place][1:-1]))))]


def _to_deepest(name: str, stock: "keras.Model", side: int) -> "keras.Model":
    """Return the part of a backbone that its deepest output needs, with the layer names of a fresh process."""
    import keras

    # Some classes take no image size, and the outputs of such a backbone have none.
    pixels = keras.tree.map_structure(
        lambda tensor: keras.KerasTensor((None, side, side, 3), tensor.dtype), stock.input
    )
    part = keras.Model(stock.inputs, _deepest(name, stock.output, stock.compute_output_spec(pixels)))
    number_from_zero(part)
    return part


def _copier(used: set[str], prefix: str = "") -> Callable[["keras.Operation"], Callable[..., Any]]:
    """Return a function that copies operations, with `prefix` before their names; composite layers are taken apart.

    Two layers with weights and the same name are refused, since weights are found by name.
    """
    import keras

    def copy(operation: "keras.Operation") -> Callable[..., Any]:
        is_layer = isinstance(operation, keras.Layer)
        # The names of operations that are not layers carry the numbers of this process.
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
            # Some of its layers cannot be rebuilt from their configuration: they fail here, not when a file is loaded.
            keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(operation))
        return copied(operation, name)

    return copy


def _taken_apart(layer: "keras.Layer", x: "keras.KerasTensor", prefix: str, used: set[str]) -> "keras.KerasTensor":
    """Add the layers that a composite layer calls, each as a call of its own."""
    import keras

    inside = keras.Input(batch_shape=x.shape, dtype=x.dtype)
    return copy_onto(keras.Model(inside, layer.call(inside)), x, _copier(used, prefix))


def _is_hubs(operation: "keras.Operation") -> bool:
    return type(operation).__module__.startswith("keras_hub.")


def _is_composite(operation: "keras.Operation") -> bool:
    """Tell whether a KerasHub layer only calls other layers, in the same way in training and inference."""
    if not _is_hubs(operation) or "training" in inspect.signature(operation.call).parameters:
        return False
    own = [*operation._trainable_variables, *operation._non_trainable_variables]
    return not own and any(each.weights for each in _parts(operation))


def _is_stack(layer: "keras.Layer") -> bool:
    """Tell whether a composite layer is a stack of numbered blocks, whose names need no prefix."""
    return sum(_is_composite(each) for each in _parts(layer)) > 1


def _parts(layer: "keras.Layer") -> list["keras.Layer"]:
    """Return the layers inside a layer; unnamed ones are numbered from 1, where Keras counts through the process."""
    parts = list(layer._flatten_layers(include_self=False, recursive=False))
    for name, unnamed in find_unnamed(parts).items():
        for number, (_, part) in enumerate(unnamed, start=1):
            part.name = f"{name}_{number}" if len(unnamed) > 1 else name
    return parts


def _weights(layers: list["keras.Layer"], prefix: str) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Yield the weights of KerasHub's layers by the names that `_copier` gives their copies."""
    for layer in layers:
        name = f"{prefix}{layer.name}"
        if is_embedding(layer):
            yield from embedding_weights(layer).items()
        elif _is_composite(layer):
            yield from _weights(_parts(layer), "" if _is_stack(layer) else f"{name}_")
        elif layer.weights:
            yield name, layer.get_weights()

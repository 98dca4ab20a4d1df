"""A model as its explanations see it: pixels in, feature maps and the scores out."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import isqrt
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfvision.errors import UsageError, worded
from tfvision.models.backbones.preprocessing import BEFORE
from tfvision.models.heads.heads import HEAD
from tfvision.tasks import BOX, PROBABILITIES

# Pixels are no feature maps, and the places of padded or cut ones are not those of the image.
_NO_MAPS = (keras.layers.InputLayer, keras.layers.ZeroPadding2D, keras.layers.Cropping2D)
_PLACES = 49  # a map of fewer than 7 x 7 places says little about where


@dataclass(frozen=True)
class Maps:
    """The feature maps that an explanation is drawn from.

    Attributes:
        layer: Name of the operation that they come out of.
        height, width: Places.
        skipped: Tokens before those of the places, such as a transformer's class token; 0 for maps of a convolution.
        is_small: Whether no operation has as many as 7 x 7 places, and these are the most there are.
    """

    layer: str
    height: int
    width: int
    skipped: int = 0
    is_small: bool = False

    def arranged(self, values: tf.Tensor) -> tf.Tensor:
        """Return values of the layer as float32 (b, height, width, channels)."""
        values = tf.cast(values, tf.float32)
        if len(values.shape) == 4:
            return values
        shape = (-1, self.height, self.width, values.shape[-1])
        return tf.reshape(values[:, self.skipped :], shape)


@dataclass(frozen=True)
class ExplainedModel:
    """A model split into what explanations need.

    Attributes:
        maps: The feature maps of one layer.
        stages: The last feature maps of each resolution, the finest first; `maps` alone if their layer was asked for.
        both: Pixels in; values of the layer of `maps`, and what `score` takes, out.
        all_stages: Pixels in; values of the layer of each of `stages`, and what `score` takes, out.
        score: Turns the second output into float32 (b, classes), higher where a class is likelier and not flat where it
            is certain; of boxes (b, 8), each side and its negative.
        is_box: Whether the scores are those of a box.
    """

    maps: Maps
    stages: tuple[Maps, ...]
    both: keras.Model
    all_stages: keras.Model
    score: Callable[[tf.Tensor], tf.Tensor]
    is_box: bool = False

    def scores(self, pixels: np.ndarray) -> np.ndarray:
        """Return float32 (b, classes) for pixels, float32 (b, height, width, channels), 0..255."""
        return np.asarray(self.score(self.both(pixels, training=False)[1]))

    def gradients(self, pixels: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the feature maps, and the gradient of each image's score of its target with respect to them.

        Args:
            pixels: float32 (b, height, width, channels), 0..255.
            targets: int (b,), which score.

        Returns:
            Two float32 (b, h, w, channels).
        """
        ((values, found),) = self._gradients(self.both, pixels, targets)
        if found is None:
            raise UsageError(f"the scores do not depend on {self.maps.layer}; nothing can be explained from it")
        return self.maps.arranged(values).numpy(), self.maps.arranged(found).numpy()

    def stage_gradients(self, pixels: np.ndarray, targets: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return what `gradients` does for each of `stages` that the scores depend on."""
        found = zip(self.stages, self._gradients(self.all_stages, pixels, targets), strict=True)
        return [
            (maps.arranged(values).numpy(), maps.arranged(gradient).numpy())
            for maps, (values, gradient) in found
            if gradient is not None
        ]

    def attention_gradients(self, pixels: np.ndarray, targets: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the attention of each layer, and the gradient of each image's score of its target with respect to it.

        Args:
            pixels: float32 (b, height, width, channels), 0..255.
            targets: int (b,), which score.

        Returns:
            For each layer two float32 (b, heads, tokens, tokens).

        Raises:
            UsageError: The model has no layers of attention.
        """
        layers = _attention(self.both)
        if not layers:
            raise UsageError(
                "the model has no attention of tokens (keras.layers.MultiHeadAttention); use another --method"
            )
        given = tf.convert_to_tensor(pixels)
        with _recorded_attention(layers) as attention, tf.GradientTape() as tape:
            tape.watch(given)
            total = self._total(self.both(given, training=False)[-1], targets)
        found = zip(attention, tape.gradient(total, attention), strict=True)
        return [(np.asarray(scores), np.asarray(gradient)) for scores, gradient in found if gradient is not None]

    def pixel_gradients(self, pixels: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the gradient of the targets' scores with respect to the pixels, of their shape."""
        given = tf.convert_to_tensor(pixels)
        with tf.GradientTape() as tape:
            tape.watch(given)  # and so all that follows from it, whichever layers are frozen
            total = self._total(self.both(given, training=False)[-1], targets)
        return np.asarray(tape.gradient(total, given))

    def _gradients(
        self, model: keras.Model, pixels: np.ndarray, targets: np.ndarray
    ) -> list[tuple[tf.Tensor, tf.Tensor | None]]:
        """Return the values of each output of a model but the last, and the gradients with respect to them."""
        given = tf.convert_to_tensor(pixels)
        with tf.GradientTape() as tape:
            tape.watch(given)
            *values, head = model(given, training=False)
            total = self._total(head, targets)
        return list(zip(values, tape.gradient(total, values), strict=True))

    def _total(self, head: tf.Tensor, targets: np.ndarray) -> tf.Tensor:
        return tf.reduce_sum(tf.gather(self.score(head), targets, axis=1, batch_dims=1))


def split_for_explaining(model: keras.Model, layer: str | None = None, *, by_maps: bool = True) -> ExplainedModel:
    """Split a model at the last feature maps with at least 7 x 7 places, and at the last ones of each resolution.

    Args:
        model: One flat graph, with probabilities or boxes (of a dictionary the probabilities) out.
        layer: Another layer to explain from.
        by_maps: Whether feature maps are needed; if not, a model without any is taken too.

    Returns:
        The model as explanations see it.

    Raises:
        UsageError: No such layer, or the model has no feature maps.
    """
    output = model.output
    is_box = not isinstance(output, dict) and output._keras_history.operation.name == f"{HEAD}{BOX}"
    if isinstance(output, dict):
        output = output[PROBABILITIES]
    head, score = (output, _sides) if is_box else _scores(output)
    if not by_maps:
        alone = keras.Model(model.input, [head, head])
        return ExplainedModel(Maps("", 0, 0), (), alone, alone, score, is_box)
    maps, tensor = find_maps(model, layer)
    by_size = {(one.height, one.width): (one, values) for one, values in _all_maps(model)}  # of equal size the last
    stages, tensors = zip(*by_size.values(), strict=True) if layer is None else ((maps,), (tensor,))
    both, all_stages = keras.Model(model.input, [tensor, head]), keras.Model(model.input, [*tensors, head])
    return ExplainedModel(maps, stages, both, all_stages, score, is_box)


def attends_to_places(model: keras.Model) -> bool:
    """Return whether a model is a transformer whose tokens are the places of a square, as those of a ViT."""
    layers = _attention(model)
    return bool(layers) and all(
        layer.output.shape[1] is not None and square_of(layer.output.shape[1]) for layer in layers
    )


def _attention(model: keras.Model) -> list[keras.layers.MultiHeadAttention]:
    return [layer for layer in model.layers if isinstance(layer, keras.layers.MultiHeadAttention)]


def find_maps(model: keras.Model, layer: str | None = None) -> tuple[Maps, keras.KerasTensor]:
    """Find the feature maps that explanations are drawn from.

    Args:
        model: One flat graph.
        layer: A layer by name; the last one with at least 7 x 7 places if None, else the largest there is.

    Returns:
        The maps and their tensor.

    Raises:
        UsageError: No such layer, or one without maps.
    """
    found = _all_maps(model)
    if layer is not None:
        chosen = [pair for pair in found if pair[0].layer == layer]
        if not chosen:
            names = ", ".join(maps.layer for maps, _ in found[-5:])
            raise UsageError(f"layer {worded(layer)} is none with feature maps; the last of those are {names}")
        return chosen[0]
    large = [pair for pair in found if pair[0].height * pair[0].width >= _PLACES]
    if large:
        return large[-1]
    if not found:
        raise UsageError("the model has no feature maps, so no map can be drawn from them; use --method occlusion")
    maps, tensor = max(found, key=lambda pair: pair[0].height * pair[0].width)
    return Maps(maps.layer, maps.height, maps.width, maps.skipped, is_small=True), tensor


def _all_maps(model: keras.Model) -> list[tuple[Maps, keras.KerasTensor]]:
    return [(maps, operation.output) for operation in model.operations if (maps := _maps_of(operation))]


def _maps_of(operation: Any) -> Maps | None:
    """Return the maps that an operation gives, None for anything else, and for what comes before the backbone."""
    if operation.name in BEFORE or operation.name.startswith(HEAD) or isinstance(operation, _NO_MAPS):
        return None
    shape = getattr(getattr(operation, "output", None), "shape", None)
    if shape is None:
        return None
    if len(shape) == 4 and None not in shape[1:] and min(shape[1:3]) > 1:
        return Maps(operation.name, shape[1], shape[2])
    if len(shape) == 3 and None not in shape[1:] and (found := square_of(shape[1])):
        return Maps(operation.name, found[0], found[0], found[1])
    return None


def square_of(tokens: int) -> tuple[int, int] | None:
    """Return the side of the square that tokens make, and how many come before it; None if they make none."""
    for skipped in (0, 1, 2):
        side = isqrt(max(tokens - skipped, 0))
        if side > 1 and side * side == tokens - skipped:
            return side, skipped
    return None


@contextmanager
def _recorded_attention(layers: Sequence[keras.layers.MultiHeadAttention]) -> Iterator[list[tf.Tensor]]:
    """Fill a list with the attention of each layer, (b, heads, tokens, tokens), in the order in which they are called."""
    found: list[tf.Tensor] = []

    def recording(compute: Callable[..., Any]) -> Callable[..., Any]:
        def computed(
            query: Any, key: Any, value: Any, mask: Any = None, training: Any = None, *_: Any, **rest: Any
        ) -> Any:
            rest.pop("return_attention_scores", None)
            output, scores = compute(query, key, value, mask, training, return_attention_scores=True, **rest)
            found.append(scores)
            return output, scores

        return computed

    for layer in layers:
        layer._compute_attention = recording(layer._compute_attention)  # which Keras lets users override
    try:
        yield found
    finally:
        for layer in layers:
            del layer._compute_attention


def _scores(output: keras.KerasTensor) -> tuple[keras.KerasTensor, Callable[[tf.Tensor], tf.Tensor]]:
    """Return the tensor before the last activation and what makes logits of it: probabilities of 1 have no gradient."""
    layer = output._keras_history.operation
    one = output.shape[-1] == 1
    if isinstance(layer, keras.layers.Dense) and layer.activation in (
        keras.activations.softmax,
        keras.activations.sigmoid,
    ):
        kernel, bias = layer.kernel, layer.bias

        def logits(features: tf.Tensor) -> tf.Tensor:
            found = tf.cast(features, tf.float32) @ tf.convert_to_tensor(kernel)
            found = found if bias is None else found + tf.convert_to_tensor(bias)
            return tf.concat([-found, found], axis=1) if one else found

        return layer.input, logits

    def logarithms(probabilities: tf.Tensor) -> tf.Tensor:
        found = tf.cast(probabilities, tf.float32)
        found = tf.concat([1 - found, found], axis=1) if one else found
        return tf.math.log(tf.maximum(found, 1e-12))

    return output, logarithms


def _sides(boxes: tf.Tensor) -> tf.Tensor:
    """Return float32 (b, 8), the sides of boxes and their negatives: what moves a side either way counts."""
    boxes = tf.cast(boxes, tf.float32)
    return tf.concat([boxes, -boxes], axis=1)

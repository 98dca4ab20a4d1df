"""A model split in two: the frozen part, whose output for an image never changes, and the part that is trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from tfvision.models.heads.heads import HEAD

if TYPE_CHECKING:
    import keras

# An earlier cut must be crossed by at most this share of the numbers to be worth computing one more operation with
# weights in every epoch.
_WORTH = 0.5


@dataclass(frozen=True)
class Cut:
    """The place where a model is split, before the first of its operations that is trainable at the time.

    Trunk and tail are made of the model's own operations and share its variables: training the tail trains the
    model, and saving the model saves what was trained.

    Attributes:
        model: The whole.
        tensors: Outputs of the trunk and inputs of the tail, `(batch, ...)` each; several if the cut crosses branches.
        frozen_layers: Number of the model's layers before the cut, input and preprocessing included.
        last: Name of the last operation before the cut.
    """

    model: "keras.Model"
    tensors: "tuple[keras.KerasTensor, ...]"
    frozen_layers: int
    last: str

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of each tensor for one image."""
        return tuple(tuple(tensor.shape[1:]) for tensor in self.tensors)

    @property
    def values(self) -> int:
        """How many numbers cross the cut for one image."""
        return _values(self.tensors)

    @cached_property
    def trunk(self) -> "keras.Model":
        """The frozen part: pixels in, a list of tensors out; to be called with `training=False`."""
        import keras

        return keras.Model(self.model.input, list(self.tensors), name=f"{self.model.name}_trunk")

    @cached_property
    def tail(self) -> "keras.Model":
        """The rest: a list of the trunk's tensors in, the model's output out."""
        import keras

        # Keras replaces the intermediate tensors by inputs and calls the same layers on them.
        return keras.Model(list(self.tensors), self.model.output, name=f"{self.model.name}_tail")

    @cached_property
    def joined(self) -> "keras.Model":
        """Trunk and tail in sequence, the trunk in inference mode even under `fit`; not meant to be saved."""
        return _join(self.trunk, self.tail)


def cut_model(model: "keras.Model") -> Cut | None:
    """Find where a functional model can be split into a frozen trunk and a trainable tail.

    The cut lies before the first operation, from input to output, that has trainable variables; dropout that the
    head applies to the trunk's features belongs to the tail. If at most half as many numbers cross one operation
    earlier (ConvNeXt's residual branches: one tensor instead of two), the cut lies there.

    The trunk runs in inference mode: dropout, drop-connect and stochastic depth between frozen layers are off, where
    `fit` on the whole model would leave EfficientNet's active.

    Args:
        model: A flat functional model; `trainable` is read as it is now.

    Returns:
        The cut, or None if nothing with weights is frozen before the first trainable operation, or nothing is
        trainable.
    """
    operations = [operation for operation in model.operations]  # depth first: parents come before their children
    first = next((place for place, each in enumerate(operations) if _is_open(each)), None)
    if first is None:
        return None
    first = _before_dropout(operations, first)
    if not any(operation.weights for operation in _layers(operations[:first])):
        return None
    place = _smallest(operations, first)
    before = operations[:place]
    layers = set(map(id, model.layers))
    frozen = sum(id(operation) in layers for operation in before)
    return Cut(model, _crossing(operations, place), frozen, before[-1].name)


def describe_cut(cut: Cut) -> str:
    """Return how much of a model lies before a cut: `trunk: 147 of 154 layers frozen`."""
    return f"trunk: {cut.frozen_layers} of {len(cut.model.layers)} layers frozen"


def _smallest(operations: "Sequence[keras.Operation]", first: int) -> int:
    """Return `first`, or the index of an earlier operation before which far fewer numbers cross."""
    best, fewest = first, _values(_crossing(operations, first)) * _WORTH
    recomputed = 0
    for place in range(first - 1, 0, -1):
        operation = operations[place]
        recomputed += bool(getattr(operation, "weights", None))
        # A random operation would be active in the tail, which runs in training mode.
        if recomputed > 1 or _is_random(operation):
            break
        tensors = _crossing(operations, place)
        if _values(tensors) <= fewest and any(each.weights for each in _layers(operations[:place])):
            best, fewest = place, _values(tensors) * (1 - 1e-9)
    return best


def _crossing(operations: "Sequence[keras.Operation]", place: int) -> "tuple[keras.KerasTensor, ...]":
    """Return the tensors that the operations from index `place` on take from those before it."""
    before = {id(operation) for operation in operations[:place]}
    tensors = {}
    for operation in operations[place:]:
        for tensor in _inputs(operation):
            if id(tensor._keras_history.operation) in before:
                tensors[id(tensor)] = tensor
    return tuple(tensors.values())


def _inputs(operation: "keras.Operation") -> "list[keras.KerasTensor]":
    # The first node is the call that built the model; later ones come from cuts like this one.
    return operation._inbound_nodes[0].input_tensors


def _before_dropout(operations: "Sequence[keras.Operation]", first: int) -> int:
    """Return the index of a dropout of features between the last frozen weights and `first`, else `first`."""
    place = first
    while place > 0 and not getattr(operations[place - 1], "weights", None):
        place -= 1
    for earlier in range(place, first):
        operation = operations[earlier]
        # Whoever built the head, dropout on a vector, not on feature maps, belongs to it.
        if _is_random(operation) and (operation.name.startswith(HEAD) or len(operation.output.shape) == 2):
            return earlier
    return first


def _is_open(operation: "keras.Operation") -> bool:
    if getattr(operation, "trainable_variables", None):
        return True
    # Without scale and offset it has no variables to train by gradients, but its moving statistics change.
    return type(operation).__name__ == "BatchNormalization" and operation.trainable


def _is_random(operation: "keras.Operation") -> bool:
    """Tell whether an operation draws random numbers when it trains."""
    if type(operation).__name__ == "StochasticDepth":
        return True
    return getattr(operation, "seed_generator", None) is not None


def _layers(operations: "Sequence[keras.Operation]") -> "list[keras.layers.Layer]":
    return [operation for operation in operations if hasattr(operation, "weights")]


def _values(tensors: "Sequence[keras.KerasTensor]") -> int:
    total = 0
    for tensor in tensors:
        size = 1
        for side in tensor.shape[1:]:
            size *= side
        total += size
    return total


def _join(trunk: "keras.Model", tail: "keras.Model") -> "keras.Model":
    import keras

    class Joined(keras.Model):
        """A frozen trunk and what is trained on top of it."""

        def __init__(self) -> None:
            super().__init__(name=tail.name)
            self.trunk, self.tail = trunk, tail

        def call(self, pixels: object, training: bool | None = None) -> object:
            # Set here: a functional model passes on the flag that `fit` sets, whatever it was called with when built.
            return self.tail(self.trunk(pixels, training=False), training=training)

    return Joined()

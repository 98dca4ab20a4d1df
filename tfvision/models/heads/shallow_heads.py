"""Heads of shallow classifiers: what was fitted on features, as arrays, and its graph of stock Keras operations.

This way a random forest is saved, loaded without tfvision, served and exported like any other model; nothing is
pickled.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from tfvision.models.heads.heads import HEAD

if TYPE_CHECKING:
    import keras

_LARGEST_INDEX = 2**24  # float32 counts exactly up to here


class Head(Protocol):
    """A fitted classifier."""

    def graph(self, features: "keras.KerasTensor") -> "keras.KerasTensor":
        """Return probabilities `(batch, K)`, or `(batch, 1)` of the second of two, for features `(batch, d)`."""
        ...


@dataclass(frozen=True, eq=False)
class Scaling:
    """Standardization and, if asked for, principal components: `(x - mean) / scale @ components`.

    Attributes:
        mean: float32 `(d,)`.
        scale: float32 `(d,)`, above 0.
        components: float32 `(d, c)`, or None to keep all features.
    """

    mean: np.ndarray
    scale: np.ndarray
    components: np.ndarray | None = None

    def apply(self, features: np.ndarray) -> np.ndarray:
        """Return the scaled features, float32 `(n, c)`."""
        scaled = (features - self.mean) / self.scale
        return scaled if self.components is None else scaled @ self.components

    def graph(self, features: "keras.KerasTensor") -> "keras.KerasTensor":
        """Add the scaling to the graph of a model; returns its output `(batch, c)`."""
        from keras import layers

        if self.components is not None:
            kernel = self.components / self.scale[:, None]
            return _dense(features, kernel, -self.mean @ kernel, "pca")
        layer = layers.Normalization(dtype="float32", name=f"{HEAD}standardize")
        layer.build(features.shape)
        layer.set_weights([self.mean, self.scale**2, np.zeros(())])
        layer.finalize_state()
        return layer(features)

    def fold(self, kernel: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Fold the scaling into a linear function.

        Args:
            kernel: float `(c, K)`, for scaled features.
            bias: float `(K,)`.

        Returns:
            Kernel `(d, K)` and bias `(K,)` that give the same for features that are not scaled.
        """
        if self.components is not None:
            kernel = self.components @ kernel
        kernel = kernel / self.scale[:, None]
        return kernel, bias - self.mean @ kernel


@dataclass(frozen=True, eq=False)
class LinearHead:
    """Softmax (sigmoid for two classes) of a linear function.

    Attributes:
        kernel: `(d, K)`, or `(d, 1)` for two classes.
        bias: `(K,)` or `(1,)`.
    """

    kernel: np.ndarray
    bias: np.ndarray

    def graph(self, features: "keras.KerasTensor") -> "keras.KerasTensor":
        """See `Head`."""
        activation = "sigmoid" if len(self.bias) == 1 else "softmax"
        return _dense(features, self.kernel, self.bias, "probabilities", activation)


@dataclass(frozen=True, eq=False)
class KernelHead:
    """Softmax of a function that is linear in `exp(-gamma |x - s|^2)` (radial basis functions).

    Attributes:
        support: float32 `(m, d)`, the support vectors s.
        kernel: `(m, K)`, or `(m, 1)` for two classes.
        bias: `(K,)` or `(1,)`.
        gamma: Above 0.
    """

    support: np.ndarray
    kernel: np.ndarray
    bias: np.ndarray
    gamma: float

    def graph(self, features: "keras.KerasTensor") -> "keras.KerasTensor":
        """See `Head`."""
        from keras import ops

        # |x - s|^2 = |x|^2 - 2 x s + |s|^2, so that one matrix product does the work.
        squares = (self.support.astype("float64") ** 2).sum(axis=1)
        near = _dense(features, 2 * self.gamma * self.support.T, -self.gamma * squares, "support")
        near = ops.exp(near - self.gamma * ops.sum(ops.square(features), axis=-1, keepdims=True))
        activation = "sigmoid" if len(self.bias) == 1 else "softmax"
        return _dense(near, self.kernel, self.bias, "scores", activation)


@dataclass(frozen=True, eq=False)
class NeighbourHead:
    """Votes of the nearest points.

    Attributes:
        points: float32 `(n, d)`.
        votes: float32 `(n, K)`, the vote of each point for each class, above 0.
        neighbours: How many points vote.
    """

    points: np.ndarray
    votes: np.ndarray
    neighbours: int

    def graph(self, features: "keras.KerasTensor") -> "keras.KerasTensor":
        """See `Head`."""
        from keras import ops

        # The nearest point has the largest x s - |s|^2 / 2.
        squares = (self.points.astype("float64") ** 2).sum(axis=1)
        nearness = _dense(features, self.points.T, -squares / 2, "points")
        _, nearest = ops.top_k(nearness, self.neighbours)
        votes = ops.sum(_table(nearest, self.votes, "votes"), axis=1)
        return votes / ops.sum(votes, axis=-1, keepdims=True)


@dataclass(frozen=True, eq=False)
class TreeHead:
    """The sum of one value per tree, found by walking down it: probabilities, or logits of them.

    All trees are in one table of N nodes. A node's two children are next to each other; a leaf is its own child.

    Attributes:
        feature: int `(N,)`, the feature that a node tests.
        threshold: float32 `(N,)`; the path goes right if the feature is at least this. The largest float in a leaf.
        child: int `(N,)`, the left child; the right one comes after it.
        values: float32 `(N, K)`; only those of leaves are used.
        roots: int `(T,)`, the first node of each tree.
        depth: Steps from a root to the deepest leaf.
        softmax: Whether the sums are logits.
    """

    feature: np.ndarray
    threshold: np.ndarray
    child: np.ndarray
    values: np.ndarray
    roots: np.ndarray
    depth: int
    softmax: bool

    @property
    def fits(self) -> bool:
        """Whether there are few enough nodes for float32 to tell their numbers apart."""
        return len(self.child) < _LARGEST_INDEX

    def graph(self, features: "keras.KerasTensor") -> "keras.KerasTensor":
        """See `Head`."""
        from keras import layers, ops

        nodes = _table_layer(np.stack([self.feature, self.threshold, self.child], axis=1), "nodes")
        node = ops.cast(_table(ops.zeros_like(features[:, 0], dtype="int32"), self.roots[None], "roots"), "int32")
        for _ in range(self.depth):
            entry = nodes(node)
            asked = ops.take_along_axis(features, ops.cast(entry[..., 0], "int32"), axis=-1)
            right = ops.cast(ops.greater_equal(asked, entry[..., 1]), "float32")
            node = ops.cast(entry[..., 2] + right, "int32")
        total = ops.sum(_table(node, self.values, "leaves"), axis=1)
        return layers.Softmax(dtype="float32", name=f"{HEAD}softmax")(total) if self.softmax else total


def is_stepped(model: "keras.Model") -> bool:
    """Tell whether a model's probabilities jump where a feature crosses a threshold: those of trees and neighbours."""
    return bool({f"{HEAD}nodes", f"{HEAD}points"} & {layer.name for layer in model.layers})


def attach_shallow_head(
    model: "keras.Model", trunk: "keras.Model", head: Head, scaling: Scaling | None
) -> tuple["keras.Model", "keras.Model"]:
    """Put a fitted classifier on a trunk.

    Args:
        model: A classifier with a linear head. A `LinearHead` becomes its output layer, the scaling folded into it.
        trunk: The part of `model` up to its features.
        head: The fitted classifier.
        scaling: The scaling of features before it, if any.

    Returns:
        The whole model, raw pixels in, and the part of it after the features; they share weights.
    """
    import keras

    features = trunk.output
    if isinstance(head, LinearHead):
        kernel, bias = scaling.fold(head.kernel, head.bias) if scaling else (head.kernel, head.bias)
        model.get_layer(f"{HEAD}probabilities").set_weights([kernel.astype("float32"), bias.astype("float32")])
        return model, keras.Model(features, model.output)
    seen = keras.ops.cast(features, "float32")
    probabilities = head.graph(scaling.graph(seen) if scaling else seen)
    whole = keras.Model(model.input, probabilities, name=model.name)
    whole.tfvision_weights = getattr(model, "tfvision_weights", None)
    return whole, keras.Model(features, probabilities)


def _dense(
    inputs: "keras.KerasTensor", kernel: np.ndarray, bias: np.ndarray, name: str, activation: str | None = None
) -> "keras.KerasTensor":
    from keras import layers

    layer = layers.Dense(kernel.shape[1], activation=activation, dtype="float32", name=f"{HEAD}{name}")
    outputs = layer(inputs)
    layer.set_weights([np.asarray(kernel, "float32"), np.asarray(bias, "float32")])
    return outputs


def _table(indexes: "keras.KerasTensor", rows: np.ndarray, name: str) -> "keras.KerasTensor":
    return _table_layer(rows, name)(indexes)


def _table_layer(rows: np.ndarray, name: str) -> "keras.layers.Embedding":
    """Return a layer that looks rows up by their index."""
    from keras import layers

    layer = layers.Embedding(*rows.shape, dtype="float32", name=f"{HEAD}{name}")
    layer.build()
    layer.set_weights([np.asarray(rows, "float32")])
    return layer

"""Combination: from the probabilities of several models to those of their ensemble."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

from tfvision.errors import worded
from tfvision.models.decision import log_probabilities, softmax

Kind = Literal["vote", "mean", "geometric", "stack"]


@dataclass(frozen=True)
class Combination:
    """How the probabilities of `m` models for `K` classes become those of the ensemble.

    Attributes:
        kind: `vote`: the share of the models that find a class the most probable, ties by the summed probability
            (Hansen and Salamon, 1990, Neural network ensembles). `mean`: the weighted mean. `geometric`: the softmax of
            the weighted mean of log-probabilities (Hinton, 1999, Products of experts). `stack`: the softmax of a linear
            function of all log-probabilities (Wolpert, 1992, Stacked generalization).
        weights: `m` numbers from 0 to 1 that sum to 1. A model of weight 0 does not count.
        coefficients: For `stack`, `m * K` rows of `K` numbers: the classes of the first model come first.
        intercepts: For `stack`, `K` numbers.

    Raises:
        ValueError: The numbers do not have these shapes, or are not finite.
    """

    kind: Kind
    weights: tuple[float, ...]
    coefficients: tuple[tuple[float, ...], ...] = ()
    intercepts: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        weights = np.array(self.weights, np.float64)
        if self.kind not in get_args(Kind) or not len(weights) or not np.isfinite(weights).all():
            raise ValueError(f"a combination {worded(self.kind)} of the weights {worded(self.weights)}")
        if (weights < 0).any() or not np.isclose(weights.sum(), 1):
            raise ValueError(f"weights {worded(self.weights)}; expected numbers from 0 to 1 that sum to 1")
        if self.kind == "stack":
            self._check_stack()

    def _check_stack(self) -> None:
        rows, columns = len(self.weights) * len(self.intercepts), len(self.intercepts)
        numbers = np.array([*self.coefficients, self.intercepts], np.float64)
        if numbers.shape != (rows + 1, columns) or not np.isfinite(numbers).all():
            raise ValueError(f"{len(self.coefficients)} coefficients for {len(self.weights)} models, {columns} classes")

    @classmethod
    def equal(cls, kind: Kind, models: int) -> "Combination":
        """Return a combination in which all models count the same."""
        return cls(kind, (1 / models,) * models)

    @classmethod
    def single(cls, model: int, models: int) -> "Combination":
        """Return the one of several models at index `model` alone."""
        return cls("mean", tuple(float(index == model) for index in range(models)))

    def combine(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the probabilities of the ensemble.

        Args:
            probabilities: float (m, n, K) in 0..1; each row sums to 1.

        Returns:
            float64 (n, K); each row sums to 1.
        """
        given = np.asarray(probabilities, np.float64)
        weights = np.array(self.weights)
        if self.kind == "vote":
            return _votes(given, weights)
        if self.kind == "mean":
            return np.tensordot(weights, given, axes=1)
        logs = np.stack([log_probabilities(each) for each in given])
        if self.kind == "geometric":
            return softmax(np.tensordot(weights, logs, axes=1))
        return softmax(stack_features(logs) @ np.array(self.coefficients) + np.array(self.intercepts))

    def counted(self) -> list[int]:
        """Return the indexes of the models that count."""
        return [index for index, weight in enumerate(self.weights) if weight > 0]

    def only(self, models: Sequence[int]) -> "Combination":
        """Return the combination of some of the models: those that count, or all of a stack."""
        return self if self.kind == "stack" else replace(self, weights=tuple(self.weights[index] for index in models))

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        found: dict[str, Any] = {"kind": self.kind, "weights": list(self.weights)}
        if self.kind == "stack":
            found |= {"coefficients": [list(row) for row in self.coefficients], "intercepts": list(self.intercepts)}
        return found

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Combination":
        """Make the combination that `to_dict` wrote.

        Args:
            values: Its fields.

        Returns:
            The combination.

        Raises:
            ValueError: It is not what `to_dict` writes.
        """
        try:
            return cls(
                values["kind"],
                _numbers(values["weights"]),
                tuple(_numbers(row) for row in values.get("coefficients", ())),
                _numbers(values.get("intercepts", ())),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"{error} where kind and weights of a combination are expected") from None


def stack_features(logs: np.ndarray) -> np.ndarray:
    """Return the log-probabilities (m, n, K) of all models side by side, (n, m * K)."""
    return np.concatenate(list(logs), axis=1)


def _votes(probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the share of the votes; the mean probability adds at most half a vote, which breaks ties only."""
    models, _, classes = probabilities.shape
    votes = np.tensordot(weights, np.eye(classes)[probabilities.argmax(axis=2)], axes=1) * models
    return (votes + np.tensordot(weights, probabilities, axes=1) / 2) / (models + 0.5)


def _numbers(values: Sequence[Any]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)

"""Objectives: what a threshold or offsets are chosen for, as the user writes it."""

import math
import re
from dataclasses import dataclass

import numpy as np

from tfvision.errors import UsageError, nearest
from tfvision.evaluation.scores import count_classes, count_scores

_KINDS = ("f1", "f1_macro", "precision=0.9", "cost=FP:1,FN:5")


@dataclass(frozen=True)
class Objective:
    """What is made as high as possible on validation.

    Attributes:
        text: As the user wrote it.
        kind: `f1` (of the positive class), `f1_macro`, `precision` (the highest recall at it) or `cost`.
        precision: The precision that is wanted, over 0 to 1.
        false_positive, false_negative: What one costs.
    """

    text: str
    kind: str
    precision: float = 0.0
    false_positive: float = 1.0
    false_negative: float = 1.0

    def score(self, labels: np.ndarray, predicted: np.ndarray, num_classes: int) -> float:
        """Return how good classes are, higher being better.

        Args:
            labels: int (n,).
            predicted: int (n,).
            num_classes: K.
        """
        if self.kind == "cost":
            false_positives = np.sum((labels == 0) & (predicted == 1))
            false_negatives = np.sum((labels == 1) & (predicted == 0))
            cost = self.false_positive * false_positives + self.false_negative * false_negatives
            return float(-cost / len(labels))
        counts = count_classes(labels, predicted, num_classes, np.ones((len(labels), 1)))
        return float(counts.f1[0, 1] if self.kind == "f1" else count_scores(counts)["f1_macro"][0])

    @property
    def costs(self) -> tuple[float, float] | None:
        """What a false positive and a false negative cost, where that is the objective."""
        return (self.false_positive, self.false_negative) if self.kind == "cost" else None

    @property
    def prior(self) -> float:
        """The offset of the second of two classes that is right where the probabilities are true.

        A cost asks for p(positive) >= FP / (FP + FN) (Elkan, "The Foundations of Cost-Sensitive Learning", IJCAI 2001).
        """
        return math.log(self.false_negative / self.false_positive) if self.kind == "cost" else 0.0


def parse_objective(text: str, num_classes: int) -> Objective:
    """Read an objective: `f1`, `f1_macro`, `precision=0.9` or `cost=FP:1,FN:5`; `f1` of several classes is macro-F1.

    Raises:
        UsageError: It is none of them, a number is out of range, or it needs two classes and there are more.
    """
    name, _, value = text.partition("=")
    if name not in ("f1", "f1_macro", "precision", "cost") or bool(value) != (name in ("precision", "cost")):
        raise UsageError(f"objective {text!r}{nearest(text, _KINDS)}; expected one such as {', '.join(_KINDS)}")
    if name in ("precision", "cost") and num_classes != 2:
        raise UsageError(f"objective {text!r} is of two classes, this run has {num_classes}; use f1")
    if name == "precision":
        return Objective(text, name, precision=_precision(value, text))
    if name == "cost":
        found = re.fullmatch(r"FP:([0-9.eE+-]+),FN:([0-9.eE+-]+)", value)
        costs = [_number(number) for number in found.groups()] if found else []
        if not costs or not all(0 < cost < math.inf for cost in costs):
            raise UsageError(f"objective {text!r}; expected two costs above 0, such as cost=FP:1,FN:5")
        return Objective(text, name, false_positive=costs[0], false_negative=costs[1])
    return Objective(text, "f1" if name == "f1" and num_classes == 2 else "f1_macro")


def _precision(text: str, objective: str) -> float:
    value = _number(text)
    if not 0 < value <= 1:
        raise UsageError(f"objective {objective!r}; expected a precision over 0, at most 1, such as precision=0.9")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan

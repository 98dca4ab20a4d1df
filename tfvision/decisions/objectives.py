"""Objectives: what a threshold or offsets are chosen to maximize, as the user writes it."""

import math
import re
from dataclasses import dataclass

import numpy as np

from tfvision.errors import UsageError, nearest, worded
from tfvision.evaluation.scores import count_classes, count_scores

_KINDS = ("f1", "f1_macro", "precision=0.9", "cost=FP:1,FN:5")


@dataclass(frozen=True)
class Objective:
    """What is maximized on validation.

    Attributes:
        text: As the user wrote it.
        kind: `f1` (of the positive class), `f1_macro`, `precision` (the highest recall at that precision) or `cost`.
        precision: The precision asked for, above 0 and at most 1.
        false_positive, false_negative: The cost of one.
    """

    text: str
    kind: str
    precision: float = 0.0
    false_positive: float = 1.0
    false_negative: float = 1.0

    def score(self, labels: np.ndarray, predicted: np.ndarray, num_classes: int) -> float:
        """Score predicted classes by the objective.

        Args:
            labels: int (n,) in 0..K-1.
            predicted: int (n,) in 0..K-1.
            num_classes: K.

        Returns:
            The score; higher is better, so a cost is negated.
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
        """The cost of a false positive and of a false negative; None for other objectives."""
        return (self.false_positive, self.false_negative) if self.kind == "cost" else None

    @property
    def prior(self) -> float:
        """The best offset of the second of two classes if the probabilities are perfectly calibrated.

        Minimizing a cost asks for p(positive) >= FP / (FP + FN) (Elkan, "The Foundations of Cost-Sensitive Learning",
        IJCAI 2001).
        """
        return math.log(self.false_negative / self.false_positive) if self.kind == "cost" else 0.0


def parse_objective(text: str, num_classes: int) -> Objective:
    """Parse an objective.

    Args:
        text: `f1`, `f1_macro`, `precision=0.9` or `cost=FP:1,FN:5`; with more than two classes `f1` means macro-F1.
        num_classes: Number of classes, at least 2.

    Returns:
        The objective.

    Raises:
        UsageError: It is none of these, a number is out of range, or it needs two classes and there are more.
    """
    name, _, value = text.partition("=")
    if name not in ("f1", "f1_macro", "precision", "cost") or bool(value) != (name in ("precision", "cost")):
        raise UsageError(f"objective {worded(text)}{nearest(text, _KINDS)}; expected one such as {', '.join(_KINDS)}")
    if name in ("precision", "cost") and num_classes != 2:
        raise UsageError(f"objective {worded(text)} is for runs of two classes, this run has {num_classes}; use f1")
    if name == "precision":
        return Objective(text, name, precision=_precision(value, text))
    if name == "cost":
        found = re.fullmatch(r"FP:([0-9.eE+-]+),FN:([0-9.eE+-]+)", value)
        costs = [_number(number) for number in found.groups()] if found else []
        if not costs or not all(0 < cost < math.inf for cost in costs):
            raise UsageError(f"objective {worded(text)}; expected two costs above 0, such as cost=FP:1,FN:5")
        return Objective(text, name, false_positive=costs[0], false_negative=costs[1])
    return Objective(text, "f1" if name == "f1" and num_classes == 2 else "f1_macro")


def _precision(text: str, objective: str) -> float:
    value = _number(text)
    if not 0 < value <= 1:
        raise UsageError(
            f"objective {worded(objective)}; expected a precision over 0, at most 1, such as precision=0.9"
        )
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan

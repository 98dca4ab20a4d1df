"""What a classifier is fitted on, and how the candidates for its one free option are compared."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from tfvision.evaluation.predictions import class_probabilities
from tfvision.evaluation.score_names import COLUMNS, goodness
from tfvision.evaluation.scores import weighted_scores
from tfvision.models.heads.shallow_heads import Head
from tfvision.system.terminal import console
from tfvision.training.options import ShallowOptions

_PATIENCE = (
    2  # so many candidates in a row that are no better end the search: later ones regularize less and take longer
)

_Value = TypeVar("_Value", int, float)  # of the free option


@dataclass(frozen=True, eq=False)
class Problem:
    """Training and validation features with their labels, never those of the test part.

    Attributes:
        features: float32 `(n, d)`, of the training images, scaled where the classifier asks for it.
        labels: int `(n,)`.
        weights: float `(n,)`, the weight of each image, or None.
        validation: float32 `(m, d)`.
        validation_labels: int `(m,)`.
        num_classes: K.
        options: The options of shallow classifiers.
        seed: Seed of all random draws.
        monitor: The validation score that chooses: `val_loss`, `val_accuracy` or `val_f1`.
    """

    features: np.ndarray
    labels: np.ndarray
    weights: np.ndarray | None
    validation: np.ndarray
    validation_labels: np.ndarray
    num_classes: int
    options: ShallowOptions
    seed: int
    monitor: str

    def scores(self, probabilities: np.ndarray) -> dict[str, float]:
        """Return log loss, accuracy and F1 (macro; for two classes, of the positive one) on validation."""
        found = weighted_scores(self.validation_labels, probabilities, np.ones((len(probabilities), 1)))
        known = {column.name: [name for name in column.scores if name in found] for column in COLUMNS.values()}
        return {f"val_{column}": float(found[names[0]][0]) for column, names in known.items() if names}

    def goodness(self, scores: dict[str, float]) -> tuple[float, float]:
        """Return the monitored score, higher being better; of equal accuracies the lower log loss is better.

        Accuracy alone does not change while a strong penalty makes all images one class: the search would end there.
        """
        return goodness(self.monitor, scores[self.monitor]), goodness("val_loss", scores["val_loss"])


@dataclass(frozen=True, eq=False)
class Candidate:
    """A fitted classifier.

    Attributes:
        head: Its arrays.
        probabilities: float `(m, K)` that the library itself gives for the validation images.
        options: The options it was fitted with, under their names in `ShallowOptions`.
        note: Further remarks on how it was fitted.
    """

    head: Head
    probabilities: np.ndarray
    options: dict[str, float] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, eq=False)
class Fitted:
    """The chosen candidate, and all that were tried.

    Attributes:
        best: The chosen one.
        tried: Options and validation scores of each candidate, in order.
    """

    best: Candidate
    tried: list[dict[str, float]]


def choose_candidate(problem: Problem, candidates: Sequence[_Value], fit: Callable[[_Value], Candidate]) -> Fitted:
    """Fit one candidate after the other and keep the best by validation; of equal ones the first.

    Args:
        problem: Features and labels.
        candidates: Values of one option, from strongly regularized and fast to weakly regularized and slow.
        fit: Fits one of them.

    Returns:
        The best candidate, and all that were tried.
    """
    best: Candidate | None = None
    best_score, tried, worse = (-np.inf, -np.inf), [], 0
    for value in candidates:
        candidate = fit(value)
        scores = problem.scores(class_probabilities(candidate.probabilities, problem.num_classes))
        tried.append({**candidate.options, **scores})
        shown = "  ".join(f"{name} {option:g}" for name, option in candidate.options.items())
        console.print(f"  {shown:<24}  validation: " + "  ".join(f"{k[4:]} {v:.4f}" for k, v in scores.items()))
        if best is None or problem.goodness(scores) > best_score:
            best, best_score, worse = candidate, problem.goodness(scores), 0
        else:
            worse += 1
        if worse == _PATIENCE:
            break
    assert best is not None, "there is at least one candidate"
    return Fitted(best, tried)

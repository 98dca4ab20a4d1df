"""The rules by which members are combined: one row each."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tfvision.ensembles.objective import Goodness
from tfvision.ensembles.stacking import fit_stack
from tfvision.ensembles.weights import fit_accuracy, fit_greedy, fit_log_loss
from tfvision.models.combination import Combination

STACK_IMAGES = 400  # with 60 validation images stacking cost 6 points of accuracy, at worst 22
BEST_MEMBER = "best"


@dataclass(frozen=True)
class Learned:
    """What a rule learns from: the members' answers on validation images.

    Attributes:
        probabilities: float64 (m, n, K).
        labels: int64 (n,).
        goodness: What is maximized where a rule maximizes something.
        seed: Seed of what is drawn.
    """

    probabilities: np.ndarray
    labels: np.ndarray
    goodness: Goodness
    seed: int = 0

    @property
    def models(self) -> int:
        """How many members there are."""
        return len(self.probabilities)

    def select(self, rows: np.ndarray) -> "Learned":
        """Return the same of some images."""
        return Learned(self.probabilities[:, rows], self.labels[rows], self.goodness, self.seed)


@dataclass(frozen=True)
class Rule:
    """A way to combine members.

    Attributes:
        words: What it does, in a line.
        fit: Fits it.
        learns: Whether it learns from validation images more than which member is best.
    """

    words: str
    fit: Callable[[Learned], Combination]
    learns: bool = True


def best_member(given: Learned) -> int:
    """Return the index of the member that is best alone, the first of equals."""
    return max(
        range(given.models), key=lambda index: (given.goodness(given.probabilities[index], given.labels), -index)
    )


def _fit_best(given: Learned) -> Combination:
    return Combination.single(best_member(given), given.models)


RULES = {
    BEST_MEMBER: Rule("the best member alone", _fit_best),
    "vote": Rule(
        "majority vote, ties by summed probability", lambda given: Combination.equal("vote", given.models), learns=False
    ),
    "mean": Rule("mean probability", lambda given: Combination.equal("mean", given.models), learns=False),
    "geometric": Rule(
        "geometric mean of probabilities", lambda given: Combination.equal("geometric", given.models), learns=False
    ),
    "weighted": Rule("weighted mean, for log loss", lambda given: fit_log_loss(given.probabilities, given.labels)),
    "weighted_accuracy": Rule(
        "weighted mean, for accuracy", lambda given: fit_accuracy(given.probabilities, given.labels)
    ),
    "greedy": Rule(
        "greedy selection with replacement", lambda given: fit_greedy(given.probabilities, given.labels, given.goodness)
    ),
    "stack": Rule(
        "logistic regression on log-probabilities", lambda given: fit_stack(given.probabilities, given.labels)
    ),
}


def why_skipped(rule: str, labels: np.ndarray, num_classes: int) -> str:
    """Return why a rule cannot be fitted on validation images of classes `labels` (n,), or nothing."""
    if rule != "stack":
        return ""
    if len(labels) < STACK_IMAGES:
        return f"{len(labels):,} validation images are too few for stacking, which needs {STACK_IMAGES}"
    fewest = int(np.bincount(labels, minlength=num_classes).min())
    return f"a class has {fewest} validation images, and stacking needs 2 of each" if fewest < 2 else ""

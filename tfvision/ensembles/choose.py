"""Choosing the rule inside the validation part, by cross-validation."""

from dataclasses import dataclass

import numpy as np

from tfvision.ensembles.objective import score
from tfvision.ensembles.options import ObjectiveName
from tfvision.ensembles.rules import RULES, Learned, why_skipped
from tfvision.models.combination import Combination

FOLDS, REPEATS = 5, 4


@dataclass(frozen=True)
class FittedRule:
    """A rule, fitted on the validation part.

    Attributes:
        rule: Its name in `RULES`.
        combination: As fitted on all validation images.
        expected: The brief scores by cross-validation inside the validation part: each image was scored by a
            combination that had not learned from it.
    """

    rule: str
    combination: Combination
    expected: dict[str, float]


def fit_rules(given: Learned, rules: list[str]) -> tuple[list[FittedRule], dict[str, str]]:
    """Fit rules on the validation images, and score each by repeated stratified cross-validation inside them.

    Args:
        given: The answers of the members on validation images.
        rules: Names of rules.

    Returns:
        The candidates, and for each rule that was skipped the reason.
    """
    skipped = {rule: why for rule in rules if (why := why_skipped(rule, given.labels, given.probabilities.shape[2]))}
    fitted = [rule for rule in rules if rule not in skipped]
    found = [FittedRule(rule, RULES[rule].fit(given), _expected(given, rule)) for rule in fitted]
    return found, skipped


def choose_rule(candidates: list[FittedRule], objective: ObjectiveName) -> FittedRule:
    """Return the candidate with the best expected score; of equals the one of less log loss, then the simplest.

    Args:
        candidates: In the order of `RULES`, which is from simple to elaborate.
        objective: The score to go by.

    Returns:
        One of them.
    """
    sign = -1.0 if objective == "log_loss" else 1.0
    return max(candidates, key=lambda each: (sign * each.expected[objective], -each.expected["log_loss"]))


def _expected(given: Learned, rule: str) -> dict[str, float]:
    """Return the mean of each brief score over the repetitions; rules that learn nothing need none."""
    if not RULES[rule].learns:
        return score(RULES[rule].fit(given).combine(given.probabilities), given.labels)
    found = [score(_out_of_fold(given, rule, repeat), given.labels) for repeat in range(REPEATS)]
    return {name: float(np.mean([each[name] for each in found])) for name in found[0]}


def _out_of_fold(given: Learned, rule: str, repeat: int) -> np.ndarray:
    """Return the probabilities (n, K) of each image by a combination that was fitted without its fold."""
    fold = _folds(given.labels, np.random.default_rng([given.seed, repeat]))
    answers = np.empty(given.probabilities.shape[1:])
    for number in range(FOLDS):
        combination = RULES[rule].fit(given.select(np.flatnonzero(fold != number)))
        answers[fold == number] = combination.combine(given.probabilities[:, fold == number])
    return answers


def _folds(labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return the fold of each image, int (n,): each class is spread evenly over them."""
    fold = np.empty(len(labels), np.int64)
    start = 0  # so that small classes do not all begin in the same fold
    for label in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == label))
        fold[rows] = (start + np.arange(len(rows))) % FOLDS
        start += len(rows)
    return fold

"""What the rules of an ensemble are chosen for, as one number of which more is better."""

from collections.abc import Callable

import numpy as np

from tfvision.ensembles.options import ObjectiveName
from tfvision.evaluation.score_names import brief_scores, lower_is_better
from tfvision.evaluation.scores import weighted_scores

Goodness = Callable[[np.ndarray, np.ndarray], tuple[float, float]]


def make_objective(name: ObjectiveName) -> Goodness:
    """Return a function from probabilities (n, K) and labels (n,) to how good they are.

    Args:
        name: One of the brief scores.

    Returns:
        The function. Its tuples compare as the score does, more being better; where it is equal, less log loss is better.
    """
    sign = -1.0 if lower_is_better(name) else 1.0

    def goodness(probabilities: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
        loss = log_loss(probabilities, labels)
        if name == "log_loss":
            return -loss, -loss
        if name == "accuracy":  # called thousands of times
            return float((probabilities.argmax(axis=1) == labels).mean()), -loss
        return sign * score(probabilities, labels)[name], -loss

    return goodness


def score(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return the brief scores of probabilities (n, K) for images of classes `labels` (n,)."""
    names, ones = brief_scores(), np.ones((len(labels), 1))
    found = weighted_scores(labels, probabilities, ones, probabilities.argmax(axis=1), only=names)
    return {each.name: float(found[each.name][0]) for each in names}


def log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean of -ln p(true class), p at least 2.2e-16."""
    truth = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(truth, np.finfo(np.float64).eps)).mean())

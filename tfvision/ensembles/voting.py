"""Votes of several models on the same images (Hansen and Salamon, 1990, Neural network ensembles)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from tfvision.evaluation.predictions import Predictions


def vote_mean(probabilities: np.ndarray) -> np.ndarray:
    """Return the mean probability of each class.

    Args:
        probabilities: float (models, n, K) in 0..1.

    Returns:
        float64 (n, K); each row sums to 1 if those of the models do.
    """
    return probabilities.mean(axis=0, dtype=np.float64)


def vote_majority(probabilities: np.ndarray) -> np.ndarray:
    """Return for each class the share of the models that find it the most probable.

    The mean probability breaks ties: it adds at most half a vote to each class.

    Args:
        probabilities: float (models, n, K) in 0..1.

    Returns:
        float64 (n, K); each row sums to 1 if those of the models do.
    """
    models, _, classes = probabilities.shape
    votes = np.eye(classes)[probabilities.argmax(axis=2)].sum(axis=0)
    return (votes + vote_mean(probabilities) / 2) / (models + 0.5)


VOTING_RULES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {"majority": vote_majority, "mean": vote_mean}


def vote(predictions: Sequence[Predictions]) -> dict[str, Predictions]:
    """Let models vote on images that they were not trained on.

    Args:
        predictions: The predictions of each model, for the same images and classes in the same order.

    Returns:
        Voting rule, `majority` or `mean`, to its predictions, whose part is the name of the rule.

    Raises:
        ValueError: The images or classes differ.
    """
    first = predictions[0]
    if any((one.ids, one.class_names) != (first.ids, first.class_names) for one in predictions):
        raise ValueError("models can only vote on the same images of the same classes")
    probabilities = np.stack([one.probabilities for one in predictions])
    return {
        kind: replace(first, probabilities=combine(probabilities), decided=None).called(kind)
        for kind, combine in VOTING_RULES.items()
    }

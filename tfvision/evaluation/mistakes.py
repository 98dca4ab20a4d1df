"""Mistakes: the wrong predictions a person should look at first."""

import numpy as np

from tfvision.evaluation.predictions import Predictions


def worst_mistakes(predictions: Predictions, k: int = 16) -> list[int]:
    """Return the rows of the wrong predictions the model was most confident of.

    Args:
        predictions: Class predictions; unlabelled images are ignored.
        k: The most rows to return.

    Returns:
        Row numbers, at most `k`, the most confident mistake first.
    """
    predicted = predictions.predicted
    wrong = np.flatnonzero((predictions.labels >= 0) & (predictions.labels != predicted))
    confidence = predictions.probabilities[wrong, predicted[wrong]]
    return wrong[np.argsort(-confidence, kind="stable")][:k].tolist()

"""Mistakes: the wrong predictions a person should look at first."""

import numpy as np

from tfvision.evaluation.predictions import Predictions


def worst_mistakes(predictions: Predictions, k: int = 16) -> list[int]:
    """Return the rows of at most `k` wrong predictions, the most confident first; unlabelled images never count."""
    predicted = predictions.predicted
    wrong = np.flatnonzero((predictions.labels >= 0) & (predictions.labels != predicted))
    confidence = predictions.probabilities[wrong, predicted[wrong]]
    return wrong[np.argsort(-confidence, kind="stable")][:k].tolist()

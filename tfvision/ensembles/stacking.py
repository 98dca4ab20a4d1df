"""Stacking: a linear model on the log-probabilities of all members."""

import numpy as np

from tfvision.models.combination import Combination, stack_features
from tfvision.models.decision import log_probabilities

_STRENGTH = 0.1  # inverse of the L2 penalty, on logarithms that reach from -14 to 0
_LEAST = 1e-6  # a member that is surer than this tells nothing more


def fit_stack(probabilities: np.ndarray, labels: np.ndarray) -> Combination:
    """Fit a logistic regression on the log-probabilities (Wolpert, 1992; Ting and Witten, 1999).

    Args:
        probabilities: float (m, n, K) of each member.
        labels: int (n,) in 0..K-1; every class must be there.

    Returns:
        The stack.
    """
    from sklearn.linear_model import LogisticRegression

    models, _, classes = probabilities.shape
    logs = np.stack([log_probabilities(np.maximum(each, _LEAST)) for each in probabilities])
    model = LogisticRegression(C=_STRENGTH, tol=1e-3, max_iter=1000).fit(stack_features(logs), labels)
    coefficients, intercepts = model.coef_.T, model.intercept_
    if classes == 2:  # one column, for the second class
        coefficients = np.concatenate([np.zeros_like(coefficients), coefficients], axis=1)
        intercepts = np.concatenate([[0.0], intercepts])
    rows = tuple(tuple(float(number) for number in row) for row in coefficients)
    return Combination("stack", (1 / models,) * models, rows, tuple(float(number) for number in intercepts))

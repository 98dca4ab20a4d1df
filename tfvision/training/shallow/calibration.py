"""From decision values to probabilities, by one number."""

import numpy as np

_RANGE = (-12.0, 12.0)  # of the logarithm of the scale


def apply_temperature(scores: np.ndarray, scale: float) -> np.ndarray:
    """Return softmax (sigmoid for one column) of `scale * scores`.

    Args:
        scores: float `(m, K)`, or `(m, 1)` for two classes.
        scale: Above 0, so that the largest score stays the largest.

    Returns:
        float `(m, K)`, or `(m, 1)`.
    """
    from scipy.special import expit, softmax

    return expit(scale * scores) if scores.shape[1] == 1 else softmax(scale * scores, axis=1)


def fit_scale(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the scale whose probabilities have the least log loss (Guo et al., ICML 2017); no class changes.

    The labels are softened as if by one more image of each class (Platt, "Probabilistic Outputs for Support Vector
    Machines", 1999), so that the few images of a small validation part, all on the right side, do not mean certainty.

    Args:
        scores: float `(m, K)`, or `(m, 1)` for two classes; decision values of the validation images.
        labels: int `(m,)`.

    Returns:
        The scale, above 0.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    classes = max(2, scores.shape[1])
    counts = np.bincount(labels, minlength=classes)[labels, None]
    targets = (np.eye(classes)[labels] * counts + 1) / (counts + classes)
    both = np.concatenate([np.zeros_like(scores), scores], axis=1) if scores.shape[1] == 1 else scores

    def loss(log_scale: float) -> float:
        return -(targets * log_softmax(np.exp(log_scale) * both, axis=1)).sum(axis=1).mean()

    # The loss is convex in the scale, so it has one valley in its logarithm too.
    return float(np.exp(minimize_scalar(loss, bounds=_RANGE, method="bounded").x))

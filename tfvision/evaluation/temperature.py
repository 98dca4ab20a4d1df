"""Temperature scaling: one number that makes probabilities mean what they say."""

import numpy as np

from tfvision.models.decision import log_probabilities, softmax

_HIGHEST = 20.0


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature of least log loss (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017).

    Logits are recovered from the probabilities: softmax forgets nothing but a constant, which changes nothing. The
    logarithm of the temperature is drawn towards 0 as by one image's worth of a normal prior of deviation 1: of some
    hundred images it changes nothing to speak of, and where all of a few images are right, which would ask for
    the temperature 0, it keeps the answer finite.

    Args:
        probabilities: float (n, K), what the model gives on validation.
        labels: int (n,) in 0..K-1.

    Returns:
        A number from 0.05 to 20; above 1 where the model is too sure of itself.
    """
    from scipy.optimize import minimize_scalar

    logits = log_probabilities(probabilities)
    truth = np.arange(len(labels)), labels

    def loss(log_temperature: float) -> float:
        scaled = softmax(logits * np.exp(-log_temperature))
        misfit = -np.log(np.maximum(scaled[truth], np.finfo(np.float64).tiny)).mean()
        return float(misfit + log_temperature**2 / (2 * len(labels)))

    bound = np.log(_HIGHEST)
    found = minimize_scalar(loss, bounds=(-bound, bound), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))

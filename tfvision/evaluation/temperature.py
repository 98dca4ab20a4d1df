"""Temperature scaling: one number that makes probabilities mean what they say."""

import numpy as np

from tfvision.models.decision import log_probabilities, softmax

_HIGHEST = 20.0


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature of least log loss (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017).

    Logits are recovered from the probabilities: softmax only loses a constant, which does not matter here. A standard
    normal prior on the logarithm of the temperature, weighted like one image, keeps the result finite if the model is
    right on all of a few images, where the best temperature would be 0; with hundreds of images its effect is
    negligible.

    Args:
        probabilities: float (n, K), the model's probabilities on the validation images.
        labels: int (n,) in 0..K-1.

    Returns:
        A number from 0.05 to 20; above 1 if the model is overconfident.
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

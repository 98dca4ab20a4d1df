"""Deviations that a tenth of outliers does not blunt: median and MAD instead of mean and standard deviation."""

import numpy as np

_NORMAL = 1.4826  # standard deviation of a normal distribution, over its MAD


def deviations(values: np.ndarray) -> np.ndarray:
    """Return how many standard deviations of the bulk each value lies above the median; 0 for NaN.

    Where the values hardly differ there is no scale to measure by, and all deviations are 0.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return np.zeros(len(values))
    middle = np.median(known)
    scale = _NORMAL * np.median(np.abs(known - middle))
    if scale < 1e-9:
        return np.zeros(len(values))
    return np.nan_to_num((values - middle) / scale)

"""Exact bounds of a share that is only known from counts: Clopper and Pearson, Biometrika 1934."""

import numpy as np


def clopper_pearson_lower(successes: int, trials: int, alpha: float) -> float:
    """Return the lower bound of a probability that is too high in at most a share `alpha` of all experiments.

    Args:
        successes: How often it came out, 0 to `trials`.
        trials: Independent trials, at least 1.
        alpha: Chance of a wrong bound, between 0 and 1.

    Returns:
        The bound, 0..1; 0 without a success, `alpha ** (1 / trials)` without a failure.
    """
    from scipy.special import betaincinv

    return float(betaincinv(successes, trials - successes + 1, alpha)) if successes else 0.0


def clopper_pearson_interval(successes: int, trials: int, alpha: float = 0.05) -> tuple[float, float]:
    """Return the exact two-sided interval of a probability.

    Args:
        successes: How often it came out, 0 to `trials`.
        trials: Independent trials, at least 1.
        alpha: Chance that the interval misses the probability, half of it on each side.

    Returns:
        Its lower and its upper end, 0..1.
    """
    low = clopper_pearson_lower(successes, trials, alpha / 2)
    return low, 1 - clopper_pearson_lower(trials - successes, trials, alpha / 2)


def share_interval(right: np.ndarray) -> tuple[float, tuple[float, float]]:
    """Return the share of True and its exact 95 % interval.

    Args:
        right: bool (n,), with n of 1 or more.

    Returns:
        The share, and the ends of the interval, each 0..1.
    """
    return float(np.mean(right)), clopper_pearson_interval(int(np.sum(right)), len(right))

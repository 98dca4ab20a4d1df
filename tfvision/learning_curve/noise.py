"""The noise of a learning curve: how far a measured point lies from the curve by luck alone.

All points are scored on the same images, so what is easy or hard about these moves all of them alike and is no noise of
the curve. What is left is the luck of the draw of the training images and of the training. Its variance is told as a
share of the binomial variance p (1 - p) / n of a score on n images, which holds for all points of a curve together.
"""

from collections.abc import Sequence

import numpy as np

from tfvision.learning_curve.points import MeasuredPoint

_WITHOUT_REPEATS = 0.5  # of frozen features on four data sets about 0.2 to 0.6, see benchmarks/learning_curve.py
_LEAST = 0.1  # a handful of equal scores is no proof that there is no noise
_TRUST = 4.0  # degrees of freedom that the count of single images weighs


def score_variance(values: np.ndarray) -> float:
    """Return the variance of the mean of values on images drawn anew: binomial for 0 and 1, and never 0.

    Args:
        values: float64 (n,), see `MeasuredPoint`.

    Returns:
        The variance; of right and wrong with one image of each added, since no model is never wrong.
    """
    count = len(values)
    return float(np.var(np.concatenate([values, [0.0, 1.0]])) / (count + 2))


def noise_share(points: Sequence[MeasuredPoint]) -> float:
    """Return the variance of a point around the curve as a share of its binomial variance.

    It comes from the repeats of each share: from their spread, which is what is asked for and known from few numbers, and
    from how often single images change between right and wrong, which is known well and says a little less. Two draws of a
    share `s` from the same training images have so much in common that they differ by 1 - s of that variance.

    Args:
        points: All points, by share.

    Returns:
        The share, 0.1 or more; 0.5 where nothing was repeated.
    """
    squares, freedom, changes = 0.0, 0, 0.0
    for share in sorted({point.share for point in points}):
        values = np.stack([point.values for point in points if point.share == share])
        if len(values) < 2 or share >= 1:
            continue
        unit = np.mean([score_variance(one) for one in values]) * (1 - share)
        degrees = len(values) - 1
        squares += degrees * values.mean(axis=1).var(ddof=1) / unit
        changes += degrees * values.var(axis=0, ddof=1).mean() / values.shape[1] / unit
        freedom += degrees
    if not freedom:
        return _WITHOUT_REPEATS
    return max(_LEAST, float((_TRUST * changes / freedom + squares) / (_TRUST + freedom)))


def mean_deviation(points: Sequence[MeasuredPoint], noise: float) -> float:
    """Return how far the mean score of the repeats of one share lies from the curve, as a standard deviation.

    Args:
        points: The repeats of a share `s`; what they have in common, `s` of their variance, repeats do not average out.
        noise: From `noise_share`.

    Returns:
        The deviation, above 0.
    """
    share, unit = points[0].share, float(np.mean([score_variance(point.values) for point in points]))
    return float(np.sqrt(noise * unit * (share + (1 - share) / len(points))))

"""Power laws of learning: error = a + b n^-c, and what they say of other numbers of images.

Errors fall with the number n of training images as a power law that ends in a floor (Cortes et al., "Learning Curves:
Asymptotic Values and Rate of Convergence", 1994; Hestness et al., "Deep Learning Scaling is Predictable, Empirically",
2017; a survey: Viering and Loog, "The Shape of Learning Curves", 2023). A few noisy points fit many such curves, which
agree where they were measured and part beyond. So no single one is taken: all of them on a grid are weighed by how well
they fit, which is their posterior probability under a weak prior, and a forecast averages over them.
"""

import math
from dataclasses import dataclass

import numpy as np

_EXPONENTS = (0.05, 1.5)
# A weak prior of the exponent: most of what is published lies in 0.1..1 (Hestness 2017, Viering and Loog 2023).
_TYPICAL, _WIDTH = 0.5, 0.8  # median, and standard deviation of its logarithm
_STEPS, _REACH = 41, 6.0  # grid points of each parameter; how many standard deviations the ends may lie off
_ZOOM, _LIKELY = (16.0, 4.0), 20.0  # coarser looks at the grid; e^-20 is no chance worth a look
_BINS = 400


@dataclass(frozen=True, eq=False)
class PowerLaws:
    """Curves error = a + b n^-c, each with a weight.

    Attributes:
        floor: float64 (m,), a, the error that no number of images removes, 0..1.
        scale: float64 (m,), b, 0 or more; n counts in the largest number of images that was measured.
        exponent: float64 (m,), c.
        weights: float64 (m,), which add up to 1.
        unit: The number of images that n is counted in.
        misfit: Sum over the points of the squared distance of the best fitting curve, each in standard deviations.
    """

    floor: np.ndarray
    scale: np.ndarray
    exponent: np.ndarray
    weights: np.ndarray
    unit: float
    misfit: float

    def errors(self, images: float) -> np.ndarray:
        """Return the error that each curve says for a number of images, float64 (m,)."""
        return self.floor + self.scale * (images / self.unit) ** -self.exponent

    def quantiles(self, images: float, deviation: float, at: tuple[float, ...]) -> tuple[float, ...]:
        """Return quantiles of an error that is yet to be measured.

        Args:
            images: The number of training images.
            deviation: Standard deviation of one measurement around the curve; 0 for the curve itself.
            at: Shares, 0..1.

        Returns:
            The errors below which a measurement lies with these chances, 0..1; those of all curves, together with the noise.
        """
        found = _quantiles(self.errors(images), self.weights, deviation, at)
        return tuple(min(max(error, 0.0), 1.0) for error in found)

    def falls(self, before: float, after: float, at: tuple[float, ...]) -> tuple[float, ...]:
        """Return quantiles of how much the error falls from one number of images to another, by the curves themselves."""
        return _quantiles(self.errors(before) - self.errors(after), self.weights, 0.0, at)

    @property
    def likeliest(self) -> tuple[float, float, float]:
        """a, b and c of the curve of the largest weight, with n in images."""
        best = int(self.weights.argmax())
        exponent = float(self.exponent[best])
        return float(self.floor[best]), float(self.scale[best] * self.unit**exponent), exponent


def fit_power_laws(images: np.ndarray, errors: np.ndarray, deviations: np.ndarray) -> PowerLaws:
    """Weigh power laws by how well they fit measured errors.

    Args:
        images: float (k,), numbers of training images, ascending, three or more of them different.
        errors: float (k,), measured errors, 0..1.
        deviations: float (k,), the standard deviation of each, above 0.

    Returns:
        The curves with a weight that counts: `a` is 0 or more, the error never rises with the images, and the exponent
        is 0.05 to 1.5.
    """
    unit = float(images[-1])
    scaled = images / unit
    axes = [*_ends(errors, deviations), (math.log(_EXPONENTS[0]), math.log(_EXPONENTS[1]))]
    # Where points are measured finely, a grid that holds all that fits roughly is too coarse for what fits well.
    for wider in (*_ZOOM, 1.0):
        laws, distance, badness = _weigh(
            [np.linspace(*axis, _STEPS) for axis in axes], scaled, errors, wider * deviations
        )
        if wider > 1:
            axes = [_narrowed(axis, badness, place) for place, axis in enumerate(axes)]
    weights = np.exp(-0.5 * (badness - badness.min()))
    kept = weights > 1e-9
    floor, scale, exponent = (values[kept] for values in laws)
    return PowerLaws(floor, scale, exponent, weights[kept] / weights[kept].sum(), unit, float(distance[kept].min()))


def _quantiles(values: np.ndarray, weights: np.ndarray, deviation: float, at: tuple[float, ...]) -> tuple[float, ...]:
    """Return quantiles of values with weights, to each of which normal noise of a deviation is added."""
    from scipy.special import ndtr

    low, high = float(values.min()), float(values.max())
    mass, edges = np.histogram(values, _BINS, (low, max(high, low + 1e-9)), weights=weights)
    if not deviation:
        below = np.concatenate([[0.0], np.cumsum(mass)])
        return tuple(float(np.interp(share, below, edges)) for share in at)
    centres = (edges[1:] + edges[:-1]) / 2
    places = np.linspace(low - 5 * deviation, high + 5 * deviation, 4 * _BINS)
    below = ndtr((places[:, None] - centres) / deviation) @ mass
    return tuple(float(np.interp(share, below, places)) for share in at)


def _weigh(
    grid: list[np.ndarray], images: np.ndarray, errors: np.ndarray, deviations: np.ndarray
) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], np.ndarray, np.ndarray]:
    """Return a, b and c of each point of a grid, its squared distance from the points, and that with the prior.

    The lower, the better; where a < 0, what has the prior is infinite.

    The grid is by what a curve says at its ends, which was measured, rather than by a and b, which were not.
    """
    drop, end, logarithm = np.meshgrid(*grid, indexing="ij")
    exponent = np.exp(logarithm)
    scale = drop / (images[0] ** -exponent - images[-1] ** -exponent)
    floor = end - scale * images[-1] ** -exponent
    distance = np.zeros(floor.shape)
    for place, error, deviation in zip(images, errors, deviations, strict=True):
        distance += ((floor + scale * place**-exponent - error) / deviation) ** 2
    badness = distance + (np.log(exponent / _TYPICAL) / _WIDTH) ** 2
    return (floor, scale, exponent), distance, np.where(floor >= 0, badness, np.inf)


def _ends(errors: np.ndarray, deviations: np.ndarray) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return how far the error may fall between the ends, and which it may be at the last point."""
    drop, spread = errors[0] - errors[-1], float(np.hypot(deviations[0], deviations[-1]))
    reach = _REACH * deviations[-1]
    return (
        (max(drop - _REACH * spread, 0.0), max(drop, 0.0) + _REACH * spread),
        (max(errors[-1] - reach, 0.0), errors[-1] + reach),
    )


def _narrowed(axis: tuple[float, float], badness: np.ndarray, place: int) -> tuple[float, float]:
    """Return the part of an axis of the grid that holds all that fits, and one step on either side."""
    others = tuple(other for other in range(badness.ndim) if other != place)
    best = badness.min(axis=others)
    fits = np.flatnonzero(best - best.min() < 2 * _LIKELY)
    steps = np.linspace(*axis, _STEPS)
    return float(steps[max(fits[0] - 1, 0)]), float(steps[min(fits[-1] + 1, _STEPS - 1)])

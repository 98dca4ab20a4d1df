"""The plan of a learning curve: on which shares of the training images a model is trained, and how often."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tfvision.errors import UsageError, worded

SHARES = (0.1, 0.2, 0.4, 0.8, 1.0)
MOST_REPEATS = 5
FORECAST = 2.0
_FEWEST = 3  # a power law has three parameters
_TOO_MANY = 100
_FURTHEST = 10.0  # no curve is known so far beyond its last point


@dataclass(frozen=True)
class CurvePlan:
    """Shares, repeats and how far the forecast reaches.

    Attributes:
        shares: Shares of the training images, ascending, above 0 to 1.
        repeats: The most trainings of one share.
        forecast: The number of images that is asked about, as a multiple of the training images.
    """

    shares: tuple[float, ...] = SHARES
    repeats: int = MOST_REPEATS
    forecast: float = FORECAST

    def repeats_of(self, share: float) -> int:
        """Return how often a share is trained: as often as costs no more than one training on all images.

        Small shares vary most, since it is luck which images they get, and cost least.
        """
        return max(1, min(self.repeats, math.floor(1 / share + 1e-9)))

    @property
    def trainings(self) -> list[tuple[float, int]]:
        """Share and repeat, from 1 on, of each training; the largest share first, which needs all features."""
        return [(share, repeat) for share in self.shares[::-1] for repeat in range(1, self.repeats_of(share) + 1)]


def read_plan(shares: str | Sequence[float], repeats: int, forecast: float) -> CurvePlan:
    """Check a plan as people write it.

    Args:
        shares: Shares of the training images, above 0 to 1: `0.1,0.2,0.4,0.8,1`, or a list.
        repeats: The most trainings of one share, 1 or more.
        forecast: Multiple of the training images, more than the largest share.

    Returns:
        The plan.

    Raises:
        UsageError: Fewer than three shares, one of them twice or out of range, or a forecast that reaches back or too far.
    """
    expected = "expected three or more shares of the training images, such as 0.1,0.2,0.4,0.8,1"
    words = shares.strip(",").split(",") if isinstance(shares, str) else list(shares)
    try:
        numbers = sorted(float(word) for word in words)
    except (TypeError, ValueError):
        raise UsageError(f"shares: {expected}; got {worded(shares)}") from None
    if wrong := [number for number in numbers if not 0 < number <= 1]:
        raise UsageError(f"shares: {expected}, each above 0 to 1; got {wrong[0]:g}")
    if len(set(numbers)) < len(numbers):
        raise UsageError(f"shares: {expected}; got {worded(shares)}, one of them twice")
    if len(numbers) < _FEWEST:
        raise UsageError(f"shares: {expected}, since a power law has three parameters; got {worded(shares)}")
    if not 1 <= repeats <= _TOO_MANY:
        raise UsageError(f"repeats: expected from 1 to {_TOO_MANY}, got {repeats}")
    if not numbers[-1] < forecast <= _FURTHEST:
        raise UsageError(
            f"forecast: expected more than the largest share, {numbers[-1]:g}, and at most {_FURTHEST:g} times the "
            f"training images, such as {FORECAST:g}; got {forecast:g}"
        )
    return CurvePlan(tuple(numbers), repeats, float(forecast))

"""Loss against learning rate in a phase, and the rate that the curve suggests. NumPy alone."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

_FIRST = 10  # batches, by which the loss at the beginning and its spread are known
_WIDTH = 3.0  # standard deviation of the smoothing, in steps
_MOMENTUM = 0.9  # of the running mean that ends a sweep
_SPREADS = 4  # so many standard deviations of a batch above its beginning, the running mean has diverged
_SURE = 4  # standard deviations of its noise that a fall or a rise must have
_MEANT = 2 * np.sqrt(np.pi) * _WIDTH  # independent batches in a smoothed loss
_SHARE, _EDGE_SHARE = 5, 3  # parts of the rate with the smallest loss, and of that from which on it rises
RULE = (
    "a fifth of the rate at which the smoothed loss is smallest; where it does not fall, the default rate of adam, at most "
    "the rate from which on the loss rises, or for other optimizers a third of that"
)


@dataclass(frozen=True)
class RateCurve:
    """The loss of a phase while its learning rate rises.

    Attributes:
        place: Index of the phase.
        phase: Its name.
        rates: float64 (n,), the rate of each step, rising; (0,) for a phase without one.
        losses: float64 (n,), the loss of each batch before its step.
        suggestion: The rate that the curve suggests, with two digits; None if there is none.
        said: How the suggestion was found, or why there is none.
        start: What the model had been through when the sweep began.
    """

    place: int
    phase: str
    rates: np.ndarray
    losses: np.ndarray
    suggestion: float | None
    said: str
    start: str = ""

    @property
    def smoothed(self) -> np.ndarray:
        """float64 (n,), the mean loss of about ten batches around each."""
        return smooth(self.losses)

    def describe(self) -> str:
        """Return a line: the phase, its suggestion or none, and why."""
        found = f"{self.suggestion:.2g}" if self.suggestion else "no suggestion"
        return f"{self.phase}: {found}, {self.said}" + (f" ({self.start})" if self.start else "")

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values, with the smoothed losses."""
        arrays = {"rates": self.rates, "losses": self.losses, "smoothed": self.smoothed}
        return {**asdict(self), **{name: [float(value) for value in values] for name, values in arrays.items()}}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "RateCurve":
        """Return the curve that `to_dict` gave."""
        known = {name: values[name] for name in cls.__dataclass_fields__}
        return cls(**{**known, **{name: np.array(values[name], np.float64) for name in ("rates", "losses")}})


def smooth(losses: np.ndarray) -> np.ndarray:
    """Return means of neighbouring losses, with Gaussian weights of three steps: unlike a running mean it does not lag.

    Args:
        losses: float (n,).

    Returns:
        float64 (n,). A loss that has diverged counts as the limit from which on it has: it would blur the minimum.
    """
    steps = np.arange(len(losses))
    weights = np.exp(-0.5 * ((steps[:, None] - steps) / _WIDTH) ** 2)
    clipped = np.minimum(losses, _limit(losses)) if len(losses) else losses
    return weights @ np.asarray(clipped, np.float64) / weights.sum(axis=1)


def has_diverged(losses: Sequence[float] | np.ndarray) -> bool:
    """Tell whether a sweep can end.

    Args:
        losses: Of the batches so far, one or more.

    Returns:
        Whether the last loss is no number, or the running mean is above where it began by four standard deviations of a
        batch, and by a quarter.
    """
    if not np.isfinite(losses[-1]):
        return True
    mean, weight = 0.0, 0.0
    for loss in losses:
        mean, weight = (_MOMENTUM * old + (1 - _MOMENTUM) * new for old, new in ((mean, loss), (weight, 1.0)))
    return len(losses) > _FIRST and mean / weight > _limit(losses)


def _limit(losses: Sequence[float] | np.ndarray) -> float:
    """Return the loss above which a sweep has diverged."""
    first = np.asarray(losses[:_FIRST], np.float64)
    return float(first.mean() + max(_SPREADS * first.std(), 0.25 * abs(first.mean())))


def rate_curve_of(
    place: int, phase: str, rates: np.ndarray, losses: np.ndarray, start: str, *, usual: float | None
) -> RateCurve:
    """Return the curve of a sweep with its suggestion.

    Args:
        place: Index of the phase.
        phase: Its name.
        rates: float (n,), rising.
        losses: float (n,); the last may be NaN or infinite.
        start: What the model had been through.
        usual: See `suggest`.

    Returns:
        The curve, without a last loss that is no number.
    """
    diverged, finite = has_diverged(losses), np.isfinite(losses)
    rates, losses = np.asarray(rates, np.float64)[finite], np.asarray(losses, np.float64)[finite]
    suggestion, said = suggest(rates, losses, diverged=diverged, usual=usual)
    return RateCurve(place, phase, rates, losses, suggestion, said, start)


def no_curve(place: int, phase: str, why: str) -> RateCurve:
    """Return what stands for a phase that has no learning rate, with the reason in words."""
    return RateCurve(place, phase, np.zeros(0), np.zeros(0), None, why)


def suggest(rates: np.ndarray, losses: np.ndarray, *, diverged: bool, usual: float | None) -> tuple[float | None, str]:
    """Read a learning rate from a curve.

    Where the loss falls, it is a part of the rate with the smallest smoothed loss. A model whose head is fitted already
    gains nothing in a hundred steps, and the curve only tells from which rate on it is spoiled: then the usual rate is
    kept up to that one. `benchmarks/learning_rates.py` compares this with other rules.

    Args:
        rates: float (n,), rising.
        losses: float (n,), of batches.
        diverged: Whether the sweep ended because the loss diverged.
        usual: The rate that suits backbone and batch size; None for an optimizer for which none is known.

    Returns:
        The rate with two digits, or None where the loss neither falls nor rises; and how it was found, in words.
    """
    if len(losses) <= _FIRST:
        return None, f"the loss diverged within {len(losses)} steps: begin with a lower rate"
    smoothed = smooth(losses)
    beginning = float(losses[:_FIRST].mean())
    noise = float(losses[:_FIRST].std(ddof=1)) * np.sqrt(1 / _FIRST + 1 / _MEANT)  # of a difference of two means
    place = int(smoothed.argmin())
    if beginning - smoothed[place] > _SURE * noise:
        return _rounded(rates[place] / _SHARE), f"a fifth of {rates[place]:.2g}, where the smoothed loss is smallest"
    low = np.flatnonzero(smoothed <= beginning + _SURE * noise)
    if low[-1] + 1 == len(rates) and not diverged:
        return None, "the loss neither falls nor rises from the lowest rate to the highest"
    edge = float(rates[min(low[-1] + 1, len(rates) - 1)])
    rises = f"{edge:.2g}, from which on the loss rises; it falls at no rate"
    if usual is None:
        return _rounded(edge / _EDGE_SHARE), f"a third of {rises}"
    return (
        (_rounded(usual), f"the default, below {rises}")
        if usual < edge
        else (_rounded(edge), f"not the default {usual:g} but {rises}")
    )


def _rounded(rate: float) -> float:
    return float(f"{rate:.2g}")

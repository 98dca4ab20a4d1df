"""The curve of the measured points, its forecast, and what both say in words."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from tfvision.evaluation.score_names import SCORES
from tfvision.learning_curve.noise import mean_deviation, noise_share, score_variance
from tfvision.learning_curve.points import MeasuredPoint
from tfvision.learning_curve.power_law import PowerLaws, fit_power_laws
from tfvision.system.shown import Shown
from tfvision.system.tables import TextTable

_INTERVAL = (0.025, 0.5, 0.975)
_NORMAL = 1.96
_CHANCE = 0.05  # that points of a power law scatter so far
_MULTIPLES = {1.0: "all the images", 2.0: "twice the images", 3.0: "three times the images"}


class SharePoint(NamedTuple):
    """All trainings on one share.

    Attributes:
        share: Share of the training images.
        images: Their number; the mean over the repeats, which may differ by whole groups.
        repeats: How many trainings.
        score: Mean score of the repeats, 0..1.
        std: Its standard deviation over the repeats (n - 1); None for one.
        deviation: How far the mean lies from the curve by luck, as a standard deviation.
    """

    share: float
    images: float
    repeats: int
    score: float
    std: float | None
    deviation: float

    @property
    def interval(self) -> tuple[float, float]:
        """The ends of the 95 % interval of the noise, 0..1."""
        return max(0.0, self.score - _NORMAL * self.deviation), min(1.0, self.score + _NORMAL * self.deviation)


class Forecast(NamedTuple):
    """The score to expect of a number of training images.

    Attributes:
        images: The number.
        score: The median, 0..1.
        low: Lower end of the 95 % interval of one training, scored on the same images as the points.
        high: Its upper end.
    """

    images: int
    score: float
    low: float
    high: float


class Gain(NamedTuple):
    """How much a score rises.

    Attributes:
        value: The median, 0..1.
        low: Lower end of the 95 % interval.
        high: Its upper end.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True, eq=False, repr=False)
class LearningCurve(Shown):
    """A score on more and more of the training images, and the power laws through it.

    Attributes:
        folder: Where its files are.
        part: The part that all points are scored on: `test`, or `validation` where there is no test.
        score: Name of the score, a key of SCORES: `accuracy`, or `mean_iou` for boxes.
        points: The trainings, by share and repeat.
        images: All training images that there are.
        multiple: The forecast is for so many times these.
        course: How each point was trained, in words.
    """

    folder: Path
    part: str
    score: str
    points: tuple[MeasuredPoint, ...]
    images: int
    multiple: float
    course: str

    drawn_by: ClassVar[str] = "learning_curve"

    def __repr__(self) -> str:
        return f"LearningCurve({self.folder}: {self.sentence})"

    @cached_property
    def noise(self) -> float:
        """The variance of a training around the curve, as a share of the binomial variance of its score."""
        return noise_share(self.points)

    @cached_property
    def shares(self) -> list[SharePoint]:
        """The points, one for each share, ascending."""
        found = []
        for share in sorted({point.share for point in self.points}):
            same = [point for point in self.points if point.share == share]
            scores = [point.score for point in same]
            std = float(np.std(scores, ddof=1)) if len(same) > 1 else None
            images = float(np.mean([point.images for point in same]))
            deviation = mean_deviation(same, self.noise)
            found.append(SharePoint(share, images, len(same), float(np.mean(scores)), std, deviation))
        return found

    @cached_property
    def scatter(self) -> float:
        """How many times as far the points lie from any power law as their noise explains; 1 where it may be chance.

        The noise is then taken to be so many times as large (Birge, "The Calculation of Errors by the Method of Least
        Squares", 1932), since no power law is known to be right to the last digit.
        """
        from scipy.special import chdtrc

        misfit, freedom = self._fit(1.0).misfit, len(self.shares) - 2  # the exponent is held by its prior
        return float(np.sqrt(misfit / freedom)) if chdtrc(freedom, misfit) < _CHANCE else 1.0

    @cached_property
    def laws(self) -> PowerLaws:
        """The power laws, each with its weight."""
        return self._fit(self.scatter)

    def forecast(self, images: int) -> Forecast:
        """Return the score to expect of one training on a number of images, scored on the same images as the points.

        Args:
            images: How many training images, 1 or more; far from those that were measured nothing is known, which the
                interval says only as far as errors do follow a power law.

        Returns:
            The median with a 95 % interval, which holds the doubt about the curve and the noise of a measurement.
        """
        return self._expected(images, self.single_deviation)

    def curve(self, images: int) -> Forecast:
        """Return the curve itself at a number of images, without the noise of a measurement."""
        return self._expected(images, 0.0)

    @cached_property
    def further(self) -> Forecast:
        """The forecast that was asked for."""
        return self.forecast(round(self.multiple * self.images))

    @property
    def now(self) -> SharePoint:
        """The point of the largest share."""
        return self.shares[-1]

    @cached_property
    def gain(self) -> Gain:
        """What the images of the forecast bring over those of the largest share, by the curve itself."""
        low, middle, high = self.laws.falls(self.now.images, self.further.images, _INTERVAL)
        return Gain(middle, low, high)

    @property
    def gains(self) -> bool:
        """Whether a gain is to be seen: the measured scores rise beyond their noise, and the curve goes on by one image or more.

        Less than one scored image more that is right cannot be seen.
        """
        return self.rises and self.gain.low >= 1 / len(self.points[0].values)

    @property
    def rises(self) -> bool:
        """Whether the measured scores themselves rise by more than their noise, from the smallest share to the largest."""
        first, last = self.shares[0], self.shares[-1]
        return last.score - first.score > _NORMAL * float(np.hypot(first.deviation, last.deviation))

    @property
    def single_deviation(self) -> float:
        """Standard deviation of one training around the curve, at the largest share."""
        last = [point for point in self.points if point.share == self.now.share]
        return self.scatter * float(np.sqrt(self.noise * np.mean([score_variance(point.values) for point in last])))

    @property
    def label(self) -> str:
        """The score in words, such as `test accuracy`."""
        return f"{self.part} {SCORES[self.score].label()}"

    @property
    def sentence(self) -> str:
        """The answer: what more images would bring."""
        before, after = self.curve(round(self.now.images)).score, self.curve(self.further.images).score
        count = len(self.points[0].values)
        path = f"from about {before:.3f} with {self.now.images:,.0f} to about {after:.3f} with {self.further.images:,}, by {self.gain}"
        if self.gains:
            return f"{self.asked} would raise {self.label} {path}"
        unseen = f"{self.asked}: no gain to be seen beyond the noise"
        if self.rises:
            return (
                f"{unseen} of {count:,} {self.part} images, one of which is {1 / count:.3f}: {self.label} may go {path}"
            )
        first = f"{self.shares[0].images:,.0f}"
        return f"{unseen}, beyond which {self.label} does not rise from {first} images on; it may go {path}"

    @property
    def caveat(self) -> str:
        """What one training would score, and what the intervals do not hold."""
        count, low, high = len(self.points[0].values), self.further.low, self.further.high
        lines = [
            f"one training on {self.further.images:,} images would score {low:.3f} to {high:.3f} (95 %) on the same {count:,} "
            f"{self.part} images, where {self.now.images:,.0f} score {self.now.score:.3f} now",
            f"on other images scores may lie up to {self.margin:.3f} higher or lower",
        ]
        if self.scatter > 1:
            lines.append(
                f"the points lie {self.scatter:.1f} times as far from a power law as their noise explains, so the intervals are "
                "wider"
            )
        return "; ".join(lines)

    @property
    def margin(self) -> float:
        """How far the score now may lie from that on all such images: 1.96 standard deviations of its sampling."""
        last = [point for point in self.points if point.share == self.now.share]
        return _NORMAL * float(np.sqrt(np.mean([score_variance(point.values) for point in last])))

    def describe(self) -> str:
        """Return a table of the shares, and the answer."""
        head, rows = ("images", "share", self.label, "95 % noise", "trainings"), []
        for point in self.shares:
            low, high = point.interval
            noise = f"[{low:.3f}, {high:.3f}]"
            rows.append((f"{point.images:,.0f}", f"{point.share:.3g}", f"{point.score:.4f}", noise, str(point.repeats)))
        further = self.further
        noise = f"[{further.low:.3f}, {further.high:.3f}]"
        rows.append((f"{further.images:,}", f"{self.multiple:g}", f"{further.score:.4f}", noise, "forecast"))
        return "\n".join([*TextTable(head, rows, right=True).lines(), self.sentence, f"({self.caveat})"])

    @property
    def facts(self) -> dict[str, Any]:
        """What learning_curve.json holds."""
        floor, scale, exponent = self.laws.likeliest
        shares = [
            {**point._asdict(), "noise95": list(point.interval), "scores": self._scores(point.share)}
            for point in self.shares
        ]
        return {
            "sentence": self.sentence,
            "caveat": self.caveat,
            "score": self.score,
            "part": self.part,
            "n": len(self.points[0].values),
            "training_images": self.images,
            "course": self.course,
            "points": shares,
            "noise": self.noise,
            "scatter": self.scatter,
            "fit": {"form": "1 - score = a + b * images ** -c", "a": floor, "b": scale, "c": exponent},
            "forecast": {
                "multiple": self.multiple,
                "images": self.further.images,
                "score": self.further.score,
                "ci95": [self.further.low, self.further.high],
            },
            "gain": {**self.gain._asdict(), "beyond_noise": self.gains},
        }

    @property
    def rows(self) -> list[dict[str, object]]:
        """The rows of learning_curve.csv: each training, and the forecast."""
        rows: list[dict[str, object]] = []
        for point in self.points:
            expected = self.curve(point.images)
            rows.append(_row("measured", point.share, str(point.repeat), point.images, point.score, expected))
        rows.append(_row("forecast", self.multiple, "", self.further.images, self.further.score, self.further))
        return [{self.score if key == "score" else key: value for key, value in row.items()} for row in rows]

    @property
    def asked(self) -> str:
        """The number of images that the forecast is for, in words."""
        return _MULTIPLES.get(self.multiple, f"{self.multiple:g} times the images")

    def _fit(self, scatter: float) -> PowerLaws:
        images, scores, deviations = (
            np.array([getattr(point, name) for point in self.shares]) for name in ("images", "score", "deviation")
        )
        return fit_power_laws(images, 1 - scores, scatter * deviations)

    def _expected(self, images: int, deviation: float) -> Forecast:
        low, middle, high = self.laws.quantiles(images, deviation, _INTERVAL)
        return Forecast(images, 1 - middle, 1 - high, 1 - low)

    def _scores(self, share: float) -> list[float]:
        return [point.score for point in self.points if point.share == share]


def curve_of(whole: LearningCurve, shares: Sequence[float], *, multiple: float) -> LearningCurve:
    """Return the curve through some of the shares alone, to see what it would have said of the others.

    Args:
        whole: A curve.
        shares: Three or more of its shares.
        multiple: The forecast is for so many times the training images; 1 for all of them.

    Returns:
        The curve that knows these shares only.
    """
    return replace(whole, points=tuple(point for point in whole.points if point.share in shares), multiple=multiple)


def _row(kind: str, share: float, repeat: str, images: int, score: float, at: Forecast) -> dict[str, object]:
    return {
        "kind": kind, "share": share, "repeat": repeat, "images": images, "score": score,
        "curve": at.score, "low": at.low, "high": at.high,
    }  # fmt: skip

"""The picture of a learning curve: measured points with their noise, the curve, and the forecast's band."""

from itertools import pairwise
from pathlib import Path

import numpy as np

from tfvision.learning_curve.curve import LearningCurve
from tfvision.plots.figure import INK, MARK, SOFT, VALIDATION, draw_legend, new_figure, save, set_title

_STEPS = 60
_NEAR = 0.09  # share of the axis that a number takes


def plot_curve(curve: LearningCurve, path: Path | str) -> None:
    """Draw a score against the number of training images, on a logarithmic axis.

    Args:
        curve: The curve.
        path: The SVG or PNG file to write.

    Raises:
        WriteError: The file cannot be written.
    """
    figure, (axes,) = new_figure(8, 4.6)
    shares, further = curve.shares, curve.further
    sizes = [round(size) for size in np.geomspace(shares[0].images, further.images, _STEPS)]
    expected = [curve.forecast(size) for size in sizes]
    low, high, middle = (np.array([getattr(one, name) for one in expected]) for name in ("low", "high", "score"))
    axes.fill_between(
        sizes, low, high, color=VALIDATION, alpha=0.15, linewidth=0, label="95 % band of one more training"
    )
    axes.plot(sizes, middle, color=VALIDATION, label="power law, the median of those that fit")
    single = [point for point in curve.points if any(s.share == point.share and s.repeats > 1 for s in shares)]
    if single:
        axes.plot(
            [point.images for point in single], [point.score for point in single], ".", color=SOFT, markersize=5,
            alpha=0.7, label="one training of several",
        )  # fmt: skip
    ends = np.array([np.abs(np.array(point.interval) - point.score) for point in shares]).T
    axes.errorbar(
        [point.images for point in shares], [point.score for point in shares], yerr=ends, fmt="o", color=INK,
        markersize=5.5, capsize=3, linewidth=1.2, label="measured, with the 95 % interval of its noise",
    )  # fmt: skip
    axes.errorbar(
        [further.images], [further.score], yerr=[[further.score - further.low], [further.high - further.score]],
        fmt="D", color=MARK, markersize=6.5, capsize=4, linewidth=1.6, label=f"forecast for {curve.asked}",
    )  # fmt: skip
    axes.axvline(curve.images, color=SOFT, linewidth=1, linestyle=":")
    axes.set_xscale("log")
    ticks = [*(point.images for point in shares), further.images]
    axes.set_xticks(ticks, _tick_labels(ticks))
    axes.set_xticks([], minor=True)
    axes.set_xlabel("training images (dotted: all that there are)")
    axes.set_ylabel(curve.label)
    set_title(axes, f"{curve.label.capitalize()} against the number of training images")
    draw_legend(axes, loc="lower right")
    save(figure, path)


def _tick_labels(ticks: list[float]) -> list[str]:
    """Return the numbers of images, "" where the next one stands so near that both could not be read."""
    span = np.log(ticks[-1] / ticks[0])
    near = [np.log(after / tick) < _NEAR * span for tick, after in pairwise(ticks)]
    return ["" if hidden else f"{tick:,.0f}" for tick, hidden in zip(ticks, [*near, False], strict=True)]

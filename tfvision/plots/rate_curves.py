"""Loss against learning rate, a panel for each phase, with the rate that is suggested."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from tfvision.plots.figure import (
    FAINT,
    MARK,
    VALIDATION,
    draw_legend,
    finite,
    new_figure,
    save,
    say_nothing_to_draw,
    set_title,
)

_ROOM = 0.25  # of the height of a curve, above and below it


def plot_rate_curves(curves: Sequence[Mapping[str, Any]], path: Path | str) -> None:
    """Draw the loss of each batch and its mean against the learning rate, in one panel for each phase.

    Args:
        curves: For each phase `phase`, `rates`, `losses`, `smoothed`, of equal length, `suggestion`, a rate or None, and
            `said`, why. A phase without rates gets a sentence in place of a curve.
        path: The SVG or PNG file to write.
    """
    heights = [3.0 if len(curve["rates"]) else 0.9 for curve in curves]
    figure, axes = new_figure(6.8, sum(heights) + 0.4, len(curves), heights, share_x=False)
    for curve, one in zip(curves, axes, strict=True):
        if len(curve["rates"]):
            _draw(one, curve)
        else:
            say_nothing_to_draw(one, f"{curve['phase']}: {curve['said']}.")
    save(figure, path)


def _draw(axes: Axes, curve: Mapping[str, Any]) -> None:
    rates, losses, smoothed = (finite(curve[name]) for name in ("rates", "losses", "smoothed"))
    axes.plot(rates, losses, ".", color=FAINT, markersize=4, label="loss of a batch")
    axes.plot(rates, smoothed, color=VALIDATION, linewidth=1.8, label="smoothed")
    suggestion = curve["suggestion"]
    if suggestion:
        place = float(np.interp(np.log(suggestion), np.log(rates), smoothed))
        axes.axvline(suggestion, color=MARK, linestyle="--", linewidth=1.2, zorder=0)
        axes.plot(
            suggestion, place, "*", color=MARK, markersize=15, markeredgecolor="white", zorder=5,
            label=f"suggested: {suggestion:.2g}",
        )  # fmt: skip
    # The smoothed loss is limited where it diverges; single batches beyond it would flatten the rest.
    low, high = float(smoothed.min()), float(smoothed.max())
    room = _ROOM * max(high - low, 0.1 * abs(high), 1e-6)
    axes.set_ylim(low - room, high + room)
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss")
    set_title(axes, str(curve["phase"]), pad=19)
    draw_legend(axes, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, borderaxespad=0.1, columnspacing=1.2)

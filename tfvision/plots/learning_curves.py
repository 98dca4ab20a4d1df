"""Learning curves: every metric over the epochs, with the phases marked."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from tfvision.evaluation.score_names import COLUMNS, column_words, direction, lower_is_better
from tfvision.plots.figure import (
    FAINT,
    INK,
    MARK,
    SOFT,
    TRAIN,
    VALIDATION,
    draw_legend,
    finite,
    new_figure,
    save,
    say_nothing_to_draw,
    set_title,
    shorten,
)

_FIRST = tuple(COLUMNS)
_MARKED = 60  # with more epochs, their marks run together


def plot_learning_curves(history: Sequence[Mapping[str, Any]], path: Path | str, *, monitor: str = "val_loss") -> None:
    """Draw one panel for each metric, training against validation, and one for the learning rate.

    Args:
        history: One row for each epoch, with `epoch, phase, learning_rate` and pairs `m, val_m`; values may be text,
            None or NaN.
        path: The SVG or PNG file to write.
        monitor: The metric by which the kept epoch was chosen, see `lower_is_better`, or `epoch` for the last.
    """
    metrics = _metrics(history)
    if not metrics:
        figure, axes = new_figure(9, 2.5)
        say_nothing_to_draw(axes[0], "No epoch of this run has a metric to draw.")
        save(figure, path)
        return
    rates = finite([row.get("learning_rate") for row in history])
    has_rate = bool(np.isfinite(rates).any())
    heights = [2.75] * len(metrics) + [1.3] * has_rate
    figure, axes = new_figure(6.8, sum(heights) + 0.4, len(heights), heights)
    epochs = _epochs(history)
    best = _best(history, monitor)
    for metric, one in zip(metrics, axes, strict=False):
        _draw_metric(one, history, metric, epochs, best)
    if has_rate:
        _draw_rate(axes[-1], epochs, rates)
    for one in axes:
        _mark_phases(one, epochs, [str(row.get("phase") or "") for row in history], named=one is axes[0])
    axes[-1].set_xlabel("epoch")
    axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes[-1].set_xlim(epochs[0] - 0.6, epochs[-1] + 0.6)
    save(figure, path)


def _metrics(history: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the metrics that have a validation counterpart and at least one value, the usual ones first."""
    names = dict.fromkeys(name for row in history for name in row)
    pairs = [name for name in names if f"val_{name}" in names and not np.isnan(_column(history, name)).all()]
    return sorted(pairs, key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST))


def _column(history: Sequence[Mapping[str, Any]], name: str) -> np.ndarray:
    return finite([row.get(name) for row in history])


def _epochs(history: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Return the numbers of the epochs, or 1, 2, 3... if each phase counts from one again."""
    epochs = _column(history, "epoch")
    return epochs if np.all(np.diff(epochs) > 0) and not np.isnan(epochs).any() else np.arange(1.0, len(history) + 1)


def _best(history: Sequence[Mapping[str, Any]], monitor: str) -> int | None:
    values = _column(history, monitor)
    if np.isnan(values).all():
        return None
    return int(np.nanargmin(values) if lower_is_better(monitor) else np.nanargmax(values))


def _draw_metric(
    axes: Axes, history: Sequence[Mapping[str, Any]], metric: str, epochs: np.ndarray, best: int | None
) -> None:
    for name, label, colour, marker in [
        (metric, "training", TRAIN, "s"),
        (f"val_{metric}", "validation", VALIDATION, "o"),
    ]:
        values = _column(history, name)
        shown = marker if len(values) <= _MARKED else ""
        axes.plot(epochs, values, color=colour, marker=shown, markersize=4, linewidth=1.8, label=label)
    if best is not None and np.isfinite(values[best]):
        axes.plot(
            epochs[best], values[best], "*", color=MARK, markersize=15, markeredgecolor="white", zorder=5,
            label=f"kept epoch {epochs[best]:g}: {values[best]:.4g}",
        )  # fmt: skip
    place = axes.get_subplotspec()
    first = place is not None and place.is_first_row()  # above it are the names of the phases
    set_title(axes, column_words(metric), pad=33 if first else 19)
    axes.set_ylabel(direction(metric))
    # Above the axes and on the left: beside them it would take a third of a small screen, or lie outside of it.
    draw_legend(
        axes,
        loc="lower left",
        bbox_to_anchor=(0, 1.08 if first else 1.0),
        ncols=3,
        borderaxespad=0.1,
        columnspacing=1.2,
    )


def _draw_rate(axes: Axes, epochs: np.ndarray, rates: np.ndarray) -> None:
    axes.plot(
        epochs, rates, color=INK, marker="." if len(rates) <= _MARKED else "", linewidth=1.4, drawstyle="steps-mid"
    )
    positive = rates[rates > 0]
    if len(positive) and positive.max() / positive.min() > 20:
        axes.set_yscale("log")
    axes.set_ylabel("learning rate")


def _mark_phases(axes: Axes, epochs: np.ndarray, phases: list[str], *, named: bool) -> None:
    """Draw a line where a phase begins, and write the names of the phases if `named`."""
    starts = [index for index, phase in enumerate(phases) if index == 0 or phase != phases[index - 1]]
    for index in starts:
        if index:
            axes.axvline((epochs[index - 1] + epochs[index]) / 2, color=FAINT, linestyle="--", linewidth=1.2, zorder=0)
    if not named:
        return
    span = epochs[-1] - epochs[0] + 1.2
    for index, stop in zip(starts, [*starts[1:], len(phases)], strict=True):
        left = epochs[index] - 0.45
        room = int(80 * (epochs[stop - 1] + 0.5 - left) / span)
        axes.text(
            left, 1.02, shorten(phases[index], max(4, room)), transform=axes.get_xaxis_transform(), va="bottom",
            fontsize=8.5, style="italic", color=SOFT, parse_math=False,
        )  # fmt: skip

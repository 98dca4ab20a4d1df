"""Plots of a search: the best so far, what mattered, and a heat map over two options."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator, PercentFormatter

from tfvision.evaluation.score_names import direction, lower_is_better
from tfvision.plots.figure import (
    FAINT,
    INK,
    MARK,
    SOFT,
    TRAIN,
    VALIDATION,
    draw_cells,
    draw_legend,
    new_figure,
    on_cell,
    save,
    set_title,
    shorten,
)
from tfvision.search.log import Trial
from tfvision.search.messages import show_value

_MOST = 15  # values on an axis of a heat map
_FILLED = 0.6  # share of its cells that must hold a trial
_FAINTEST = 0.08  # how opaque the worst cell is


@dataclass(frozen=True)
class HeatMap:
    """The score over two options.

    Attributes:
        keys: The option of the rows and that of the columns.
        rows, columns: Their values.
        cells: float `(rows, columns)`, NaN where no trial was completed.
        tried: bool `(rows, columns)`, whether any trial was run.
        others: The remaining options; each cell is the best score over their values.
    """

    keys: tuple[str, str]
    rows: list[Any]
    columns: list[Any]
    cells: np.ndarray
    tried: np.ndarray
    others: list[str]


def heat_map(trials: list[Trial], objective: str, importance: Mapping[str, float]) -> HeatMap | None:
    """Return the heat map of a stage, or None where its trials do not form a grid.

    Args:
        trials: The trials of one stage.
        objective: Name of the score.
        importance: Importance of each option by its key; of more than two options the most important are the axes.

    Returns:
        The best score for each pair of values, or None for fewer than two options or too few pairs tried.
    """
    values = {key: _values(trials, key) for key in dict.fromkeys(key for trial in trials for key in trial.values)}
    keys = [key for key, found in values.items() if 2 <= len(found) <= _MOST]
    keys = sorted(keys, key=lambda key: -importance.get(key, 0.0))[:2]
    if len(keys) < 2:
        return None
    row_key, column_key = (key for key in values if key in keys)  # in the order of the file
    rows, columns = values[row_key], values[column_key]
    lower = lower_is_better(objective)
    cells = np.full((len(rows), len(columns)), np.nan)
    tried = np.zeros(cells.shape, bool)
    for trial in trials:
        if row_key not in trial.values or column_key not in trial.values:
            continue
        place = rows.index(trial.values[row_key]), columns.index(trial.values[column_key])
        tried[place] = True
        if trial.status == "completed":
            score = trial.scores[objective]
            cells[place] = (np.fmin if lower else np.fmax)(cells[place], score)
    if tried.mean() < _FILLED or np.isnan(cells).all():
        return None
    others = [key for key in values if key not in (row_key, column_key)]
    return HeatMap((row_key, column_key), rows, columns, cells, tried, others)


def plot_heat_map(heat: HeatMap, objective: str, path: Path, title: str) -> None:
    """Draw a heat map: stronger is better, the best cell is framed, failed ones are marked.

    Args:
        heat: What is drawn.
        objective: Name of the score.
        path: The SVG or PNG file to write.
        title: Name of the stage.
    """
    height, width = heat.cells.shape
    figure, (axes,) = new_figure(max(4.2, 0.95 * width + 2.6), max(2.6, 0.6 * height + 1.7))
    lower = lower_is_better(objective)
    cells = np.ma.masked_invalid(heat.cells)
    span = max(float(cells.max() - cells.min()), 1e-12)
    strengths = _FAINTEST + (1 - _FAINTEST) * ((cells.max() - cells) if lower else (cells - cells.min())) / span
    draw_cells(axes, strengths.filled(np.nan))
    axes.set_xticks(range(width), [shorten(show_value(v), 14) for v in heat.columns], parse_math=False)
    axes.set_yticks(range(height), [shorten(show_value(v), 14) for v in heat.rows], parse_math=False)
    axes.set_xlabel(heat.keys[1])
    axes.set_ylabel(heat.keys[0])
    best = np.unravel_index(np.nanargmin(heat.cells) if lower else np.nanargmax(heat.cells), heat.cells.shape)
    for (row, column), value in np.ndenumerate(heat.cells):
        if np.isnan(value):
            text, colour = ("failed" if heat.tried[row, column] else "–"), INK
        else:
            text, colour = f"{value:.4f}", on_cell(float(strengths[row, column]))
        weight = "bold" if (row, column) == tuple(best) else "normal"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=9, fontweight=weight)
    frame = axes.fill_between([best[1] - 0.5, best[1] + 0.5], best[0] - 0.5, best[0] + 0.5)
    frame.set(facecolor="none", edgecolor=MARK, linewidth=2.5, clip_on=False)
    of_others = f", the best over {', '.join(heat.others)}" if heat.others else ""
    set_title(axes, f"{title}: {objective}{of_others}", width=max(34, 12 * width))
    save(figure, path)


def plot_best_so_far(trials: Sequence[Trial], names: Sequence[str], objective: str, path: Path) -> None:
    """Draw each trial's score, and the best score so far.

    Args:
        trials: The trials of all stages, in order.
        names: Names of the stages.
        objective: Name of the score.
        path: The SVG or PNG file to write.
    """
    figure, (axes,) = new_figure(7, 3.4)
    scores = np.array([trial.scores.get(objective, np.nan) for trial in trials])
    numbers = np.array([trial.number for trial in trials])
    lower = lower_is_better(objective)
    best = (np.fmin if lower else np.fmax).accumulate(scores)
    axes.plot(numbers, best, color=MARK, linewidth=1.8, drawstyle="steps-post", label="best so far")
    axes.plot(numbers, scores, "o", color=VALIDATION, markersize=4.5, label="trial")
    failed = numbers[np.isnan(scores)]
    if len(failed):
        # At the foot of the axes, whatever their scale.
        axes.plot(
            failed, np.full(len(failed), 0.02), "x", color=TRAIN, transform=axes.get_xaxis_transform(), label="failed"
        )
    stages = [trial.stage for trial in trials]
    for place, stage in enumerate(stages):
        if place == 0 or stage != stages[place - 1]:
            if place:
                axes.axvline(place + 0.5, color=FAINT, linestyle="--", linewidth=1.2, zorder=0)
            axes.text(
                place + 0.6, 1.02, shorten(names[stage], 28), transform=axes.get_xaxis_transform(), va="bottom",
                fontsize=8.5, style="italic", color=SOFT, parse_math=False,
            )  # fmt: skip
    axes.set_xlim(0.4, len(trials) + 0.6)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlabel("trial")
    axes.set_ylabel(objective)
    set_title(axes, f"{objective} ({direction(objective)})", pad=20)
    draw_legend(axes, loc="lower right", bbox_to_anchor=(1, 1), ncols=3, borderaxespad=1.9)
    save(figure, path)


def plot_importance(found: Mapping[str, Mapping[str, float]], objective: str, path: Path) -> None:
    """Draw the importance of the options of each stage.

    Args:
        found: `importances` of each stage by its name.
        objective: Name of the score.
        path: The SVG or PNG file to write.
    """
    bars = [(stage, key, share) for stage, shares in found.items() for key, share in shares.items()]
    figure, (axes,) = new_figure(8, 0.42 * len(bars) + 1.5)
    shares = [share for _, _, share in bars]
    labels = [f"{key}\n({shorten(stage, 30)})" if len(found) > 1 else key for stage, key, _ in bars]
    axes.barh(range(len(bars)), shares, color=VALIDATION, height=0.62)
    for place, share in enumerate(shares):
        axes.text(share, place, f" {share:.0%}", va="center", fontsize=9, color=INK)
    axes.set_yticks(range(len(bars)), labels, parse_math=False)
    axes.invert_yaxis()
    axes.grid(False, axis="y")
    axes.set_xlim(0, max(1e-9, *shares) * 1.12)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    set_title(axes, f"What decided {objective}:\npermutation importance in a random forest of the trials", width=56)
    save(figure, path)


def _values(trials: list[Trial], key: str) -> list[Any]:
    """Return the values of an option: numbers sorted, others in order of appearance."""
    found: list[Any] = []
    for trial in trials:
        if key in trial.values and trial.values[key] not in found:
            found.append(trial.values[key])
    plain = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in found)
    return sorted(found) if plain else found

"""Plot differences between runs: a panel per score, a row per run, the interval against zero."""

from collections.abc import Mapping
from pathlib import Path

from matplotlib.axes import Axes

from tfvision.evaluation.paired import Difference
from tfvision.evaluation.score_names import Score, brief_scores, direction
from tfvision.plots.figure import FAINT, INK, MARK, VALIDATION, new_figure, save, set_title, shorten

_WORSE = "#D55E00"


def plot_differences(rows: Mapping[str, Mapping[str, Difference]], path: Path | str, *, title: str) -> None:
    """Draw differences with their intervals: green means better, red worse, blue unclear.

    Args:
        rows: Name of each row to its differences by score name; the brief scores are drawn, see `brief_scores`.
        path: The SVG or PNG file to write.
        title: Title of the figure.

    Raises:
        WriteError: The file cannot be written.
    """
    scores = brief_scores()
    height = 0.8 + 0.34 * len(rows)
    figure, axes = new_figure(8, 0.5 + height * len(scores), len(scores), share_x=False)
    for score, one in zip(scores, axes, strict=True):
        _draw_score(one, {name: row[score.name] for name, row in rows.items()}, score)
        one.set_xlabel(f"{score.label()} ({direction(score.name)})")
    set_title(axes[0], title, 80)
    save(figure, path)


def _draw_score(axes: Axes, rows: Mapping[str, Difference], score: Score) -> None:
    for place, one in enumerate(rows.values()):
        colour = {"better": MARK, "worse": _WORSE}.get(one.verdict(score.name), VALIDATION)
        axes.plot([one.low, one.high], [place, place], color=colour, linewidth=3, alpha=0.45, solid_capstyle="butt")
        axes.plot(one.value, place, "o", color=colour, markersize=7)
        axes.text(
            1.01, place, f"{one.second:.4f} ({one.value:+.4f})", transform=axes.get_yaxis_transform(),
            va="center", fontsize=8.5, color=INK,
        )  # fmt: skip
    axes.axvline(0, color=FAINT, linewidth=1.4, zorder=0)
    axes.set_yticks(range(len(rows)), [shorten(name, 34) for name in rows], parse_math=False, fontsize=8.5)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.margins(x=0.08)

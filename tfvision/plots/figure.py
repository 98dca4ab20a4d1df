"""The look of every figure: canvas, colours, titles, class names, and how it is saved."""

import textwrap
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tfvision.system.files import replacing

DPI = 110
TRAIN, VALIDATION, MARK, INK, FAINT = "#E69F00", "#0072B2", "#009E73", "#222222", "#BBBBBB"  # Okabe and Ito, 2008
CLASS_COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#999933", "#332288", "#777777"
)  # fmt: skip


def new_figure(
    width: float, height: float, rows: int = 1, heights: Sequence[float] | None = None, *, share_x: bool = True
) -> tuple[Figure, np.ndarray]:
    """Create a figure with axes one above the other.

    It uses none of matplotlib's global state, so a notebook's own figures are not affected.

    Args:
        width: In inches.
        height: In inches.
        rows: The number of axes.
        heights: The relative height of each; equal if None.
        share_x: Whether the axes have a common x axis.

    Returns:
        The figure, and its axes as an array (rows,).
    """
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, 1, sharex=share_x and rows > 1, squeeze=False, height_ratios=heights)[:, 0]
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
        one.grid(color="#E8E8E8", linewidth=0.8)
        one.set_axisbelow(True)
    return figure, axes


def set_title(axes: Axes, title: str, width: int = 60, pad: float = 6) -> None:
    """Write a title that is left-aligned and wrapped; `$` is a plain character.

    Args:
        axes: The axes to write above.
        title: The text, shortened if it takes more than three lines.
        width: Characters in a line.
        pad: Space between title and axes, in points.
    """
    text = wrap(title, width, 3)
    axes.set_title(text, loc="left", pad=pad, fontsize=11, fontweight="bold", color=INK, parse_math=False)


def draw_legend(axes: Axes, **options: Any) -> None:
    """Draw the legend of all labelled lines; `$` in a class name is a plain character.

    Args:
        axes: The axes with the lines.
        **options: Passed on to `Axes.legend`.
    """
    legend = axes.legend(frameon=False, fontsize=8.5, **options)
    for text in [*legend.get_texts(), legend.get_title()]:
        text.set_parse_math(False)


def say_nothing_to_draw(axes: Axes, why: str) -> None:
    """Write into an empty figure why it is empty.

    Args:
        axes: The axes to write into; they are hidden.
        why: The sentence to write.
    """
    axes.set_axis_off()
    axes.text(0.5, 0.5, why, ha="center", va="center", color=INK, transform=axes.transAxes, wrap=True)


def save(figure: Figure, path: Path | str) -> None:
    """Write a figure as a PNG file, whole or not at all.

    Args:
        figure: The figure; its layout is fixed by this.
        path: The file to write.

    Raises:
        WriteError: The file could not be written.
    """
    with warnings.catch_warnings(), replacing(path) as temporary:
        # A class name in a script that the font lacks shows as boxes; no user can act on a warning about it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        if engine := figure.get_layout_engine():
            # `savefig` would draw the whole figure a second time just to lay it out.
            engine.execute(figure)
            figure.set_layout_engine(None)
        figure.savefig(temporary, format="png", dpi=DPI)


def shorten(text: str, width: int) -> str:
    """Shorten a text by replacing its middle with `…`.

    Args:
        text: The text.
        width: The most characters to return.

    Returns:
        The text itself if it is short enough.
    """
    if len(text) <= width:
        return text
    tail = (width - 1) // 3
    return text[: width - 1 - tail] + "…" + (text[-tail:] if tail else "")


def wrap(text: str, width: int, lines: int) -> str:
    """Break a text into lines, and shorten it if they are too many.

    Args:
        text: The text; its own lines share the allowed lines equally.
        width: The most characters in a line.
        lines: The most lines to return.

    Returns:
        The lines, separated by newlines.
    """
    parts = text.split("\n")[:lines]
    share = lines // len(parts)
    return "\n".join(_wrap_line(part, width, share) for part in parts)


def finite(values: Sequence[Any]) -> np.ndarray:
    """Return values as float64 (n,); None, `''` and anything else that is not a number become NaN."""
    return np.array([_float(value) for value in values], dtype=np.float64)


def _wrap_line(text: str, width: int, lines: int) -> str:
    broken = textwrap.wrap(text, width)
    if len(broken) > lines:
        broken = [*broken[: lines - 1], shorten(" ".join(broken[lines - 1 :]), width)]
    return "\n".join(broken)


def _float(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return np.nan

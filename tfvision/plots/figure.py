"""The look of every figure: canvas, colours, titles, class names, and how it is saved."""

import io
import textwrap
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from tfvision.system.files import replacing

DPI = 110
TRAIN, VALIDATION, MARK = "#E69F00", "#0072B2", "#009E73"  # Okabe and Ito, 2008
INK, SOFT, FAINT, _GRID = "#222222", "#555555", "#BBBBBB", "#E8E8E8"
CLASS_COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#999933", "#332288", "#777777"
)  # fmt: skip
_CELL = "#08519C"  # of a matrix, the more opaque the larger its number

# What becomes of a colour on dark paper, that of the report's cards. Lines and letters as a file has them are for white.
_DARK = {
    "#000000": "#E6EAF0", INK: "#E6EAF0", SOFT: "#9AA6B5", FAINT: "#566273", _GRID: "#343D49", "#FFFFFF": "#1D232C",
    "#0072B2": "#62B5EA", "#D55E00": "#F08A4B", "#009E73": "#3CC79B", "#882255": "#D873A6", "#332288": "#9A8CF0",
    "#56B4E9": "#A5DCFF", _CELL: "#2573B8",
}  # fmt: skip
_ON_CELL, _STRONG = "#FEFEFE", 0.7  # white letters, on cells as opaque as this or more; white that stays white


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
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="none")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, 1, sharex=share_x and rows > 1, squeeze=False, height_ratios=heights)[:, 0]
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
        one.grid(color=_GRID, linewidth=0.8)
        one.set_facecolor("none")
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


def draw_cells(axes: Axes, strengths: np.ndarray) -> None:
    """Draw a matrix of cells, more opaque the stronger, so that they suit white and dark paper alike.

    Args:
        axes: The axes; cell (row, column) is centred at x = column, y = row, the first row on top.
        strengths: float (rows, columns) in 0..1; nothing is drawn for 0 and NaN.
    """
    rows, columns = strengths.shape
    drawn = np.argwhere(np.nan_to_num(strengths) > 0)
    squares = [Rectangle((column - 0.5, row - 0.5), 1, 1) for row, column in drawn]
    axes.add_collection(
        PatchCollection(squares, facecolors=[(_CELL, strengths[tuple(at)]) for at in drawn], linewidth=0)
    )
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def cell_patch(strength: float, label: str) -> Patch:
    """Return a patch of the colour of a cell, for a legend."""
    return Patch(facecolor=(_CELL, strength), label=label)


def on_cell(strength: float) -> str:
    """Return the colour of letters that can be read on a cell."""
    return _ON_CELL if strength >= _STRONG else INK


def say_nothing_to_draw(axes: Axes, why: str) -> None:
    """Write into an empty figure why it is empty.

    Args:
        axes: The axes to write into; they are hidden.
        why: The sentence to write.
    """
    axes.set_axis_off()
    axes.text(0.5, 0.5, why, ha="center", va="center", color=INK, transform=axes.transAxes, wrap=True)


def save(figure: Figure, path: Path | str) -> None:
    """Write a figure as an SVG or a PNG file, whole or not at all.

    Args:
        figure: The figure; its layout is fixed by this.
        path: The file to write. An SVG file is dark where its reader prefers that, with letters as text.

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
        if Path(path).suffix == ".png":
            figure.savefig(temporary, format="png", dpi=DPI)
        else:
            temporary.write_text(_to_svg(figure), encoding="utf-8")


def _to_svg(figure: Figure) -> str:
    """Return a figure as SVG, the same one each time."""
    text = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "tfvision"}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue().replace("<defs>", f"<style>{_style()}</style>\n <defs>", 1)


def _style() -> str:
    """Return the style sheet that recolours an SVG for readers of dark pages; programs that know none show it as it is."""
    rules = [f"svg {{ background: {_DARK['#FFFFFF']} }} text {{ fill: {_DARK[INK]} }}"]
    for old, new in _DARK.items():
        for what in ("fill", "stroke"):
            rules.append(f'[style*="{what}: {old.lower()}"] {{ {what}: {new} !important }}')
    return "svg { background: #FFFFFF } @media (prefers-color-scheme: dark) { " + " ".join(rules) + " }"


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

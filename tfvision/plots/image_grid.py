"""Image grids: class samples, augmented samples, worst mistakes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tfvision.plots.boxes import DrawnBox
from tfvision.plots.figure import DPI, save, wrap

# Read on white paper and on the dark of a page alike: photos stay pixels, which no style sheet recolours.
_LETTER = "#76818F"
_CELL, _GAP, _TITLE, _LINE = 1.4, 0.12, 0.42, 0.15  # inches: an image, the gap, the title, a line of a caption
_LETTERS, _LINES = 21, 6  # a caption's characters in a line, and its lines


def plot_image_grid(
    images: Sequence[np.ndarray | None],
    captions: Sequence[str],
    title: str,
    path: Path | str,
    columns: int = 8,
    boxes: Sequence[Sequence[DrawnBox]] = (),
) -> None:
    """Draw images in rows, each with its caption below it.

    Args:
        images: uint8 `(h, w, 3)` RGB, `(h, w, 1)` or `(h, w)` gray; the sizes may differ; None for an empty place.
            Without images no file is written.
        captions: One for each image. It may take six lines, which its own lines share equally; then it is shortened.
        title: The title of the whole figure.
        path: The PNG file to write.
        columns: Images in a row.
        boxes: The boxes to draw over each image; empty for none at all.
    """
    if not len(images):
        return
    columns = min(columns, max(len(images), 4))
    rows = -(-len(images) // columns)
    texts = [wrap(caption, _LETTERS, _LINES) for caption in captions]
    lines = max(text.count("\n") + 1 for text in texts)
    width = columns * (_CELL + _GAP) + _GAP
    row_height = _CELL + _LINE * lines + _GAP
    height = _TITLE + rows * row_height
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="none")
    FigureCanvasAgg(figure)
    _write_title(figure, title, columns)
    # One canvas in inches: separate axes for each image would take ten times as long as everything else.
    canvas = figure.add_axes((0, 0, 1, 1), frameon=False)
    canvas.set_axis_off()
    for index, (image, text) in enumerate(zip(images, texts, strict=True)):
        if image is None:
            continue
        row, column = divmod(index, columns)
        left = _GAP + column * (_CELL + _GAP)
        bottom = height - _TITLE - row * row_height - _CELL
        if boxes:
            cell = figure.add_axes((left / width, bottom / height, _CELL / width, _CELL / height))
            _draw_with_boxes(cell, np.asarray(image), boxes[index])
        else:
            _draw_image(canvas, np.asarray(image), left, bottom)
        figure.text(
            (left + _CELL / 2) / width, (bottom - 0.04) / height, text,
            ha="center", va="top", fontsize=8, color=_LETTER, parse_math=False,
        )  # fmt: skip
    canvas.set(xlim=(0, width), ylim=(0, height))
    save(figure, path)


def _write_title(figure: Figure, title: str, columns: int) -> None:
    width, height = figure.get_size_inches()
    text = wrap(title, 14 * columns, 1)
    place = {"x": _GAP / width, "y": 1 - 0.08 / height, "ha": "left", "va": "top"}
    figure.text(s=text, **place, fontsize=11, fontweight="bold", color=_LETTER, parse_math=False)


def _draw_image(canvas: Axes, image: np.ndarray, left: float, bottom: float) -> None:
    """Draw an image as large as it fits, centred in the cell whose lower left corner is given in inches."""
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    sides = np.array(image.shape[1::-1])
    width, height = _CELL * sides / sides.max()
    left, bottom = left + (_CELL - width) / 2, bottom + (_CELL - height) / 2
    # Nearest neighbour shows the pixels that the model sees; a large image would get artefacts from it.
    kernel = "nearest" if sides.max() < _CELL * DPI else "antialiased"
    place = (left, left + width, bottom, bottom + height)
    canvas.imshow(image, extent=place, aspect="auto", cmap="gray", vmin=0, vmax=255, interpolation=kernel)


def _draw_with_boxes(cell: Axes, image: np.ndarray, boxes: Sequence[DrawnBox]) -> None:
    """Draw an image into its own axes, in units of its pixels, as the boxes are."""
    small = max(image.shape[:2]) < _CELL * DPI
    cell.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest" if small else "antialiased")
    cell.set_axis_off()
    for box in boxes:
        box.draw(cell)

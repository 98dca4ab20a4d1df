"""Boxes in a CSV: the columns, found by name, and the meaning of their numbers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfvision.data.boxes.given import GivenBox
from tfvision.data.sources.tables.reading import Table
from tfvision.errors import DataError, UsageError, listing, nearest, worded

CORNERS = (
    ("xmin", "ymin", "xmax", "ymax"),
    ("x1", "y1", "x2", "y2"),
    ("x0", "y0", "x1", "y1"),
    ("left", "top", "right", "bottom"),
    ("minx", "miny", "maxx", "maxy"),
)
SIZES = tuple(
    (*start, *size)
    for start in (("x", "y"), ("xmin", "ymin"), ("left", "top"), ("x1", "y1"))
    for size in (("width", "height"), ("w", "h"))
)
_PREFIXES = ("", "bbox", "box", "boundingbox")
_LARGEST_SHARE = 1.01  # relative coordinates may exceed 1 by rounding


@dataclass(frozen=True)
class BoxColumns:
    """The four columns of a box.

    Attributes:
        names: xmin, ymin and xmax, ymax; or xmin, ymin and width, height.
        by_size: Whether the last two are width and height.
        image_size: The columns with width and height of the image; empty if there are none.
    """

    names: tuple[str, ...]
    by_size: bool
    image_size: tuple[str, ...] = ()


def find_box_columns(table: Table, asked: Sequence[str] | None) -> BoxColumns | None:
    """Find the columns of the box: as asked, else by their names, with or without a prefix such as `bbox_`.

    Args:
        table: The CSV.
        asked: Four column names in order, or None; the last two are sizes if they are called width and height, or w
            and h.

    Returns:
        The columns; None if no names are recognized.

    Raises:
        DataError: A column that was asked for is missing.
        UsageError: The number of columns asked for is not four.
    """
    plain = {re.sub(r"[^0-9a-z]", "", column.lower()): column for column in table.columns if column}
    if asked is not None:
        if len(asked) != 4:
            raise UsageError(f"box columns {', '.join(asked)}: expected four, such as xmin,ymin,xmax,ymax")
        if missing := [column for column in asked if column not in table.columns]:
            raise DataError(
                f"{table.name} has no column {worded(missing[0])}{nearest(missing[0], table.columns)}; its columns are "
                f"{listing(table.columns, 20)}; give four of them as --box-columns"
            )
        by_size = bool(re.search(r"(width|(^|[^a-z])w)[^a-z]*$", asked[2].lower()))
        return BoxColumns(tuple(asked), by_size, () if by_size else _image_size(plain, asked))
    for known, by_size in ((CORNERS, False), (SIZES, True)):
        for prefix in _PREFIXES:
            for names in known:
                if all(prefix + name in plain for name in names):
                    columns = tuple(plain[prefix + name] for name in names)
                    return BoxColumns(columns, by_size, () if by_size else _image_size(plain, columns))
    return None


def read_boxes(table: Table, columns: BoxColumns) -> list[GivenBox | None]:
    """Read the box of each row.

    Args:
        table: The CSV.
        columns: The columns of the box.

    Returns:
        A box for each row; None if all four cells are empty. Corners that are not numbers are NaN, and the label is
        not filled in.
    """
    cells = np.array([[_number(cell) for cell in table.values(name)] for name in columns.names], np.float64).T
    empty = np.all([[not cell for cell in table.values(name)] for name in columns.names], axis=0)
    if columns.by_size:
        cells[:, 2:] += cells[:, :2]
    sizes = [[_whole(cell) for cell in table.values(name)] for name in columns.image_size] or [[0] * len(cells)] * 2
    return [
        None if nothing else GivenBox(f"{table.name} row {number}", tuple(corners), None, size)
        for number, nothing, corners, size in zip(
            table.numbers, empty, cells.tolist(), zip(*sizes, strict=True), strict=True
        )
    ]


def find_unit(boxes: Sequence[GivenBox]) -> str:
    """Return `relative` if all coordinates of a data set are in 0..1, else `pixels`."""
    corners = np.array([box.corners for box in boxes], np.float64)
    corners = corners[np.isfinite(corners)]
    return "relative" if len(corners) and np.abs(corners).max() <= _LARGEST_SHARE else "pixels"


def _image_size(plain: dict[str, str], used: Sequence[str]) -> tuple[str, ...]:
    """Return the columns with the size of the image, which some tools write beside the corners."""
    for names in (("imagewidth", "imageheight"), ("imgwidth", "imgheight"), ("width", "height")):
        if all(name in plain and plain[name] not in used for name in names):
            return tuple(plain[name] for name in names)
    return ()


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")


def _whole(cell: str) -> int:
    value = _number(cell)
    return int(value) if value == value and 0 < value < 1e9 else 0

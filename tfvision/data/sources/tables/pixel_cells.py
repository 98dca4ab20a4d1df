"""Images whose pixels are the cells of a CSV: a column of numbers in each cell, or a column for each pixel."""

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np

from tfvision.data.images.imageset import ImageSet
from tfvision.data.sources.classes import plain_labels
from tfvision.data.sources.entries import Entry, build_images
from tfvision.data.sources.groups import GROUP_NAMES, said_of_groups, with_alone
from tfvision.data.sources.image_files import suffix
from tfvision.data.sources.parts import UNLABELLED
from tfvision.data.sources.spelling import spelled
from tfvision.data.sources.tables.columns import LABEL_COLUMNS, Columns, by_name, refuse_missing_columns
from tfvision.data.sources.tables.label_columns import check_labels
from tfvision.data.sources.tables.of_parts import parts_of_tables
from tfvision.data.sources.tables.part_columns import find_part_column, parts_of_rows
from tfvision.data.sources.tables.reading import TABLE_SUFFIXES, Table, plain_column
from tfvision.data.storage.arrays import ArrayStorage, pixel_arrays
from tfvision.data.storage.files import Storage
from tfvision.errors import DataError, listing, worded
from tfvision.system.csv_table import csv_rows

_CELL_COLUMNS = ("pixels", "pixel", "image", "data")
_PIXEL = re.compile(r"(pixel|px|p|attr)?_?\d+(x\d+)?", re.IGNORECASE)
csv.field_size_limit(1 << 27)  # a cell may hold the pixels of a whole image
_LEAST = 16  # pixels; fewer columns of numbers are measurements
_LABELS = (*LABEL_COLUMNS, "emotion", "digit", "letter")


@dataclass(frozen=True)
class _Layout:
    """Which columns of a header hold pixels: one with all of them, or one for each."""

    name: str
    columns: tuple[str, ...]
    pixels: tuple[int, ...]
    delimiter: str

    @property
    def in_one_cell(self) -> bool:
        return len(self.pixels) == 1

    @property
    def others(self) -> list[int]:
        pixels = set(self.pixels)
        return [index for index in range(len(self.columns)) if index not in pixels]


def open_pixel_cells(
    storage: Storage, table: str | None, asked: Columns, columns: Mapping[str, Any], *, labelled: bool
) -> ImageSet | None:
    """Open the images in the cells of a CSV, which are read as a whole.

    Images are square; of three times a square number of values, the three colours of a pixel follow each other.

    Args:
        storage: Where the CSV is.
        table: Its name; None to look at all CSV files, of which one must hold pixels.
        asked: The columns that were asked for.
        columns: The options that the data was opened with.
        labelled: Whether labels are needed.

    Returns:
        The images, numbered as rows; None if no CSV holds pixels.

    Raises:
        DataError: Rows of different lengths, cells that are no numbers, or labels that are missing or no classes.
    """
    names = [table] if table else [name for name in storage.names if suffix(name) in TABLE_SUFFIXES]
    layouts = [layout for name in names if (layout := _layout(storage, name, asked))]
    if not layouts:
        return None
    if len(layouts) == 1:
        return _open(storage, layouts, {}, asked, columns, labelled=labelled)
    with_labels = [layout for layout in layouts if not labelled or _columns_of(layout, asked, labelled=labelled)]
    parts = parts_of_tables([layout.name for layout in layouts])
    if not parts or not with_labels:
        raise DataError(
            f"{len(layouts)} CSV files hold pixels ({listing([layout.name for layout in layouts])}); give the path of one"
        )
    used = [layout for layout in with_labels if layout.name in parts]
    found = _open(storage, used, parts if len(used) > 1 else {}, asked, columns, labelled=labelled)
    left = [layout.name for layout in layouts if layout not in used]
    notes = (f"{listing(left)} has no column of labels: left out",) if left else ()
    return replace(found, notes=(*found.notes, *notes))


def _layout(storage: Storage, name: str, asked: Columns) -> _Layout | None:
    """Tell from the header and the first row which columns hold pixels."""
    head = storage.head(name, 1 << 20).decode("utf-8-sig", "replace")
    lines = head.splitlines()
    if len(lines) < 2:
        return None
    delimiter = max(",;\t", key=lines[0].count)
    try:
        header, first = ([cell.strip() for cell in row] for row in csv_rows(lines[:2], delimiter=delimiter))
    except (csv.Error, ValueError):  # a field over two lines
        return None
    if len(header) != len(first):
        return None
    one = [index for index, column in enumerate(header) if plain_column(column) in _CELL_COLUMNS]
    if len(one) == 1 and len(first[one[0]].split()) >= _LEAST and _numbers(first[one[0]], " ") is not None:
        return _Layout(name, tuple(header), tuple(one), delimiter)
    taken = (asked.label, asked.group, asked.part)
    each = [index for index, column in enumerate(header) if _PIXEL.fullmatch(column) and column not in taken]
    if len(each) < _LEAST or _numbers(delimiter.join(first[index] for index in each), delimiter) is None:
        return None
    return _Layout(name, tuple(header), tuple(each), delimiter)


def _open(
    storage: Storage,
    layouts: Sequence[_Layout],
    parts: Mapping[str, str],
    asked: Columns,
    columns: Mapping[str, Any],
    *,
    labelled: bool,
) -> ImageSet:
    """Open one CSV, or those of several parts."""
    tables, images = [], {}
    for layout in layouts:
        cells, pixels, numbers = _read(storage, layout)
        beside = tuple(layout.columns[index] for index in layout.others)
        tables.append(Table(layout.name, beside, tuple(cells), numbers))
        images[layout.name], shape = _shaped(pixels, layout.name)
    arrays, notes = pixel_arrays(images, columns.get("pixel_rule"))
    held = ArrayStorage(storage.path, {parts.get(name, ""): array for name, array in arrays.items()})
    entries: list[Entry] = []
    said = [f"pixels: cells of {listing(list(images))}, images of {shape}"]
    names = iter(held.names)
    for table in tables:
        own_names = list(islice(names, len(table.rows)))
        own, more = _entries(table, own_names, parts.get(table.name, ""), asked, labelled=labelled)
        entries += own
        said += more
    options = {**columns, "pixel_rule": held.pixel_rule or columns.get("pixel_rule")}
    return build_images(entries, held, options, labelled=labelled, notes=(*said, *notes))


def _entries(
    table: Table, names: Sequence[str], part: str, asked: Columns, *, labelled: bool
) -> tuple[list[Entry], list[str]]:
    """Return the entries of a CSV and what was read, without rows of a part that has no labels."""
    found, count = _columns(table, asked, labelled=labelled), len(names)
    labels: Sequence[str | None] = [None] * count
    parts = parts_of_rows(table, found.part, part)
    if found.label:
        check_labels(table, found.label, is_guess=found.is_guess)
        labels = [spelled(label) for label in plain_labels(table.values(found.label))]
    groups: Sequence[str | None] = [None] * count
    of_groups: tuple[str, ...] = ()
    if found.group:
        plain_name, what = plain_column(found.group), f"column {worded(found.group)} of {table.name}"
        named = with_alone(table.values(found.group), names)
        kept, said_of = said_of_groups(
            named, labels, parts, plain_name=plain_name, what=what, is_asked=asked.group is not None
        )
        groups, of_groups = named if kept else groups, (said_of,)
    entries = [
        Entry(*row)
        for row in zip(names, names, labels, groups, parts, strict=True)
        if not labelled or row[4] != UNLABELLED
    ]
    number_of = dict(zip(names, table.numbers, strict=True))
    if found.label and (empty := [f"row {number_of[entry.name]}" for entry in entries if not entry.label]):
        raise DataError(
            f"{len(empty):,} rows of {table.name} have no label in column {worded(found.label)}: {listing(empty)}; "
            "fill or remove them"
        )
    said = [f"labels: column {worded(found.label)} of {table.name}"] if found.label else []
    said += [f"parts: column {worded(found.part)} of {table.name}"] if found.part and not part else []
    said += of_groups
    if left := count - len(entries):
        said.append(f"{left:,} rows of {table.name} are of no labelled part: left out")
    return entries, said


def _columns_of(layout: _Layout, asked: Columns, *, labelled: bool) -> Columns | None:
    """Return the columns beside the pixels by the header alone; None if it is not clear which is the label."""
    names = tuple(layout.columns[index] for index in layout.others)
    try:
        return _columns(Table(layout.name, names, ()), asked, labelled=labelled)
    except DataError:
        return None


def _read(storage: Storage, layout: _Layout) -> tuple[list[tuple[str, ...]], list[np.ndarray], list[int]]:
    """Return the other cells, the pixels and the number of each row, as a spreadsheet shows it."""
    text = io.StringIO(storage.read(layout.name).decode("utf-8-sig", "replace"), newline="")
    reader = csv_rows(text, delimiter=layout.delimiter)
    next(reader)
    cells: list[tuple[str, ...]] = []
    pixels: list[np.ndarray] = []
    numbers: list[int] = []
    for number, row in _rows(reader, layout.name):
        values = None
        if len(row) == len(layout.columns):
            joined = row[layout.pixels[0]] if layout.in_one_cell else " ".join(row[index] for index in layout.pixels)
            values = _numbers(joined, " ")
        if values is None or (pixels and len(values) != len(pixels[0])):
            raise DataError(
                f"{layout.name}: row {number} holds other pixels than the first below the header; correct it"
            )
        pixels.append(values)
        cells.append(tuple(row[index].strip() for index in layout.others))
        numbers.append(number)
    return cells, pixels, numbers


def _rows(reader: Iterator[list[str]], name: str) -> Iterator[tuple[int, list[str]]]:
    try:
        yield from ((number, row) for number, row in enumerate(reader, start=2) if any(row))
    except csv.Error as error:
        raise DataError(f"{name} is not a CSV: {error}; expected a header line and one row for each image") from error


def _numbers(text: str, delimiter: str) -> np.ndarray | None:
    """Return the numbers of a text as uint8 if they all are that, else float32; None if it holds anything else."""
    try:
        values = np.array(text.split() if delimiter == " " else text.split(delimiter), np.float32)
    except ValueError:
        return None
    whole = values.astype(np.uint8) if len(values) and values.min() >= 0 and values.max() <= 255 else values
    return whole if np.array_equal(whole, values) else values


def _shaped(pixels: list[np.ndarray], name: str) -> tuple[np.ndarray, str]:
    count = len(pixels[0])
    side, side_of_three = math.isqrt(count), math.isqrt(count // 3)
    stacked = np.stack(pixels)
    if side * side == count:
        return stacked.reshape(-1, side, side, 1), f"{side}x{side} px, gray"
    if count % 3 == 0 and side_of_three**2 * 3 == count:
        return stacked.reshape(-1, side_of_three, side_of_three, 3), f"{side_of_three}x{side_of_three} px, RGB"
    raise DataError(
        f"{name} holds {count:,} pixels an image; expected a square number, or three times one for RGB; save other images "
        "as an .npz"
    )


def _columns(table: Table, asked: Columns, *, labelled: bool) -> Columns:
    """Find the columns beside the pixels."""
    refuse_missing_columns(table, replace(asked, file=None))
    free = [column for column in table.columns if column]
    part = asked.part or find_part_column(table, free)
    group = asked.group or next(iter(by_name(free, GROUP_NAMES)), None)
    left = [column for column in free if column not in (part, group)]
    if not labelled:
        return Columns(None, None, group, part=part)
    named = [asked.label] if asked.label else by_name(left, _LABELS)
    if not named and len(left) != 1:
        raise DataError(
            f"{table.name} does not say which column is the label; beside the pixels it has {listing(left, 20) or 'none'}; "
            "give one of them as --label-column"
        )
    return Columns(None, (named or left)[0], group, part=part, is_guess=not named)

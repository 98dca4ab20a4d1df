"""The images that the rows of a CSV name, with labels, groups and parts."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tfvision.data.sources.classes import plain_labels
from tfvision.data.sources.entries import Entry, Reading
from tfvision.data.sources.groups import said_of_groups, with_alone
from tfvision.data.sources.parts import UNLABELLED
from tfvision.data.sources.spelling import spelled
from tfvision.data.sources.tables.columns import LABEL_COLUMNS, Columns, by_name, find_columns
from tfvision.data.sources.tables.file_index import FileIndex
from tfvision.data.sources.tables.label_columns import check_labels, one_hot_labels
from tfvision.data.sources.tables.part_columns import parts_of_rows, unused_part_note
from tfvision.data.sources.tables.reading import Table, plain_column
from tfvision.errors import DataError, listing, worded

_PARTS = (None, UNLABELLED, "train", "validation", "test")
_Row = tuple[str, str | None, str | None, str | None, int]  # file, label, group, part, index of the row


def read_rows(
    table: Table, images: Sequence[str], asked: Columns, *, labelled: bool, root: Path | None = None, part: str = ""
) -> Reading:
    """Read the entries of a CSV; rows that repeat the same entry count once.

    Args:
        table: The CSV.
        images: Names of all images in the storage.
        asked: The columns that were asked for.
        labelled: Whether labels are needed.
        root: The folder of the storage, below which paths may be absolute.
        part: The part of all rows, if the CSV is that of one; "" to look for a column of parts.

    Returns:
        The entries, and which columns were read.

    Raises:
        DataError: Columns are missing or unclear, a row names no image, or labels are missing, contradictory or no
            classes.
    """
    index = FileIndex(table.name, images, root)
    columns = find_columns(table, index, asked, labelled=labelled)
    rows, left_out = _labelled_rows(table, columns, labelled, part)
    rows, of_groups = _grouped_rows(table, columns, rows, is_asked=asked.group is not None)
    names = _names(table, columns, index, rows)
    entries: dict[str, Entry] = {}
    twice, moved = [], []
    first: dict[str, int] = {}
    for file, label, group, own_part, row in rows:
        first.setdefault(names[file], row)
        known = entries.setdefault(names[file], Entry(spelled(file), names[file], label, group, own_part))
        if (known.label, known.group) != (label, group):
            pair = (known.label, label) if known.label != label else (known.group, group)
            above = table.numbers[first[names[file]]]
            twice.append(f"{file} ({pair[0]} in row {above}, {pair[1]} in row {table.numbers[row]})")
        elif own_part != known.part:
            moved.append(spelled(file))
            entries[names[file]] = replace(known, part=max(known.part, own_part, key=_PARTS.index))
    if twice:
        raise DataError(
            f"{table.name} gives {len(twice):,} files two labels or groups: {listing(twice, 20)}; keep one row each"
        )
    notes = [*_said(table, columns, labelled, part), *(of_groups if labelled else ()), *left_out]
    if moved:
        notes.append(f"{len(moved):,} files are in two parts, and are left in the later one: {listing(moved, 3)}")
    return Reading(list(entries.values()), tuple(notes), (table.name,))


def _labelled_rows(table: Table, columns: Columns, labelled: bool, part: str) -> tuple[list[_Row], tuple[str, ...]]:
    """Return file, label, group and part of each row, and a note on rows of a part without labels."""
    assert columns.file is not None, "find_columns names the column of files or raises"
    files, count = table.values(columns.file), len(table.rows)
    labels: Sequence[str | None] = [None] * count
    if columns.one_hot:
        labels = one_hot_labels(table, columns.one_hot)
    elif columns.label:
        labels = [spelled(label) for label in plain_labels(table.values(columns.label))]
    groups: Sequence[str | None] = [None] * count
    if columns.group:
        groups = with_alone(table.values(columns.group), files)
    parts = parts_of_rows(table, columns.part, part)
    rows = list(zip(files, labels, groups, parts, range(count), strict=True))
    # The answers of a contest's test rows are often left empty.
    needed = columns.label is not None and labelled
    used = [
        row
        for row in rows
        if not (labelled and row[3] == UNLABELLED) and not (needed and not row[1] and row[3] in ("validation", "test"))
    ]
    if columns.label and labelled:
        if empty := [row for _, label, *_, row in used if not label]:
            raise DataError(
                f"{len(empty):,} rows of {table.name} have no label: {table.in_rows(empty, files)}; fill or remove them"
            )
        check_labels(table, columns.label, is_guess=columns.is_guess)
    left_out = len(rows) - len(used)
    return used, (
        f"{left_out:,} rows of {table.name} are of a part without labels, or have none there: left out",
    ) if left_out else ()


def _grouped_rows(
    table: Table, columns: Columns, rows: list[_Row], *, is_asked: bool
) -> tuple[list[_Row], tuple[str, ...]]:
    """Return the rows without groups that cannot be kept together, and what is said about them."""
    if not columns.group or not rows:
        return rows, ()
    _, labels, groups, parts, _ = zip(*rows, strict=True)
    plain_name, what = plain_column(columns.group), f"column {worded(columns.group)} of {table.name}"
    kept, said = said_of_groups(groups, labels, parts, plain_name=plain_name, what=what, is_asked=is_asked)
    return rows if kept else [(file, label, None, part, row) for file, label, _, part, row in rows], (said,)


def _names(table: Table, columns: Columns, index: FileIndex, rows: Sequence[_Row]) -> dict[str, str]:
    """Return the image in the storage that each row names."""
    files, every = [file for file, *_ in rows], table.values(columns.file or "")
    index.check_inside(files, [table.numbers[row] for *_, row in rows])
    names = {file: name for file, name in zip(files, index.find_all(files), strict=True) if name is not None}
    if missing := [row for file, *_, row in rows if file not in names]:
        raise DataError(
            f"{len(missing):,} of {len(files):,} rows of {table.name} name no image, or more than one: "
            f"{table.in_rows(missing, every)}; correct column {worded(columns.file)} or add the files"
        )
    return names


def _said(table: Table, columns: Columns, labelled: bool, part: str) -> tuple[str, ...]:
    if not labelled:
        return ()
    notes = []
    if columns.one_hot:
        notes.append(f"labels: {len(columns.one_hot)} columns of {table.name}, with a 1 for the class")
    elif columns.label:
        others = [
            column for column in by_name(list(table.columns), LABEL_COLUMNS) if column not in vars(columns).values()
        ]
        beside = f" (not {', '.join(map(repr, others))})" if others and not part else ""
        notes.append(f"labels: column {worded(columns.label)} of {table.name}{beside}")
    if columns.part and not part:
        notes.append(f"parts: column {worded(columns.part)} of {table.name}")
    taken = (columns.file, columns.label, columns.group, columns.part)
    return (*notes, *unused_part_note(table, taken))

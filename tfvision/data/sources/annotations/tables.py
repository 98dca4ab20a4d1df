"""Boxes in CSV files: one file for all images, or one for each part."""

from collections.abc import Sequence
from dataclasses import replace

from tfvision.data.sources.annotations.columns import find_box_columns, read_boxes
from tfvision.data.sources.annotations.rows import BoxRow, BoxRows
from tfvision.data.sources.classes import plain_labels
from tfvision.data.sources.image_files import suffix
from tfvision.data.sources.parts import UNLABELLED
from tfvision.data.sources.spelling import spelled
from tfvision.data.sources.tables.columns import LABEL_COLUMNS, Columns, by_name, find_columns, names_images
from tfvision.data.sources.tables.file_index import FileIndex
from tfvision.data.sources.tables.of_parts import parts_of_tables
from tfvision.data.sources.tables.part_columns import parts_of_rows
from tfvision.data.sources.tables.reading import TABLE_SUFFIXES, Table, read_table
from tfvision.data.storage.directory import Directory
from tfvision.data.storage.files import Storage
from tfvision.errors import DataError, listing, worded


def find_box_tables(storage: Storage, images: Sequence[str], asked: Columns) -> dict[str, str]:
    """Find the CSV files that name images and have columns for boxes, nearest to the top.

    Args:
        storage: Where they are.
        images: Names of all images.
        asked: The columns that were asked for.

    Returns:
        Name of a CSV to its part, "" if it is the only one; empty if there is none.

    Raises:
        DataError: Several files could be meant, or none has the columns that were asked for.
    """
    found, wrong = [], None
    for name in (name for name in storage.names if suffix(name) in TABLE_SUFFIXES):
        try:
            table = read_table(storage, name)
            if find_box_columns(table, asked.boxes) and names_images(table, FileIndex(name, images), asked):
                found.append(name)
        except DataError as error:
            wrong = wrong or error
    found.sort(key=lambda name: (name.count("/"), name))
    if not found and wrong and asked.any():
        raise wrong
    nearest = [name for name in found if name.count("/") == found[0].count("/")]
    if len(nearest) < 2:
        return dict.fromkeys(nearest, "")
    if parts := parts_of_tables(nearest):
        return parts
    raise DataError(
        f"{len(nearest)} CSV files hold boxes ({listing(nearest)}); unpack the data and give the path of one"
    )


def rows_of_tables(storage: Storage, tables: dict[str, str], images: Sequence[str], asked: Columns) -> BoxRows:
    """Read the boxes of CSV files.

    Args:
        storage: Where they are.
        tables: See `find_box_tables`.
        images: Names of all images.
        asked: The columns that were asked for.

    Returns:
        A row for each box.

    Raises:
        DataError: A CSV has no columns for boxes, or they are unclear.
    """
    found = BoxRows(used=list(tables))
    for name, part in tables.items():
        found.how = _read_rows(storage, read_table(storage, name), images, asked, part, found)
    if len(tables) > 1:  # each may call its images 1.jpg, 2.jpg, ...
        found.rows = [replace(row, file=spelled(row.name)) for row in found.rows]
        found.how = f"one CSV a part: {', '.join(f'{name} is {part}' for name, part in tables.items())}"
    return found


def _read_rows(storage: Storage, table: Table, images: Sequence[str], asked: Columns, part: str, into: BoxRows) -> str:
    """Add the rows of a CSV, and return what was read."""
    index = FileIndex(table.name, images, storage.path if isinstance(storage, Directory) else None)
    columns = find_box_columns(table, asked.boxes)
    if columns is None:
        raise DataError(
            f"{table.name} has no columns for boxes; its columns are {listing(table.columns, 20)}; "
            "give four of them as --box-columns, such as xmin,ymin,xmax,ymax or x,y,width,height"
        )
    found = find_columns(table, index, asked, labelled=False)
    assert found.file is not None, "find_columns names the column of files or raises"
    taken = (*columns.names, *columns.image_size, found.file, found.group, found.part)
    label = found.label or next(iter(by_name([c for c in table.columns if c not in taken], LABEL_COLUMNS)), None)
    files, boxes = table.values(found.file), read_boxes(table, columns)
    index.check_inside(files, table.numbers)
    labels = plain_labels(table.values(label)) if label else [None] * len(files)
    groups = table.values(found.group) if found.group else [None] * len(files)
    parts = parts_of_rows(table, found.part, part)
    cells = zip(table.numbers, files, index.find_all(files), boxes, labels, groups, parts, strict=True)
    for number, file, image, box, text, group, own_part in cells:
        where = f"{table.name} row {number} ({file})"
        if image is None:
            into.bad.append((where, "it names no image, or more than one"))
        elif own_part == UNLABELLED:
            continue
        elif label and not text and box:
            into.bad.append((where, f"it has no label in column {worded(label)}"))
        else:
            whole = replace(box, row=where, label=text) if box else None
            into.rows.append(BoxRow(spelled(file), image, whole, where, group, own_part))
    said = f"columns {', '.join(columns.names)} of {table.name}"
    left = [column for column in table.columns if column and column not in taken]
    if label is None:
        said += f", no label{f' (its other columns are {listing(left)})' if left else ''}"
    return f"{said}, parts in {worded(found.part)}" if found.part and not part else said

"""Images with one box each, from a CSV or PASCAL VOC files; errors are collected by row, for the scan to report."""

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tfvision.data.boxes.given import GivenBox, choose_box
from tfvision.data.sources.array_names import PART_NAMES
from tfvision.data.sources.box_columns import find_box_columns, find_unit, read_boxes
from tfvision.data.sources.classes import plain_labels
from tfvision.data.sources.columns import LABEL_COLUMNS, Columns, by_name, find_columns, names_images
from tfvision.data.sources.entries import Entry
from tfvision.data.sources.file_index import FileIndex
from tfvision.data.sources.tables import TABLE_SUFFIXES, read_table
from tfvision.data.sources.voc import names_of_annotations, read_voc
from tfvision.data.storage.files import Storage
from tfvision.errors import DataError, listing


@dataclass(frozen=True)
class Boxed:
    """The images and boxes of a source.

    Attributes:
        entries: One for each image, with its box.
        unit: `pixels` or `relative`.
        bad: Pairs (row, reason) of what cannot be used.
        notes: What a user should know about how it was read.
    """

    entries: tuple[Entry, ...]
    unit: str
    bad: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Row:
    """One box of one image, or the fact that the image has none."""

    file: str
    name: str
    box: GivenBox | None
    where: str
    group: str | None = None
    part: str | None = None


def read_boxed(
    storage: Storage, table: str | None, images: Sequence[str], asked: Columns, *, several: str, unit: str | None
) -> Boxed:
    """Read the boxes of images from a CSV, else from VOC files.

    Args:
        storage: Where the images and their boxes are.
        table: The CSV to read; it is searched for if None.
        images: Names of all images in the storage.
        asked: The columns that were asked for.
        several: Which box counts if an image has several: `largest`, `first` or `refuse`.
        unit: `pixels` or `relative`; found from the numbers if None.

    Returns:
        The images with usable boxes, and what is wrong with the others.

    Raises:
        DataError: There are no usable boxes, or columns are missing or ambiguous.
    """
    name, others = (table, 0) if table else _find_table(storage, images, asked)
    annotations = names_of_annotations(storage.names)
    bad: list[tuple[str, str]] = []
    if name:
        rows, how = _table_rows(storage, name, images, asked, bad)
    elif annotations and not asked.any():
        rows, how = _voc_rows(storage, annotations, images, bad), f"{len(annotations):,} VOC files"
    else:
        raise DataError(
            f"no boxes in {storage.path}; expected a CSV with columns such as file, xmin, ymin, xmax, ymax "
            "(or give them as --box-columns), or PASCAL VOC files beside the images"
        )
    boxes = [row.box for row in rows if row.box]
    unit = unit or (find_unit(boxes) if name else "pixels")
    entries, crowded = _one_each(rows, several, bad)
    bad += [(image, "no row or annotation names this image") for image in _unnamed(images, rows, bad)]
    notes = [f"boxes: {how}, {unit}"]
    if name and annotations:
        notes.append(f"{len(annotations):,} XML files are ignored: {name} names the images")
    if others:
        notes.append(f"{others:,} other CSV files are ignored")
    if crowded:
        notes.append(f"{crowded:,} images have several boxes: the {several} of each counts (source.several_boxes)")
    if not entries:
        raise DataError(
            f"no usable box in {storage.path}: {len(bad):,} bad rows, the first: {bad[0][0]}: {bad[0][1]}; correct them"
        )
    return Boxed(tuple(entries), unit, tuple(bad), tuple(notes))


def _find_table(storage: Storage, images: Sequence[str], asked: Columns) -> tuple[str | None, int]:
    """Return the CSV that names images and has columns for boxes, nearest to the top; and how many others there are."""
    found, wrong = [], None
    for name in (name for name in storage.names if posixpath.splitext(name)[1].lower() in TABLE_SUFFIXES):
        try:
            table = read_table(storage, name)
            if find_box_columns(table, asked.boxes) and names_images(table, FileIndex(name, images), asked):
                found.append(name)
        except DataError as error:
            wrong = wrong or error
    found.sort(key=lambda name: (name.count("/"), name))
    if len(found) > 1 and found[0].count("/") == found[1].count("/"):
        raise DataError(
            f"{len(found)} CSV files hold boxes ({listing(found)}); unpack the data and give the path of one"
        )
    if not found and wrong and asked.any():
        raise wrong
    return (found[0] if found else None), max(0, len(found) - 1)


def _table_rows(
    storage: Storage, name: str, images: Sequence[str], asked: Columns, bad: list[tuple[str, str]]
) -> tuple[list[_Row], str]:
    table, index = read_table(storage, name), FileIndex(name, images)
    columns = find_box_columns(table, asked.boxes)
    if columns is None:
        raise DataError(
            f"{name} has no columns for boxes; its columns are {listing(table.columns, 20)}; "
            "give four of them as --box-columns, such as xmin,ymin,xmax,ymax or x,y,width,height"
        )
    found = find_columns(table, index, asked, labelled=False)
    assert found.file is not None, "find_columns names the column of files or raises"
    taken = (*columns.names, *columns.image_size, found.file, found.group)
    label = found.label or next(iter(by_name([c for c in table.columns if c not in taken], LABEL_COLUMNS)), None)
    files, boxes = table.values(found.file), read_boxes(table, columns)
    index.check_inside(files)
    labels = plain_labels(table.values(label)) if label else [None] * len(files)
    groups = table.values(found.group) if found.group else [None] * len(files)
    rows = []
    for number, (file, box, text, group) in enumerate(zip(files, boxes, labels, groups, strict=True), start=1):
        where = f"{name} row {number} ({file})"
        image = index.find(file)
        if image is None:
            bad.append((where, "it names no image, or more than one"))
        elif label and not text and box:
            bad.append((where, f"it has no label in column {label!r}"))
        else:
            rows.append(_Row(file, image, replace(box, row=where, label=text) if box else None, where, group))
    return rows, f"columns {', '.join(columns.names)} of {name}"


def _voc_rows(
    storage: Storage, annotations: Sequence[str], images: Sequence[str], bad: list[tuple[str, str]]
) -> list[_Row]:
    index = FileIndex("", images)
    parts, rows = _parts(images), []
    for name in annotations:
        try:
            voc = read_voc(storage, name)
        except DataError as error:
            bad.append((name, str(error)))
            continue
        # The annotation's own name comes first: the one written in it often comes from another computer.
        stem = posixpath.splitext(name)[0]
        image = index.find(stem) or index.find(voc.filename.replace("\\", "/").rsplit("/", 1)[-1])
        if image is None:
            bad.append((name, f"there is no image {posixpath.basename(stem)}.* or {voc.filename or '(unnamed)'}"))
            continue
        unlabelled = [box for box in voc.boxes if not box.label]
        bad += [(box.row, "it has no <name>") for box in unlabelled]
        boxes = [box for box in voc.boxes if box.label]
        rows += [_Row(image, image, box, box.row, part=parts.get(image)) for box in boxes]
        if not voc.boxes:
            rows.append(_Row(image, image, None, name, part=parts.get(image)))
    return rows


def _one_each(rows: Sequence[_Row], several: str, bad: list[tuple[str, str]]) -> tuple[list[Entry], int]:
    """Return one entry for each image, and how many images had several usable boxes."""
    by_image: dict[str, list[_Row]] = {}
    for row in rows:
        by_image.setdefault(row.name, []).append(row)
    entries, crowded = [], 0
    for name, group in by_image.items():
        bad += [(row.where, row.box.problem) for row in group if row.box and row.box.problem]
        good = [(row, row.box) for row in group if row.box and not row.box.problem]
        if not any(row.box for row in group):
            bad.append((group[0].where, "it has no box"))
        if not good:
            continue
        (first, first_box), box = good[0], choose_box([box for _, box in good], several)
        if len(good) > 1 and len({box.corners for _, box in good}) > 1:
            crowded += 1
            if box is None:
                bad.append((first.where, f"it has {len(good)} boxes, and several_boxes is refuse"))
                continue
        box = box or first_box  # several identical boxes count as one
        entries.append(Entry(first.file, name, box.label, first.group, first.part, box))
    return entries, crowded


def _unnamed(images: Sequence[str], rows: Sequence[_Row], bad: Sequence[tuple[str, str]]) -> list[str]:
    """Return the images that nothing names, except those whose damaged annotation is reported already."""
    named = {row.name for row in rows}
    damaged = {posixpath.basename(posixpath.splitext(where)[0]) for where, _ in bad}
    return [name for name in images if name not in named and _stem(name) not in damaged]


def _parts(images: Sequence[str]) -> dict[str, str]:
    """Return the part of each image if all top folders are parts of a split."""
    common = posixpath.commonpath([posixpath.dirname(name) or "." for name in images])
    shorts = {name: name[len(common) + 1 :] if common not in ("", ".") else name for name in images}
    tops = {name: short.split("/")[0].lower() for name, short in shorts.items()}
    parts = {name: PART_NAMES.get(top, "") for name, top in tops.items()}
    return parts if {"train"} < set(parts.values()) and "" not in parts.values() else {}


def _stem(name: str) -> str:
    return posixpath.basename(posixpath.splitext(name)[0])

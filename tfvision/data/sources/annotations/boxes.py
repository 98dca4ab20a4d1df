"""Images with one box each, from a CSV or annotations; errors are collected by row, for the scan to report."""

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

from tfvision.data.boxes.given import choose_box
from tfvision.data.sources.annotations.coco import rows_of_coco
from tfvision.data.sources.annotations.columns import find_unit
from tfvision.data.sources.annotations.rows import BoxRow, BoxRows
from tfvision.data.sources.annotations.tables import find_box_tables, rows_of_tables
from tfvision.data.sources.annotations.voc import names_of_annotations, rows_of_voc
from tfvision.data.sources.annotations.yolo import rows_of_yolo
from tfvision.data.sources.entries import Entry
from tfvision.data.sources.folders import parts_by_folder
from tfvision.data.sources.image_files import left_out, suffix
from tfvision.data.sources.parts import UNLABELLED
from tfvision.data.sources.tables.columns import Columns
from tfvision.data.sources.tables.reading import TABLE_SUFFIXES
from tfvision.data.storage.files import Storage
from tfvision.errors import DataError


@dataclass(frozen=True)
class Boxed:
    """The images and boxes of a source.

    Attributes:
        entries: One for each image, with its box.
        unit: `pixels` or `relative`.
        is_upright: Whether boxes refer to the upright image, not to the pixels as stored.
        bad: Pairs (row, reason) of what cannot be used.
        notes: What a user should know about how it was read.
        is_of_tables: Whether CSV files name the images.
    """

    entries: tuple[Entry, ...]
    unit: str
    is_upright: bool
    bad: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    is_of_tables: bool = False


def read_boxed(
    storage: Storage, table: str | None, images: Sequence[str], asked: Columns, *, several: str, unit: str | None
) -> Boxed:
    """Read the boxes of images from CSV files, else from VOC, COCO or YOLO annotations.

    Args:
        storage: Where the images and their boxes are.
        table: The CSV to read; it is searched for if None.
        images: Names of all images in the storage.
        asked: The columns that were asked for.
        several: Which box counts if an image has several: `largest`, `first` or `refuse`.
        unit: `pixels` or `relative`, for CSV files; found from the numbers if None.

    Returns:
        The images with usable boxes, and what is wrong with the others.

    Raises:
        DataError: There are no usable boxes, or columns are missing or ambiguous.
    """
    parts = parts_by_folder(images)
    unlabelled = [image for image in images if parts.get(image) == UNLABELLED]
    images = [image for image in images if parts.get(image) != UNLABELLED]
    found = _find_rows(storage, table, images, asked)
    boxes = [row.box for row in found.rows if row.box]
    unit = found.unit or unit or find_unit(boxes)
    bad = found.bad
    entries, crowded = _one_each(found.rows, several, bad)
    bad += [(image, "no row or annotation names this image") for image in _unnamed(images, found.rows, bad)]
    notes = [f"boxes: {found.how}, {unit}"]
    if unlabelled:
        notes.append(f"{len(unlabelled):,} images in folders without labels are left out, such as {unlabelled[0]}")
    if crowded:
        notes.append(f"{crowded:,} images have several boxes: the {several} of each counts (source.several_boxes)")
    notes += left_out(storage, images, {*images, *unlabelled, *found.used}, "")
    if not entries:
        raise DataError(
            f"no usable box in {storage.path}: {len(bad):,} bad rows, the first: {bad[0][0]}: {bad[0][1]}; correct them"
        )
    of_tables = any(suffix(name) in TABLE_SUFFIXES for name in found.used)
    return Boxed(tuple(entries), unit, found.is_upright, tuple(bad), tuple(notes), of_tables)


def _find_rows(storage: Storage, table: str | None, images: Sequence[str], asked: Columns) -> BoxRows:
    """Read the rows of the first source that there is."""
    if tables := {table: ""} if table else find_box_tables(storage, images, asked):
        return rows_of_tables(storage, tables, images, asked)
    if not asked.any():
        if annotations := names_of_annotations(storage.names):
            return rows_of_voc(storage, annotations, images)
        if found := rows_of_coco(storage, images) or rows_of_yolo(storage, images):
            return found
    raise DataError(
        f"no boxes in {storage.path}; expected a CSV with columns such as file, xmin, ymin, xmax, ymax "
        "(or give them as --box-columns), PASCAL VOC files beside the images, a COCO JSON, or YOLO .txt files"
    )


def _one_each(rows: Sequence[BoxRow], several: str, bad: list[tuple[str, str]]) -> tuple[list[Entry], int]:
    """Return one entry for each image, and how many images had several usable boxes."""
    by_image: dict[str, list[BoxRow]] = {}
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


def _unnamed(images: Sequence[str], rows: Sequence[BoxRow], bad: Sequence[tuple[str, str]]) -> list[str]:
    """Return the images that nothing names, except those whose damaged annotation is reported already."""
    named = {row.name for row in rows}
    damaged = {posixpath.basename(posixpath.splitext(where)[0]) for where, _ in bad}
    return [name for name in images if name not in named and _stem(name) not in damaged]


def _stem(name: str) -> str:
    return posixpath.basename(posixpath.splitext(name)[0])

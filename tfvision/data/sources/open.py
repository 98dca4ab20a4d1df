"""Opening a data set: a class-per-folder tree, a CSV or arrays, in a directory, a .zip or a file."""

import os
import posixpath
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tfvision.data.boxes.given import check_several
from tfvision.data.images.imageset import ImageSet
from tfvision.data.pixels.decoding import IMAGE_SUFFIXES
from tfvision.data.sources.array_names import PART_NAMES
from tfvision.data.sources.arrays import ARRAY_SUFFIXES, find_container, names_image_arrays, open_arrays, open_container
from tfvision.data.sources.boxes import read_boxed
from tfvision.data.sources.classes import plain_labels
from tfvision.data.sources.columns import Columns, find_columns, names_images
from tfvision.data.sources.digits import EMBEDDED, shadowed_note, write_digits
from tfvision.data.sources.entries import Entry, build_images
from tfvision.data.sources.file_index import FileIndex
from tfvision.data.sources.selection import is_selection, open_selection
from tfvision.data.sources.tables import TABLE_SUFFIXES, Table, read_table
from tfvision.data.storage.arrays import check_pixel_rule
from tfvision.data.storage.directory import Directory
from tfvision.data.storage.files import Storage, open_storage
from tfvision.errors import DataError, listing

_BEST_TABLES = ("labels", "train", "annotations")


def open_images(
    data: str | os.PathLike[str],
    *,
    file_column: str | None = None,
    label_column: str | None = None,
    group_column: str | None = None,
    positive_class: str | None = None,
    pixel_rule: str | None = None,
    box_columns: Sequence[str] | None = None,
    box_unit: str | None = None,
    several_boxes: str = "largest",
    labelled: bool = True,
    boxes: bool = False,
) -> ImageSet:
    """Find the images of a data set and their labels; no image is read yet, but compressed arrays are unpacked once.

    Args:
        data: A folder or .zip with one folder for each class, with a CSV or TSV that names files and labels, or with
            `images.npy` and `labels.npy`; such a CSV itself; the list `clean.csv` of an audit; an `.npy` file with the
            labels beside it; an `.npz` or HDF5 file (see `find_arrays` for the names in them, `pixel_arrays` for shapes
            and values); `digits` for the images that come with scikit-learn; without labels also a folder of images or
            one image.
        file_column: The column of the CSV that names the file, or the array of images; found by name or elimination
            if None.
        label_column: The column or array with the label; found in the same way if None.
        group_column: The column or array whose equal values must stay in one part; found by name if None.
        positive_class: The positive one of two classes; by default "1" or "true", else the second.
        pixel_rule: How values in arrays of other dtypes than uint8 become 0..255, one of `PIXEL_RULES`; found from
            their range if None.
        box_columns: The four columns of the CSV with the box, corners or corner and size; found by name if None.
        box_unit: `pixels` or `relative`; found from the numbers if None.
        several_boxes: Which box counts if an image has several: `largest`, `first` or `refuse`.
        labelled: False to take every image, without labels.
        boxes: Whether to read a box for each image, from a CSV or PASCAL VOC files. Its coordinates refer to the pixels
            that the file stores, before the EXIF orientation is applied, unless the source gives a size of the image
            that fits only afterwards. Labels are then optional.

    Returns:
        The images, in the order of the data.

    Raises:
        DataError: There is no such data, or it has no images; labels are missing, ambiguous or contradictory; or values
            do not fit the rule.
        UsageError: An unknown positive class, rule or way to choose among boxes.
    """
    check_pixel_rule(pixel_rule)
    check_several(several_boxes)
    asked = Columns(file_column, label_column, group_column, None if box_columns is None else tuple(box_columns))
    columns: dict[str, Any] = {
        "file_column": file_column,
        "label_column": label_column,
        "group_column": group_column,
        "positive_class": positive_class,
        "pixel_rule": pixel_rule,
        "box_columns": None if box_columns is None else list(box_columns),
        "box_unit": box_unit,
        "several_boxes": several_boxes,
    }
    is_embedded = os.fspath(data) == EMBEDDED
    path = write_digits() if is_embedded else Path(data).expanduser()
    suffix = path.suffix.lower()
    if boxes and labelled:
        return replace(_open_boxed(path, asked, columns), source=os.fspath(data))
    if suffix in ARRAY_SUFFIXES and path.is_file():
        images = open_arrays(*open_container(path, asked), columns, labelled=labelled)
    elif suffix in IMAGE_SUFFIXES and path.is_file():
        images = _open_files(Directory(path.parent, only=[path.name]), None, asked, columns, labelled=labelled)
    elif suffix in TABLE_SUFFIXES and is_selection(path):
        images = open_selection(path, lambda data: open_images(data, **columns, labelled=labelled), labelled=labelled)
    elif suffix in TABLE_SUFFIXES and path.is_file():
        images = _open_files(Directory(path.parent), path.name, asked, columns, labelled=labelled)
    else:
        images = _open_storage(open_storage(path), asked, columns, labelled=labelled)
    notes = (*images.notes, *shadowed_note()) if is_embedded else images.notes
    return replace(images, source=os.fspath(data), notes=notes)


def _open_boxed(path: Path, asked: Columns, columns: dict[str, Any]) -> ImageSet:
    """Open image files with one box each."""
    table = path.name if path.suffix.lower() in TABLE_SUFFIXES and path.is_file() else None
    storage = Directory(path.parent) if table else open_storage(path)
    images = [name for name in storage.names if _suffix(name) in IMAGE_SUFFIXES]
    if not images:
        raise DataError(f"no image files in {storage.path}; boxes need files and a CSV or PASCAL VOC annotations")
    found = read_boxed(storage, table, images, asked, several=columns["several_boxes"], unit=columns["box_unit"])
    labelled = found.entries[0].label is not None
    boxed = build_images(found.entries, storage, columns, labelled=labelled, notes=found.notes)
    assert boxed.given is not None, "each entry has its box"
    return replace(boxed, given=replace(boxed.given, unit=found.unit), bad=found.bad)


def _open_storage(storage: Storage, asked: Columns, columns: dict[str, Any], *, labelled: bool) -> ImageSet:
    """Open the image files of a folder or .zip; its arrays if it has no image files."""
    files = [name for name in storage.names if _suffix(name) in IMAGE_SUFFIXES]
    if not files and (found := find_container(storage, asked)):
        return open_arrays(*found, columns, labelled=labelled)
    if files and (arrays := names_image_arrays(storage.names)):
        raise DataError(
            f"{storage.path} holds arrays of images ({listing(arrays)}) and image files ({listing(files, 1)}); "
            "keep one kind, or give the path of the array"
        )
    return _open_files(storage, None, asked, columns, labelled=labelled)


def _open_files(
    storage: Storage, table: str | None, asked: Columns, columns: dict[str, Any], *, labelled: bool
) -> ImageSet:
    """Open image files, labelled by the CSV that was given, else by one that is found, else by their folders."""
    images = [name for name in storage.names if _suffix(name) in IMAGE_SUFFIXES]
    if not images:
        raise DataError(
            f"no images in {storage.path}; expected files ending in {' '.join(sorted(IMAGE_SUFFIXES))}, "
            f"or one of arrays ending in {' '.join(sorted(ARRAY_SUFFIXES))}"
        )
    if table is not None:
        entries = _read_rows(read_table(storage, table), images, asked, labelled=labelled)
    elif not labelled and not asked.any():
        entries = [Entry(short, name) for short, name in zip(_without_top(images), images, strict=True)]
    else:
        tables = [name for name in storage.names if _suffix(name) in TABLE_SUFFIXES]
        entries = _read_best(storage, tables, images, asked, labelled=labelled)
    return build_images(entries, storage, columns, labelled=labelled)


def _read_best(
    storage: Storage, tables: list[str], images: list[str], asked: Columns, *, labelled: bool
) -> list[Entry]:
    """Read the CSV that names the images, else the class folders."""
    usable: list[tuple[tuple[int, int], Table]] = []
    refused: list[tuple[tuple[int, int], Table | DataError]] = []
    for name in tables:
        try:
            table = read_table(storage, name)
            index = FileIndex(name, images)
            find_columns(table, index, asked, labelled=labelled)
            if names_images(table, index, asked):
                usable.append((_rank(name), table))
            else:
                refused.append((_rank(name), table))
        except DataError as error:
            refused.append((_rank(name), error))
    usable.sort(key=lambda pair: pair[0])
    refused.sort(key=lambda pair: pair[0])
    if len(usable) > 1 and usable[0][0] == usable[1][0]:
        names = [table.name for rank, table in usable if rank == usable[0][0]]
        raise DataError(
            f"{len(names)} CSV files name the images ({listing(names)}); unpack the data and give the path of one"
        )
    if usable:
        return _read_rows(usable[0][1], images, asked, labelled=labelled)
    if refused and (asked.any() or _is_flat(images)):
        found = refused[0][1]
        if isinstance(found, DataError):
            raise found
        return _read_rows(found, images, asked, labelled=labelled)
    if asked.any():
        raise DataError(
            f"no CSV in {storage.path}, so no columns to choose; leave out the --...-column options or add the CSV"
        )
    try:
        return _read_tree(storage, images)
    except DataError as error:
        # With neither class folders nor a usable CSV, what is wrong with the CSV is the more helpful error.
        raise next((found for _, found in refused if isinstance(found, DataError)), error) from error


def _read_rows(table: Table, images: list[str], asked: Columns, *, labelled: bool) -> list[Entry]:
    """Read the entries of a CSV; rows that repeat the same entry count once."""
    index = FileIndex(table.name, images)
    columns = find_columns(table, index, asked, labelled=labelled)
    assert columns.file is not None, "find_columns names the column of files or raises"
    files = table.values(columns.file)
    index.check_inside(files)
    names = {file: name for file in files if (name := index.find(file)) is not None}
    if missing := [file for file in files if file not in names]:
        raise DataError(
            f"{len(missing):,} of {len(files):,} rows of {table.name} name no image, or more than one: "
            f"{listing(missing, 20)}; correct column {columns.file!r} or add the files"
        )
    labels = plain_labels(table.values(columns.label)) if columns.label else [None] * len(files)
    groups = table.values(columns.group) if columns.group else [None] * len(files)
    entries: dict[str, Entry] = {}
    twice = []
    for file, label, group in zip(files, labels, groups, strict=True):
        known = entries.setdefault(names[file], Entry(file, names[file], label, group))
        if (known.label, known.group) != (label, group):
            twice.append(
                f"{file} ({known.label}, {label})" if known.label != label else f"{file} ({known.group}, {group})"
            )
    if twice:
        raise DataError(
            f"{table.name} gives {len(twice):,} files two labels or groups: {listing(twice, 20)}; keep one row each"
        )
    if columns.label and (empty := [file for file, label in zip(files, labels, strict=True) if not label]):
        raise DataError(f"{len(empty):,} rows of {table.name} have no label: {listing(empty, 20)}; fill or remove them")
    return list(entries.values())


def _read_tree(storage: Storage, images: list[str]) -> list[Entry]:
    """Read one folder for each class, or train/, validation/, test/ with such folders in each."""
    shorts = _without_top(images)
    if not any("/" in short for short in shorts):
        # A single folder is a class, not a top folder: data to evaluate on may have only one class.
        shorts = [posixpath.join(*name.split("/")[-2:]) for name in images]
    split = _has_parts(shorts, storage.path)
    entries, outside = [], []
    for short, name in zip(shorts, images, strict=True):
        *folders, _ = short.split("/")
        if len(folders) < 1 + split:
            outside.append(short)
            continue
        part = PART_NAMES[folders[0].lower()] if split else None
        entries.append(Entry(short, name, folders[split], part=part))
    if outside:
        raise DataError(
            f"{len(outside):,} of {len(images):,} images in {storage.path} stand in no class folder: "
            f"{listing(outside)}; expected two or more folders, one for each class, or a CSV that names the files"
        )
    return entries


def _has_parts(shorts: list[str], path: Path) -> bool:
    """Tell whether the top folders are the parts of a split rather than classes; refuse a mixture of both."""
    tops = {short.split("/")[0].lower() for short in shorts}
    parts = {PART_NAMES[top] for top in tops & PART_NAMES.keys()}
    other = sorted(tops - PART_NAMES.keys())
    if len(parts) > 1 and ("train" in parts or not other):
        if other:
            raise DataError(f"{path} has {listing(other)} beside train/; expected only train/, validation/ and test/")
        return True
    inner: dict[str, set[str]] = {top: set() for top in tops}
    for top, *folders, _ in (short.lower().split("/") for short in shorts if "/" in short):
        inner[top].update(folders[:1])
    # Classes may have subfolders, but hardly the same ones in each, next to a folder called train.
    if parts and len(tops) > 1 and len(shared := set.intersection(*inner.values())) > 1:
        raise DataError(
            f"{path} has the folders {listing(sorted(shared))} in each of {listing(sorted(tops))}, which look like "
            "parts of a split; expected train/, validation/ and test/, or one folder per class; rename or move them"
        )
    return False


def _without_top(names: list[str]) -> list[str]:
    """Drop the folders that all names have in common."""
    common = posixpath.commonpath([posixpath.dirname(name) or "." for name in names])
    return [name[len(common) + 1 :] for name in names] if common not in ("", ".") else names


def _is_flat(names: list[str]) -> bool:
    return not any("/" in short for short in _without_top(names))


def _rank(name: str) -> tuple[int, int]:
    """Return a sort key for CSV files: those nearest to the top first, then the usual names."""
    return name.count("/"), posixpath.splitext(posixpath.basename(name))[0].lower() not in _BEST_TABLES


def _suffix(name: str) -> str:
    return posixpath.splitext(name)[1].lower()

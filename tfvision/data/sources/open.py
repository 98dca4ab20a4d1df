"""Opening a data set: a class-per-folder tree, a CSV or arrays, in a directory, a .zip, a .tar or a file."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tfvision.data.boxes.given import check_several
from tfvision.data.images.imageset import ImageSet
from tfvision.data.pixels.decoding import IMAGE_SUFFIXES
from tfvision.data.sources.annotations.boxes import read_boxed
from tfvision.data.sources.arrays.arrays import (
    ARRAY_SUFFIXES,
    find_container,
    names_image_arrays,
    open_arrays,
    open_container,
)
from tfvision.data.sources.digits import EMBEDDED, shadowed_note, write_digits
from tfvision.data.sources.entries import build_images
from tfvision.data.sources.image_files import find_image_files, is_image_file, no_images
from tfvision.data.sources.labelled import read_files
from tfvision.data.sources.name_labels import check_pattern
from tfvision.data.sources.python import Held, is_held, open_held
from tfvision.data.sources.selection import is_selection, open_selection
from tfvision.data.sources.spelling import unspelled_note
from tfvision.data.sources.tables.columns import Columns
from tfvision.data.sources.tables.pixel_cells import open_pixel_cells
from tfvision.data.sources.tables.reading import TABLE_SUFFIXES
from tfvision.data.storage.arrays import check_pixel_rule
from tfvision.data.storage.directory import Directory, unread_folders
from tfvision.data.storage.files import Storage, open_storage
from tfvision.errors import DataError, listing
from tfvision.system.files import refuse_no_text


def open_images(
    data: "str | os.PathLike[str] | Held",
    *,
    file_column: str | None = None,
    label_column: str | None = None,
    group_column: str | None = None,
    split_column: str | None = None,
    label_from_name: str | None = None,
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
        data: A folder, .zip or .tar with one folder for each class, with a CSV or TSV that names files and labels, or with
            `images.npy` and `labels.npy`; such a CSV itself; the list `clean.csv` of an audit; an `.npy` file with the
            labels beside it; an `.npz` or HDF5 file (see `find_arrays` for the names in them, `pixel_arrays` for shapes
            and values); `digits` for the images that come with scikit-learn; without labels also a folder of images or
            one image. Or what Python holds: a pandas DataFrame of paths and labels, a `tf.data.Dataset`, an array of
            images or a pair of arrays, images and labels, or a list of image files, which have no labels.
        file_column: The column of the CSV that names the file, or the array of images; found by name or elimination
            if None.
        label_column: The column or array with the label; found in the same way if None.
        group_column: The column or array whose equal values must stay in one part; found by name if None.
        split_column: The column of the CSV with the part of each image, such as train or test; found by name if None.
        label_from_name: A regular expression with one group, which is the label: searched in the name of each file, or
            in its path below the data if it holds a slash.
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
        UsageError: An unknown positive class, rule or way to choose among boxes; or a path that is no text.
    """
    if isinstance(data, (str, os.PathLike)):
        refuse_no_text(os.fspath(data))
    check_pixel_rule(pixel_rule)
    check_several(several_boxes)
    asked = Columns(
        file_column, label_column, group_column, None if box_columns is None else tuple(box_columns), split_column
    )
    if label_from_name is not None:
        check_pattern(label_from_name)
    columns: dict[str, Any] = {
        "file_column": file_column,
        "label_column": label_column,
        "group_column": group_column,
        "split_column": split_column,
        "label_from_name": label_from_name,
        "positive_class": positive_class,
        "pixel_rule": pixel_rule,
        "box_columns": None if box_columns is None else list(box_columns),
        "box_unit": box_unit,
        "several_boxes": several_boxes,
    }
    if is_held(data):
        if boxes:
            raise DataError("boxes are read from files beside the images; give the folder, .zip or CSV")
        return open_held(data, columns, labelled=labelled)
    is_embedded = os.fspath(data) == EMBEDDED
    path = write_digits() if is_embedded else Path(data).expanduser()
    suffix = path.suffix.lower()
    if boxes and labelled:
        return replace(_open_boxed(path, asked, columns), source=os.fspath(data))
    if suffix in ARRAY_SUFFIXES and path.is_file():
        images = open_arrays(*open_container(path, asked), columns, labelled=labelled)
    elif is_image_file(path):
        one = Directory(path.parent, only=[path.name])
        images = _open_files(one, find_image_files(one), None, asked, columns, labelled=labelled)
    elif suffix in TABLE_SUFFIXES and is_selection(path):
        images = open_selection(path, lambda data: open_images(data, **columns, labelled=labelled), labelled=labelled)
    elif suffix in TABLE_SUFFIXES and path.is_file():
        beside = Directory(path.parent)
        images = _open_files(beside, find_image_files(beside), path.name, asked, columns, labelled=labelled)
    else:
        images = _open_storage(open_storage(path), asked, columns, labelled=labelled)
    notes = (*images.notes, *shadowed_note()) if is_embedded else images.notes
    return replace(images, source=os.fspath(data), notes=notes)


def _open_boxed(path: Path, asked: Columns, columns: dict[str, Any]) -> ImageSet:
    """Open image files with one box each."""
    table = path.name if path.suffix.lower() in TABLE_SUFFIXES and path.is_file() else None
    storage = Directory(path.parent) if table else open_storage(path)
    images = find_image_files(storage)
    if not images:
        raise no_images(storage, "boxes need image files and a CSV or PASCAL VOC annotations")
    found = read_boxed(storage, table, images, asked, several=columns["several_boxes"], unit=columns["box_unit"])
    unread = unread_folders(storage, needed=not (table or found.is_of_tables))
    labelled = found.entries[0].label is not None
    boxed = build_images(found.entries, storage, columns, labelled=labelled, notes=(*found.notes, *unread))
    assert boxed.given is not None, "each entry has its box"
    return replace(boxed, given=replace(boxed.given, unit=found.unit, is_upright=found.is_upright), bad=found.bad)


def _open_storage(storage: Storage, asked: Columns, columns: dict[str, Any], *, labelled: bool) -> ImageSet:
    """Open the image files of a folder or .zip; its arrays if it has no image files."""
    files = find_image_files(storage)
    if not files:
        unread_folders(storage, needed=True)
    if not files and (found := find_container(storage, asked)):
        return open_arrays(*found, columns, labelled=labelled)
    if files and (arrays := names_image_arrays(storage.names)):
        raise DataError(
            f"{storage.path} holds arrays of images ({listing(arrays)}) and image files ({listing(files, 1)}); "
            "keep one kind, or give the path of the array"
        )
    return _open_files(storage, files, None, asked, columns, labelled=labelled)


def _open_files(
    storage: Storage,
    images: list[str],
    table: str | None,
    asked: Columns,
    columns: dict[str, Any],
    *,
    labelled: bool,
) -> ImageSet:
    """Open image files, labelled by the CSV that was given, else by what is found."""
    if not images:
        if pixels := open_pixel_cells(storage, table, asked, columns, labelled=labelled):
            return pixels
        raise no_images(
            storage,
            f"expected files ending in {' '.join(sorted(IMAGE_SUFFIXES))}, or one of arrays ending in "
            f"{' '.join(sorted(ARRAY_SUFFIXES))}",
        )
    found = read_files(storage, table, images, asked, columns["label_from_name"], labelled=labelled)
    unread = unread_folders(storage, needed=not found.used)
    notes = (*found.notes, *unread, *unspelled_note(entry.name for entry in found.entries))
    return build_images(found.entries, storage, columns, labelled=labelled, notes=notes)

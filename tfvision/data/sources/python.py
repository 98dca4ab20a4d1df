"""What Python holds images in, taken for a data set: a pandas DataFrame, a `tf.data.Dataset`, arrays, a list of files."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfvision.data.images.imageset import ImageSet
from tfvision.data.sources.arrays.arrays import images_from_arrays
from tfvision.data.sources.entries import Entry, build_images
from tfvision.data.sources.tables.columns import FILE_COLUMNS, Columns, by_name, refuse_missing_columns
from tfvision.data.sources.tables.reading import Table
from tfvision.data.sources.tables.rows import read_rows
from tfvision.data.storage.directory import Directory
from tfvision.errors import DataError, UsageError, listing, worded

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]
    import tensorflow as tf

    Held = pd.DataFrame | tf.data.Dataset | np.ndarray | tuple[np.ndarray, np.ndarray] | Sequence[str | Path]
else:
    Held = object  # neither pandas nor TensorFlow is loaded for a hint


_OF_TABLES = ("file_column", "label_column", "group_column", "split_column")
_OF_BOXES = ("label_from_name", "box_columns", "box_unit")


def is_held(data: object) -> bool:
    """Tell whether something is a DataFrame, a dataset, an array, a pair of arrays or a list of files, not a path."""
    return isinstance(data, (tuple, list, np.ndarray)) or _is_frame(data) or _is_dataset(data)


def open_held(data: Any, columns: Mapping[str, Any], *, labelled: bool) -> ImageSet:
    """Open images that Python holds.

    Args:
        data: A DataFrame, read as a CSV of its rows would be; a `tf.data.Dataset` of images and labels, batched or not; an
            array of images, or a pair of arrays, images and labels; a list of image files, without labels.
        columns: The options of `open_images`.
        labelled: False to take every image, without labels.

    Returns:
        The images. Those of a dataset made by `keras.utils.image_dataset_from_directory` are read from its files again.

    Raises:
        DataError: A column is missing or unclear, a file does not exist, or a dataset has no end, or no labels.
        UsageError: An option that only other data has.
    """
    if isinstance(data, (list, tuple)) and data and all(isinstance(one, (str, os.PathLike)) for one in data):
        return _from_files([Path(one).expanduser() for one in data], columns, labelled=labelled)
    if _is_frame(data):
        _refuse(columns, _OF_BOXES, "a DataFrame")
        return _from_frame(data, columns, labelled=labelled)
    _refuse(columns, (*_OF_TABLES, *_OF_BOXES), "images that are no files")
    if isinstance(data, (tuple, list)) and len(data) == 2 and all(map(_is_dataset, data)):
        raise DataError("two datasets; give one of them, or the folder that they come from")
    if _is_dataset(data):
        return _from_dataset(data, columns, labelled=labelled)
    images, labels = data if isinstance(data, (tuple, list)) and len(data) == 2 else (data, None)
    if labelled and labels is None:
        raise DataError("an array of images has no labels; give a pair, (images, labels)")
    return _from_arrays(images, labels if labelled else None, columns)


def _refuse(columns: Mapping[str, Any], names: Sequence[str], what: str) -> None:
    if given := [name for name in names if columns.get(name) not in (None, False)]:
        raise UsageError(f"{given[0]}: {what} has no use for it; leave it out")


def _from_arrays(images: Any, labels: Any, columns: Mapping[str, Any], class_names: Any = None) -> ImageSet:
    return images_from_arrays(
        images,
        labels,
        class_names=None if labels is None else class_names,
        positive_class=columns.get("positive_class"),
        pixel_rule=columns.get("pixel_rule"),
    )


def _is_frame(data: object) -> bool:
    return type(data).__name__ == "DataFrame" and hasattr(data, "itertuples")


def _is_dataset(data: object) -> bool:
    return hasattr(data, "element_spec") and hasattr(data, "cardinality")


def _from_files(paths: Sequence[Path], columns: Mapping[str, Any], *, labelled: bool) -> ImageSet:
    if labelled:
        raise DataError("a list of files has no labels; give a DataFrame or a CSV of files and labels, or a folder")
    if missing := [str(path) for path in paths if not path.is_file()]:
        raise DataError(f"{len(missing):,} of {len(paths):,} are no files: {listing(missing, 3)}; of folders give one")
    root, inside = _below_one_folder(paths)
    files = list(dict.fromkeys(inside))
    found = build_images([Entry(name, name) for name in files], Directory(root, only=files), columns, labelled=False)
    return replace(found, source=f"{len(files):,} files")


def _from_frame(frame: Any, columns: Mapping[str, Any], *, labelled: bool) -> ImageSet:
    names = tuple(str(name) for name in frame.columns)
    rows = tuple(tuple(map(_text, row)) for row in frame.itertuples(index=False))
    table = Table("the DataFrame", names, rows, range(len(rows)))
    if not rows:
        raise DataError("the DataFrame has no rows; expected one for each image")
    file, label, group, part = (columns.get(f"{what}_column") for what in ("file", "label", "group", "split"))
    asked = Columns(file=file, label=label, group=group, part=part)
    refuse_missing_columns(table, asked)
    file = asked.file or _files_of(table)
    place = names.index(file)
    paths = [Path(row[place]).expanduser() for row in rows]
    if missing := [str(path) for path in paths if not path.is_file()]:
        raise DataError(
            f"{len(missing):,} of {len(paths):,} files in column {worded(file)} do not exist: {listing(missing, 3)}; give paths "
            "that lead there from the current folder"
        )
    root, inside = _below_one_folder(paths)
    moved = [(*row[:place], name, *row[place + 1 :]) for row, name in zip(rows, inside, strict=True)]
    files = list(dict.fromkeys(inside))
    table = replace(table, rows=tuple(moved))
    found = read_rows(table, files, replace(asked, file=file), labelled=labelled, root=root)
    images = build_images(found.entries, Directory(root, only=files), columns, labelled=labelled, notes=found.notes)
    # Not the folder: what opened that again would take the names of its folders for labels.
    return replace(images, source="DataFrame")


def _files_of(table: Table) -> str:
    """Return the column of paths: by its name, else the only one whose first cell is a file."""
    named = by_name(list(table.columns), FILE_COLUMNS)
    found = named or [name for name in table.columns if Path(table.values(name)[0]).expanduser().is_file()]
    if len(found) != 1 and not named:
        raise DataError(f"which column has the file? The columns are {listing(table.columns, 20)}; give file_column=")
    return found[0]


def _text(value: object) -> str:
    if value is None or value != value:  # NaN
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _below_one_folder(paths: Sequence[Path]) -> tuple[Path, list[str]]:
    """Return the deepest folder that all files are below, and the name of each from there."""
    whole = [path.resolve() for path in paths]
    root = Path(os.path.commonpath([path.parent for path in whole]))
    return root, [path.relative_to(root).as_posix() for path in whole]


def _from_dataset(dataset: Any, columns: Mapping[str, Any], *, labelled: bool) -> ImageSet:
    names = getattr(dataset, "class_names", None)
    files = [Path(path) for path in getattr(dataset, "file_paths", ())]
    if files and (not labelled or (names and all(path.parent.name in names for path in files))):
        root, inside = _below_one_folder(files)
        labels = [path.parent.name if labelled else None for path in files]
        entries = [Entry(*values) for values in zip(inside, inside, labels, [None] * len(files), strict=True)]
        order = tuple(names) if names and labelled else None
        found = build_images(entries, Directory(root, only=inside), columns, labelled=labelled, class_names=order)
        return replace(found, source=root.as_posix())
    if int(dataset.cardinality()) == -1:
        raise DataError("the dataset repeats without end; give it without .repeat()")
    if isinstance(dataset.element_spec, dict):
        keys = ", ".join(dataset.element_spec)
        raise DataError(f"elements of the dataset are dictionaries ({keys}); map them to pairs, (image, label)")
    spec = dataset.element_spec
    parts = spec if isinstance(spec, tuple) else (spec,)
    if labelled and len(parts) < 2:
        raise DataError("the dataset has no labels; expected pairs, (image, label)")
    elements = dataset.unbatch() if len(parts[0].shape) == 4 else dataset
    images, targets = [], []
    for element in elements.as_numpy_iterator():
        image, *rest = element if isinstance(element, tuple) else (element,)
        images.append(image)
        targets += rest[:1]
    sizes = len({image.shape for image in images})
    if sizes != 1:
        raise DataError(f"the dataset has images of {sizes} sizes; resize them, or give the folder")
    found = _from_arrays(np.stack(images), np.stack(targets) if labelled else None, columns, names)
    size = sum(image.nbytes for image in images)
    return replace(
        found, source="dataset", notes=(*found.notes, f"the dataset was read into memory: {size / 1e6:,.0f} MB")
    )

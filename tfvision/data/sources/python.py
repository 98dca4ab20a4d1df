"""What Python holds images in, taken for a data set: a pandas DataFrame, a `tf.data.Dataset`, arrays."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfvision.data.images.imageset import ImageSet
from tfvision.data.sources.arrays.arrays import images_from_arrays
from tfvision.data.sources.entries import Entry, build_images
from tfvision.data.sources.tables.columns import FILE_COLUMNS, GROUP_COLUMNS, LABEL_COLUMNS, by_name
from tfvision.data.storage.directory import Directory
from tfvision.errors import DataError, listing, nearest

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]
    import tensorflow as tf

    Held = pd.DataFrame | tf.data.Dataset | np.ndarray | tuple[np.ndarray, np.ndarray]
else:
    Held = object  # neither pandas nor TensorFlow is loaded for a hint


def is_held(data: object) -> bool:
    """Tell whether something is a DataFrame, a dataset, an array or a pair of arrays, not a path."""
    return isinstance(data, (tuple, list, np.ndarray)) or _is_frame(data) or _is_dataset(data)


def open_held(data: Any, columns: Mapping[str, Any], *, labelled: bool) -> ImageSet:
    """Open images that Python holds.

    Args:
        data: A DataFrame with a column of paths and one of labels; a `tf.data.Dataset` of images and labels, batched or
            not; an array of images, or a pair of arrays, images and labels.
        columns: The options of `open_images`; of a DataFrame the columns are found by name, else as these say.
        labelled: False to take every image, without labels.

    Returns:
        The images. Those of a dataset made by `keras.utils.image_dataset_from_directory` are read from its files again.

    Raises:
        DataError: A column is missing or unclear, a file does not exist, or a dataset has no end, or no labels.
    """
    if _is_frame(data):
        return _from_frame(data, columns, labelled=labelled)
    if _is_dataset(data):
        return _from_dataset(data, columns, labelled=labelled)
    images, labels = data if isinstance(data, (tuple, list)) and len(data) == 2 else (data, None)
    if labelled and labels is None:
        raise DataError("an array of images has no labels; give a pair, (images, labels)")
    return images_from_arrays(images, labels if labelled else None, pixel_rule=columns.get("pixel_rule"))


def _is_frame(data: object) -> bool:
    return type(data).__name__ == "DataFrame" and hasattr(data, "itertuples")


def _is_dataset(data: object) -> bool:
    return hasattr(data, "element_spec") and hasattr(data, "cardinality")


def _from_frame(frame: Any, columns: Mapping[str, Any], *, labelled: bool) -> ImageSet:
    names = [str(name) for name in frame.columns]
    file = _column(names, columns.get("file_column"), FILE_COLUMNS, "file")
    label = _column(names, columns.get("label_column"), LABEL_COLUMNS, "label") if labelled else None
    group = columns.get("group_column") or next(iter(by_name(names, GROUP_COLUMNS)), None)
    paths = [Path(str(value)).expanduser() for value in frame[file]]
    if missing := [str(path) for path in paths if not path.is_file()]:
        raise DataError(
            f"{len(missing):,} of {len(paths):,} files in column {file!r} do not exist: {listing(missing, 3)}; give paths "
            "that lead there from the current folder"
        )
    root = _common_folder(paths)
    inside = [path.resolve().relative_to(root).as_posix() for path in paths]
    if len(set(inside)) < len(inside):
        raise DataError(f"column {file!r} names {len(inside) - len(set(inside)):,} files twice; keep one row for each")
    labels = [None] * len(paths) if label is None else [_text(value, label) for value in frame[label]]
    groups = [None] * len(paths) if group is None else [str(value) for value in frame[group]]
    entries = [Entry(*values) for values in zip(inside, inside, labels, groups, strict=True)]
    found = build_images(entries, Directory(root, only=inside), columns, labelled=labelled)
    return replace(found, source=root.as_posix())


def _column(names: list[str], asked: str | None, known: tuple[str, ...], what: str) -> str:
    if asked is not None and asked not in names:
        raise DataError(f"no column {asked!r}{nearest(asked, names)}; the columns are {listing(names, 20)}")
    found = asked or next(iter(by_name(names, known)), None)
    if found is None:
        raise DataError(f"which column has the {what}? The columns are {listing(names, 20)}; give {what}_column=")
    return found


def _text(value: object, column: str) -> str:
    if value is None or value != value:  # NaN
        raise DataError(f"column {column!r} has empty cells; drop these rows, or give labelled=False")
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _common_folder(paths: list[Path]) -> Path:
    folders = [path.resolve().parent for path in paths]
    root = folders[0]
    while not all(folder.is_relative_to(root) for folder in folders):
        root = root.parent
    return root


def _from_dataset(dataset: Any, columns: Mapping[str, Any], *, labelled: bool) -> ImageSet:
    names = getattr(dataset, "class_names", None)
    files = [Path(path) for path in getattr(dataset, "file_paths", ())]
    if files and (not labelled or (names and all(path.parent.name in names for path in files))):
        root = _common_folder(files)
        inside = [path.resolve().relative_to(root).as_posix() for path in files]
        labels = [path.parent.name if labelled else None for path in files]
        entries = [Entry(*values) for values in zip(inside, inside, labels, [None] * len(files), strict=True)]
        order = tuple(names) if names and labelled else None
        found = build_images(entries, Directory(root, only=inside), columns, labelled=labelled, class_names=order)
        return replace(found, source=root.as_posix())
    if int(dataset.cardinality()) == -1:
        raise DataError("the dataset repeats without end; give it without .repeat()")
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
    if len({image.shape for image in images}) != 1:
        raise DataError(
            f"the dataset has images of {len({image.shape for image in images})} sizes; resize them, or give the folder"
        )
    found = images_from_arrays(
        np.stack(images),
        np.stack(targets) if labelled else None,
        class_names=names if labelled else None,
        pixel_rule=columns.get("pixel_rule"),
    )
    size = sum(image.nbytes for image in images)
    return replace(
        found, source="dataset", notes=(*found.notes, f"the dataset was read into memory: {size / 1e6:,.0f} MB")
    )

"""Images from arrays: NumPy arrays in Python, `.npy`, `.npz` and HDF5 files."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from tfvision.data.images.imageset import ImageSet
from tfvision.data.sources.arrays.labels import check_count, class_texts, group_texts, label_texts
from tfvision.data.sources.arrays.names import CLASS_ARRAYS, IMAGE_ARRAYS, ArrayNames, find_arrays, split_name
from tfvision.data.sources.entries import Entry, build_images
from tfvision.data.sources.groups import said_of_groups
from tfvision.data.sources.tables.columns import Columns
from tfvision.data.storage.arrays import ArrayStorage, pixel_arrays
from tfvision.data.storage.directory import Directory
from tfvision.data.storage.files import Storage
from tfvision.data.storage.npy import NpyFiles
from tfvision.data.storage.rows import Rows
from tfvision.data.storage.zip_file import Zip
from tfvision.errors import DataError, listing, worded

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

HDF5_SUFFIXES = frozenset({".h5", ".hdf5"})
_MANY, _LEAST_BYTES = 1_000_000, 16  # images, and bytes of a file for each where there are more
ARRAY_SUFFIXES = frozenset({".npy", ".npz"}) | HDF5_SUFFIXES


class Container(Protocol):
    """A file or folder of named arrays: `NpyFiles` or `Hdf5`."""

    @property
    def path(self) -> Path:
        """Where the arrays are."""
        ...

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """The shape of each array."""
        ...

    def rows(self, name: str) -> Rows:
        """Return an array, to be read row by row."""
        ...

    def values(self, name: str) -> np.ndarray:
        """Return a small array as a whole."""
        ...

    def class_names(self, labels: str) -> np.ndarray | None:
        """Return the class names that belong to an array of labels, if the file has them as an attribute."""
        ...


def images_from_arrays(
    images: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    class_names: Sequence[str] | None = None,
    groups: ArrayLike | None = None,
    ids: Sequence[str] | None = None,
    positive_class: str | None = None,
    pixel_rule: str | None = None,
) -> ImageSet:
    """Turn NumPy arrays into an ImageSet; the array of images is kept, not copied.

    Args:
        images: (n, height, width), (n, height, width, 1 | 3 | 4) or (n, 1 | 3, height, width). uint8 is taken as it
            is, other values by the rules of `pixel_arrays`: 0..1 or 0..255 as floats, 0..255 as integers, uint16.
        labels: (n,) or (n, 1) of integers, booleans or text, or one-hot (n, classes); None for images without labels.
        class_names: The names of which numbers are indexes; of two, the second is the positive one.
        groups: (n,), images of one group belong into the same part of a split.
        ids: A unique name for each image; `00000`, `00001`, ... by default.
        positive_class: The positive one of two classes; by default "1" or "true", else the second.
        pixel_rule: How values of other dtypes than uint8 become 0..255, one of `PIXEL_RULES`, such as the rule of the
            images that a model was trained on; found from their range if None.

    Returns:
        The images.

    Raises:
        DataError: Other shapes, values or labels than these, or values that do not fit the rule.
        UsageError: An unknown rule or positive class.
    """
    try:
        rows = np.asanyarray(images)
    except ValueError as error:
        raise DataError(f"the images are not an array: {error}; expected images of one size") from None
    arrays, notes = pixel_arrays({"images": rows}, pixel_rule)
    storage = ArrayStorage(Path("arrays"), {"": arrays["images"]})
    count = len(storage.names)
    ids = storage.names if ids is None else tuple(map(str, ids))
    if len(ids) != count or len(set(ids)) != count:
        raise DataError(f"{len(set(ids)):,} different ids for {count:,} images; expected one for each")
    names = None if class_names is None else class_texts(np.asarray(class_names), "class_names")
    texts = [None] * count if labels is None else label_texts(np.asarray(labels), count, "labels", names)
    grouped = [None] * count if groups is None else group_texts(np.asarray(groups), count, "groups")
    entries = [Entry(*values) for values in zip(ids, storage.names, texts, grouped, strict=True)]
    columns = {"pixel_rule": storage.pixel_rule or pixel_rule}
    if positive_class is not None:
        columns["positive_class"] = positive_class
    found = build_images(entries, storage, columns, labelled=labels is not None, class_names=names, notes=notes)
    return replace(found, source="arrays")


def open_arrays(container: Container, asked: Columns, columns: Mapping[str, str | None], *, labelled: bool) -> ImageSet:
    """Find images, labels, groups and class names among named arrays; no image is read.

    Args:
        container: The arrays.
        asked: The names that were asked for.
        columns: The options that the data was opened with, including the pixel rule.
        labelled: False to take every image, without labels.

    Returns:
        The images; a pixel rule that was found is added to their `columns`, so that data opened with these is read the
        same way.

    Raises:
        DataError: An array that is needed is missing, ambiguous or damaged, or has another shape or dtype.
    """
    found = find_arrays(container.shapes, asked, str(container.path), labelled=labelled)
    used = [names for names in found if names.labels or not labelled]
    notes = [f"{names.images} has no labels and is left out" for names in found if names not in used]
    if len(used) == 1:
        used = [replace(used[0], part="")]
    _refuse_countless(container, used)
    rows = {names.images: container.rows(names.images) for names in used}
    arrays, more = pixel_arrays(rows, columns.get("pixel_rule"))
    storage = ArrayStorage(container.path, {names.part: arrays[names.images] for names in used})
    columns = {**columns, "pixel_rule": storage.pixel_rule or columns.get("pixel_rule")}
    class_names = _class_names(container, used) if labelled else None
    entries: list[Entry] = []
    for names in used:
        count = len(arrays[names.images])
        own = storage.names[len(entries) : len(entries) + count]
        labels: Sequence[str | None] = [None] * count
        if labelled and names.labels:
            if shape := container.shapes[names.labels]:  # a damaged array has none, and is refused below
                check_count(shape, count, names.labels)  # before any are read
            labels = label_texts(container.values(names.labels), count, names.labels, class_names)
        groups: Sequence[str | None] = [None] * count
        if names.groups and all(other.groups for other in used):
            found_groups = group_texts(container.values(names.groups), count, names.groups)
            kept, said = said_of_groups(
                found_groups,
                labels,
                [names.part or None] * count,
                plain_name=split_name(names.groups)[1],
                what=f"array {worded(names.groups)}",
                is_asked=asked.group is not None,
            )
            groups = found_groups if kept else groups
            notes.append(said)
        part = names.part or None
        rows_of_part = zip(own, labels, groups, strict=True)
        entries += [Entry(name, name, label, group, part) for name, label, group in rows_of_part]
    return build_images(entries, storage, columns, labelled=labelled, class_names=class_names, notes=(*notes, *more))


def open_container(path: Path, asked: Columns) -> tuple[Container, Columns]:
    """Open an `.npy`, `.npz` or HDF5 file; an `.npy` is opened together with those beside it.

    Args:
        path: The file.
        asked: The names that were asked for.

    Returns:
        The arrays, and the names that were asked for; for an `.npy`, it is the array of images.

    Raises:
        DataError: The file is damaged.
    """
    suffix = path.suffix.lower()
    if suffix in HDF5_SUFFIXES:
        from tfvision.data.storage.hdf5 import Hdf5  # h5py takes a noticeable time to import

        return Hdf5(path), asked
    if suffix == ".npz":
        return NpyFiles(Zip(path)), asked
    beside = [file.name for file in path.parent.iterdir() if file.suffix.lower() == ".npy" and file.is_file()]
    return NpyFiles(Directory(path.parent, only=beside)), replace(asked, file=path.stem)


def find_container(storage: Storage, asked: Columns) -> tuple[Container, Columns] | None:
    """Open the arrays in a folder or .zip without image files: `.npy` files, or one `.npz` or HDF5 file.

    Args:
        storage: The folder or .zip.
        asked: The names that were asked for.

    Returns:
        As `open_container`; None if there are no such files.

    Raises:
        DataError: Several files could be meant, or the file must be unpacked first.
    """
    files = [name for name in storage.names if posixpath.splitext(name)[1].lower() in ARRAY_SUFFIXES]
    npy = [name for name in files if name.lower().endswith(".npy")]
    if not files:
        return None
    if len(files) == len(npy):
        return NpyFiles(storage), asked
    if len(files) > 1:
        raise DataError(f"{storage.path} holds several files of arrays: {listing(files)}; give the path of one")
    if not isinstance(storage, Directory):
        raise DataError(f"{storage.path} holds {files[0]}; unpack it and give the path of that file")
    return open_container(storage.path / files[0], asked)


def names_image_arrays(files: Sequence[str]) -> list[str]:
    """Return the `.npy` files whose names are those of arrays of images."""
    stems = {name: posixpath.splitext(name) for name in files}
    return [
        name for name, (stem, end) in stems.items() if end.lower() == ".npy" and split_name(stem)[1] in IMAGE_ARRAYS
    ]


def _refuse_countless(container: Container, used: Sequence[ArrayNames]) -> None:
    """Refuse images without number: a packed file of a few KB may claim a billion of one pixel, each with a name."""
    count = sum(container.shapes[names.images][0] for names in used if container.shapes[names.images])
    if count > _MANY and container.path.is_file() and count > container.path.stat().st_size // _LEAST_BYTES:
        raise DataError(
            f"{container.path} claims {count:,} images in {container.path.stat().st_size:,} bytes; "
            "it was not written to its end, or made to harm; copy it again"
        )


def _class_names(container: Container, used: Sequence[ArrayNames]) -> tuple[str, ...] | None:
    """Return the class names in an attribute, else in an array with such a name that is used for nothing else."""
    assert used[0].labels is not None, "class names are looked for only beside labels"
    values = container.class_names(used[0].labels)
    if values is not None:
        return class_texts(values, f"the attribute of {container.path}")
    taken = {name for names in used for name in (names.images, names.labels, names.groups)}
    for name in container.shapes:
        if name not in taken and split_name(name)[1] in CLASS_ARRAYS:
            return class_texts(container.values(name), name)
    return None

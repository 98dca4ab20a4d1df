"""A list of some images of a data set, with their labels, as `audit` writes it and `train --data` takes it.

The list is a plain CSV with the columns id, label and dataset. The ids are those of the data set, which may be a
folder, a .zip, a CSV or arrays. The data set itself is not changed; its path is stored relative to the list.

A review, which the page of the audit saves, has a column `decision` besides: it lists the images that a person decided
about or the audit proposes to drop, `keep`, `drop` or `relabel`, and all others of the data set stay as they are.
"""

import csv
import io
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tfvision.data.images.imageset import ImageSet
from tfvision.data.sources.classes import order_classes
from tfvision.data.sources.parts import PART_NAMES
from tfvision.errors import DataError, listing, nearest, worded
from tfvision.system.csv_table import TableWriter, csv_rows, read_mappings, repeated

SELECTION_COLUMNS = ("id", "label", "dataset")
REVIEW_COLUMNS = ("id", "decision", "label", "dataset")
_DECISIONS = ("keep", "drop", "relabel")


def describe_selection(images: ImageSet, path: Path | str) -> str:
    """Return the text of a list of images.

    Args:
        images: The images to list.
        path: Where the list will be written.

    Returns:
        The text of the CSV.
    """
    source = Path(images.source)
    dataset = images.source
    if source.exists():
        dataset = Path(os.path.relpath(source.resolve(), Path(path).resolve().parent)).as_posix()
    text = io.StringIO(newline="")
    writer = TableWriter(text)
    writer.writerow(SELECTION_COLUMNS)
    for image_id, label in zip(images.ids, images.labels, strict=True):
        writer.writerow((image_id, images.class_names[label] if label >= 0 else "", dataset))
    return text.getvalue()


def is_selection(path: Path) -> bool:
    """Tell whether a file is such a list or review, by its first lines: the last column names data, not a part."""
    try:
        if not path.is_file():  # a pipe would be waited for
            return False
        with open(path, encoding="utf-8-sig", newline="") as file:
            header, first = (next(csv_rows([file.readline(4096)]), []) for _ in range(2))
            if tuple(header) == REVIEW_COLUMNS:
                return True
            data = first[2] if len(first) == 3 else ""
            is_part = data.lower() in PART_NAMES and not (path.parent / data).exists()
            return tuple(header) == SELECTION_COLUMNS and not is_part
    except (OSError, UnicodeDecodeError, csv.Error):
        return False


def open_selection(path: Path, open_dataset: Callable[[str], ImageSet], *, labelled: bool) -> ImageSet:
    """Open the images in a list, with the labels in the list, so that a label corrected there takes effect.

    Args:
        path: The list.
        open_dataset: Opens the data set, given its path.
        labelled: Whether labels are needed.

    Returns:
        The images in the order of the list.

    Raises:
        DataError: The list has no rows, names several data sets, a missing one or another list; it has ids that the
            data set does not have, or an id twice; labels are missing, or a decision is none.
    """
    rows = _read(path)
    datasets = {row["dataset"] for row in rows}
    if len(datasets) > 1:
        raise DataError(f"{path} names {len(datasets)} data sets: {listing(sorted(datasets))}; expected one")
    dataset = datasets.pop()
    beside = path.parent / Path(dataset).expanduser()
    if beside.is_file() and is_selection(beside) and ("decision" not in rows[0] or _is_circular(path, beside)):
        raise DataError(f"{path} names the list {dataset} as its data set; expected the data itself")
    images = open_dataset(str(beside) if beside.exists() else dataset)
    places = {image_id: index for index, image_id in enumerate(images.ids)}
    if unknown := [f"{row['id']} (row {n})" for n, row in enumerate(rows, start=2) if row["id"] not in places]:
        raise DataError(
            f"{path} names {len(unknown):,} images that {dataset} does not have: {listing(unknown)}; "
            "remove their rows, or open the data with the options of the audit"
        )
    if "decision" in rows[0]:
        return _reviewed(images, rows, path, labelled=labelled)
    chosen = images.select([places[row["id"]] for row in rows])
    note = f"{len(chosen):,} of {len(images):,} images of {dataset}, as {path.name} lists them"
    chosen = replace(chosen, notes=(*chosen.notes, note))
    if not labelled:
        return chosen
    return _labelled(chosen, [row["label"] for row in rows], path, list(range(2, 2 + len(rows))))


def _is_circular(path: Path, beside: Path) -> bool:
    """Tell whether a review of a list leads back to itself; the list that an audit left may be audited and reviewed."""
    seen = {path.resolve()}
    while beside.is_file() and is_selection(beside):
        if beside.resolve() in seen:
            return True
        seen.add(beside.resolve())
        beside = beside.parent / Path(_read(beside)[0]["dataset"]).expanduser()
    return False


def _reviewed(images: ImageSet, rows: list[dict[str, str]], path: Path, *, labelled: bool) -> ImageSet:
    """Return the images of a data set without those that a review drops, and with the labels that it corrects."""
    if wrong := [(n, row) for n, row in enumerate(rows, start=2) if row["decision"] not in _DECISIONS]:
        number, first = wrong[0]
        raise DataError(
            f"{path} row {number}: the decision on {first['id']} is {worded(first['decision'])}; "
            f"expected {', '.join(_DECISIONS)}"
        )
    dropped = {row["id"] for row in rows if row["decision"] == "drop"}
    corrected = {row["id"]: row["label"] for row in rows if row["decision"] == "relabel"}
    chosen = images.select([index for index, image_id in enumerate(images.ids) if image_id not in dropped])
    note = f"{path.name}: {len(dropped):,} of {len(images):,} images dropped, {len(corrected):,} relabelled"
    chosen = replace(chosen, notes=(*chosen.notes, note))
    if not labelled:
        return chosen
    given = {image_id: images.class_names[label] for image_id, label in zip(images.ids, images.labels, strict=True)}
    other = [
        (number, row)
        for number, row in enumerate(rows, start=2)
        if row["decision"] != "relabel" and row["label"] not in ("", given[row["id"]])
    ]
    if other:
        number, first = other[0]
        raise DataError(
            f"{path} row {number}: {first['id']} was {first['label']} in the review and is {given[first['id']]} in the data; open it "
            "with the options of the audit, such as --label-column"
        )
    labels = [
        corrected.get(image_id, chosen.class_names[label])
        for image_id, label in zip(chosen.ids, chosen.labels, strict=True)
    ]
    number_of = {row["id"]: number for number, row in enumerate(rows, start=2)}
    return _labelled(chosen, labels, path, [number_of.get(image_id, 0) for image_id in chosen.ids])


def _read(path: Path) -> list[dict[str, str]]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = read_mappings(file, rest="")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read the list {path}: {error}") from error
    if not rows:
        raise DataError(f"{path} names no images; expected a row for each")
    if twice := repeated([row["id"] for row in rows]):
        raise DataError(f"{path} names {len(twice):,} images more than once: {listing(twice)}; keep one row each")
    return rows


def _labelled(images: ImageSet, labels: list[str], path: Path, numbers: list[int]) -> ImageSet:
    """Give images the labels in the rows of these numbers; the classes keep the order that they have in the data."""
    rows = list(zip(images.ids, labels, numbers, strict=True))
    if empty := [f"{image_id} (row {number})" for image_id, label, number in rows if not label]:
        raise DataError(f"{len(empty):,} rows of {path} have no label: {listing(empty)}; fill or remove them")
    known = set(images.class_names)
    if unknown := [(label, number) for _, label, number in rows if label not in known]:
        label, number = unknown[0]
        raise DataError(
            f"{path} has the label {worded(label)} in row {number}{nearest(label, images.class_names)}; "
            f"the classes of the data are {listing(images.class_names, 20)}"
        )
    return relabel(images, labels)


def relabel(images: ImageSet, labels: Sequence[str]) -> ImageSet:
    """Give images other labels; classes without images are dropped, the others keep their order.

    Args:
        images: The images.
        labels: The label of each, one of their classes.

    Returns:
        The images with these labels; if two classes are left of more, the second is the positive one.
    """
    found = set(labels)
    kept = tuple(name for name in images.class_names if name in found)
    if len(kept) == 2 and kept != images.class_names:
        kept = order_classes(kept, images.columns.get("positive_class"))
    number = {name: index for index, name in enumerate(kept)}
    return replace(images, class_names=kept, labels=np.array([number[label] for label in labels], np.int64))

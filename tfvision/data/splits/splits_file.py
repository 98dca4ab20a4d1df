"""splits.csv: writing, reading and checking it."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfvision.data.images.imageset import ImageSet
from tfvision.data.splits.split import HELD_OUT, LEFT_OUT, _check_learned, _torn_groups
from tfvision.data.splits.stratify import PARTS
from tfvision.errors import DamagedError, DataError, listing, worded
from tfvision.system.csv_table import TableWriter, read_mappings, repeated
from tfvision.system.files import read_written


def describe_splits(images: ImageSet, parts: np.ndarray, hashes: Sequence[str]) -> str:
    """Return the text of `splits.csv`: id, part, label, hash, and box if there are boxes.

    Args:
        images: The images; each is a row. A box is four numbers in pixels of the upright image.
        parts: str (n,), the part of each.
        hashes: Content hash of each.

    Returns:
        The text of the CSV.
    """
    text = io.StringIO(newline="")
    writer = TableWriter(text)
    boxes: list[list[str]] = [[]] * len(images)
    if images.boxes is not None:
        boxes = [[" ".join(f"{side:.7g}" for side in box)] for box in images.boxes]
    writer.writerow(("id", "part", "label", "hash", *(["box"] if images.boxes is not None else [])))
    for image_id, part, label, key, box in zip(images.ids, parts, images.labels, hashes, boxes, strict=True):
        writer.writerow((image_id, part, images.class_names[label] if label >= 0 else "", key, *box))
    return text.getvalue()


def read_parts(path: Path | str) -> dict[str, str]:
    """Read the part of each id from a `splits.csv`.

    Args:
        path: The file.

    Returns:
        The part of each id; "" for an image left out.

    Raises:
        DataError: There is no such file, it lacks the columns id and part, or it has an id twice or an unknown part.
    """
    try:
        text = read_written(path).removeprefix("\ufeff")
        rows = read_mappings(io.StringIO(text, newline=""))
    except csv.Error as error:
        raise DataError(f"cannot read the split {path}: {error}; give the splits.csv of a run") from error
    if any(None in row or None in row.values() for row in rows):
        raise DamagedError(path, "a row has more or fewer cells than its header")
    if not rows or not {"id", "part"} <= rows[0].keys():
        raise DataError(f"{path} is not a split; expected a CSV with the columns id and part")
    found = {row["id"]: row["part"] for row in rows}
    ids = [row["id"] for row in rows]
    if twice := repeated(ids):
        raise DataError(f"{path} names {len(twice):,} ids more than once: {listing(twice)}; keep one row each")
    known = {*PARTS, HELD_OUT, LEFT_OUT}
    if wrong := next((number for number, row in enumerate(rows, start=2) if row["part"] not in known), None):
        raise DataError(
            f"{path} has the part {worded(rows[wrong - 2]['part'])} in row {wrong}; expected {', '.join(PARTS)} or nothing"
        )
    return found


def read_splits(
    path: Path | str, images: ImageSet, hashes: tuple[str, ...], *, group_validation: bool = True
) -> np.ndarray:
    """Read the `splits.csv` of another run on the same images.

    Args:
        path: The file.
        images: The images; the file must name all of them and no others.
        hashes: Content hash of each image.
        group_validation: Whether a group may not be divided between training and validation either.

    Returns:
        str (n,), the part of each image.

    Raises:
        DataError: There is no such file, its ids are not those of the images, exact copies or a group are in two parts,
            or a class has no training images.
    """
    found = read_parts(path)
    known = set(images.ids)
    for names, what in (
        ([f"{i} (row {n})" for n, i in enumerate(found, start=2) if i not in known], "ids that the data does not have"),
        ([i for i in images.ids if i not in found], "no row for images of the data"),
    ):
        if names:
            raise DataError(
                f"{path} has {what}, {len(names):,} of them: {listing(names)}; give the split of the same data, "
                "and the same --limit if that run had one"
            )
    parts = np.array([found[image_id] for image_id in images.ids])
    _check_learned(images, parts)
    first: dict[str, int] = {}
    torn = [
        f"{images.ids[first[key]]} ({parts[first[key]]}) and {images.ids[i]} ({parts[i]})"
        for i, key in enumerate(hashes)
        if parts[i] != LEFT_OUT and parts[first.setdefault(key, i)] != parts[i]
    ]
    if torn:
        raise DataError(
            f"{path} has {len(torn):,} exact copies in two parts: {listing(torn)}; leave the part of one of them empty"
        )
    # Groups divided by the parts of the data are divided in every run that keeps these parts, and that run says so.
    held = parts if group_validation else np.where(parts == "validation", "train", parts)
    if groups := sorted(set(_torn_groups(images, held)) - set(_torn_groups(images, images.parts))):
        raise DataError(
            f"{path} has {len(groups):,} groups in two parts: {listing(groups)}; "
            "leave all but one of the parts of each empty, or draw a new split without split.file"
        )
    return parts

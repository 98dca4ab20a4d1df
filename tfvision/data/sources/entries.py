"""From the entries that a source has for its images to an ImageSet."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from tfvision.data.boxes.given import GivenBox, GivenBoxes
from tfvision.data.images.imageset import ImageSet, ImageStorage
from tfvision.data.sources.classes import order_classes
from tfvision.errors import DataError, UsageError, listing, printable

THING = "object"  # the class of boxes without a class


@dataclass(frozen=True)
class Entry:
    """One image as a folder tree, a CSV or an array describes it."""

    id: str
    name: str
    label: str | None = None
    group: str | None = None
    part: str | None = None
    box: GivenBox | None = None


@dataclass(frozen=True)
class Reading:
    """What a source says of its images.

    Attributes:
        entries: One for each image that is used.
        notes: What a user should know about how they were found, one line each.
        used: Names of the other files that were read, such as a CSV.
    """

    entries: Sequence[Entry]
    notes: tuple[str, ...] = ()
    used: tuple[str, ...] = ()


def build_images(
    entries: Sequence[Entry],
    storage: ImageStorage,
    columns: Mapping[str, Any],
    *,
    labelled: bool,
    class_names: Sequence[str] | None = None,
    notes: tuple[str, ...] = (),
) -> ImageSet:
    """Number the labels of entries, and build an ImageSet of them.

    Args:
        entries: At least one.
        storage: Where the images are.
        columns: The options that the data was opened with.
        labelled: Whether the entries have labels; parts are used only with labels or boxes.
        class_names: The classes in the order in which the data gives them; sorted if None.
        notes: What a user should know about how the images are read.

    Returns:
        The images in the order of the entries.

    Raises:
        UsageError: The positive class is unknown, or given for images without labels.
        DataError: Two images have the same id, or only some have a part or a group.
    """
    _refuse_no_text(entries)
    _refuse_same_ids(entries)
    for what, values in (("part", [e.part for e in entries]), ("group", [e.group for e in entries])):
        if None in values and len(set(values)) > 1:
            raise DataError(
                f"{values.count(None):,} of {len(values):,} images have no {what}, the others have one; give all of them one"
            )
    positive_class = columns.get("positive_class")
    labels = np.full(len(entries), -1, np.int64)
    ordered: tuple[str, ...] = ()
    if labelled:
        texts = cast(list[str], [entry.label for entry in entries])  # the caller says that each has one
        ordered = _ordered(set(texts), class_names, positive_class)
        number = {name: i for i, name in enumerate(ordered)}
        labels = np.array([number[text] for text in texts], np.int64)
    elif positive_class is not None:
        raise UsageError("a positive class was given for images without labels; leave it out")
    elif entries[0].box:  # boxes without labels are of one class
        labels, ordered = np.zeros(len(entries), np.int64), (THING,)
    has_groups, has_parts = entries[0].group is not None, entries[0].part is not None
    return ImageSet(
        ids=tuple(entry.id for entry in entries),
        names=tuple(entry.name for entry in entries),
        labels=labels,
        class_names=ordered,
        storage=storage,
        groups=np.array([entry.group for entry in entries]) if has_groups else None,
        parts=np.array([entry.part for entry in entries]) if has_parts and (labelled or entries[0].box) else None,
        given=_given_boxes(entries) if entries[0].box else None,
        columns=columns,
        notes=notes,
    )


def _refuse_no_text(entries: Sequence[Entry]) -> None:
    """Refuse names that could not be written: halves of letters, from JSON, HDF5 or a DataFrame."""
    texts = [text for e in entries for text in (e.id, e.label, e.group) if text and not text.isascii()]
    for text in texts:
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise DataError(f"the name {printable(text)} is not UTF-8 text; rename it in the data") from None


def _refuse_same_ids(entries: Sequence[Entry]) -> None:
    if len({entry.id for entry in entries}) == len(entries):
        return
    twice = [image_id for image_id, count in Counter(entry.id for entry in entries).items() if count > 1]
    raise DataError(
        f"{len(twice):,} names stand for two images each, which differ only in how an accent is stored: {listing(twice)}; "
        "rename one of each"
    )


def _given_boxes(entries: Sequence[Entry]) -> GivenBoxes:
    boxes = [entry.box for entry in entries if entry.box]
    return GivenBoxes(
        np.array([box.corners for box in boxes], np.float64),
        tuple(box.row for box in boxes),
        np.array([box.size for box in boxes], np.int64),
    )


def _ordered(found: set[str], class_names: Sequence[str] | None, positive_class: str | None) -> tuple[str, ...]:
    """Return the classes that occur, sorted or in the order of the data; of two, the second is the positive one."""
    if class_names is None:
        return order_classes(found, positive_class)
    kept = tuple(name for name in class_names if name in found)
    if len(kept) == 2 or positive_class is not None:
        return order_classes(kept, positive_class or kept[1])
    return kept

"""Finding the arrays of images, labels and groups of each part by their names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tfvision.data.sources.groups import CERTAIN_GROUPS, GROUP_NAMES
from tfvision.data.sources.parts import PART_NAMES
from tfvision.data.sources.tables.columns import LABEL_COLUMNS, Columns
from tfvision.errors import DataError, listing, nearest, worded

IMAGE_ARRAYS = ("images", "image", "x", "data", "imgs", "img", "pixels")
LABEL_ARRAYS = (*LABEL_COLUMNS, "targets")
CLASS_ARRAYS = ("classnames", "classes", "labelnames", "listclasses")

_HELD = {"file": "images", "label": "labels", "group": "groups"}  # what the options --...-column name


@dataclass(frozen=True)
class ArrayNames:
    """The names of the arrays of one part.

    Attributes:
        part: train, validation or test, or "" for data without parts.
        images: The array of images.
        labels: The array of labels; None if there is none.
        groups: The array of groups; None if there is none.
    """

    part: str
    images: str
    labels: str | None = None
    groups: str | None = None


def find_arrays(
    shapes: Mapping[str, tuple[int, ...]], asked: Columns, source: str, *, labelled: bool
) -> list[ArrayNames]:
    """Find images, labels and groups by their names, such as `x_train` and `y_train`, or `test/images`.

    Args:
        shapes: The shape of each array.
        asked: The names that were asked for; each is that of one array, or that of an array in each part without the
            name of the part.
        source: What to call the data in an error.
        labelled: Whether labels are needed; parts without labels are then left out.

    Returns:
        One for each part, train first; a single part counts as data without parts.

    Raises:
        DataError: There are no images or no labels, a name that was asked for is missing, or several arrays fit.
    """
    images = _by_part(shapes, asked.file, IMAGE_ARRAYS, source, "file") or _only_images(shapes, source)
    taken = set(images.values())
    rest = {name: shape for name, shape in shapes.items() if name not in taken}
    groups = _by_part(rest, asked.group, CERTAIN_GROUPS, source, "group") or _guessed_groups(rest, shapes, images)
    rest = {name: shape for name, shape in rest.items() if name not in groups.values()}
    labels = _find_labels(rest, asked, source, shapes[next(iter(images.values()))]) if labelled else {}
    found = [ArrayNames(part, name, labels.get(part), groups.get(part)) for part, name in images.items()]
    if len(found) == 1:
        only = found[0]
        found = [ArrayNames("", only.images, _single(only.labels, labels), _single(only.groups, groups))]
    if labelled and not any(names.labels for names in found):
        raise DataError(
            f"{source} has no labels for {listing([names.images for names in found])}; its arrays are "
            f"{_described(shapes)}; name the labels with --label-column"
        )
    used = [names for names in found if names.labels or not labelled]
    if asked.group and (without := [names.images for names in used if not names.groups]):
        raise DataError(
            f"{source} has no array {worded(asked.group)} for {listing(without)}; expected one for each part"
        )
    return sorted(found, key=lambda names: ("", "train", "validation", "test").index(names.part))


def split_name(name: str) -> tuple[str, str]:
    """Split the name of an array into the part ("" for none) and what it contains, in lowercase letters and digits.

    `x_train`, `train_x`, `train/x` and `x/train` are all ("train", "x"); other names of folders and groups are ignored.
    """
    words = [re.findall(r"[0-9a-z]+", level.lower()) for level in name.split("/")]
    parts = {PART_NAMES[word] for level in words for word in level if word in PART_NAMES}
    held = ["".join(word for word in level if word not in PART_NAMES) for level in words]
    return parts.pop() if len(parts) == 1 else "", next((level for level in reversed(held) if level), "")


def _by_part(
    shapes: Mapping[str, tuple[int, ...]], asked: str | None, known: tuple[str, ...], source: str, option: str
) -> dict[str, str]:
    """Return the array of each part: the one that was asked for, else the one that has a known name."""
    if asked is not None and asked in shapes:
        return {split_name(asked)[0]: asked}
    wanted = (split_name(asked)[1],) if asked else known
    matches: dict[str, list[str]] = {}
    for name in shapes:
        part, rest = split_name(name)
        if rest in wanted:
            matches.setdefault(part, []).append(name)
    if asked and not matches:
        raise DataError(
            f"{source} has no array {worded(asked)}{nearest(asked, shapes)}; its arrays are {_described(shapes)}; "
            f"give one of them as --{option}-column"
        )
    if len(matches) > 1 and "" in matches:
        # x_train beside x: the names do not tell whether x is all of the data or something else.
        matches = {"": [name for names in matches.values() for name in names]}
    for names in matches.values():
        if len(names) > 1:
            raise DataError(
                f"{source} has several arrays that may be the {_HELD[option]}: {listing(names)}; "
                f"give one of them as --{option}-column"
            )
    return {part: names[0] for part, names in matches.items()}


def _guessed_groups(
    rest: Mapping[str, tuple[int, ...]], shapes: Mapping[str, tuple[int, ...]], images: Mapping[str, str]
) -> dict[str, str]:
    """Return the array of each part that is called like a group, the surest word first, and fits the images."""
    for known in GROUP_NAMES:
        found = {
            part: name
            for name, shape in rest.items()
            for part, own in [split_name(name)]
            if own == known and part in images and shape[:1] == shapes[images[part]][:1]
        }
        if found:
            return found
    return {}


def _only_images(shapes: Mapping[str, tuple[int, ...]], source: str) -> dict[str, str]:
    found = [name for name, shape in shapes.items() if len(shape) in (3, 4)]
    if len(found) == 1:
        return {"": found[0]}
    raise DataError(
        f"{source} does not say which array holds the images; its arrays are {_described(shapes)}; "
        "name it images or x, or give it as --file-column"
    )


def _find_labels(
    shapes: Mapping[str, tuple[int, ...]], asked: Columns, source: str, images: tuple[int, ...]
) -> dict[str, str]:
    """Return the labels of each part by name; else, as with the columns of a CSV, the only array left that fits."""
    labels = _by_part(shapes, asked.label, LABEL_ARRAYS, source, "label")
    if not labels:
        labels = _by_part(shapes, None, ("classes",), source, "label")
    if labels:
        return labels
    # Images that are damaged have no shape; that is said once they are opened.
    fitting = [name for name, shape in shapes.items() if len(shape) in (1, 2) and images[:1] in ((), shape[:1])]
    return {"": fitting[0]} if len(fitting) == 1 else {}


def _single(name: str | None, found: dict[str, str]) -> str | None:
    """Return the array of a single part, whose name may lack the part: `labels` beside `x_train`."""
    return name or (next(iter(found.values())) if len(found) == 1 else None)


def _described(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return listing([f"{name} {tuple(shape)}" for name, shape in shapes.items()], 12) or "none"

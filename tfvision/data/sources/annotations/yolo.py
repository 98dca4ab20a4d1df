"""YOLO annotations: a .txt for each image, with a line for each box.

A line holds the number of the class, and centre, width and height of the box as shares of the sides of the upright
image, as Ultralytics reads them; or the corners of an outline, whose box is taken.
"""

import posixpath
import re
from collections.abc import Sequence

from tfvision.config.yaml import parse_yaml
from tfvision.data.boxes.given import GivenBox
from tfvision.data.sources.annotations.rows import BoxRow, BoxRows
from tfvision.data.sources.folders import parts_by_folder
from tfvision.data.sources.spelling import spelled
from tfvision.data.storage.files import Storage
from tfvision.errors import DataError, UsageError

_NAMES = ("classes.txt", "obj.names", "_darknet.labels")


def rows_of_yolo(storage: Storage, images: Sequence[str]) -> BoxRows | None:
    """Read the boxes of YOLO files.

    Args:
        storage: Where they are.
        images: Names of all images. The .txt of one has its name and lies beside it, or below `labels/` as the image
            lies below `images/`.

    Returns:
        A row for each box, and one without a box for an image whose file is empty; None if there are no such files.
    """
    names = frozenset(storage.names)
    files = {image: name for image in images if (name := _file_of(image, names))}
    if not files:
        return None
    classes, source = _classes(storage)
    parts = parts_by_folder([_without_folder(image) for image in images])
    found = BoxRows(f"{len(files):,} YOLO files", unit="relative", is_upright=True, used=list(files.values()))
    if source:
        found.used.append(source)
        found.how += f", classes in {source}"
    for image, name in files.items():
        lines = storage.read(name).decode("utf-8", "replace").splitlines()
        _add_rows(image, name, lines, classes, parts.get(_without_folder(image)), found)
    return found


def _add_rows(
    image: str, name: str, lines: Sequence[str], classes: dict[int, str], part: str | None, into: BoxRows
) -> None:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{name} line {number}"
        box, problem = _box(where, line.split(), classes)
        if box is None:
            into.bad.append((where, problem))
        else:
            into.rows.append(BoxRow(image, image, box, where, part=part))
    if not any(line.strip() for line in lines):
        into.rows.append(BoxRow(image, image, None, name, part=part))


def _file_of(image: str, names: frozenset[str]) -> str | None:
    stem = posixpath.splitext(image)[0]
    found = (re.sub(r"(^|/)images/(?!.*(^|/)images/)", r"\1labels/", stem), stem)
    return next((f"{name}.txt" for name in found if f"{name}.txt" in names), None)


def _without_folder(image: str) -> str:
    """Drop `images/`, which stands above or below the parts."""
    return re.sub(r"(^|/)images/", r"\1", image)


def _classes(storage: Storage) -> tuple[dict[int, str], str]:
    """Return the names of the classes by number, and the file they come from; empty if there is none."""
    usual = ("data.yaml", "dataset.yaml", "data.yml", *_NAMES)  # before others, such as the arguments of a training
    for name in sorted(
        storage.names, key=lambda name: (posixpath.basename(name).lower() not in usual, name.count("/"), name)
    ):
        base = posixpath.basename(name).lower()
        if base.endswith((".yaml", ".yml")):
            try:
                names = parse_yaml(storage.read(name).decode("utf-8", "replace"), name).get("names")
            except UsageError as error:
                raise DataError(str(error)) from None
            if isinstance(names, list):
                names = dict(enumerate(names))
            if isinstance(names, dict) and names:
                return {int(number): spelled(str(text)) for number, text in names.items() if _is_whole(number)}, name
        elif base in _NAMES:
            lines = storage.read(name).decode("utf-8", "replace").split("\n")
            return {number: spelled(line.strip()) for number, line in enumerate(lines) if line.strip()}, name
    return {}, ""


def _box(where: str, cells: Sequence[str], classes: dict[int, str]) -> tuple[GivenBox | None, str]:
    """Return the box of a line, or what is wrong with it."""
    try:
        number, *values = int(float(cells[0])), *map(float, cells[1:])
    except (ValueError, OverflowError):  # Overflow: an infinite class
        return None, "it holds no numbers"
    if classes and number not in classes:
        return None, f"its class {number} has no name"
    label = classes.get(number, str(number))
    if len(values) in (4, 5):  # a fifth is the confidence of a prediction
        x, y, width, height = values[:4]
        return GivenBox(where, (x - width / 2, y - height / 2, x + width / 2, y + height / 2), label), ""
    if len(values) < 6 or len(values) % 2:
        return None, f"it has {len(cells)} numbers; expected a class and 4, or the corners of an outline"
    across, down = values[::2], values[1::2]
    return GivenBox(where, (min(across), min(down), max(across), max(down)), label), ""


def _is_whole(number: object) -> bool:
    return isinstance(number, int) or (isinstance(number, str) and number.isdecimal() and len(number) < 20)

"""COCO annotations: one JSON for many images.

Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014.
"""

import json
import posixpath
from collections.abc import Mapping, Sequence
from typing import Any

from tfvision.data.boxes.given import GivenBox
from tfvision.data.sources.annotations.rows import BoxRow, BoxRows
from tfvision.data.sources.folders import parts_by_folder
from tfvision.data.sources.image_files import suffix
from tfvision.data.sources.parts import UNLABELLED
from tfvision.data.sources.spelling import spelled
from tfvision.data.sources.tables.file_index import FileIndex
from tfvision.data.sources.tables.of_parts import parts_of_tables
from tfvision.data.storage.files import Storage
from tfvision.errors import DataError, listing

_MOST_FILES = 50  # other tools write a JSON for each image
_KEYS = ("images", "annotations", "categories")
_NUMBERS = ("id", "image_id", "category_id")
_MOST_SIDE = 10**9  # pixels
# Lists and objects of a file, and bytes of it for each further one: an empty one takes 25 times its text in memory, and the
# least box has 2 in 46 bytes.
_ANY_LISTS, _BYTES_A_LIST = 1_000_000, 16


def rows_of_coco(storage: Storage, images: Sequence[str]) -> BoxRows | None:
    """Read the boxes of COCO files, one for all images or one for each part.

    Boxes of crowds are left out. Corners that are missing or not numbers are NaN.

    Args:
        storage: Where they are.
        images: Names of all images.

    Returns:
        A row for each box, and one without a box for an image that has none; None if there is no such file.

    Raises:
        DataError: Several files could be meant, or one holds far more lists than boxes need.
    """
    names = [name for name in storage.names if suffix(name) == ".json"]
    names.sort(key=lambda name: (-storage.size(name), name))
    files = {name: content for name in names[:_MOST_FILES] if (content := _read(storage, name))}
    if not files:
        return None
    files = dict(sorted(files.items()))
    parts = parts_of_tables(list(files)) if len(files) > 1 else dict.fromkeys(files, "")
    if not parts:
        raise DataError(f"{len(files)} COCO files hold boxes ({listing(list(files))}); keep one, or one for each part")
    found = BoxRows(f"{', '.join(parts)} (COCO)", unit="pixels", used=list(parts))
    by_folder = parts_by_folder(images)
    for name, part in parts.items():
        if part != UNLABELLED:
            own = [image for image in images if not part or by_folder.get(image, part) == part]
            _add_rows(name, files[name], FileIndex(name, own), part, by_folder, found)
    return found


def _read(storage: Storage, name: str) -> dict[str, Any] | None:
    content = storage.read(name)
    if content.count(b"[") + content.count(b"{") > _ANY_LISTS + len(content) // _BYTES_A_LIST:
        if not all(f'"{key}"'.encode() in content for key in _KEYS):
            return None
        raise DataError(f"{name} holds more lists than boxes need in its {len(content):,} bytes; write it again")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):  # not JSON, or not UTF-8
        return None
    if not (isinstance(found, dict) and all(isinstance(found.get(key), list) for key in _KEYS)):
        return None
    for entry in (one for key in _KEYS for one in _dicts(found[key])):
        # A list or an object as a number cannot be looked up, and is that of no other entry.
        entry |= {key: None for key in _NUMBERS if isinstance(entry.get(key), (list, dict))}
    return found


def _add_rows(
    name: str, content: Mapping[str, Any], index: FileIndex, part: str, by_folder: Mapping[str, str], into: BoxRows
) -> None:
    base = posixpath.basename(name)
    labels = {entry.get("id"): spelled(str(entry.get("name", ""))) for entry in _dicts(content["categories"])}
    boxes: dict[Any, list[GivenBox]] = {}
    for number, entry in enumerate(_dicts(content["annotations"]), start=1):
        if not entry.get("iscrowd"):
            label = labels.get(entry.get("category_id"), "")
            box = GivenBox(f"{base} annotation {number}", _corners(entry.get("bbox")), label)
            boxes.setdefault(entry.get("image_id"), []).append(box)
    for entry in _dicts(content["images"]):
        file = str(entry.get("file_name", ""))
        image = index.find(file)
        if image is None:
            into.bad.append((f"{base} image {entry.get('id')} ({file})", "it names no image, or more than one"))
            continue
        own_part, size = part or by_folder.get(image), _size(entry)
        of_image = boxes.get(entry.get("id"), [])
        into.bad += [(box.row, "its category_id is of no category") for box in of_image if not box.label]
        whole = [GivenBox(box.row, box.corners, box.label, size) for box in of_image if box.label]
        into.rows += [BoxRow(image, image, box, box.row, part=own_part) for box in whole]
        if not of_image:
            into.rows.append(BoxRow(image, image, None, f"{base} ({file})", part=own_part))


def _dicts(entries: list[Any]) -> list[dict[str, Any]]:
    return [entry for entry in entries if isinstance(entry, dict)]


def _corners(box: Any) -> tuple[float, float, float, float]:
    if not isinstance(box, list):  # a text of four digits would be taken for four numbers
        return (float("nan"),) * 4
    try:
        x, y, width, height = map(float, box)
    except (TypeError, ValueError, OverflowError):
        return (float("nan"),) * 4
    return x, y, x + width, y + height


def _size(entry: Mapping[str, Any]) -> tuple[int, int]:
    width, height = entry.get("width"), entry.get("height")
    if isinstance(width, int) and isinstance(height, int) and 0 < min(width, height) <= max(width, height) < _MOST_SIDE:
        return width, height
    return 0, 0

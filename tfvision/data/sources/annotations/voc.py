"""PASCAL VOC annotations: one XML file for each image, with any number of objects.

Everingham et al., "The PASCAL Visual Object Classes (VOC) Challenge", 2010.
"""

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from tfvision.data.boxes.given import GivenBox
from tfvision.data.sources.annotations.rows import BoxRow, BoxRows
from tfvision.data.sources.folders import parts_by_folder, top_folders_of_parts
from tfvision.data.sources.tables.file_index import FileIndex
from tfvision.data.storage.files import Storage
from tfvision.errors import DataError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

VOC_SUFFIX = ".xml"

_SIDES = ("xmin", "ymin", "xmax", "ymax")
_MAX_BYTES = 4 << 20
_MOST_OBJECTS = 20_000  # of one image


@dataclass(frozen=True)
class VocFile:
    """The content of one annotation.

    Attributes:
        name: Its name in the storage.
        filename: The image that it names; "" if it names none.
        boxes: The boxes, in order; corners that are missing or not numbers are NaN.
    """

    name: str
    filename: str
    boxes: tuple[GivenBox, ...]


def read_voc(storage: Storage, name: str) -> VocFile:
    """Read an annotation; its numbers are taken as they are, as edges in pixels.

    Args:
        storage: Where the annotation is.
        name: Its name in the storage.

    Returns:
        Its content.

    Raises:
        DataError: It is damaged, not an annotation, larger than 4 MiB, has more than 20,000 objects, or declares a document type or entities.
    """
    root = _parse(storage.read(name))
    if root.tag != "annotation":
        raise DataError(f"it is no VOC annotation: its root is <{root.tag[:40]}>, expected <annotation>")
    width, height = (_whole(root.findtext(f"size/{side}")) for side in ("width", "height"))
    size = (width, height) if width and height else (0, 0)
    base = posixpath.basename(name)
    boxes = []
    objects = root.findall("object")
    if len(objects) > _MOST_OBJECTS:
        raise DataError(f"it has {len(objects):,} objects, more than {_MOST_OBJECTS:,}")
    for number, found in enumerate(objects, start=1):
        xmin, ymin, xmax, ymax = (_number(found.findtext(f"bndbox/{side}")) for side in _SIDES)
        label = (found.findtext("name") or "").strip()
        boxes.append(GivenBox(f"{base} object {number}", (xmin, ymin, xmax, ymax), label, size))
    return VocFile(name, (root.findtext("filename") or "").strip(), tuple(boxes))


def names_of_annotations(names: Sequence[str]) -> list[str]:
    """Return those names that are XML files."""
    return [name for name in names if name.lower().endswith(VOC_SUFFIX)]


def rows_of_voc(storage: Storage, annotations: Sequence[str], images: Sequence[str]) -> BoxRows:
    """Read the boxes of annotations; each names its image by its own name, else by the one that is written in it.

    Args:
        storage: Where they are.
        annotations: Their names.
        images: Names of all images.

    Returns:
        A row for each box.
    """
    parts, tops = parts_by_folder(images), top_folders_of_parts(images)
    whole = FileIndex("", images)
    of_parts = {
        part: FileIndex("", [image for image in images if parts[image] == part]) for part in set(parts.values())
    }
    found = BoxRows(f"{len(annotations):,} VOC files", unit="pixels", used=list(annotations))
    rows, bad = found.rows, found.bad
    for name in annotations:
        try:
            voc = read_voc(storage, name)
        except DataError as error:
            bad.append((name, str(error)))
            continue
        # The annotation's own name comes first: the one written in it often comes from another computer.
        stem = posixpath.splitext(name)[0]
        own_part = next((part for top, part in tops.items() if name.startswith(top)), "")
        index = of_parts.get(own_part, whole)
        image = (
            index.find(stem)
            or index.find(posixpath.basename(stem))
            or index.find(voc.filename.replace("\\", "/").rsplit("/", 1)[-1])
        )
        if image is None:
            bad.append((name, f"there is no image {posixpath.basename(stem)}.* or {voc.filename or '(unnamed)'}"))
            continue
        unlabelled = [box for box in voc.boxes if not box.label]
        bad += [(box.row, "it has no <name>") for box in unlabelled]
        boxes = [box for box in voc.boxes if box.label]
        rows += [BoxRow(image, image, box, box.row, part=parts.get(image)) for box in boxes]
        if not voc.boxes:
            rows.append(BoxRow(image, image, None, name, part=parts.get(image)))
    return found


def _parse(data: bytes) -> "Element":
    """Parse an XML file, refusing declarations: entities could expand without end or read other files."""
    if len(data) > _MAX_BYTES:
        raise DataError(f"it has {len(data):,} bytes, more than {_MAX_BYTES:,}")
    try:
        root = fromstring(data, forbid_dtd=True)
    except DefusedXmlException:
        raise DataError(
            "it declares a document type or entities, which no annotation needs; remove the <!DOCTYPE ...>"
        ) from None
    except ParseError as error:
        raise DataError(f"it is damaged XML: {error}") from None
    except (LookupError, ValueError, AssertionError, RecursionError) as error:  # an unknown encoding, no element
        raise DataError(f"it is not XML: {error}") from None
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]  # some tools put all elements in a namespace
    return root


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")


def _whole(text: str | None) -> int:
    value = _number(text)
    return int(value) if value == value and 0 < value < 1e9 else 0

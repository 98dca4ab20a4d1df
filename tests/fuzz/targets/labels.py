"""Labels and boxes of image files: CSV tables, VOC, COCO and YOLO annotations."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from targets.target import Target
from tfvision.data.sources.open import open_images

_NAMES = [f"{group}_{number}.png" for group in ("cat", "dog") for number in range(4)]
_BOX = (1, 2, 6, 7)


def _prepare(folder: Path, below: str = "") -> None:
    """Write eight images of 8 x 8 pixels."""
    (folder / below).mkdir(exist_ok=True)
    for name in _NAMES:
        place = folder / below / name
        Image.fromarray(np.full((8, 8, 3), 9 * len(name), np.uint8)).save(place)


def _read_file(name: str, boxes: bool, data: bytes, folder: Path) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    images = open_images(folder, boxes=boxes)
    assert len(images.ids) == len(images.labels) and len(images) > 0


def _read_table(data: bytes, folder: Path) -> None:
    table = folder / "labels.csv"
    table.write_bytes(data)
    images = open_images(table)
    assert len(images.ids) == len(images.labels) and len(images) > 0


def _read_cells(data: bytes, folder: Path) -> None:
    table = folder / "pixels.csv"
    table.write_bytes(data)
    images = open_images(table)
    assert images.read(0).ndim == 3


def _table(header: str, *cells: str) -> bytes:
    rows = [",".join((name, *cells)).replace("@", name[:3]) for name in _NAMES]
    return "\n".join([header, *rows, ""]).encode()


def _tables() -> Iterator[bytes]:
    yield _table("file,label", "@")
    yield _table("id,label", "@").replace(b".png", b"")
    yield _table("file,label,group,split", "@", "1", "train").replace(b"_3.png,cat,1,train", b"_3.png,cat,1,test")
    yield _table("file,cat,dog", "0", "1")
    yield _table("file,tags", "a b @").replace(b",", b"\t")
    yield '\ufefffile;label\n"cat_0.png";\'=cat\ncat_1.png;"a\nb"\n'.encode()
    yield b"file,label\ncat_0.png\n\0,,,\n"


def _box_tables() -> Iterator[bytes]:
    corners = tuple(map(str, _BOX))
    yield _table("file,label,xmin,ymin,xmax,ymax", "@", *corners)
    yield _table("file,x,y,width,height,image_width,image_height", *corners, "8", "8")
    yield _table("file,x1,y1,x2,y2", "0.1", "0.2", "0.9", "nan")
    yield _table("file,bbox", '"[1, 2, 6, 7]"')


def _pixel_tables() -> Iterator[bytes]:
    cells = [str(k % 256) for k in range(16)]
    yield ("label," + ",".join(f"pixel{k}" for k in range(16)) + "\n" + f"cat,{','.join(cells)}\n" * 3).encode()
    yield f"emotion,pixels,Usage\n0,{' '.join(cells)},Training\n1,{' '.join(cells)},PublicTest\n".encode()
    yield b"label,pixels\n1,1 2 3\n2,\n"


def _voc() -> Iterator[bytes]:
    names = dict(zip(("xmin", "ymin", "xmax", "ymax"), _BOX, strict=True))
    box = "".join(f"<{name}>{value}</{name}>" for name, value in names.items())
    whole = (
        "<annotation><filename>cat_0.png</filename><size><width>8</width><height>8</height></size>"
        f"<object><name>cat</name><difficult>0</difficult><bndbox>{box}</bndbox></object></annotation>"
    )
    yield whole.encode()
    yield whole.replace("<xmin>1", "<xmin>nan").encode("utf-16")
    yield b'<!DOCTYPE a [<!ENTITY b "c">]>' + whole.replace("cat<", "&b;<").encode()
    yield whole[:90].encode()


def _coco() -> Iterator[bytes]:
    whole = {
        "images": [{"id": k, "file_name": name, "width": 8, "height": 8} for k, name in enumerate(_NAMES)],
        "annotations": [{"image_id": k, "category_id": 1, "bbox": [1, 2, 5, 5], "iscrowd": 0} for k in range(8)],
        "categories": [{"id": 1, "name": "cat"}],
    }
    yield json.dumps(whole).encode()
    yield json.dumps({**whole, "images": [{"id": [], "file_name": 3}, None], "categories": [{}]}).encode()
    yield json.dumps({**whole, "annotations": [{"image_id": 0, "category_id": None, "bbox": [1e400, "a"]}]}).encode()


def _yolo() -> Iterator[bytes]:
    yield b"0 0.5 0.5 0.25 0.25\n"
    yield b"0 0.5 0.5 0.25 0.25\n1 0.1 0.1 0.9 0.9 0.1 0.1\n\n"
    yield b"-1 nan 1e400 \xff"


TARGETS = {
    "csv": Target(_read_table, _tables, _prepare),
    "csv_boxes": Target(partial(_read_file, "boxes.csv", True), _box_tables, _prepare),
    "csv_pixels": Target(_read_cells, _pixel_tables),
    "voc": Target(partial(_read_file, "cat_0.xml", True), _voc, _prepare),
    "coco": Target(partial(_read_file, "annotations.json", True), _coco, _prepare),
    "yolo": Target(partial(_read_file, "labels/cat_0.txt", True), _yolo, partial(_prepare, below="images")),
}

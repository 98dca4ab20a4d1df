"""Tables: no cell is a formula to a spreadsheet, all is read back unchanged, and a refusal names the row."""

import csv
import io
import json
import tarfile
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfvision.audit.findings import Finding, describe_findings
from tfvision.data.sources.open import open_images
from tfvision.data.sources.selection import describe_selection
from tfvision.data.sources.tables.file_index import FileIndex
from tfvision.data.sources.tables.reading import Table, read_table
from tfvision.data.splits.splits_file import describe_splits, read_parts
from tfvision.data.storage.directory import Directory
from tfvision.data.storage.files import open_storage
from tfvision.errors import DataError
from tfvision.evaluation.box_predictions import BoxPredictions, read_box_predictions, write_box_predictions
from tfvision.evaluation.predictions import Predictions, read_predictions, write_predictions
from tfvision.system.csv_table import csv_rows, csv_text, marked, read_mappings, unmarked
from tfvision.system.files import to_csv

# What a spreadsheet would run, and what only looks like it.
FORMULAS = ("=1+1", "+x", "-x", "@SUM(A1)", "=cmd|' /C calc'!A0", "\t=1", "\r=1", " =1", "＝1", "-1+1", "=", "-")
OTHERS = (
    "'=1",
    "''-x",
    "'",
    "'x",
    "a=b",
    "x-y",
    "",
    "a,b",
    'a"b',
    "a\nb",
    "a\rb",
    "a;=1",
    "é",
    "-1",
    "+0.5",
    "-2e-3",
    "nan",
)
NAMES = (*FORMULAS, *OTHERS)


@pytest.mark.parametrize("name", FORMULAS)
def test_no_cell_begins_a_formula(name: str) -> None:
    text = csv_text([name, name], [[name, "x"], ["x", name]])
    cells = [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]
    assert all(cell.startswith("'") for cell in cells if cell != "x")


@pytest.mark.parametrize("name", NAMES)
def test_a_cell_is_read_as_it_was_written(name: str) -> None:
    assert unmarked(marked(name)) == name
    rows = list(csv_rows(io.StringIO(csv_text([name, "b"], [["x", name], [name, name]]), newline="")))
    assert rows == [[name, "b"], ["x", name], [name, name]]


@settings(derandomize=True, database=None, deadline=None, max_examples=150)
@given(
    st.lists(
        st.lists(st.text("'=+-@\t\r\n ,;\"a1.\u00a0＝", max_size=6), min_size=2, max_size=2), min_size=1, max_size=3
    )
)
def test_any_cells_are_read_as_they_were_written(rows: list[list[str]]) -> None:
    text = csv_text(rows[0], rows[1:])
    assert list(csv_rows(io.StringIO(text, newline=""))) == rows
    assert not any(
        cell.lstrip(" \u00a0")[:1] in ("=", "@", "\t", "\r", "\n", "＝")
        for row in csv.reader(io.StringIO(text, newline=""))
        for cell in row
        if cell.strip(" \u00a0")
    )


@pytest.mark.parametrize("number", ["-0.5", "+3", "1e-05", "-inf", "-.5", "-7"])
def test_numbers_stay_numbers(number: str) -> None:
    assert csv_text(["a"], [[number]]) == f"a\n{number}\n"
    assert to_csv([{"a": -0.25, "b": None}]) == "a,b\n-0.25,\n"


CLASSES = ("=1+1", "-x\r\ny", "@z")
IDS = ("+a/1.png", "'=b.png", "-c\n.png")


def test_predictions_are_read_as_they_were_written(tmp_path: Path) -> None:
    made = Predictions(IDS, np.array(["test"] * 3), np.array([0, 1, 2]), np.eye(3), CLASSES)
    write_predictions(tmp_path / "p.csv", made)
    found = read_predictions(tmp_path / "p.csv")
    assert (found.ids, found.class_names, found.labels.tolist()) == (IDS, CLASSES, [0, 1, 2])
    text = (tmp_path / "p.csv").read_text(encoding="utf-8")
    assert "\n'+a/1.png," in text and ",'=1+1," in text


def test_boxes_are_read_as_they_were_written(tmp_path: Path) -> None:
    box = np.array([[1.0, 2, 3, 4]] * 3)
    made = BoxPredictions(IDS, np.array(["test"] * 3), np.full((3, 2), 9), box - 5, box, np.array(CLASSES))
    write_box_predictions(tmp_path / "b.csv", made)
    found = read_box_predictions(tmp_path / "b.csv")
    assert (found.ids, found.labels.tolist(), found.predicted.tolist()) == (IDS, list(CLASSES), (box - 5).tolist())


def tree(folder: Path, classes: tuple[str, ...] = ("=1+1", "-x", "@z"), count: int = 2) -> Path:
    generator = np.random.default_rng(0)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for number in range(count):
            cv2.imwrite(str(folder / name / f"{number}.png"), generator.integers(0, 256, (8, 8, 3)).astype(np.uint8))
    return folder


def test_lists_and_splits_are_read_as_they_were_written(tmp_path: Path) -> None:
    images = open_images(tree(tmp_path / "=data"))
    (tmp_path / "clean.csv").write_text(
        describe_selection(images, tmp_path / "clean.csv"), encoding="utf-8", newline="\n"
    )
    again = open_images(tmp_path / "clean.csv")
    assert (again.ids, again.class_names, again.labels.tolist()) == (
        images.ids,
        images.class_names,
        images.labels.tolist(),
    )
    assert (
        "'=data" in (tmp_path / "clean.csv").read_text()
        and "\n'=1+1/0.png,'=1+1," in (tmp_path / "clean.csv").read_text()
    )
    parts = np.array(["train"] * len(images))
    (tmp_path / "splits.csv").write_text(
        describe_splits(images, parts, ["h"] * len(images)), encoding="utf-8", newline="\n"
    )
    assert tuple(read_parts(tmp_path / "splits.csv")) == images.ids
    found = describe_findings(images, [Finding(0, "blurred", -0.5, 1, "=1")])
    assert found.splitlines()[1] == f"{marked(images.ids[0])},blurred,-0.5,{marked(images.ids[1])},'=1"


def test_labels_are_read_from_a_table_of_ours(tmp_path: Path) -> None:
    images = open_images(tree(tmp_path))
    rows = [[name, images.class_names[label]] for name, label in zip(images.ids, images.labels, strict=True)]
    (tmp_path / "labels.csv").write_text(csv_text(["file", "label"], rows), encoding="utf-8", newline="\n")
    found = open_images(tmp_path / "labels.csv")
    assert (found.ids, found.class_names) == (images.ids, images.class_names)


# -- A refusal names the row, as a spreadsheet numbers it: the header is row 1, and empty rows count.

PNG = cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
HEAD = "file,label\na/1.png,a\n\n"  # the next row is the fourth
BOXES = "file,xmin,ymin,xmax,ymax\na/1.png,1,1,5,5\n\n"
ROWS: dict[str, tuple[str, dict[str, Any], str]] = {
    "leaves": (f"{HEAD}../b.png,b\n", {}, r"row 4 names '\.\./b\.png', which leaves its folder"),
    "leaves by backslash": (f"{HEAD}..\\b.png,b\n", {}, "row 4 names .* leaves its folder"),
    "leaves later": (f"{HEAD}a/../../b.png,b\n", {}, "row 4 names .* leaves its folder"),
    "absolute": (f"{HEAD}/etc/hostname,b\n", {}, "row 4 names '/etc/hostname', which leaves its folder"),
    "a drive": (f"{HEAD}C:\\b.png,b\n", {}, "row 4 names .* leaves its folder"),
    "missing": (f"{HEAD}b/9.png,b\n", {}, r"b/9\.png \(row 4\)"),
    "NUL": (f"{HEAD}b/1.png\0,b\n", {}, r"b/1\.png\\x00 \(row 4\)"),
    "newline": (f'{HEAD}"b/\n1.png",b\n', {}, r"b/\\n1\.png \(row 4\)"),
    "escape": (f"{HEAD}\x1b[2J,b\n", {}, r"\\x1b\[2J \(row 4\)"),
    "two labels": (f"{HEAD}a/1.png,b\n", {}, r"a/1\.png \(a in row 2, b in row 4\)"),
    "no label": (f"{HEAD}b/1.png,\n", {}, r"have no label: b/1\.png \(row 4\)"),
    "too long": (f"{HEAD}b/1.png,b,c\n", {}, "row 4 has 3 fields, the header has 2"),
    "too short": (f"{HEAD}b/1.png\n", {}, "row 4 has 1 fields, the header has 2"),
    "not UTF-8": (f"{HEAD}b/1.png,\udce9\n", {}, r"not UTF-8 text \(row 4, byte 30\)"),
    "a header twice": ("file,label,label\na/1.png,a,b\n", {}, "more than once in row 1"),
    "several classes": ("file,a,b\na/1.png,1,0\n\nb/1.png,1,1\n", {}, "the first of them row 4"),
    "no part": (
        "file,label,fold\na/1.png,a,0\n\nb/1.png,b,1\n",
        {"split_column": "fold"},
        r"holds 0 \(row 2\), 1 \(row 4\)",
    ),
    "several tags": ('file,tags\na/1.png,a b\n\nb/1.png,"[a, b]"\n', {}, r"such as '\[a, b\]' in row 4"),
}


def write(folder: Path, text: str) -> Path:
    for name in ("a/1.png", "b/1.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(PNG)
    (folder / "t.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
    return folder / "t.csv"


@pytest.mark.parametrize("case", ROWS)
def test_a_refused_table_of_labels_names_the_row(case: str, tmp_path: Path) -> None:
    text, options, words = ROWS[case]
    with pytest.raises(DataError, match=words) as error:
        open_images(write(tmp_path, text), **options)
    assert "\n" not in str(error.value) and len(str(error.value)) < 1000


def test_a_link_that_leaves_the_folder_is_what_the_user_made(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.png").write_bytes(PNG)
    (tmp_path / "data").mkdir()
    table = write(tmp_path / "data", f"{HEAD}b/link.png,b\n")
    (tmp_path / "data" / "b" / "link.png").symlink_to(tmp_path / "elsewhere.png")
    assert open_images(table).ids == ("a/1.png", "b/link.png")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("b/1.png,1,nan,5,5", "holds no numbers"),
        ("b/1.png,1,x,5,5", "holds no numbers"),
        ("b/1.png,1,-inf,5,5", "holds no numbers"),
        ("b/1.png,5,1,1,5", "is inverted"),
        ("b/9.png,1,1,5,5", "it names no image"),
    ],
)
def test_a_refused_box_names_the_row(row: str, words: str, tmp_path: Path) -> None:
    from tfvision.data.images.scan import scan

    images = open_images(write(tmp_path, f"{BOXES}{row}\n"), boxes=True)
    with pytest.raises(DataError, match=rf"t\.csv row 4 .*{words}"):
        scan(images, on_bad="fail", frames=True)


FILES: dict[str, tuple[Any, str, str]] = {
    "a label of predictions": (read_predictions, "id,label,p_a,p_b\nx,a,1,0\ny,c,0,1\n", "'c' in row 3"),
    "a probability": (read_predictions, "id,p_a,p_b\nx,1,0\ny,one,0\n", "not a number in row 3"),
    "cells of predictions": (read_predictions, "id,p_a,p_b\nx,1,0\ny,1\n", "row 3 has 2 cells"),
    "a part": (read_parts, "id,part\na,train\nb,trian\n", "'trian' in row 3"),
    "an id twice": (read_parts, "id,part\na,train\nb,test\na,test\n", r"a \(rows 2 and 4\)"),
    "a box": (read_box_predictions, "id,width,height,xmin,ymin,xmax,ymax\na,9,9,1,1,2,2\nb,9,9,1,x,2,2\n", "row 3"),
    "more cells than names": (read_box_predictions, "id,width\na,9\nb,9,9\n", "row 3 has 3 cells"),
}  # fmt: skip


@pytest.mark.parametrize("case", FILES)
def test_a_refused_file_of_a_run_names_the_row(case: str, tmp_path: Path) -> None:
    read, text, words = FILES[case]
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError, match=words):
        read(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,label,dataset\n{0},a,data\nnone.png,b,data\n", r"none\.png \(row 3\)"),
        ("id,label,dataset\n{0},a,data\n{0},b,data\n", r"\(rows 2 and 3\)"),
        ("id,label,dataset\n{0},a,data\n{1},c,data\n", "the label 'c' in row 3"),
        ("id,label,dataset\n{0},a,data\n{1},,data\n", r"have no label: .* \(row 3\)"),
        ("id,decision,label,dataset\n{0},keep,a,data\n{1},perhaps,b,data\n", "row 3: the decision on"),
        ("id,decision,label,dataset\n{0},keep,a,data\n{1},keep,a,data\n", "row 3: .* was a in the review and is b"),
    ],
)
def test_a_refused_list_names_the_row(text: str, words: str, tmp_path: Path) -> None:
    tree(tmp_path / "data", ("a", "b"))
    (tmp_path / "list.csv").write_text(text.format("a/0.png", "b/0.png"))
    with pytest.raises(DataError, match=words):
        open_images(tmp_path / "list.csv")


def test_names_of_coco_that_are_no_text_do_not_end_the_work(tmp_path: Path) -> None:
    """JSON may hold halves of letters, which no file can."""
    tree(tmp_path, ("images",), 2)
    made = {
        "images": [{"id": n, "file_name": f"{n}.png", "width": 8, "height": 8} for n in range(2)],
        "annotations": [{"id": n, "image_id": n, "category_id": 1, "bbox": [1, 1, 4, 4]} for n in range(2)],
        "categories": [{"id": 1, "name": "\ud800"}],
    }
    (tmp_path / "annotations.json").write_text(json.dumps(made))
    try:
        names = open_images(tmp_path, boxes=True).class_names
    except DataError as error:
        names = (str(error),)
    "".join(names).encode("utf-8")


def test_a_name_with_a_newline_is_one_row(tmp_path: Path) -> None:
    assert read_mappings(io.StringIO('id,part\n"a\nb\u2028c",train\n', newline="")) == [
        {"id": "a\nb\u2028c", "part": "train"}
    ]


class Tried(dict[str, str | None]):
    """Paths of images, which counts the characters that were looked up."""

    characters = 0

    def get(self, path: str, default: str | None = None) -> str | None:  # type: ignore[override]
        self.characters += len(path)
        return super().get(path, default)


@pytest.mark.parametrize("levels", [3, 1000, 100_000])
@pytest.mark.parametrize("deepest", [0, 500])
def test_a_cell_of_many_folders_is_not_looked_up_below_each(levels: int, deepest: int) -> None:
    index = FileIndex("train.csv", ["x/y/1.jpg", "z/2.jpg", "d/" * deepest + "4.jpg"])
    index._paths = tried = Tried(index._paths)
    cell = "a/" * levels + "x/y/1.jpg"
    assert index.find(cell) == ("x/y/1.jpg" if levels < 2000 else None)
    assert index.find("a/" * levels + "3.jpg") is None
    assert tried.characters < (1000 if deepest == 0 else 200_000)


@pytest.mark.parametrize("ending", ["zip", "tgz"])
@pytest.mark.parametrize("name", ["train.csv", "a.json", "x/1.txt", "x/1.xml", "data.yaml"])
def test_a_table_that_a_few_bytes_unpack_to_is_refused(name: str, ending: str, tmp_path: Path) -> None:
    text, path = b"\n" * (9 << 20), tmp_path / f"d.{ending}"
    if ending == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr(name, text)
    else:
        with tarfile.open(path, "w:gz") as archive:
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
    with pytest.raises(DataError, match="unpack to 9,437,184 bytes"):
        open_storage(path)


def test_empty_rows_are_counted_and_not_kept(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("file,label\n" + "\n" * 1_000_000 + "1.jpg,a\n")
    tracemalloc.start()
    table = read_table(Directory(tmp_path), "train.csv")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert list(table.numbers) == [1_000_002]
    assert peak < 5 << 20


def test_a_table_of_many_columns_is_looked_through_once(tmp_path: Path) -> None:
    class Column(str):
        """The name of a column that may be compared with few others."""

        compared = 0
        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            Column.compared += 1
            return str.__eq__(self, other)

    columns = tuple(Column(f"c{number}") for number in range(1000))
    table = Table("train.csv", columns, (tuple("x" * 1000),), [2])
    assert [table.values(column) for column in columns] == [["x"]] * 1000
    assert Column.compared < 3000

    (tmp_path / "train.csv").write_text(",".join(f"c{number}" for number in range(100_001)) + "\n1\n")
    with pytest.raises(DataError, match="has 100,001 columns, more than 100,000"):
        read_table(Directory(tmp_path), "train.csv")


def coco(folder: Path, images: str, annotations: str) -> Path:
    (folder / "x").mkdir()
    cv2.imwrite(str(folder / "x" / "1.jpg"), np.zeros((8, 8, 3), np.uint8))
    (folder / "a.json").write_text(
        f'{{"images": [{images}], "annotations": [{annotations}], "categories": [{{"id": 1, "name": "a"}}]}}'
    )
    return folder


def test_coco_of_nothing_but_lists_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.json holds more lists than boxes need"):
        open_images(coco(tmp_path, "[]," * 1_300_000 + "[]", ""), boxes=True)


def test_a_text_is_no_box_of_coco(tmp_path: Path) -> None:
    annotation = '{"image_id": 1, "category_id": 1, "bbox": "1234"}'
    with pytest.raises(DataError, match="annotation 1"):
        open_images(coco(tmp_path, '{"id": 1, "file_name": "1.jpg"}', annotation), boxes=True)

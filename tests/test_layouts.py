"""Layouts that people have: parts in other words, folders beside a CSV, columns of parts, labels in names, boxes."""

import json
import os
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from test_sources import PNG, build, labels_of

from tfvision.data.images.imageset import ImageSet
from tfvision.data.sources.open import open_images
from tfvision.data.sources.parts import part_in, parts_among
from tfvision.errors import DataError, UsageError


def tree(*folders: str, each: int = 2) -> dict[str, bytes]:
    return {f"{folder}/{number}.png": PNG for folder in folders for number in range(each)}


def parts_of(images: ImageSet) -> dict[str, int]:
    return dict(Counter(images.parts.tolist()))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("train", ("train", "")),
        ("Training", ("train", "")),
        ("X_test", ("test", "")),
        ("seg_train", ("train", "seg")),
        ("trainingSet", ("train", "")),
        ("testset", ("test", "")),
        ("val_images", ("validation", "")),
        ("val2017", ("validation", "")),
        ("seg_pred", ("unlabelled", "seg")),
        ("steam_train_station", ("train", "steam station")),
        ("rain", ("", "rain")),
        ("contest", ("", "contest")),
        ("train_test", ("", "train test")),
    ],
)
def test_words_of_parts(name: str, expected: tuple[str, str]) -> None:
    assert part_in(name) == expected


def test_parts_are_called_alike() -> None:
    assert parts_among(["train_images", "test"]) == {"train_images": "train", "test": "test"}
    assert parts_among(["val", "test"]) == {"val": "validation", "test": "test"}
    for classes in (["train", "bus"], ["blood test", "steam train"], ["test", "val", "c"], ["train", "training"]):
        assert parts_among(classes) == {}


NESTED = {
    "repeated": tree("seg_train/seg_train/a", "seg_train/seg_train/b", "seg_test/seg_test/a", "seg_test/seg_test/b"),
    "sets": tree("training_set/training_set/a", "training_set/training_set/b", "test_set/test_set/a"),
    "images": tree("Train/images/a", "Train/images/b", "Test/images/a", "Test/images/b"),
    "one class in the test": tree("train/a", "train/b/day", "test/a/day"),
    "inside the classes": tree("a/train", "a/test", "b/train", "b/test"),
}


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("case", NESTED)
def test_parts_in_other_words_and_repeated(case: str, zipped: bool, tmp_path: Path) -> None:
    images = open_images(build(tmp_path, NESTED[case], zipped=zipped))
    assert images.class_names == ("a", "b") and set(parts_of(images)) == {"train", "test"}
    assert len(images) == len(NESTED[case])
    for image_id, label in labels_of(images).items():
        assert label in image_id.split("/")


def test_a_part_without_labels_is_left_out_and_said(tmp_path: Path) -> None:
    files = tree("train/a", "train/b", each=5) | tree("seg_pred/seg_pred", "test")
    files = {name.replace("train/", "seg_train/").replace("test/", "seg_test/"): PNG for name in files}
    images = open_images(build(tmp_path, files))
    assert images.class_names == ("a", "b") and parts_of(images) == {"train": 10}
    assert [note for note in images.notes if "left out" in note] == [
        "seg_pred/ holds 2 images in no class folder of training: left out",
        "seg_test/ holds 2 images in no class folder of training: left out",
    ]


def test_classes_that_are_there_once_more_below_themselves(tmp_path: Path) -> None:
    files = tree("cells/ill", "cells/well", "cells/cells/ill", "cells/cells/well")
    images = open_images(build(tmp_path, files))
    assert images.class_names == ("ill", "well") and len(images) == 8
    assert any("once more: its 4 images" in note for note in images.notes)


def test_two_levels_that_could_both_be_classes_are_said(tmp_path: Path) -> None:
    data = build(tmp_path, tree("left/cat", "left/dog", "right/cat", "right/dog"))
    images = open_images(data)
    assert images.class_names == ("left", "right")
    assert any("--label-from-name '([^/]+)/[^/]+$'" in note for note in images.notes)
    assert open_images(data, label_from_name="([^/]+)/[^/]+$").class_names == ("cat", "dog")
    assert open_images(build(tmp_path / "other", tree("a/day", "a/night", "b/day"))).notes == ()


def test_composed_and_decomposed_are_one_name(tmp_path: Path) -> None:
    files = {f"{part}/{unicodedata.normalize(form, c)}/1.png": PNG
             for part, form in (("train", "NFD"), ("test", "NFC")) for c in ("Café", "Bär")}  # fmt: skip
    assert open_images(build(tmp_path / "folders", files)).class_names == ("Bär", "Café")
    rows = "\n".join(["file,label", *(f"Übung {k}.png,{'ab'[k]}" for k in range(2))])
    files = {unicodedata.normalize("NFD", f"images/Übung {k}.png"): PNG for k in range(2)}
    images = open_images(build(tmp_path / "csv", files | {"labels.csv": unicodedata.normalize("NFC", rows)}))
    assert images.ids == ("Übung 0.png", "Übung 1.png") and images.read(0).shape == (4, 5, 3)
    both = {f"{unicodedata.normalize(form, 'ä')}/1.png": PNG for form in ("NFC", "NFD")}
    with pytest.raises(DataError, match=r"stand for two images each.*ä/1.png"):
        open_images(build(tmp_path / "both", both | {"b/1.png": PNG}))


def test_names_that_are_no_utf8_are_said_and_escaped(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        os.makedirs(tmp_path / name)
        for number in range(3):
            with open(os.fsencode(tmp_path / name) + b"/f\xe9line_%d.png" % number, "wb") as file:
                file.write(PNG)
    images = open_images(tmp_path)
    assert images.ids[0] == r"cat/f\xe9line_0.png" and images.read(5).shape == (4, 5, 3)
    assert images.notes[0].startswith("6 names are no UTF-8")
    assert all(image_id.isascii() for image_id in images.ids)


def test_images_are_found_by_their_bytes(tmp_path: Path) -> None:
    files = tree("cat") | {
        "fox/1.jfif": PNG,
        "fox/2": PNG,
        "owl/1.HEIC": PNG,
        "dog/1.avif": b"\0" * 99,
        "dog/2.raw": b"x",
    }
    images = open_images(build(tmp_path, files))
    assert labels_of(images) == {
        **{"cat/0.png": "cat", "cat/1.png": "cat"},
        **{"fox/1.jfif": "fox", "fox/2": "fox", "owl/1.HEIC": "owl"},
    }
    assert images.notes == (
        "no image that can be read in dog/",
        "not read: 1 .avif, 1 .raw (such as dog/1.avif)",
    )


def test_an_empty_folder_beside_the_classes_is_said(tmp_path: Path) -> None:
    build(tmp_path, {f"train/{name}": data for name, data in tree("cat", "dog").items()})
    (tmp_path / "train" / "horse").mkdir()
    (tmp_path / "other" / "below").mkdir(parents=True)
    assert open_images(tmp_path).notes == ("no image that can be read in train/horse/",)


def test_what_a_csv_does_not_name_is_said(tmp_path: Path) -> None:
    files = tree("train", "test", each=4) | {"sub.csv": "id,odd\n", "inner.zip": b"PK"}
    rows = "\n".join(["id,has_cactus", *(f"{number}.png,{number % 2}" for number in range(4))])
    images = open_images(build(tmp_path, files | {"train.csv": rows}))
    assert len(images) == 4 and images.notes == (
        "labels: column 'has_cactus' of train.csv",
        "not read: 4 images that train.csv does not name (such as test/0.png); 1 .zip, 1 .csv (such as inner.zip)",
    )


def test_zips_inside_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"but 2 archives, such as a.zip; unpack it"):
        open_images(build(tmp_path, {"a.zip": b"PK", "b.tar.gz": b"x"}))


def table(column: str, values: list[str], *, header: str = "file") -> str:
    return "\n".join([f"{header},{column}", *(f"{number}.png,{value}" for number, value in enumerate(values))])


FLOWERS = tree("daisy", "rose", each=3)


def test_folders_win_over_a_column_that_is_only_left(tmp_path: Path) -> None:
    rows = "\n".join(["file_name,license", *(f"{name},CC{len(name) % 2}" for name in FLOWERS)])
    images = open_images(build(tmp_path, FLOWERS | {"metadata.csv": rows}))
    assert images.class_names == ("daisy", "rose")
    assert images.notes[0] == (
        "labels: the folders; column 'license' of metadata.csv is not used (--label-column license is)"
    )
    assert open_images(tmp_path, label_column="license").class_names == ("CC0", "CC1")


def test_a_column_that_is_left_wins_over_numbered_folders(tmp_path: Path) -> None:
    files = tree("part_1", "part_2", each=3)
    rows = "\n".join(["file,diagnosis", *(f"{name},{'ab'[number % 2]}" for number, name in enumerate(files))])
    assert open_images(build(tmp_path, files | {"meta.csv": rows})).class_names == ("a", "b")
    digits = tree("0", "1", each=3)
    rows = "\n".join(["file,licence", *(f"{name},CC" for name in digits)])
    assert open_images(build(tmp_path / "digits", digits | {"meta.csv": rows})).class_names == ("0", "1")


NO_CLASSES = {
    "tags": (["clear primary", "clear primary road", "haze primary", "haze primary road"] * 3, "several tags", "tags"),
    "a bar": (["a|b", "a|b|c", "b|c", "c"] * 3, "several tags", "label"),
    "a list": (["['a', 'b']", "['b', 'c']"] * 6, "several tags", "label"),
    "numbers": ([f"{number * 0.37:.2f}" for number in range(12)], "12 different numbers for 12 images", "target"),
    "texts": ([f"a photo of {number}" for number in range(12)], "12 different values for 12 images", "caption"),
}


@pytest.mark.parametrize("case", NO_CLASSES)
def test_columns_that_hold_no_classes_are_refused(case: str, tmp_path: Path) -> None:
    values, message, column = NO_CLASSES[case]
    files = {f"{number}.png": PNG for number in range(12)}
    text = table(column, [f'"{value}"' for value in values])
    with pytest.raises(DataError, match=message):
        open_images(build(tmp_path, files | {"train.csv": text}))


@pytest.mark.parametrize(
    "values", [["fox", "red fox", "arctic fox", "shark", "tiger shark", "sand tiger shark"], ["a, b", "b"], ["1", "2"]]
)
def test_classes_of_several_words_are_classes(values: list[str], tmp_path: Path) -> None:
    files = {f"{number}.png": PNG for number in range(len(values))}
    text = table("label", [f'"{value}"' for value in values])
    assert set(open_images(build(tmp_path, files | {"t.csv": text})).class_names) == set(values)


def test_one_hot_columns(tmp_path: Path) -> None:
    files = {f"{part}/{number}.png": PNG for part in ("train", "valid") for number in range(3)}
    rows = "filename, cat, dog\n0.png, 1, 0\n1.png, 0, 1\n2.png, 0, 1\n"
    files |= {f"{part}/_classes.csv": rows for part in ("train", "valid")}
    images = open_images(build(tmp_path, files))
    assert images.class_names == ("cat", "dog") and parts_of(images) == {"train": 3, "validation": 3}
    assert list(images.labels) == [0, 1, 1, 0, 1, 1] and len(set(images.ids)) == 6
    files["train/_classes.csv"] = rows.replace("0.png, 1, 0", "0.png, 1, 1")
    files["valid/_classes.csv"] = rows.replace("0.png, 1, 0", "0.png, 0, 0")
    with pytest.raises(DataError, match="1 rows are of several classes and 0 of none"):
        open_images(build(tmp_path, files))


SPLITS = {
    "data set": (["train", "train", "valid", "test"], {"train": 2, "validation": 1, "test": 1}),
    "is_valid": (["False", "False", "False", "True"], {"train": 3, "validation": 1}),
    "is_train": (["1", "1", "0", "0"], {"train": 2, "test": 2}),
    "Usage": (["Training", "Training", "PublicTest", "PrivateTest"], {"train": 2, "validation": 1, "test": 1}),
    "subset": (["TRAIN", "TRAIN", "TEST", "TEST"], {"train": 2, "test": 2}),
}


@pytest.mark.parametrize("column", SPLITS)
def test_a_column_of_parts_is_kept(column: str, tmp_path: Path) -> None:
    values, expected = SPLITS[column]
    files = {f"{number}.png": PNG for number in range(4)}
    text = table(f"label,{column}", [f"{'ab'[number % 2]},{value}" for number, value in enumerate(values)])
    images = open_images(build(tmp_path, files | {"t.csv": text}))
    assert parts_of(images) == expected and f"parts: column {column!r} of t.csv" in images.notes


def test_a_column_of_folds_is_said_and_one_that_is_asked_for_must_name_parts(tmp_path: Path) -> None:
    files = {f"{number}.png": PNG for number in range(4)}
    text = table("label,fold,when", ["a,0,train", "b,0,test", "a,1,train", "b,1,test"])
    images = open_images(build(tmp_path, files | {"t.csv": text}))
    assert images.parts is None
    assert "column 'fold' of t.csv is not used: its values 0, 1 name no parts of a split" in images.notes
    assert parts_of(open_images(tmp_path, split_column="when")) == {"train": 2, "test": 2}
    with pytest.raises(
        DataError, match=r"column 'fold' of t.csv holds 0 \(row 2\), 1 \(row 4\); expected names of two parts"
    ):
        open_images(tmp_path, split_column="fold")
    with pytest.raises(DataError, match="give one of them as --split-column"):
        open_images(tmp_path, split_column="whne")


def test_a_file_in_two_parts_stays_in_the_later_one(tmp_path: Path) -> None:
    text = "file,label,split\n0.png,a,train\n1.png,b,train\n0.png,a,test\n2.png,b,test\n"
    images = open_images(build(tmp_path, {f"{number}.png": PNG for number in range(3)} | {"t.csv": text}))
    assert parts_of(images) == {"train": 1, "test": 2}
    assert any("1 files are in two parts, and are left in the later one: 0.png" in note for note in images.notes)


def test_a_csv_for_each_part(tmp_path: Path) -> None:
    files = {f"images/{number}.png": PNG for number in range(6)}
    files |= {
        "train.csv": "file,label\n0.png,a\n1.png,b\n2.png,b\n3.png,a\n",
        "test.csv": "file,label\n4.png,a\n5.png,b\n",
    }
    assert parts_of(open_images(build(tmp_path, files))) == {"train": 4, "test": 2}
    files["test.csv"] = "file\n4.png\n5.png\n"  # without labels
    images = open_images(build(tmp_path, files))
    assert images.parts is None and len(images) == 4
    files["test.csv"] = "file,label\n0.png,a\n5.png,b\n"
    with pytest.raises(DataError, match=r"1 images are in two parts: 0.png"):
        open_images(build(tmp_path, files))


def test_absolute_paths_below_the_folder_of_the_csv(tmp_path: Path) -> None:
    build(tmp_path, {"d/0.png": PNG, "d/1.png": PNG})
    build(tmp_path, {"t.csv": f"file,label\n{tmp_path}/d/0.png,a\n{tmp_path}/d/1.png,b\n"})
    assert open_images(tmp_path).names == ("d/0.png", "d/1.png")
    build(tmp_path, {"t.csv": f"file,label\n{tmp_path.parent}/0.png,a\n{tmp_path}/d/1.png,b\n"})
    with pytest.raises(DataError, match="leaves its folder"):
        open_images(tmp_path)


def test_labels_in_names(tmp_path: Path) -> None:
    names = [f"{label}.{number}.jpg" for label in ("cat", "dog") for number in range(3)]
    data = build(tmp_path, {name: PNG for name in names})
    with pytest.raises(
        DataError, match=r"the names look like labels \(cat 3, dog 3\): --label-from-name '(.*)' takes"
    ) as caught:
        open_images(data)
    suggested = str(caught.value).split("--label-from-name '")[1].split("' takes")[0]
    for pattern in (suggested, r"^(.+?)\.", r"(?P<label>[a-z]+)\.(\d)"):
        images = open_images(data, label_from_name=pattern)
        assert images.class_names == ("cat", "dog") and labels_of(images)["dog.1.jpg"] == "dog"
    with pytest.raises(DataError, match=r"3 of 6 images .* have no label by --label-from-name '\^\(cat\)': dog.0.jpg"):
        open_images(data, label_from_name="^(cat)")
    for wrong, message in (("cat", "has 0 groups; expected one"), ("(", "is no regular expression")):
        with pytest.raises(UsageError, match=message):
            open_images(data, label_from_name=wrong)
    with pytest.raises(UsageError, match="keep one"):
        open_images(data, label_from_name="(a)", label_column="x")


@pytest.mark.parametrize("name", ["12.jpg", "IMG_0001.jpg"])
def test_names_without_words_suggest_nothing(name: str, tmp_path: Path) -> None:
    number = name[:-4][-4:]
    files = {name.replace(number, f"{int(number) + k:0{len(number)}}"): PNG for k in range(8)}
    with pytest.raises(DataError, match="stand in no class folder") as caught:
        open_images(build(tmp_path, files))
    assert "--label-from-name" not in str(caught.value)


def boxed(data: Path, **options: str) -> dict[str, tuple]:
    """Id to label, part and box of each image."""
    images = open_images(data, boxes=True, **options)
    parts = [None] * len(images) if images.parts is None else images.parts.tolist()
    boxes = [tuple(round(value, 4) for value in box) for box in images.given.boxes.tolist()]
    return dict(zip(images.ids, zip(labels_of(images).values(), parts, boxes, strict=True), strict=True))


def test_boxes_in_a_csv_for_each_part_and_a_column_of_parts(tmp_path: Path) -> None:
    rows = "filename,width,height,class,xmin,ymin,xmax,ymax\n1.png,5,4,cat,0,1,2,3\n"
    data = build(tmp_path / "a", {f"{part}/{name}": content for part in ("train", "valid", "test")
                                  for name, content in (("1.png", PNG), ("_annotations.csv", rows))})  # fmt: skip
    assert boxed(data) == {f"{folder}/1.png": ("cat", part, (0, 1, 2, 3)) for folder, part in
                           (("train", "train"), ("valid", "validation"), ("test", "test"))}  # fmt: skip
    rows = "file,label,split,xmin,ymin,xmax,ymax\n0.png,a,train,0,1,2,3\n1.png,b,test,0,1,2,4\n"
    found = boxed(build(tmp_path / "b", {"0.png": PNG, "1.png": PNG, "t.csv": rows}))
    assert found == {"0.png": ("a", "train", (0, 1, 2, 3)), "1.png": ("b", "test", (0, 1, 2, 4))}


def coco(names: list[str]) -> str:
    return json.dumps(
        {
            "images": [{"id": k, "file_name": name, "width": 5, "height": 4} for k, name in enumerate(names, start=7)],
            "categories": [{"id": 3, "name": "cat"}, {"id": 5, "name": "dog"}],
            "annotations": [
                {"image_id": 7, "category_id": 5, "bbox": [1, 1, 1, 1]},
                {"image_id": 7, "category_id": 3, "bbox": [0, 0, 2, 3]},
                {"image_id": 7, "category_id": 5, "bbox": [0, 0, 5, 4], "iscrowd": 1},
                {"image_id": 8, "category_id": 5, "bbox": [1.5, 1, 2, 2]},
            ],
        }
    )


def test_coco(tmp_path: Path) -> None:
    files = {f"images/{name}.png": PNG for name in "abc"} | {"annotations/instances.json": coco(["a.png", "b.png"])}
    images = open_images(build(tmp_path / "one", files), boxes=True)
    assert images.bad == (("images/c.png", "no row or annotation names this image"),)
    assert boxed(tmp_path / "one") == {
        "images/a.png": ("cat", None, (0, 0, 2, 3)),
        "images/b.png": ("dog", None, (1.5, 1, 3.5, 3)),
    }
    assert boxed(tmp_path / "one", several_boxes="first")["images/a.png"][0] == "dog"
    files = {f"{part}2017/{part}{name}.png": PNG for part in ("train", "val") for name in "ab"}
    files |= {
        f"annotations/instances_{part}2017.json": coco([f"{part}a.png", f"{part}b.png"]) for part in ("train", "val")
    }
    found = boxed(build(tmp_path / "two", files))
    assert [part for _, part, _ in found.values()] == ["train"] * 2 + ["validation"] * 2


def test_yolo(tmp_path: Path) -> None:
    files = {f"{part}/images/{name}.png": PNG for part in ("train", "valid") for name in "abcd"}
    lines = {
        "a": "1 0.5 0.5 0.4 0.5\n0 0.2 0.2 0.1 0.1\n",
        "b": "0 0.2 0.2 0.6 0.2 0.4 0.8\n",
        "c": "7 0.5 0.5 1 1\n",
        "d": "",
    }
    files |= {f"{part}/labels/{name}.txt": text for part in ("train", "valid") for name, text in lines.items()}
    data = build(tmp_path, files | {"data.yaml": "names: [cat, dog]\nnc: 2\n"})
    found = boxed(data)
    assert found["train/images/a.png"] == ("dog", "train", (0.3, 0.25, 0.7, 0.75))
    assert found["valid/images/b.png"] == ("cat", "validation", (0.2, 0.2, 0.6, 0.8))
    bad = dict(open_images(data, boxes=True).bad)
    assert bad["train/labels/c.txt line 1"] == "its class 7 has no name"
    assert bad["train/labels/d.txt"] == "it has no box"
    beside = build(tmp_path / "beside", {"1.png": PNG, "1.txt": "3 0.5 0.5 1 1"})
    assert boxed(beside) == {"1.png": ("3", None, (0, 0, 1, 1))}


def test_a_damaged_json_is_no_coco(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no boxes in .* a COCO JSON, or YOLO"):
        open_images(
            build(tmp_path, {"1.png": PNG, "a.json": b"\xff{", "b.json": "[1]", "c.json": '{"images": 3}'}), boxes=True
        )


def digit(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (4, 4)).astype(np.uint8)


def test_a_column_for_each_pixel(tmp_path: Path) -> None:
    header = ["label", *(f"pixel{k}" for k in range(16))]
    rows = [[number % 2, *digit(number).ravel()] for number in range(6)]
    data = build(tmp_path, {"train.csv": "\n".join(",".join(map(str, row)) for row in [header, *rows])})
    for path in (data, data / "train.csv"):
        images = open_images(path)
        assert images.class_names == ("0", "1") and list(images.labels) == [0, 1, 0, 1, 0, 1]
        assert np.array_equal(images.read(3)[..., 0], digit(3)) and images.pixel_rule == ""
    assert images.notes == ("pixels: cells of train.csv, images of 4x4 px, gray", "labels: column 'label' of train.csv")
    assert open_images(data, labelled=False).class_names == ()


@pytest.mark.parametrize("three", [False, True])
def test_a_column_of_pixels_and_one_of_parts(three: bool, tmp_path: Path) -> None:
    usage = ["Training"] * 4 + ["PublicTest", "PrivateTest"]
    cells = [" ".join(map(str, np.repeat(digit(number).ravel(), 3 if three else 1))) for number in range(6)]
    lines = ["emotion,pixels,Usage", *(f"{number % 3},{cells[number]},{usage[number]}" for number in range(6))]
    images = open_images(build(tmp_path, {"fer.csv": "\n".join(lines)}))
    assert parts_of(images) == {"train": 4, "validation": 1, "test": 1} and len(images.class_names) == 3
    assert np.array_equal(images.read(5)[..., 1], digit(5))
    lines[3] = lines[3].replace(" ", " x ", 1)
    with pytest.raises(DataError, match="row 4 holds other pixels than the first"):
        open_images(build(tmp_path, {"fer.csv": "\n".join(lines)}))


def test_pixels_that_are_no_square_and_measurements(tmp_path: Path) -> None:
    header = ["label", *(f"pixel{k}" for k in range(18))]
    lines = [",".join(header), *(",".join(["a", *["7"] * 18]) for _ in range(3))]
    with pytest.raises(DataError, match="18 pixels an image; expected a square number"):
        open_images(build(tmp_path, {"t.csv": "\n".join(lines)}))
    with pytest.raises(DataError, match=r"no images in .* \(it holds 1 \.csv\)"):
        open_images(build(tmp_path, {"t.csv": "label,width,height\na,1,2\n"}))


REFUSED = {
    "a file of another folder": (
        {"train/1.png": PNG, "train/2.png": PNG, "l.csv": "path,label\ntrain/1.png,cat\ntest/2.png,dog\n"},
        "1 of 2 rows of l.csv name no image, or more than one: test/2.png",
    ),
    "labels that look like files": (
        {"img/0.png": PNG, "img/1.png": PNG, "t.csv": "file,label\n5.jpg,0\n6.jpg,1\n"},
        "2 of 2 rows of t.csv name no image",
    ),
    "an unclear CSV beside numbered folders": (
        {"part_1/a.png": PNG, "part_2/b.png": PNG, "m.csv": "image_id,kind,age\na,mel,50\nb,nv,60\n"},
        "does not say which column is the label; its columns are image_id, kind, age",
    ),
    "labels that contradict the folders": (
        {"cat/a.png": PNG, "dog/b.png": PNG, "predictions.csv": "filename,label\na.png,cat\nb.png,cat\n"},
        "gives 1 of 2 images another label than the folder they lie in, such as b.png \\(cat\\)",
    ),
    "attributes and a word": (
        {f"{k}.png": PNG for k in range(4)}
        | {"t.csv": "file,kind,male,female\n0.png,pug,1,0\n1.png,lab,0,1\n2.png,pug,1,0\n3.png,lab,0,1\n"},
        "does not say which column is the label",
    ),
    "a column of parts by number": (
        {"a.png": PNG, "b.png": PNG, "t.csv": "image_id,partition\na,0\nb,1\n"},
        "does not say which column is the label; its columns are image_id, partition",
    ),
    "kinds of files": (
        {"images/a_1.png": PNG, "labels/a_1.png": PNG, "images/b_2.png": PNG},
        "images/, labels/, which are called as kinds of files",
    ),
    "data sets beside each other": (
        {f"fold_{k}/{part}/{c}/1.png": PNG for k in (1, 2) for part in ("train", "test") for c in "ab"},
        "holds the same classes below each of fold_1, fold_2",
    ),
    "the data once more": (
        tree("chest/train/a", "chest/train/b", "chest/test/a", "chest/chest/train/a", "chest/chest/test/a"),
        "and chest/ holds parts too; give the path of one",
    ),
    "no header": (
        {"0.png": PNG, "1.png": PNG, "2.png": PNG, "t.csv": "0.png,cat\n1.png,dog\n2.png,cat\n"},
        "t.csv has no header line: '0.png', in its first, names an image",
    ),
    "an image beside the parts": (tree("train/a", "train/b", "test/a") | {"x.png": PNG}, "has x.png beside train/"),
    "groups in one CSV": (
        {f"{part}/{k}.png": PNG for part in ("train", "val") for k in range(2)}
        | {"train/l.csv": "file,label,group\n0.png,a,1\n1.png,b,2\n", "val/l.csv": "file,label\n0.png,a\n1.png,b\n"},
        "only some of train/l.csv, val/l.csv have a column of groups",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_be_a_wrong_class_or_split_is_refused(case: str, tmp_path: Path) -> None:
    files, message = REFUSED[case]
    with pytest.raises(DataError, match=message) as caught:
        open_images(build(tmp_path, files))
    assert "\n" not in str(caught.value)


def test_numbers_of_rows_are_no_files_where_another_column_names_them(tmp_path: Path) -> None:
    text = "id,img_name,label\n0,1.png,cat\n1,0.png,dog\n"
    assert labels_of(open_images(build(tmp_path, {"0.png": PNG, "1.png": PNG, "l.csv": text}))) == {
        "1.png": "cat",
        "0.png": "dog",
    }


def test_coordinates_are_no_labels(tmp_path: Path) -> None:
    text = "image,x,y,w,h,breed\n" + "".join(f"{k}.png,1,{k % 3},4,4,{'ab'[k % 2]}\n" for k in range(6))
    assert open_images(build(tmp_path, {f"{k}.png": PNG for k in range(6)} | {"t.csv": text})).class_names == ("a", "b")


def test_parts_of_folders_count_for_a_csv_and_for_names_too(tmp_path: Path) -> None:
    files = {f"{part}/{c}_{k}.png": PNG for part in ("train", "test") for c in "ab" for k in range(2)}
    data = build(tmp_path, files)
    assert parts_of(open_images(data, label_from_name="^(.)_")) == {"train": 4, "test": 4}
    build(tmp_path, {"l.csv": "file,label\n" + "".join(f"{name},{name[-7]}\n" for name in files)})
    images = open_images(data)
    assert parts_of(images) == {"train": 4, "test": 4} and "parts: the top folders" in images.notes


def test_a_form_for_answers_is_no_labels(tmp_path: Path) -> None:
    files = {f"train/{c}.{k}.png": PNG for c in ("cat", "dog") for k in range(3)} | {
        f"test1/{k}.png": PNG for k in range(2)
    }
    with pytest.raises(DataError, match="stand in no class folder"):
        open_images(build(tmp_path, files | {"sampleSubmission.csv": "id,label\n0,0\n1,0\n"}))


def test_masks_are_left_out(tmp_path: Path) -> None:
    lungs = tree("ill/images", "ill/masks", "well/images", "well/masks")
    images = open_images(build(tmp_path / "lungs", lungs))
    assert images.class_names == ("ill", "well") and len(images) == 4
    assert images.notes == ("4 masks are left out, such as ill/masks/0.png",)
    scans = {f"{c}/{k}{end}.png": PNG for c in "ab" for k in range(2) for end in ("", "_mask", "_mask_1")}
    assert len(open_images(build(tmp_path / "scans", scans))) == 4
    pets = {f"{folder}/{name}.png": PNG for folder in ("images", "annotations/trimaps") for name in ("cat_1", "dog_2")}
    assert open_images(build(tmp_path / "pets", pets), label_from_name=r"^(.+)_\d").ids == ("cat_1.png", "dog_2.png")
    faces = tree("mask", "no_mask")  # classes, which repeat no names but by their numbers
    assert open_images(build(tmp_path / "faces", faces | {"mask/7.png": PNG, "mask/8.png": PNG, "mask/9.png": PNG}))


def test_a_part_whose_folders_are_no_classes_is_left_out_and_case_is_no_class(tmp_path: Path) -> None:
    images = open_images(build(tmp_path, tree("train/Cat", "train/Dog", "val/cat", "val/DOG", "test/images")))
    assert images.class_names == ("Cat", "Dog") and parts_of(images) == {"train": 4, "validation": 4}
    assert "test/ holds 2 images in no class folder of training: left out" in images.notes


def test_a_csv_in_each_class_folder(tmp_path: Path) -> None:
    files = {f"{c}/{k}.png": PNG for c in ("00", "01") for k in range(2)}
    files |= {f"{c}/GT-{c}.csv": f"Filename;Width;ClassId\n0.png;5;{int(c)}\n1.png;5;{int(c)}\n" for c in ("00", "01")}
    images = open_images(build(tmp_path, files))
    assert labels_of(images) == {"00/0.png": "0", "00/1.png": "0", "01/0.png": "1", "01/1.png": "1"}


def test_extra_tables_beside_parts_do_not_lose_the_split(tmp_path: Path) -> None:
    files = {f"{part}/{k}.png": PNG for part in ("train", "test", "extra") for k in range(2)}
    files |= {f"{part}/labels.csv": "file,label\n0.png,a\n1.png,b\n" for part in ("train", "test", "extra")}
    images = open_images(build(tmp_path, files))
    assert parts_of(images) == {"train": 2, "test": 2} and any("2 images that" in note for note in images.notes)


def test_links(tmp_path: Path) -> None:
    data = build(tmp_path, tree("x/real", "x/two"))
    (data / "x" / "alias").symlink_to(data / "x" / "real")
    (data / "x" / "loop").symlink_to(data / "x" / "loop")
    (data / "x" / "a_link_first").symlink_to(data / "x" / "two")
    (data / "x" / "two" / "gone.png").symlink_to("nowhere.png")
    images = open_images(data)
    assert images.class_names == ("real", "two") and len(images) == 4
    (note,) = images.notes
    assert "not read: 4 links that lead nowhere or to what is read already (such as x/a_link_first/)" in note


@pytest.mark.parametrize("part", ["train", "pred"])
def test_rows_of_no_labelled_part_are_left_out_of_boxes(part: str, tmp_path: Path) -> None:
    rows = (
        f"file,label,split,xmin,ymin,xmax,ymax\n0.png,a,train,0,1,2,3\n1.png,b,test,0,1,2,4\n2.png,b,{part},0,1,2,4\n"
    )
    found = boxed(build(tmp_path, {f"{k}.png": PNG for k in range(3)} | {"t.csv": rows}))
    assert len(found) == (3 if part == "train" else 2)


def test_boxes_without_labels_say_which_columns_are_left(tmp_path: Path) -> None:
    rows = "file,kind,xmin,ymin,xmax,ymax\n0.png,a,0,1,2,3\n1.png,b,0,1,2,4\n"
    images = open_images(build(tmp_path, {"0.png": PNG, "1.png": PNG, "t.csv": rows}), boxes=True)
    assert "no label (its other columns are kind)" in images.notes[0]


def test_the_names_of_yolo_are_those_of_the_data(tmp_path: Path) -> None:
    files = {"1.png": PNG, "1.txt": "0 0.5 0.5 1 1", "args.yaml": "names: [zebra]\n", "data.yaml": "names: [cat]\n"}
    assert boxed(build(tmp_path, files))["1.png"][0] == "cat"


def test_voc_of_a_part_names_no_image_of_another(tmp_path: Path) -> None:
    xml = "<annotation><filename>{0}.png</filename><object><name>cat</name><bndbox><xmin>0</xmin><ymin>0</ymin>"
    xml += "<xmax>2</xmax><ymax>2</ymax></bndbox></object></annotation>"
    files = {"train/1.png": PNG, "valid/2.png": PNG, "train/1.xml": xml.format(1), "train/2.xml": xml.format(2)}
    images = open_images(build(tmp_path, files), boxes=True)
    assert images.ids == ("train/1.png",) and images.bad[0][0] == "train/2.xml"


def test_a_field_of_many_pixels_and_headers_over_lines(tmp_path: Path) -> None:
    cell = " ".join(["7"] * 224 * 224)
    images = open_images(build(tmp_path / "a", {"t.csv": f"label,pixels\na,{cell}\nb,{cell}\n"}))
    assert images.read(1).shape == (224, 224, 3)
    with pytest.raises(DataError, match="no images"):
        open_images(build(tmp_path / "b", {"t.csv": 'id,"long\nname",x\n1,2,3\n'}))


def test_pixels_in_a_csv_for_each_part(tmp_path: Path) -> None:
    header = ",".join(["label", *(f"pixel{k}" for k in range(16))])
    rows = [",".join(map(str, [number % 2, *digit(number).ravel()])) for number in range(6)]
    files = {"mnist_train.csv": "\n".join([header, *rows[:4]]), "mnist_test.csv": "\n".join([header, *rows[4:]])}
    images = open_images(build(tmp_path, files))
    assert parts_of(images) == {"train": 4, "test": 2}
    by_id = dict(zip(images.ids, range(6), strict=True))
    assert np.array_equal(images.read(by_id["test/00001"])[..., 0], digit(5))
    files["mnist_test.csv"] = "\n".join(line.partition(",")[2] for line in files["mnist_test.csv"].split("\n"))
    images = open_images(build(tmp_path, files))
    assert images.parts is None and len(images) == 4
    assert "mnist_test.csv has no column of labels: left out" in images.notes


def test_a_line_for_excel_and_empty_labels_of_a_test(tmp_path: Path) -> None:
    text = "sep=;\nfile;label;split\n0.png;a;train\n1.png;b;train\n2.png;;test\n3.png;a;test\n"
    images = open_images(build(tmp_path, {f"{k}.png": PNG for k in range(4)} | {"t.csv": text}))
    assert parts_of(images) == {"train": 2, "test": 1}
    assert any(note.startswith("1 rows of t.csv are of a part without labels") for note in images.notes)


def test_what_else_may_hold_the_labels_is_said(tmp_path: Path) -> None:
    for name, message in (
        ("labels.xlsx", "labels.xlsx is not read: save it as CSV"),
        ("1.xml", "give --task localize"),
    ):
        with pytest.raises(DataError, match=message):
            open_images(build(tmp_path / name, {"1.png": PNG, "2.png": PNG, name: "x"}))


def test_groups_and_other_labels_are_said(tmp_path: Path) -> None:
    text = "file,label,species,group\n0.png,0,cat,x\n1.png,1,dog,y\n"
    images = open_images(build(tmp_path, {"0.png": PNG, "1.png": PNG, "t.csv": text}))
    assert images.notes == ("labels: column 'label' of t.csv (not 'species')", "groups: column 'group' of t.csv")


@pytest.mark.parametrize("column", ["patient_id", "Slide", "lesion_id", "tile", "camera"])
def test_groups_are_found_by_what_they_are_called(column: str, tmp_path: Path) -> None:
    rows = "".join(f"{k}.png,{'ab'[k % 2]},{k // 2}\n" for k in range(6))
    files = {f"{k}.png": PNG for k in range(6)}
    images = open_images(build(tmp_path, files | {"t.csv": f"file,label,{column}\n{rows}"}))
    assert images.groups is not None and images.groups.tolist() == ["0", "0", "1", "1", "2", "2"]
    assert f"groups: column '{column}' of t.csv" in images.notes


def test_groups_too_few_to_divide_are_kept_together_only_when_asked_for(tmp_path: Path) -> None:
    rows = "".join(f"{k}.png,{'ab'[k % 2]},{k % 2}\n" for k in range(6))
    data = build(tmp_path, {f"{k}.png": PNG for k in range(6)} | {"t.csv": f"file,label,camera\n{rows}"})
    images = open_images(data)
    assert images.groups is None
    assert "class 'a' has 1 of them and needs 3 to be divided" in images.notes[-1]
    assert "--group-column" in images.notes[-1]
    assert open_images(data, group_column="camera").groups is not None
    pixels = "".join(f"{'ab'[k % 2]},{k or ''},{'0 ' * 15}{k}\n" for k in range(6))
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "p.csv").write_text(f"label,patient,pixels\n{pixels}")
    images = open_images(tmp_path / "p" / "p.csv")
    assert images.groups is not None and len(set(images.groups)) == 6  # an empty cell is no group
    assert "groups: column 'patient' of p.csv" in images.notes
    np.savez(tmp_path / "a.npz", images=np.zeros((6, 4, 4, 3), np.uint8), labels=[0, 1] * 3, slide=[0, 0, 1, 1, 2, 2])
    assert open_images(tmp_path / "a.npz").groups is not None
    several = {
        "slide": [0, 0, 1, 1, 2, 2],
        "patient": [0, 1, 2, 3, 4, 5],
        "tiles": [0, 1],
    }  # the last is of something else
    np.savez(tmp_path / "a.npz", images=np.zeros((6, 4, 4, 3), np.uint8), labels=[0, 1] * 3, **several)
    assert open_images(tmp_path / "a.npz").groups.tolist() == list("012345")
    np.savez(tmp_path / "a.npz", images=np.zeros((6, 4, 4, 3), np.uint8), labels=[0, 1] * 3, tiles=[0, 1])
    assert open_images(tmp_path / "a.npz").groups is None
    np.savez(tmp_path / "a.npz", images=np.zeros((6, 4, 4, 3), np.uint8), labels=[0, 1] * 3, slide=[0] * 6)
    assert open_images(tmp_path / "a.npz").groups is None


def test_a_column_called_dataset_is_no_list_of_an_audit(tmp_path: Path) -> None:
    text = "id,label,dataset\n0.png,a,train\n1.png,b,train\n2.png,a,test\n3.png,b,test\n"
    data = build(tmp_path, {f"{k}.png": PNG for k in range(4)} | {"t.csv": text})
    assert parts_of(open_images(data / "t.csv")) == {"train": 2, "test": 2}


def test_rows_without_labels_shift_no_pixels_of_the_next_csv(tmp_path: Path) -> None:
    header = ",".join(["label", *(f"pixel{k}" for k in range(16))])
    rows = [",".join(map(str, [number % 2, *digit(number).ravel()])) for number in range(6)]
    files = {
        f"a_{part}.csv": "\n".join([header, *rows[2 * k : 2 * k + 2]])
        for k, part in enumerate(("pred", "test", "train"))
    }
    images = open_images(build(tmp_path, files))
    assert parts_of(images) == {"test": 2, "train": 2}
    found = {image_id: images.read(row)[..., 0] for row, image_id in enumerate(images.ids)}
    assert np.array_equal(found["test/00000"], digit(2)) and np.array_equal(found["train/00001"], digit(5))


def test_csvs_in_folders_of_parts_keep_them(tmp_path: Path) -> None:
    folders = [f"{part}/{c}" for part in ("train", "test") for c in "ab"]
    files = {f"{folder}/{k}.png": PNG for folder in folders for k in range(2)}
    files |= {f"{folder}/l.csv": f"file,label\n0.png,{folder[-1]}\n1.png,{folder[-1]}\n" for folder in folders}
    assert parts_of(open_images(build(tmp_path, files))) == {"train": 4, "test": 4}

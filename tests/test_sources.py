"""Sources: trees and CSV files, in folders and zips, and what is refused."""

import gzip
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from tfvision.data.sources.classes import order_classes
from tfvision.data.sources.digits import refuse_missing_data
from tfvision.data.sources.open import open_images
from tfvision.data.storage.directory import Directory
from tfvision.data.storage.files import open_storage
from tfvision.errors import DataError, UsageError

PNG = cv2.imencode(".png", np.full((4, 5, 3), 7, np.uint8))[1].tobytes()


def build(where: Path, files: dict[str, bytes | str], *, zipped: bool = False) -> Path:
    """Write files (a list of names means images) into a folder or a zip."""
    where.mkdir(exist_ok=True)
    files = {name: content.encode() if isinstance(content, str) else content for name, content in files.items()}
    if zipped:
        with zipfile.ZipFile(where / "data.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content, zipfile.ZIP_STORED if name < "m" else None)
        return where / "data.zip"
    for name, content in files.items():
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        (where / name).write_bytes(content)
    return where


def labels_of(images) -> dict[str, str]:
    return {i: images.class_names[label] for i, label in zip(images.ids, images.labels, strict=True)}


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("top", ["", "birds/", "a/b/"])
def test_tree(tmp_path, zipped, top):
    files = {f"{top}{name}": PNG for name in ("owl/1.png", "owl/2.JPG", "crow/1.png", "crow/more/2.png")}
    files |= {
        f"{top}owl/Thumbs.db": b"x",
        f"{top}.hidden/3.png": PNG,
        "__MACOSX/owl/._1.png": PNG,
        f"{top}notes.txt": b"x",
    }
    images = open_images(build(tmp_path / "data", files, zipped=zipped))
    assert labels_of(images) == {
        "crow/1.png": "crow",
        "crow/more/2.png": "crow",
        "owl/1.png": "owl",
        "owl/2.JPG": "owl",
    }
    assert images.class_names == ("crow", "owl") and images.labels.dtype == np.int64
    assert images.read_bytes(0) == PNG and images.read(0).shape == (4, 5, 3)
    assert images.storage.size(images.names[0]) == len(PNG)
    assert images.parts is None and images.groups is None


@pytest.mark.parametrize("valid", ["val", "valid", "validation", "Val"])
def test_tree_with_parts(tmp_path, valid):
    files = {f"top/{part}/{label}/1.png": PNG for part in ("train", valid, "test") for label in "ab"}
    images = open_images(build(tmp_path, files))
    assert images.class_names == ("a", "b")
    assert sorted(images.parts) == ["test"] * 2 + ["train"] * 2 + ["validation"] * 2


def test_training_and_testing_are_parts(tmp_path):
    files = {f"{part}/{label}/1.png": PNG for part in ("training", "Testing") for label in "ab"}
    images = open_images(build(tmp_path, files))
    assert images.class_names == ("a", "b") and sorted(images.parts) == ["test"] * 2 + ["train"] * 2


@pytest.mark.parametrize("tops", [("train", "holdout"), ("val", "test", "held_back"), ("train", "training")])
def test_folders_that_look_like_parts_are_no_classes(tmp_path, tops):
    files = {f"{top}/{label}/1.png": PNG for top in tops for label in "ab"}
    with pytest.raises(DataError, match=r"a, b in each of .* look like parts of a split; expected train/"):
        open_images(build(tmp_path, files))


def test_a_class_may_be_called_train(tmp_path):
    files = {name: PNG for name in ("train/1.png", "train/day/2.png", "bus/1.png", "car/day/1.png", "car/night/1.png")}
    assert open_images(build(tmp_path, files)).class_names == ("bus", "car", "train")


CSV = {
    "beside": ("labels.csv", "file,label\nx.png,a\ny.png,b\n", ["x.png", "y.png"]),
    "own folder": ("train.csv", "id,has_cactus\nx.png,1\ny.png,0\n", ["train/x.png", "train/y.png"]),
    "images folder": ("table.csv", "file,label\nx.png,a\ny.png,b\n", ["images/x.png", "images/y.png"]),
    "base name, no extension": ("t.csv", "id,Class\n0004be,a\n0005aa,b\n", ["p/0004be.png", "q/0005aa.png"]),
    "semicolon and BOM": ("t.csv", "\ufefffile;label\nx.png;a\ny.png;b\n", ["x.png", "y.png"]),
    "tab": ("t.tsv", "file\tlabel\nx.png\ta,1\ny.png\tb\n", ["x.png", "y.png"]),
    "by content": ("t.csv", "what,which\na,x.png\nb,y.png\n", ["x.png", "y.png"]),
    "backslashes": ("t.csv", "file,label\n.\\d\\x.png,a\nd\\y.png,b\n", ["d/x.png", "d/y.png"]),
    "beats class folders": ("t.csv", "file,label,width\nA/x.png,a,1\nB/y.png,b,2\n", ["A/x.png", "B/y.png"]),
    "said twice": ("t.csv", "file,label\nx.png,a\ny.png,b\nx.png,a\n", ["x.png", "y.png"]),
}


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("top", ["", "top/"])
@pytest.mark.parametrize("case", CSV)
def test_csv(tmp_path, case, top, zipped):
    table, text, names = CSV[case]
    path = build(tmp_path, {top + name: PNG for name in names} | {top + table: text}, zipped=zipped)
    images = open_images(path)
    assert images.names == tuple(top + name for name in names)
    assert [images.class_names[label] for label in images.labels] in (["a", "b"], ["a,1", "b"], ["1", "0"])
    if not zipped:
        assert open_images(path / top / table).ids == images.ids


def test_csv_resolves_its_own_folder_first(tmp_path):
    files = {name: PNG for name in ("x.png", "t/x.png", "images/x.png", "t/y.png", "images/y.png", "far/z.png")}
    images = open_images(build(tmp_path, files | {"t.csv": "file,label\nx.png,a\ny.png,b\nz.png,b\n"}))
    assert images.names == ("x.png", "t/y.png", "far/z.png")


def test_csv_of_integer_floats_and_groups(tmp_path):
    text = "file,label,slide\n1.png,2.0,s\n2.png,10.0,s\n3.png,1.0,t\n"
    images = open_images(build(tmp_path, {f"{i}.png": PNG for i in (1, 2, 3)} | {"t.csv": text}), group_column="slide")
    assert images.class_names == ("1", "2", "10")
    assert list(images.groups) == ["s", "s", "t"] and list(images.labels) == [1, 2, 0]


def test_higher_csv_and_usual_name_win(tmp_path):
    good = "file,label\nx.png,a\ny.png,b\n"
    files = {"x.png": PNG, "y.png": PNG, "train.csv": good, "other.csv": good, "deep/labels.csv": good}
    assert len(open_images(build(tmp_path, files))) == 2
    with pytest.raises(DataError, match="2 CSV files name the images"):
        open_images(build(tmp_path, {"labels.csv": good}))


@pytest.mark.parametrize(
    ("names", "positive", "expected"),
    [
        (["b", "a"], None, ("a", "b")),
        (["b", "a"], "a", ("b", "a")),
        (["B", "A"], "a", ("B", "A")),
        (["0", "1"], None, ("0", "1")),
        (["1", "2"], None, ("2", "1")),
        (["True", "unknown"], None, ("unknown", "True")),
        (["10", "9", "-1"], None, ("-1", "9", "10")),
        (["10", "9", "x"], None, ("10", "9", "x")),
    ],
)
def test_class_order(names, positive, expected):
    assert order_classes(names, positive) == expected


@pytest.mark.parametrize(("names", "message"), [("ab", "cactis.*did you mean"), ("abc", "unknown positive class")])
def test_unknown_positive_class(names, message):
    with pytest.raises(UsageError, match=message):
        order_classes(["cactus" if name == "a" else name for name in names], "cactis")


def test_unlabelled(tmp_path):
    folder = build(tmp_path / "flat", {"a.png": PNG, "b.png": PNG, "t.csv": "file,label\na.png,x\n"})
    images = open_images(folder, labelled=False)
    assert images.ids == ("a.png", "b.png") and set(images.labels) == {-1} and images.class_names == ()
    assert open_images(folder / "b.png", labelled=False).ids == ("b.png",)
    assert open_images(folder / "t.csv", labelled=False).ids == ("a.png",)


FLAT = {"x.png": PNG, "y.png": PNG, "z.png": PNG}
BAD = {
    "no images": ({"a.txt": "x"}, {}, "no images in .*expected files ending in"),
    "flat": (FLAT, {}, "stand in no class folder"),
    "stray": ({"a/1.png": PNG, "b/1.png": PNG, "c.png": PNG}, {}, "1 of 3 images .* no class folder: c.png"),
    "no such column": (
        FLAT | {"t.csv": "file,label\nx.png,a\n"},
        {"label_column": "lable"},
        "mean label.*columns are file",
    ),
    "columns without CSV": ({"a/1.png": PNG, "b/1.png": PNG}, {"label_column": "x"}, "no CSV in"),
    "unclear label": (FLAT | {"t.csv": "file,u,v\nx.png,a,b\n"}, {}, "which column is the label; .*file, u, v"),
    "leaves": (
        FLAT | {"t.csv": "file,label\nx.png,a\n../y.png,b\n"},
        {},
        r"t.csv row 3 names '../y.png', which leaves its folder",
    ),
    "absolute": (FLAT | {"t.csv": "file,label\nx.png,a\n/y.png,b\n"}, {}, "leaves its folder"),
    "drive": (FLAT | {"t.csv": "file,label\nx.png,a\nC:\\y.png,b\n"}, {}, "leaves its folder"),
    "missing files": (
        FLAT | {"t.csv": "file,label\nx.png,a\nq.png,b\nr.png,b\n"},
        {},
        r"2 of 3 rows .*: q.png \(row 3\), r.png \(row 4\)",
    ),
    "all missing": (
        FLAT | {"t.csv": "file,label\nq.png,a\nr.png,b\n"},
        {},
        r"2 of 2 rows .*: q.png \(row 2\), r.png \(row 3\)",
    ),
    "two labels": (
        FLAT | {"t.csv": "file,label\nx.png,a\nx,b\n"},
        {},
        r"1 files two labels .*x \(a in row 2, b in row 3\)",
    ),
    "no label": (
        FLAT | {"t.csv": "file,label\nx.png,a\ny.png,\n"},
        {},
        r"1 rows of t.csv have no label: y.png \(row 3\)",
    ),
    "ragged": (FLAT | {"t.csv": "file,label\nx.png,a,b\n"}, {}, "row 2 has 3 fields, the header has 2"),
    "not UTF-8": (FLAT | {"t.csv": b"file,label\nx.png,\xe4\n"}, {}, r"not UTF-8 text \(row 2, byte 17\)"),
    "ambiguous": (
        {"p/x.png": PNG, "q/x.png": PNG, "q/y.png": PNG, "t.csv": "file,label\nx,a\ny,b\n"},
        {},
        r"more than one: x \(row 2\);",
    ),
    "split without classes": ({"train/1.png": PNG, "test/2.png": PNG}, {}, "no class folder"),
    "split and more": ({f"{p}/a/1.png": PNG for p in ("train", "test", "odd")}, {}, "has odd/ beside train/"),
}


@pytest.mark.parametrize("case", BAD)
def test_refused(tmp_path, case):
    files, options, message = BAD[case]
    with pytest.raises(DataError, match=message) as caught:
        open_images(build(tmp_path, files), **options)
    assert "\n" not in str(caught.value)


def test_missing_path_names_the_nearest(tmp_path):
    build(tmp_path, {"eurosat.zip": b""})
    with pytest.raises(DataError, match=r"no such data: .*did you mean eurosat.zip"):
        open_images(tmp_path / "eurosta.zip")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip"])
def test_damaged_zip(tmp_path, content):
    with pytest.raises(DataError, match="expected a whole"):
        open_images(build(tmp_path, {"d.zip": content}) / "d.zip")


def test_damaged_member(tmp_path):
    path = build(tmp_path, {"a/1.png": PNG, "b/1.png": PNG}, zipped=True)
    content = path.read_bytes()
    path.write_bytes(content.replace(PNG, PNG[:-30] + b"?" + PNG[-29:], 1))
    with pytest.raises(DataError, match=r"damaged at a/1\.png"):
        open_storage(path).read("a/1.png")


def test_encrypted_zip(tmp_path):
    path = build(tmp_path, {"a/1.png": PNG}, zipped=True)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="encrypted"):
        open_storage(path)


def test_other_compression_and_links(tmp_path):
    with zipfile.ZipFile(tmp_path / "d.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a/1.png", PNG)
    assert open_storage(tmp_path / "d.zip").read("a/1.png") == PNG
    build(tmp_path / "tree", {"a/1.png": PNG})
    (tmp_path / "tree" / "a" / "loop").symlink_to(tmp_path / "tree")
    assert Directory(tmp_path / "tree").names == ("a/1.png",)


def test_digits_are_never_a_folder_that_is_called_so(tmp_path, monkeypatch):
    monkeypatch.setenv("TFVISION_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(build(tmp_path / "here", {"digits/a/1.png": PNG, "digits/b/2.png": PNG}))
    images = open_images("digits")
    assert len(images) == 1797
    assert images.notes == (
        "digits means the images that come with scikit-learn; for what is called so here give ./digits",
    )
    assert open_images("./digits").class_names == ("a", "b")
    refuse_missing_data("digits")


def test_digits(tmp_path, monkeypatch):
    monkeypatch.setenv("TFVISION_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        images = open_images("digits")
        assert len(images) == 1797 and images.class_names == tuple("0123456789")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["digits"]
    first = images.read(images.ids.index("0/0000.png"))
    from sklearn.datasets import load_digits

    np.testing.assert_array_equal(first[..., 0], np.rint(load_digits().images[0] * 255 / 16))


def test_select(tmp_path):
    images = open_images(build(tmp_path, {f"{c}/{i}.png": PNG for c in "ab" for i in range(3)}))
    assert images.select([5, 0]).ids == ("b/2.png", "a/0.png")
    assert images.select(images.labels == 1).ids == ("b/0.png", "b/1.png", "b/2.png")


def test_import_is_light():
    code = "import sys, tfvision.data.sources.open; sys.exit('tensorflow' in sys.modules or 'sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_tar(mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFVISION_CACHE", str(tmp_path / "cache"))
    build(tmp_path / "d", {f"top/{c}/{k}.png": PNG for c in "ab" for k in range(3)} | {"top/.hidden/1.png": PNG})
    os.link(tmp_path / "d/top/a/0.png", tmp_path / "d/top/b/hard.png")
    (tmp_path / "d/top/b/soft.png").symlink_to("../a/1.png")
    (tmp_path / "d/top/b/gone.png").symlink_to("/etc/passwd")
    path = tmp_path / f"data.tar{mode[1:].replace(':', '.')}"
    with tarfile.open(path, mode) as archive:
        archive.add(tmp_path / "d", arcname=".")
    images = open_images(path)
    assert images.ids == ("a/0.png", "a/1.png", "a/2.png", "b/0.png", "b/1.png", "b/2.png", "b/hard.png", "b/soft.png")
    assert images.notes[-1].endswith("1 links that lead nowhere or to what is read already (such as top/b/gone.png)")
    assert all(images.read_bytes(row) == PNG for row in range(8)) and images.storage.head("top/a/0.png", 4) == PNG[:4]
    assert not [file for file in (tmp_path / "cache").iterdir()] if mode != "w" else not (tmp_path / "cache").exists()


def test_damaged_tars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFVISION_CACHE", str(tmp_path / "cache"))
    build(tmp_path / "d", {f"{c}/{k}.png": PNG for c in "ab" for k in range(3)})
    for mode, name in (("w", "x.tar"), ("w:gz", "x.tar.gz")):
        with tarfile.open(tmp_path / name, mode) as archive:
            archive.add(tmp_path / "d", arcname="d")
        whole = (tmp_path / name).read_bytes()
        for cut in (0, 5, len(whole) // 3):
            (tmp_path / name).write_bytes(whole[:cut])
            with pytest.raises(DataError, match=r"expected a whole \.tar|ends within"):
                open_images(tmp_path / name)
    (tmp_path / "bomb.tar.gz").write_bytes(gzip.compress(b"\0" * 300_000))
    monkeypatch.setattr("tfvision.data.storage.tar_file._ANY_WAY", 1000)
    with pytest.raises(DataError, match="unpacks to more than"):
        open_images(tmp_path / "bomb.tar.gz")


def test_tars_that_end_in_silence_and_sparse_ones(tmp_path: Path) -> None:
    build(tmp_path / "d", {f"{c}/{k}.png": PNG for c in "ab" for k in range(3)})
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        archive.add(tmp_path / "d", arcname="d")
    with tarfile.open(tmp_path / "x.tar") as archive:
        cut = archive.getmembers()[4].offset
    whole = (tmp_path / "x.tar").read_bytes()
    for content in (whole[:cut], whole[:cut] + b"x" * 512 + whole[cut + 512 :]):
        (tmp_path / "x.tar").write_bytes(content)
        with pytest.raises(DataError, match="it ends early, or holds something that is no member"):
            open_images(tmp_path / "x.tar")

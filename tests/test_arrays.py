"""Arrays as images: HDF5, npz, npy and NumPy, by their names, layouts and values, and what is refused."""

import io
import re
import zipfile
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest

import tfvision
from tfvision.data.images.scan import scan
from tfvision.data.options import Source
from tfvision.data.pixels.decoding import decode
from tfvision.data.sources.arrays.names import find_arrays, split_name
from tfvision.data.sources.open import open_images
from tfvision.data.sources.tables.columns import Columns
from tfvision.data.splits.split import split_images
from tfvision.data.storage.arrays import pixel_arrays
from tfvision.data.storage.directory import Directory
from tfvision.data.storage.hdf5 import Hdf5
from tfvision.data.storage.npy import NpyFiles
from tfvision.data.storage.rows import row_blocks
from tfvision.data.storage.spans import Span
from tfvision.data.storage.zip_file import Zip
from tfvision.errors import DataError, UsageError
from tfvision.system import cache

GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.integers(0, 256, (12, 8, 6, 3), dtype=np.uint8)
LABELS = np.arange(12) % 3
PAIR = {"images": IMAGES, "labels": LABELS}
NAMES = ["ash", "oak", "fir"]


def write_npy(folder: Path, arrays: dict[str, np.ndarray]) -> Path:
    for name, values in arrays.items():
        (folder / f"{name}.npy").parent.mkdir(parents=True, exist_ok=True)
        np.save(folder / f"{name}.npy", values)
    return folder


def write_zip(path: Path, arrays: dict[str, np.ndarray], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, values in arrays.items():
            stream = io.BytesIO()
            np.save(stream, values)
            archive.writestr(f"{name}.npy", stream.getvalue())
    return path


def write_h5(path: Path, arrays: dict[str, np.ndarray], names: list[str] | None = None, **options) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            text = values.dtype.kind == "U"
            values = values.astype(object) if text else values
            file.create_dataset(name, data=values, dtype=h5py.string_dtype() if text else None)
            if values.ndim > 2 and options:
                del file[name]
                file.create_dataset(name, data=values, **options)
        if names:
            file.attrs["class_names"] = names
    return path


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    np.savez(path, **arrays)
    return path


def write_compressed(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    np.savez_compressed(path, **arrays)
    return path


WRITERS = {
    "folder": lambda where, arrays: write_npy(where / "data", arrays),
    "zip": lambda where, arrays: write_zip(where / "d.zip", {f"top/{k}": v for k, v in arrays.items()}),
    "stored zip": lambda where, arrays: write_zip(where / "d.zip", arrays, zipfile.ZIP_STORED),
    "lzma zip": lambda where, arrays: write_zip(where / "d.zip", arrays, zipfile.ZIP_LZMA),
    "npz": lambda where, arrays: write_npz(where / "d.npz", arrays),
    "compressed npz": lambda where, arrays: write_compressed(where / "d.npz", arrays),
    "h5": lambda where, arrays: write_h5(where / "d.h5", arrays),
    "chunked h5": lambda where, arrays: write_h5(where / "d.hdf5", arrays, chunks=(5, 8, 6, 3)),
    "gzip h5": lambda where, arrays: write_h5(where / "d.h5", arrays, compression="gzip", shuffle=True),
    "h5 chunked across images": lambda where, arrays: write_h5(where / "d.h5", arrays, chunks=(5, 3, 5, 2)),
}


def read_all(images) -> np.ndarray:
    return np.stack([images.read(i) for i in range(len(images))])


def texts(images) -> list[str]:
    return [images.class_names[label] for label in images.labels]


@pytest.mark.parametrize("writer", WRITERS)
def test_a_pair_from_every_container(tmp_path, writer):
    images = open_images(WRITERS[writer](tmp_path, PAIR))
    np.testing.assert_array_equal(read_all(images), IMAGES)
    assert images.labels.tolist() == LABELS.tolist() and images.class_names == ("0", "1", "2")
    assert images.ids[:2] == ("00000", "00001") and images.parts is None and images.notes == ()
    assert images.read(3).flags.writeable
    np.testing.assert_array_equal(decode(images.read_bytes(4), "x"), IMAGES[4])
    chosen = images.select([7, 2])
    np.testing.assert_array_equal(chosen.read(0), IMAGES[7])


@pytest.mark.parametrize("writer", WRITERS)
def test_parts_from_every_container(tmp_path, writer):
    arrays = {"x_train": IMAGES[:6], "y_train": LABELS[:6], "x_val": IMAGES[6:], "y_val": LABELS[6:]}
    images = open_images(WRITERS[writer](tmp_path, arrays))
    np.testing.assert_array_equal(read_all(images), IMAGES)
    assert images.ids[5:7] == ("train/00005", "validation/00000")
    assert images.parts.tolist() == ["train"] * 6 + ["validation"] * 6


@pytest.mark.parametrize("pair", [("x", "y"), ("X", "y"), ("data", "target"), ("a/images", "a/label"), ("p", "q")])
def test_names_of_a_pair(tmp_path, pair):
    images = open_images(write_h5(tmp_path / "d.h5", dict(zip(pair, (IMAGES, LABELS), strict=True))))
    assert images.labels.tolist() == LABELS.tolist()


def test_names_of_parts():
    names = ("x_train", "train_x", "train/x", "x/train", "Train-X", "top/train/x")
    assert {split_name(name) for name in names} == {("train", "x")}
    assert [split_name(f"x_{part}")[0] for part in ("training", "valid", "testing")] == ["train", "validation", "test"]
    shapes = {f"{part}/{what}": (4, 8, 8)[: 3 if what == "images" else 1] for part in ("test", "val") for what in PAIR}
    found = find_arrays(shapes, Columns(), "d", labelled=True)
    assert [(one.part, one.images, one.labels) for one in found] == [
        ("validation", "val/images", "val/labels"),
        ("test", "test/images", "test/labels"),
    ]


def test_a_part_without_labels_is_left_out(tmp_path):
    arrays = {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES[:5]}
    images = open_images(write_npz(tmp_path / "d.npz", arrays))
    assert len(images) == 12 and images.parts is None and "x_test has no labels" in images.notes[0]
    images = open_images(tmp_path / "d.npz", labelled=False)
    assert len(images) == 17 and images.ids[12] == "test/00000" and images.class_names == ()


def test_asked_names_and_groups(tmp_path):
    arrays = {"a": IMAGES, "b": IMAGES[::-1], "kind": LABELS, "tiles": np.arange(12) // 2, "labels": LABELS[::-1]}
    path = write_npz(tmp_path / "d.npz", arrays)
    images = open_images(path, file_column="b", label_column="kind", group_column="tiles")
    np.testing.assert_array_equal(images.read(0), IMAGES[11])
    assert images.labels.tolist() == LABELS.tolist() and images.groups.tolist()[:3] == ["0", "0", "1"]
    assert images.columns["group_column"] == "tiles"
    parts = split_images(images, scan(images).hashes, validation=0.3, test=0.3, seed=0).parts
    assert (parts[::2] == parts[1::2]).all()


def test_npy_with_labels_beside_it_and_alone(tmp_path):
    write_npy(tmp_path, PAIR | {"unlabelled": IMAGES[:4], "odd": np.zeros(3)})
    (tmp_path / "broken.npy").write_bytes(b"?")
    assert open_images(tmp_path / "images.npy").labels.tolist() == LABELS.tolist()
    assert len(open_images(tmp_path / "unlabelled.npy", labelled=False)) == 4
    with pytest.raises(DataError, match="labels has 12 labels for 4 images"):
        open_images(tmp_path / "unlabelled.npy")
    with pytest.raises(DataError, match=r"broken\.npy is no whole .npy file"):
        open_images(tmp_path / "broken.npy", labelled=False)


LABEL_KINDS = {
    "bytes": (np.array([b"oak", b"ash", b"oak"]), None, ["oak", "ash", "oak"]),
    "text": (np.array(["oak", "ash ", "oak"]), None, ["oak", "ash", "oak"]),
    "column": (np.array([[2], [0], [2]]), None, ["2", "0", "2"]),
    "floats": (np.array([2.0, 0.0, 2.0]), None, ["2", "0", "2"]),
    "booleans": (np.array([True, False, True]), None, ["True", "False", "True"]),
    "one-hot": (np.eye(3)[[2, 0, 2]], None, ["2", "0", "2"]),
    "named": (np.array([2, 0, 2], ">u2"), NAMES, ["fir", "ash", "fir"]),
    "named one-hot": (np.eye(3, dtype=bool)[[2, 0, 2]], NAMES, ["fir", "ash", "fir"]),
    "named text": (np.array(["fir", "ash", "fir"]), NAMES, ["fir", "ash", "fir"]),
}


@pytest.mark.parametrize("kind", LABEL_KINDS)
def test_labels(tmp_path, kind):
    labels, names, expected = LABEL_KINDS[kind]
    assert texts(tfvision.images_from_arrays(IMAGES[:3], labels, class_names=names)) == expected
    assert texts(open_images(write_h5(tmp_path / "d.h5", {"x": IMAGES[:3], "y": labels}, names))) == expected
    arrays = {"x": IMAGES[:3], "y": labels} | ({"classes": np.array(names)} if names else {})
    assert texts(open_images(write_npz(tmp_path / "d.npz", arrays))) == expected


def test_class_names_keep_their_order():
    assert tfvision.images_from_arrays(IMAGES, LABELS, class_names=NAMES).class_names == tuple(NAMES)
    two = tfvision.images_from_arrays(IMAGES, LABELS // 2, class_names=["sound", "ill", "never"])
    assert two.class_names == ("sound", "ill")


@pytest.mark.parametrize("where", ["labels", "dataset", "file classes"])
def test_class_names_of_hdf5(tmp_path, where):
    path = write_h5(tmp_path / "d.h5", {"x": IMAGES, "y": LABELS})
    with h5py.File(path, "a") as file:
        if where == "labels":
            file["y"].attrs["class_names"] = NAMES
        elif where == "dataset":
            file["class_names"] = np.array([name.encode() for name in NAMES])
        else:
            file.attrs["classes"] = np.array([name.encode() for name in NAMES])
    assert open_images(path).class_names == tuple(NAMES)


BAD_LABELS = {
    "fraction": (np.linspace(0, 1, 3), None, "labels like 0.5"),
    "NaN": (np.array([0, np.nan, 1]), None, "1 labels that are NaN"),
    "infinite": (np.array([0, np.inf, 1]), None, "1 labels that are NaN or infinite"),
    "empty": (np.array(["a", "", "b"]), None, "1 empty labels"),
    "count": (np.arange(4), None, "4 labels for 3 images"),
    "two-hot": (np.ones((3, 2)), None, "not one-hot"),
    "above": (np.array([0, 1, 3]), NAMES, "label 3, the class names are 3; expected 0 to 2"),
    "below": (np.array([0, 1, -1]), NAMES, "label -1"),
    "unknown": (np.array(["oak", "elm", "ash"]), NAMES, "no class names: elm"),
    "same": (np.array([0, 1, 1]), ["a", "a"], "'a' more than once"),
    "objects": (np.array([{}, 1, 2], object), None, "dtype object"),
    "not UTF-8": (np.array([b"\xe4", b"a", b"b"]), None, "not UTF-8"),
}


@pytest.mark.parametrize("kind", BAD_LABELS)
def test_refused_labels(kind):
    labels, names, message = BAD_LABELS[kind]
    with pytest.raises(DataError, match=message) as caught:
        tfvision.images_from_arrays(IMAGES[:3], labels, class_names=names)
    assert "\n" not in str(caught.value)


def test_ids_and_groups_from_python():
    images = tfvision.images_from_arrays(IMAGES[:3], groups=["a", "b", "a"], ids=["x", "y", "z"])
    assert images.ids == ("x", "y", "z") and list(images.groups) == ["a", "b", "a"] and set(images.labels) == {-1}
    np.testing.assert_array_equal(images.select([2]).read(0), IMAGES[2])
    with pytest.raises(DataError, match="2 different ids for 3 images"):
        tfvision.images_from_arrays(IMAGES[:3], ids=["x", "y", "y"])
    with pytest.raises(DataError, match="images of one size"):
        tfvision.images_from_arrays([IMAGES[0], IMAGES[1, :2]])


GRAY = IMAGES[..., 0]
VALUES = {
    "uint8": (IMAGES, IMAGES, None),
    "gray": (GRAY, GRAY[..., None].repeat(3, -1), None),
    "one channel": (GRAY[..., None], GRAY[..., None].repeat(3, -1), None),
    "alpha": (np.concatenate([IMAGES, IMAGES[..., :1]], -1), IMAGES, "alpha and dropped"),
    "channels first": (np.moveaxis(IMAGES, -1, 1), IMAGES, "moved last"),
    "gray channels first": (GRAY[:, None], GRAY[..., None].repeat(3, -1), "moved last"),
    "int64": (IMAGES.astype(np.int64), IMAGES, "int64 values within 0..255 are taken as they are"),
    "big-endian": (IMAGES.astype(">i4"), IMAGES, "as they are"),
    "small uint16": (IMAGES.astype(np.uint16), IMAGES, "as they are"),
    "uint16": (IMAGES.astype(">u2") * 256 + 77, IMAGES, r"high byte \(value // 256\)"),
    "0..1": (IMAGES / 255, IMAGES, "0..1 are multiplied by 255"),
    "0..1 float16": ((IMAGES // 2 * 2 / 256).astype(np.float16), np.rint(IMAGES // 2 * 2 * (255 / 256)), "float16"),
    "0..255": (IMAGES.astype(np.float32) * (254.4 / 255), np.rint(IMAGES * (254.4 / 255)), "are rounded"),
    "bool": (IMAGES > 99, (IMAGES > 99) * 255, "bool values"),
}


@pytest.mark.parametrize("fortran", [False, True])
@pytest.mark.parametrize("kind", VALUES)
def test_values_and_layouts(tmp_path, kind, fortran):
    values, expected, note = VALUES[kind]
    np.save(tmp_path / "x.npy", np.asfortranarray(values) if fortran else values)
    for images in (tfvision.images_from_arrays(values), open_images(tmp_path / "x.npy", labelled=False)):
        found = read_all(images)
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, expected)
        assert not images.notes if note is None else len(images.notes) == 1
        if note:
            assert re.search(note, images.notes[0])


@pytest.mark.parametrize("shape", [(1, 90, 70), (3, 40, 30, 3), (5000, 2, 2), (4, 1, 1)])
def test_fortran_order_is_turned_in_few_reads(shape, tmp_path, monkeypatch):
    monkeypatch.setattr("tfvision.data.storage.npy._BLOCK_BYTES", 8000)
    monkeypatch.setattr("tfvision.data.storage.npy._READ_BYTES", 3000)
    values = np.random.default_rng(0).integers(0, 60_000, shape, np.uint16)
    np.save(tmp_path / "x.npy", np.asfortranarray(values))
    reads = []
    read = Span.read
    monkeypatch.setattr(Span, "read", lambda *args: reads.append(args) or read(*args))
    rows = NpyFiles(Directory(tmp_path)).rows("x")
    assert len(reads) < 60
    np.testing.assert_array_equal([rows[i] for i in range(shape[0])], values)


def test_labels_of_nothing_are_refused_by_their_dtype(tmp_path):
    np.save(tmp_path / "images.npy", IMAGES)
    (tmp_path / "labels.npy").write_bytes(npy_header(descr="<U0", shape=(len(IMAGES),)))
    with pytest.raises(DataError, match=r"labels\.npy has the dtype <U0"):
        open_images(tmp_path)


def test_values_of_parts_count_together():
    dark, light = IMAGES.astype(np.uint16), IMAGES.astype(np.uint16) * 256
    arrays, _ = pixel_arrays({"x_train": light, "x_val": dark})
    assert (arrays["x_val"].read(0) == 0).all()
    with pytest.raises(DataError, match=r"different dtypes \(x_train uint16, x_val uint8\)"):
        pixel_arrays({"x_train": light, "x_val": IMAGES})


RULES = {
    "": (IMAGES, IMAGES > 99),
    "float 0..1": (IMAGES / 255, IMAGES / 510),
    "float 0..255": (IMAGES * 1.0,),
    "integer 0..255": (IMAGES.astype(np.int64), IMAGES.astype(np.uint16)),
    "uint16 high byte": (IMAGES.astype(np.uint16) * 256,),
}


@pytest.mark.parametrize(("rule", "values"), [(rule, values) for rule, many in RULES.items() for values in many])
def test_pixel_rule_is_known_and_opens_other_data_alike(tmp_path, rule, values):
    np.savez(tmp_path / "d.npz", images=values, labels=LABELS)
    for images in (open_images(tmp_path / "d.npz"), tfvision.images_from_arrays(values, LABELS)):
        assert images.pixel_rule == rule and images.columns["pixel_rule"] == (rule or None)
        again = open_images(tmp_path / "d.npz", **Source(**images.columns).columns())
        assert again.columns["pixel_rule"] == images.columns["pixel_rule"]
        np.testing.assert_array_equal(read_all(again), read_all(images))


def test_pixel_rule_decides_where_a_range_does_not_tell(tmp_path):
    ones = np.ones((3, 8, 8, 3), np.float32)
    assert read_all(tfvision.images_from_arrays(ones)).max() == 255
    assert read_all(tfvision.images_from_arrays(ones, pixel_rule="float 0..255")).max() == 1
    np.savez(tmp_path / "d.npz", images=IMAGES.astype(np.uint16))
    assert not read_all(open_images(tmp_path / "d.npz", pixel_rule="uint16 high byte", labelled=False)).any()
    for values in (IMAGES, IMAGES > 99):
        images = tfvision.images_from_arrays(values, pixel_rule="float 0..1")
        assert images.pixel_rule == "" and images.columns == {"pixel_rule": "float 0..1"}


@pytest.mark.parametrize(
    ("rule", "values"),
    [
        ("float 0..1", IMAGES * 1.0),
        ("float 0..1", IMAGES.astype(np.int64)),
        ("float 0..255", IMAGES.astype(np.uint16)),
        ("integer 0..255", IMAGES.astype(np.uint16) * 256),
        ("integer 0..255", IMAGES / 255),
        ("uint16 high byte", IMAGES.astype(np.int32)),
    ],
)
def test_values_that_do_not_fit_the_pixel_rule(rule, values):
    with pytest.raises(DataError, match=f"values within .* do not fit the pixel rule '{rule}'") as caught:
        tfvision.images_from_arrays(values, pixel_rule=rule)
    assert "\n" not in str(caught.value)


def test_unknown_pixel_rule(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), IMAGES[0])
    for opened in (
        lambda rule: open_images(tmp_path, labelled=False, pixel_rule=rule),
        lambda rule: tfvision.images_from_arrays(IMAGES, pixel_rule=rule),
    ):
        with pytest.raises(UsageError, match=r"'float 0-1' \(did you mean float 0..1\?\)"):
            opened("float 0-1")


BAD_VALUES = {
    "standardized": (IMAGES / 127.5 - 1, r"within -1..1; expected 0..255, or 0..1"),
    "NaN": (np.where(IMAGES > 99, np.nan, IMAGES), "nan"),
    "infinite": (np.where(IMAGES > 99, np.inf, IMAGES), "inf"),
    "large floats": (IMAGES * 2.0, "0..510"),
    "large int": (IMAGES.astype(np.int32) + 1, "1..256"),
    "negative int": (IMAGES.astype(np.int16) - 1, "-1..254"),
    "complex": (IMAGES.astype(complex), "dtype complex128"),
    "text": (np.full((2, 8, 8), "a"), "dtype <U1"),
    "two bands": (IMAGES[..., :2], "2 bands; expected 1, 3 or 4"),
    "13 bands": (np.zeros((2, 8, 8, 13), np.uint8), r"13 bands; .*array\[..., :3\]"),
    "one image": (IMAGES[0], "looks like one image"),
    "rows": (IMAGES.reshape(12, -1), r"shape \(12, 144\); expected \(n, height, width\)"),
    "no images": (IMAGES[:0], "no pixels"),
    "huge": (np.lib.stride_tricks.as_strided(IMAGES, (1, 20_000, 20_000), (0, 0, 0)), "more than 100,000,000"),
}


@pytest.mark.parametrize("kind", BAD_VALUES)
def test_refused_values(kind):
    values, message = BAD_VALUES[kind]
    with pytest.raises(DataError, match=message) as caught:
        tfvision.images_from_arrays(values)
    assert "\n" not in str(caught.value)


def test_scan_of_arrays_does_not_encode(monkeypatch):
    monkeypatch.setattr(cv2, "imencode", lambda *_: pytest.fail("encoded"))
    twice = np.concatenate([IMAGES, IMAGES[:1]])
    found = scan(tfvision.images_from_arrays(twice))
    assert found.hashes[0] == found.hashes[12] and len(set(found.hashes)) == 12
    assert found.sizes.tolist() == [[8, 6]] * 13 and not found.is_gray
    assert scan(tfvision.images_from_arrays(GRAY)).is_gray
    other = GRAY.copy()
    assert not scan(tfvision.images_from_arrays(np.stack([GRAY, GRAY, other ^ (np.arange(6) == 5)], -1))).is_gray


def npy_header(**changes) -> bytes:
    header = {"descr": "|u1", "fortran_order": False, "shape": (3, 8, 8), **changes}
    text = (str(header) + "\n").encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


DAMAGED = {
    "short.npy": (npy_header() + b"\0" * 100, "claims 192 bytes, 100 are there"),
    "absurd.npy": (npy_header(shape=(10**12, 10**12, 3)) + b"\0", "truncated"),
    "negative.npy": (npy_header(shape=(-3, 8, 8)), "expected plain numbers"),
    "pickled.npy": (npy_header(descr="|O", shape=(1,)) + b"cos\nsystem\n(S'true'\ntR.", "pickled objects"),
    "structured.npy": (npy_header(descr=[("a", "<i4")]) + b"\0" * 999, "expected plain numbers"),
    "nothing.npy": (npy_header(descr="|S0"), "expected plain numbers"),
    "header.npy": (b"\x93NUMPY\x01\x00\xff\xff{", "no whole .npy file"),
    "version.npy": (b"\x93NUMPY\x09\x00" + npy_header()[8:], "no whole .npy file"),
    "empty.npy": (b"", "no whole .npy file"),
    "text.npz": (b"PK, but no zip", "expected a whole"),
    "text.h5": (b"\x89HDF, but not", "expected a whole HDF5 file"),
    "empty.h5": (b"", "expected a whole HDF5 file"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files(tmp_path, name):
    content, message = DAMAGED[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        open_images(tmp_path / name, labelled=False)
    assert "\n" not in str(caught.value)


def test_truncated_and_flipped(tmp_path):
    path = write_h5(tmp_path / "d.h5", PAIR)
    path.write_bytes(path.read_bytes()[:-700])
    with pytest.raises(DataError, match="truncated"):
        open_images(path)
    path = write_npz(tmp_path / "d.npz", PAIR)
    content = bytearray(path.read_bytes())
    content[400] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"damaged at images\.npy"):
        open_images(path)


def test_hdf5_that_leads_elsewhere_or_lacks_chunks(tmp_path):
    write_h5(tmp_path / "other.h5", PAIR)
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["x"] = h5py.ExternalLink("other.h5", "images")
        file["y"] = LABELS
    with h5py.File(tmp_path / "raw.h5", "w") as file:
        file.create_dataset("x", (1, 8, 6, 3), np.uint8, external=[(str(tmp_path / "other.h5"), 0, 144)])
        file["y"] = LABELS[:1]
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        layout = h5py.VirtualLayout((12, 8, 6, 3), np.uint8)
        layout[:] = h5py.VirtualSource("other.h5", "images", (12, 8, 6, 3))
        file.create_virtual_dataset("x", layout)
        file["y"] = LABELS
    with h5py.File(tmp_path / "holes.h5", "w") as file:
        file.create_dataset("x", (10**9, 8, 6, 3), np.uint8, chunks=(5, 8, 6, 3))[:7] = IMAGES[:7]
        file["y"] = LABELS[:7]
    with h5py.File(tmp_path / "unwritten.h5", "w") as file:
        file.create_dataset("x", (10**9, 8, 6, 3), np.uint8)
        file["y"] = LABELS[:7]
    for name, message in (("link", "leads to another"), ("raw", "lies in another"), ("virtual", "lies in another")):
        with pytest.raises(DataError, match=message):
            open_images(tmp_path / f"{name}.h5")
    for name in ("holes", "unwritten"):
        with pytest.raises(DataError, match="not written to its end"):
            open_images(tmp_path / f"{name}.h5")


def test_hdf5_behind_a_user_block(tmp_path):
    with h5py.File(tmp_path / "d.h5", "w", userblock_size=512) as file:
        file["x"], file["y"] = IMAGES, LABELS
        file.create_dataset("v", data=IMAGES, chunks=(5, 8, 6, 3))
    for name in "xv":
        np.testing.assert_array_equal(read_all(open_images(tmp_path / "d.h5", file_column=name)), IMAGES)


UNCLEAR = {
    "no images": ({"labels": LABELS}, {}, r"which array holds the images; its arrays are labels \(12,\)"),
    "several": ({"images": IMAGES, "x": IMAGES, "y": LABELS}, {}, "several arrays that may be the images: images, x;"),
    "whole and part": ({"x": IMAGES, "x_train": IMAGES, "y": LABELS}, {}, "may be the images: x, x_train"),
    "no labels": ({"images": IMAGES}, {}, "no labels for images; its arrays are images .*--label-column"),
    "misspelt": (PAIR, {"label_column": "lables"}, "no array 'lables'.*did you mean labels.*--label-column"),
    "no group": (PAIR, {"group_column": "tiles"}, "no array 'tiles'"),
    "group": (
        PAIR | {"tiles": LABELS[:5]},
        {"group_column": "tiles"},
        r"tiles has the shape \(5,\); expected one group",
    ),
}


@pytest.mark.parametrize("kind", UNCLEAR)
def test_unclear_arrays(tmp_path, kind):
    arrays, options, message = UNCLEAR[kind]
    for path in (write_npz(tmp_path / "d.npz", arrays), write_h5(tmp_path / "d.h5", arrays)):
        with pytest.raises(DataError, match=message) as caught:
            open_images(path, **options)
        assert "\n" not in str(caught.value)


def test_several_files(tmp_path):
    write_npy(tmp_path / "a", PAIR)
    write_npz(tmp_path / "a" / "d.npz", PAIR)
    with pytest.raises(DataError, match=r"several files of arrays: d.npz, images.npy, labels.npy; give the path"):
        open_images(tmp_path / "a")
    (tmp_path / "a" / "photo.png").write_bytes(cv2.imencode(".png", IMAGES[0])[1].tobytes())
    with pytest.raises(DataError, match=r"arrays of images \(images.npy\) and image files \(photo.png\)"):
        open_images(tmp_path / "a")
    (tmp_path / "b").mkdir()
    write_h5(tmp_path / "b" / "d.h5", PAIR)
    assert len(open_images(tmp_path / "b")) == 12
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        archive.write(tmp_path / "b" / "d.h5", "d.h5")
    with pytest.raises(DataError, match=r"holds d.h5; unpack it"):
        open_images(tmp_path / "d.zip")


def test_positive_class_of_arrays(tmp_path):
    assert tfvision.images_from_arrays(IMAGES, LABELS % 2).class_names == ("0", "1")
    path = write_npz(tmp_path / "d.npz", {"x": IMAGES, "y": LABELS % 2})
    assert open_images(path, positive_class="0").class_names == ("1", "0")
    with pytest.raises(UsageError, match="unknown positive class"):
        open_images(path, positive_class="2")


def test_only_what_is_needed_is_unpacked(tmp_path, monkeypatch):
    """Uncompressed data is never copied; compressed data once, to a file that has no name."""
    monkeypatch.setenv("TFVISION_CACHE", str(tmp_path / "cache"))  # other tests store features in theirs
    write_npz(tmp_path / "stored.npz", PAIR), write_h5(tmp_path / "d.h5", PAIR)
    write_compressed(tmp_path / "packed.npz", PAIR | {"unlabelled": IMAGES})
    sizes = []
    real = cache.write_temporary
    for module in ("zip_file", "hdf5", "npy"):
        monkeypatch.setattr(
            f"tfvision.data.storage.{module}.write_temporary", lambda b, size, n: sizes.append(size) or real(b, size, n)
        )
    open_images(tmp_path / "stored.npz"), open_images(tmp_path / "d.h5")
    assert sizes == []
    images = open_images(tmp_path / "packed.npz")
    assert len(sizes) == 2 and IMAGES.nbytes < max(sizes) < IMAGES.nbytes + 300
    assert list(cache.cache_folder().glob("*")) == [] and len(images) == 12


def test_full_disk_is_one_clear_error(tmp_path, monkeypatch):
    path = write_h5(tmp_path / "d.h5", PAIR, compression="gzip")
    monkeypatch.setenv("TFVISION_CACHE", str(tmp_path / "cache"))
    for module, name, fake in (
        (cache.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 0})),
        (cache.tempfile, "TemporaryFile", lambda **_: FullDisk()),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, fake)
            with pytest.raises(DataError, match=r"needs 1,728 bytes in .*TFVISION_CACHE") as caught:
                open_images(path)
        assert "\n" not in str(caught.value)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TFVISION_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match="needs 1,728 bytes"):
        open_images(path)


class FullDisk(io.BytesIO):
    def write(self, block) -> int:
        raise OSError(28, "No space left on device")


def test_file_that_shrank_and_rows_out_of_range(tmp_path):
    np.save(tmp_path / "x.npy", IMAGES)
    images = open_images(tmp_path / "x.npy", labelled=False)
    rows = NpyFiles(Directory(tmp_path)).rows("x")
    with pytest.raises(IndexError):
        rows[12]
    assert np.concatenate(list(row_blocks(rows))).tobytes() == IMAGES.tobytes()
    with open(tmp_path / "x.npy", "r+b") as file:
        file.truncate(500)
    with pytest.raises(DataError, match="became shorter"):
        images.read(11)


def test_windows_reads_under_a_lock(tmp_path, monkeypatch):
    from tfvision.data.storage import spans

    np.save(tmp_path / "x.npy", IMAGES)
    monkeypatch.delattr(spans.os, "pread")
    np.testing.assert_array_equal(read_all(open_images(tmp_path / "x.npy", labelled=False)), IMAGES)


def test_library_and_own_reading_agree_on_many_chunks(tmp_path):
    values = GENERATOR.integers(0, 256, (103, 4, 5), dtype=np.uint8)
    for k, options in enumerate(({"chunks": (1, 4, 5)}, {"chunks": (10, 4, 5), "maxshape": (None, 4, 5)})):
        path = write_h5(tmp_path / f"{k}.h5", {"x": values}, **options)
        rows = Hdf5(path).rows("x")
        np.testing.assert_array_equal(rows[0:103], values)


def test_zip_span_outlives_its_zip(tmp_path):
    span = Zip(write_zip(tmp_path / "d.zip", PAIR, zipfile.ZIP_STORED)).span("labels.npy")
    assert span.read(6, 0) == b"\x93NUMPY"


@pytest.mark.real
def test_mars_craters(real_data, tmp_path):
    images = open_images(real_data / "mars_craters.zip", group_column="tiles")
    assert len(images) == 1804 and images.class_names == ("0", "1") and images.read(0).shape == (48, 48, 3)
    found = scan(images)
    assert found.is_gray
    # Three tiles, two of which share 23 crops: those of one tile are left out, and each tile is a part.
    parts = split_images(images, found.hashes, seed=0).parts
    assert (parts == "").sum() == 23
    stands = [set(parts[images.groups == tile]) - {""} for tile in sorted(set(images.groups))]
    assert sorted(part for parts_of_tile in stands for part in parts_of_tile) == ["test", "train", "validation"]
    with zipfile.ZipFile(real_data / "mars_craters.zip") as archive:
        archive.extractall(tmp_path)
    unpacked = open_images(tmp_path / "mars_craters", group_column="tiles")
    assert (unpacked.labels == images.labels).all() and (unpacked.read(1803) == images.read(1803)).all()
    assert len(open_images(tmp_path / "mars_craters" / "unlabelled.npy", labelled=False)) == 1203


@pytest.mark.real
def test_blood_as_a_compressed_npz(real_data, tmp_path):
    cells = open_images(real_data / "blood_cells.zip").select(np.arange(0, 1496, 10))
    labels = np.array([cells.class_names[label] for label in cells.labels])
    pixels = read_all(cells)
    images = open_images(write_compressed(tmp_path / "blood.npz", {"images": pixels, "labels": labels}))
    assert images.class_names == cells.class_names and (images.labels == cells.labels).all()
    np.testing.assert_array_equal(read_all(images), pixels)

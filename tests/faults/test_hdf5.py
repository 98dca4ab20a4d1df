"""HDF5 files that were damaged or made to harm end in one line, soon and without filling the memory.

The library that reads them loops without end, or takes all memory, on some: it works in a process of its own.
"""

import io
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from damages import cuts, flips, how_many

from tfvision.data.sources.open import open_images
from tfvision.errors import DataError, TfvisionError, UsageError
from tfvision.models.weights_file import check_weights_file
from tfvision.models.weights_reading import check_hdf5
from tfvision.system.bounded import BoundedProcess, NotRead, hdf5_library

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 5, 4, 3), dtype=np.uint8)
LABELS = ["a", "b", "c"] * 2
TEXT = h5py.string_dtype()


def h5_file(path: Path, fill: Callable[[h5py.File], None], **options: object) -> Path:
    """Write images and what `fill` adds."""
    with h5py.File(path, "w", **options) as file:
        file["images"] = PIXELS
        fill(file)
    return path


def labelled(file: h5py.File) -> None:
    file["labels"] = [0, 1, 2] * 2


def endless_heap(path: Path) -> Path:
    """Rewrite the size of a text in the heap of texts, so that the next one begins where this one does."""
    data = bytearray(path.read_bytes())
    first = data.index(b"GCOL") + 16
    assert struct.unpack_from("<H", data, first)[0] == 1
    struct.pack_into("<Q", data, first + 8, 2**64 - 16)
    path.write_bytes(data)
    return path


def hanging_attribute(path: Path) -> Path:
    def fill(file: h5py.File) -> None:
        labelled(file)
        file.attrs.create("class_names", ["a", "b", "c"], dtype=TEXT)

    return endless_heap(h5_file(path, fill))


def hanging_labels(path: Path) -> Path:
    return endless_heap(h5_file(path, lambda file: file.create_dataset("labels", data=LABELS, dtype=TEXT)))


def repeated_text(path: Path) -> Path:
    """Write labels of one text of 60 KB, which a packed dataset names 60,000 times: 3.6 GB from a few KB."""

    def fill(file: h5py.File) -> None:
        del file["images"]
        file.create_dataset("images", data=np.zeros((60_000, 2, 2), np.uint8), compression="gzip", compression_opts=9)
        labels = file.create_dataset("labels", (60_000,), TEXT, chunks=(60_000,), compression="gzip")
        labels[:1] = ["x" * 60_000]

    h5_file(path, fill)
    with h5py.File(path, "r+") as file:
        dataset = file["labels"]
        place, chunk = dataset.id.read_direct_chunk((0,))
        reference = zlib.decompress(chunk)[:16]
        dataset.id.write_direct_chunk((0,), zlib.compress(reference * 60_000, 9), place)
    return path


def packed_images(path: Path, shape: tuple[int, int, int], times: int) -> Path:
    """Write images of zeros, each a chunk that is packed so many times."""
    chunk = bytes(shape[1] * shape[2])
    for _ in range(times):
        chunk = zlib.compress(chunk, 9)
    with h5py.File(path, "w") as file:
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk((1, *shape[1:]))
        for _ in range(times):
            properties.set_deflate(9)
        images = h5py.h5d.create(file.id, b"images", h5py.h5t.NATIVE_UINT8, h5py.h5s.create_simple(shape), properties)
        for number in range(shape[0]):
            images.write_direct_chunk((number, 0, 0), chunk)
        file["labels"] = np.arange(shape[0]) % 3
    return path


HARMFUL: dict[str, tuple[Callable[[Path], Path], str]] = {
    "attribute without end": (hanging_attribute, "did not come to an end"),
    "labels without end": (hanging_labels, "did not come to an end"),
    "a text repeated": (repeated_text, "too long for a label"),
    "texts of a width without need": (
        lambda path: h5_file(path, lambda file: file.create_dataset("labels", (6,), "S300000000")),
        "too many for labels",
    ),
    "labels without number": (
        lambda path: h5_file(
            path, lambda file: file.create_dataset("labels", (10**9,), "u1", chunks=(10**6,), compression="gzip")
        ),
        "1,000,000,000 labels for 6 images",
    ),
    "images without number": (
        lambda path: h5_file(
            path,
            lambda file: (
                file.__delitem__("images"),
                file.create_dataset("images", (2**40, 8, 8), "u1", chunks=(2**10, 8, 8)),
                labelled(file),
            ),
        ),
        "not written to its end",
    ),
    "a chunk of gigabytes": (
        lambda path: h5_file(
            path,
            lambda file: (
                file.__delitem__("images"),
                file.create_dataset(
                    "images", (6, 8, 8), "u1", maxshape=(None,) * 3, chunks=(6, 16_000, 16_000), compression="gzip"
                ),
                labelled(file),
            ),
        ),
        "not written to its end",
    ),
    "images packed to a thousandth": (
        lambda path: packed_images(path, (9, 8192, 16384), 1),
        "/images in ",
    ),
    "images packed twice": (lambda path: packed_images(path, (6, 8, 8), 2), "is packed twice in the same way"),
    "a compound": (
        lambda path: h5_file(
            path, lambda file: file.create_dataset("labels", (6,), np.dtype([("a", "i4"), ("b", "f8")]))
        ),
        "expected numbers or text",
    ),
    "references": (
        lambda path: h5_file(path, lambda file: file.create_dataset("labels", (6,), h5py.ref_dtype)),
        "expected numbers or text",
    ),
    "lists of any length": (
        lambda path: h5_file(path, lambda file: file.create_dataset("labels", (6,), h5py.vlen_dtype(np.int32))),
        "expected numbers or text",
    ),
    "an attribute of references": (
        lambda path: h5_file(
            path,
            lambda file: (
                labelled(file),
                file.attrs.create("class_names", [file["images"].ref] * 3, dtype=h5py.ref_dtype),
            ),
        ),
        "expected names",
    ),
    "external link": (
        lambda path: h5_file(path, lambda file: file.__setitem__("labels", h5py.ExternalLink("/etc/passwd", "x"))),
        "leads to another file",
    ),
    "raw bytes of another file": (
        lambda path: h5_file(
            path, lambda file: file.create_dataset("labels", (6,), "u1", external=[("/etc/passwd", 0, 6)])
        ),
        "lies in another file",
    ),
    "virtual": (lambda path: h5_file(path, virtual_labels), "lies in another file"),
    "soft links in a circle": (
        lambda path: h5_file(
            path,
            lambda file: (
                file.__setitem__("labels", h5py.SoftLink("/more")),
                file.__setitem__("more", h5py.SoftLink("/labels")),
            ),
        ),
        "no labels",
    ),
    "no HDF5": (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100)) and path, "expected a whole HDF5"),
    "empty": (lambda path: path.write_bytes(b"") or path, "expected a whole HDF5"),
}


def virtual_labels(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((6,), "u1")
    layout[:] = h5py.VirtualSource("other.h5", "labels", (6,))
    file.create_virtual_dataset("labels", layout)


# Each takes two seconds or three of the processor.
SLOW = ("labels without end", "deep attribute", "attribute")


def slow(names: dict[str, object]) -> list[object]:
    return [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in names]


@pytest.mark.parametrize("name", slow(HARMFUL))
def test_a_harmful_file_is_refused_in_a_line(name: str, tmp_path: Path) -> None:
    write, message = HARMFUL[name]
    path = write(tmp_path / "d.h5")
    with pytest.raises(DataError) as error:
        open_images(path)
    assert message in str(error.value) and "\n" not in str(error.value) and str(path) in str(error.value) + str(path)
    assert len(open_images(h5_file(path, labelled))) == 6  # the process of the library is there again


def test_groups_in_a_circle_are_walked_once(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        labelled(file)
        above = file.create_group("a")
        above.create_group("b")["up"] = above

    assert len(open_images(h5_file(tmp_path / "d.h5", fill))) == 6


@pytest.mark.parametrize("compression", [None, "gzip", "lzf"])
@pytest.mark.parametrize("text", [TEXT, "S1", None])
def test_what_is_whole_is_read_as_before(compression: str | None, text: object, tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        labels = [0, 1, 2] * 2 if text is None else LABELS
        file.create_dataset(
            "labels",
            data=labels,
            dtype=text,
            compression=compression,
            fletcher32=bool(compression) and text is not TEXT,
        )
        if text is None:
            file["labels"].attrs["class_names"] = ["a", "b", "c"]
        del file["images"]
        file.create_dataset("images", data=PIXELS, compression=compression, shuffle=bool(compression))

    images = open_images(h5_file(tmp_path / "d.h5", fill))
    assert [images.class_names[label] for label in images.labels] == LABELS
    assert np.array_equal(np.stack([images.read(i) for i in range(6)]), PIXELS)


@pytest.mark.slow
def test_memory_and_time_stay_bounded(tmp_path: Path) -> None:
    script = (
        "import resource, sys; from tfvision import open_images\n"
        "try: open_images(sys.argv[1])\n"
        "except Exception as error: print(type(error).__name__)\n"
        "times = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "own = next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM'))\n"
        "print((int(own) + times.ru_maxrss) >> 10, times.ru_utime + times.ru_stime)\n"
    )
    for name in ("attribute without end", "labels without end", "a text repeated"):
        path = HARMFUL[name][0](tmp_path / "d.h5")
        started = time.monotonic()
        done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
        kind, peak, seconds = done.stdout.split()
        assert kind == "DataError" and int(peak) < 1024 and float(seconds) < 6, (name, done.stdout)
        assert time.monotonic() - started < 60  # of a busy machine
        path.unlink()


def array_file(kind: str) -> bytes:
    stream = io.BytesIO()
    options = {"compression": "gzip"} if kind == "packed" else {"chunks": (4, 5, 4, 3)} if kind == "chunked" else {}
    with h5py.File(stream, "w") as file:
        file.create_dataset("images", data=PIXELS, **options)
        file["labels"] = [0, 1, 2] * 2
        if kind == "packed":
            file.create_dataset("more", data=LABELS, dtype=TEXT)
        file.attrs.create("class_names", ["a", "b", "c"], dtype=TEXT)
    return stream.getvalue()


def try_damages(tmp_path: Path, count: int) -> dict[str, int]:
    """Open damaged files; return how many were refused, and how many read."""
    found = {"refused": 0, "read": 0, "died": 0}
    for kind in ("packed", "chunked", "contiguous"):
        whole = array_file(kind)
        for name, data in [*flips(whole, count // 3), *cuts(whole, count // 3)]:
            path = tmp_path / "d.h5"
            path.write_bytes(data)
            try:
                images = open_images(path)
                assert images.read(len(images) - 1).shape[2] == 3
                found["read"] += 1
            except TfvisionError as error:
                assert "\n" not in str(error), name
                found["died" if "library" in str(error) else "refused"] += 1
    return found


def test_damaged_files_end_in_a_line(tmp_path: Path) -> None:
    found = try_damages(tmp_path, 60)
    assert found["refused"] > found["read"] > 0


@pytest.mark.slow
def test_many_damaged_files_end_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    found = try_damages(tmp_path, how_many(300))
    assert found["refused"] > found["read"] > 0
    with capsys.disabled():
        print(f"\ndamages to HDF5 files: {found}")


WEIGHTS: dict[str, Callable[[h5py.File], None]] = {
    "link": lambda file: file.__setitem__("w", h5py.ExternalLink("/etc/passwd", "x")),
    "soft link": lambda file: file.__setitem__("w", h5py.SoftLink("/v")),
    "virtual": virtual_labels,
    "raw": lambda file: file.create_dataset("w", (6,), "u1", external=[("/etc/passwd", 0, 6)]),
    "bomb": lambda file: file.create_dataset("w", (2**30,), "f4", chunks=(2**20,), compression="gzip"),
    "text": lambda file: file.create_dataset("w", data=LABELS, dtype=TEXT),
    "attribute": lambda file: file.attrs.create("layer_names", LABELS, dtype=TEXT),
    "deep attribute": lambda file: file.create_group("a/b/c").attrs.create("weight_names", LABELS, dtype=TEXT),
}


@pytest.mark.parametrize("archive", [False, True])
@pytest.mark.parametrize("name", slow(WEIGHTS))
def test_weights_that_would_harm_are_refused_before_keras_reads_them(name: str, archive: bool, tmp_path: Path) -> None:
    path = h5_file(tmp_path / "w.weights.h5", WEIGHTS[name])
    if "attribute" in name:
        endless_heap(path)
    if archive:
        with zipfile.ZipFile(tmp_path / "w.keras", "w") as zipped:
            zipped.write(path, "model.weights.h5")
            zipped.writestr("config.json", "{}")
        path = tmp_path / "w.keras"
    with pytest.raises(UsageError) as error:
        check_weights_file(path)
    assert "\n" not in str(error.value) and str(path) in str(error.value)


def test_an_array_of_many_names_is_read_once(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        del file["images"]
        file["w"] = np.zeros(2**21, np.float32)
        for number in range(20):  # more numbers in all than the file may declare, if each name counted
            file[f"a{number}"] = file["w"]

    assert check_weights_file(h5_file(tmp_path / "w.weights.h5", fill)) == 2**21


def test_weights_of_names_without_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(file: h5py.File) -> None:
        for number in range(12):
            file[f"a{number}"] = file["images"]

    monkeypatch.setattr("tfvision.models.weights_reading._MOST_LINKS", 10)
    with pytest.raises(ValueError, match="more than 10 arrays and groups"):
        list(check_hdf5(str(h5_file(tmp_path / "w.weights.h5", fill)), None))


def test_only_functions_of_ours_are_called() -> None:
    process = BoundedProcess("the library")
    with pytest.raises(NotRead):
        list(process.ask("os:getcwd"))
    process.end()


def test_answers_of_one_work_never_reach_another(tmp_path: Path) -> None:
    path = str(h5_file(tmp_path / "d.h5", labelled))
    ask = hdf5_library().ask
    first = ask("tfvision.data.storage.hdf5_reading:unpacked_rows", path, "images")
    assert next(first)[1] == PIXELS.tobytes()
    [(found, _)] = ask("tfvision.data.storage.hdf5_reading:list_datasets", path)
    assert [name for name, _ in found["shapes"]] == ["images", "labels"]
    assert list(first) == []

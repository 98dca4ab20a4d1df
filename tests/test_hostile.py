"""Random and mutated bytes meet errors of ours, whatever they are fed to."""

import io
from contextlib import suppress

import cv2
import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tfvision.data.pixels.decoding import decode
from tfvision.data.pixels.headers import read_header
from tfvision.data.sources.open import open_images
from tfvision.data.sources.tables.reading import read_table
from tfvision.data.storage.directory import Directory
from tfvision.errors import TfvisionError

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL.TiffImagePlugin")

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 5, 4, 3), dtype=np.uint8)


def image_file(kind: str, mode: str = "RGB") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(PIXELS[0]).convert(mode).save(stream, kind)
    return stream.getvalue()


def array_file(kind: str) -> bytes:
    stream = io.BytesIO()
    if kind == "npy":
        np.save(stream, PIXELS)
    elif kind == "npz":
        np.savez(stream, images=PIXELS, labels=[0, 1, 2] * 2)
    elif kind == "packed.npz":
        np.savez_compressed(stream, images=PIXELS, labels=["a", "b"] * 3)
    else:
        options = {"compression": "gzip"} if kind == "packed.h5" else {"chunks": (4, 5, 4, 3)}
        with h5py.File(stream, "w") as file:
            file.create_dataset("images", data=PIXELS, **options)
            file["labels"] = [0, 1, 2] * 2
            # Of fixed width: libhdf5 itself never returns from some damages to the heap of variable-length text.
            file.attrs["class_names"] = np.array([b"a", b"b", b"c"])
    return stream.getvalue()


IMAGES = {
    "jpg": image_file("JPEG"),
    "png": image_file("PNG"),
    "gif": image_file("GIF"),
    "webp": image_file("WEBP"),
    "tiff": image_file("TIFF"),
    "alpha.tiff": image_file("TIFF", "RGBA"),
    "deep.tiff": cv2.imencode(".tiff", PIXELS[0].astype(np.uint16) * 257)[1].tobytes(),
    "bmp": image_file("BMP"),
}
ARRAYS = {kind: array_file(kind) for kind in ("npy", "npz", "packed.npz", "h5", "packed.h5")}
TABLE = b'file;label\n"a.png";x\nb.png;"y;z"\n'

QUICK = settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@st.composite
def mutated(draw, whole: bytes) -> bytes:
    """Change a few bytes or words, cut the end off, repeat or drop a stretch; or random bytes behind the same start."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(data) - 1)))
        length = draw(st.integers(0, 8))
        data[place : place + length] = draw(
            st.sampled_from([b"", b"\0", b"\xff", b"\xff" * 4, b"\0" * 8, b"\x7f\xff\xff\xff", bytes(data[:40])])
            | st.binary(min_size=length, max_size=length)
        )
    if draw(st.booleans()):
        del data[draw(st.integers(0, len(data))) :]
    return bytes(data)


@pytest.mark.parametrize("kind", IMAGES)
@QUICK
@given(data=st.data())
def test_images(kind, data):
    content = data.draw(mutated(IMAGES[kind]) | st.binary(max_size=200).map(IMAGES[kind][:8].__add__))
    read_header_quietly(content)
    with suppress(TfvisionError):
        assert decode(content, "x").shape[2] == 3


@QUICK
@given(content=st.binary(max_size=400))
def test_random_bytes_are_no_image(content):
    read_header_quietly(content)
    with pytest.raises(TfvisionError):
        decode(content, "x")


@pytest.mark.parametrize("kind", ARRAYS)
@QUICK
@given(data=st.data())
def test_arrays(kind, tmp_path, data):
    path = tmp_path / f"d.{kind}"
    path.write_bytes(data.draw(mutated(ARRAYS[kind])))
    with suppress(TfvisionError):
        images = open_images(path, labelled=kind != "npy")
        assert images.read(len(images) - 1).shape[2] == 3


@QUICK
@given(content=mutated(TABLE) | st.binary(max_size=100))
def test_tables(tmp_path, content):
    (tmp_path / "a.png").write_bytes(IMAGES["png"])
    (tmp_path / "t.csv").write_bytes(content)
    with suppress(TfvisionError):
        assert read_table(Directory(tmp_path), "t.csv").rows
    with suppress(TfvisionError):
        assert len(open_images(tmp_path / "t.csv")) == 1  # there is one image to name


def read_header_quietly(content: bytes) -> None:
    with suppress(Image.DecompressionBombError):
        read_header(content)

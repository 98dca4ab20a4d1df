"""The decoder: right pixels, upright, and nothing half read."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tfvision.data.decoding import MAX_PIXELS, UnreadableImage, decode, scan
from tfvision.data.imageset import ImageSet
from tfvision.data.storage import Directory
from tfvision.errors import DataError, UsageError

CORNERS = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [250, 250, 250]]], np.uint8)
NOISE = np.random.default_rng(0).integers(0, 256, (120, 90, 3), dtype=np.uint8)


def encode(pixels: np.ndarray, kind: str, mode: str = "RGB", **options) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(stream, kind, **options)
    return stream.getvalue()


def png_of_size(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    end = b"\x00\x00\x00\x00IEND\xaeB`\x82"
    return b"\x89PNG\r\n\x1a\n\x00\x00\x00\r" + header + struct.pack(">I", zlib.crc32(header)) + end


def images_of(folder, files: dict[str, bytes]) -> ImageSet:
    for name, data in files.items():
        (folder / name).write_bytes(data)
    labels = np.zeros(len(files), np.int64)
    return ImageSet(tuple(files), tuple(files), labels, ("a", "b"), Directory(folder))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF"])
def test_lossless_formats_are_rgb(kind):
    np.testing.assert_array_equal(decode(encode(CORNERS, kind), "x"), CORNERS)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_lossy_formats_are_near(kind):
    large = CORNERS.repeat(32, 0).repeat(32, 1)
    assert np.abs(decode(encode(large, kind, quality=95), "x")[16::32, 16::32].astype(int) - CORNERS).max() < 12


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "LA", "1"])
def test_other_modes_become_three_channels(mode):
    stream = io.BytesIO(encode(NOISE, "PNG", mode))
    np.testing.assert_array_equal(decode(stream.getvalue(), "x"), np.asarray(Image.open(stream).convert("RGB")))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_exif_orientation_is_applied(kind, orientation, turns):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = CORNERS.repeat(16, 0).repeat(32, 1)
    decoded = decode(encode(stored, kind, exif=exif), "x")
    expected = np.rot90(stored, turns)
    assert decoded.shape == expected.shape
    assert np.abs(decoded.astype(int) - expected)[8::16, 8::16].mean() < 20


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (png_of_size(100_000, 100_000), "100,000 x 100,000"),
        (png_of_size(MAX_PIXELS + 1, 1), "claims"),
        (png_of_size(0, 5), "damaged"),
        (encode(NOISE, "JPEG")[:-2], "truncated"),
        (encode(NOISE, "JPEG", progressive=True)[:-200], "truncated"),
        (encode(NOISE, "JPEG")[:2000], "truncated"),
        (encode(NOISE, "PNG")[:-1], "truncated"),
        (encode(NOISE, "PNG")[:9000], "truncated"),
        (encode(NOISE, "BMP")[:-1], "damaged"),
        (encode(NOISE, "JPEG")[:30], "damaged"),
        (b"", "empty"),
        (b"<html>", "no image"),
        (png_of_size(4, 4), "damaged"),
    ],
)
def test_unreadable(data, reason):
    with pytest.raises(UnreadableImage, match=f"unreadable image x.png: .*{reason}"):
        decode(data, "x.png")


def test_size_is_checked_before_pixels(monkeypatch):
    monkeypatch.setattr("tfvision.data.decoding.cv2.imdecode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(UnreadableImage, match="claims"):
        decode(png_of_size(100_000, 100_000), "x")
    huge = bytearray(encode(NOISE, "BMP"))
    huge[18:26] = struct.pack("<ii", 100_000, 100_000)
    with pytest.raises(UnreadableImage, match="claims"):
        decode(bytes(huge), "x")


def test_thumbnail_end_is_no_end_and_appended_film_is_none_of_ours():
    thumbnail = encode(CORNERS, "JPEG")
    exif = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    photo = encode(NOISE, "JPEG")
    whole = photo[:2] + exif + photo[2:]
    assert decode(whole + b"film \xff\xda film", "x").shape == NOISE.shape
    with pytest.raises(UnreadableImage, match="truncated"):
        decode(whole[:-40], "x")


def test_scan(tmp_path):
    tall = encode(NOISE[:40], "PNG")
    images = images_of(tmp_path, {"a.png": encode(NOISE, "PNG"), "b.jpg": b"x", "c.png": tall, "d.png": tall})
    calls = []
    found = scan(images, on_bad="skip", progress=lambda *call: calls.append(call))
    assert found.images.ids == ("a.png", "c.png", "d.png")
    np.testing.assert_array_equal(found.sizes, [[120, 90], [40, 90], [40, 90]])
    assert found.hashes[1] == found.hashes[2] != found.hashes[0]
    assert found.unreadable == (("b.jpg", "it is damaged or no image"),)
    assert calls[-1] == (4, 4)
    with pytest.raises(DataError, match=r"unreadable image b.jpg: it is .*skip$"):
        scan(images)


def test_scan_lists_twenty_and_counts(tmp_path):
    images = images_of(tmp_path, {f"{i}.png": b"?" for i in range(25)})
    with pytest.raises(DataError, match="25 unreadable of 25") as caught:
        scan(images, on_bad="skip")
    lines = str(caught.value).splitlines()
    assert len(lines) == 26


def test_file_that_went_away_is_unreadable(tmp_path):
    images = images_of(tmp_path, {"a.png": encode(NOISE, "PNG"), "b.png": encode(NOISE, "PNG")})
    (tmp_path / "b.png").unlink()
    assert [image_id for image_id, _ in scan(images, on_bad="skip").unreadable] == ["b.png"]


def test_unknown_on_bad(tmp_path):
    with pytest.raises(UsageError, match="did you mean skip"):
        scan(images_of(tmp_path, {}), on_bad="skp")

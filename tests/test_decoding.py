"""The decoder: right pixels, upright, and nothing half read."""

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tfvision.data.images.imageset import ImageSet
from tfvision.data.images.scan import scan
from tfvision.data.pixels.decoding import MAX_PIXELS, UnreadableImage, decode
from tfvision.data.sources.open import open_images
from tfvision.data.storage.directory import Directory
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


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_high_byte_of_16_bits(suffix, channels):
    values = np.random.default_rng(1).integers(0, 65_536, (20, 30, channels)).astype(np.uint16)
    high = np.broadcast_to((values >> 8)[..., :3], (20, 30, 3))
    data = cv2.imencode(suffix, values)[1].tobytes()
    np.testing.assert_array_equal(decode(data, "x")[..., ::-1], high)


def test_16_bit_png_as_the_exported_graph_decodes_it():
    import tensorflow as tf

    values = np.random.default_rng(1).integers(0, 65_536, (20, 30, 4)).astype(np.uint16)
    data = cv2.imencode(".png", values)[1].tobytes()
    decoded = tf.io.decode_image(data, channels=3, expand_animations=False).numpy()
    np.testing.assert_array_equal(decoded, decode(data, "x"))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "BMP"])
def test_colours_under_alpha_are_kept(kind):
    pixels = np.random.default_rng(1).integers(0, 256, (20, 30, 4), dtype=np.uint8)
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    np.testing.assert_array_equal(decode(encode(pixels, kind, "RGBA", **options), "x"), pixels[..., :3])


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF", "PNG"])
def test_first_of_several_frames(kind):
    frames = [Image.fromarray(NOISE).convert("P").convert("RGB"), Image.fromarray(255 - NOISE)]
    stream = io.BytesIO()
    options = {"lossless": True} if kind == "WEBP" else {}
    frames[0].save(stream, kind, save_all=True, append_images=frames[1:], **options)
    first = np.asarray(Image.open(stream).convert("RGB"))
    np.testing.assert_array_equal(decode(stream.getvalue(), "x"), first)


@pytest.mark.parametrize("adobe", [True, False])
def test_cmyk_as_pillow_converts_it(adobe):
    inks = np.zeros((64, 64, 4), np.uint8)
    inks[..., 0], inks[..., 1] = np.linspace(0, 255, 64)[None], np.linspace(0, 255, 64)[:, None]
    inks[..., 2:] = 60, 30
    stream = io.BytesIO()
    Image.frombytes("CMYK", (64, 64), inks.tobytes()).save(stream, "JPEG", quality=95)
    data = stream.getvalue()
    if not adobe:  # without its marker
        start = data.index(b"\xff\xee")
        data = data[:start] + data[start + 2 + int.from_bytes(data[start + 2 : start + 4], "big") :]
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    assert np.abs(decode(data, "x") - expected).max() <= 2
    tiff = io.BytesIO()
    Image.frombytes("CMYK", (64, 64), inks.tobytes()).save(tiff, "TIFF")
    expected = np.asarray(Image.open(tiff).convert("RGB")).astype(int)
    assert np.abs(decode(tiff.getvalue(), "x") - expected).max() <= 2


def tiff(values: np.ndarray, photometric: int, extra: tuple[int, ...] = (), kind: int = 1, planar: int = 1) -> bytes:
    """Write a TIFF of one strip a plane, with any number of bands, as Pillow and OpenCV cannot."""
    height, width, bands = values.shape
    strips = [values[..., k].tobytes() for k in range(bands)] if planar == 2 else [values.tobytes()]
    lists = {258: [8 * values.itemsize] * bands, 273: [0] * len(strips), 279: [len(strips[0])] * len(strips)}
    lists |= {338: list(extra), 339: [kind] * bands} if extra else {339: [kind] * bands}
    tags = {
        256: [width],
        257: [height],
        259: [1],
        262: [photometric],
        277: [bands],
        278: [height],
        284: [planar],
    } | lists
    place = 10 + 12 * len(tags)
    start = place + sum(4 * len(entry) for entry in tags.values() if len(entry) > 1)
    tags[273] = [start + k * len(strips[0]) for k in range(len(strips))]
    entries, rest = b"", b""
    for tag, entry in sorted(tags.items()):
        packed = struct.pack(f"<{len(entry)}I", *entry)
        where = packed if len(entry) == 1 else struct.pack("<I", place + len(rest))
        rest += b"" if len(entry) == 1 else packed
        entries += struct.pack("<HHI", tag, 4, len(entry)) + where
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + rest + b"".join(strips)


BANDS = np.random.default_rng(2).integers(0, 256, (12, 16, 13), dtype=np.uint8)
TIFFS = {
    "gray": ((BANDS[..., :1], 1), BANDS[..., :1].repeat(3, -1)),
    "white is zero": ((BANDS[..., :1], 0), 255 - BANDS[..., :1].repeat(3, -1)),
    "white is zero, 16 bits": ((BANDS[..., :1] * np.uint16(257), 0), 255 - BANDS[..., :1].repeat(3, -1)),
    "gray and alpha": ((BANDS[..., :2], 1, (2,)), BANDS[..., :1].repeat(3, -1)),
    "planes": ((BANDS[..., :3], 2, (), 1, 2), BANDS[..., :3]),
    "alpha": ((BANDS[..., :4], 2, (2,)), BANDS[..., :3]),
    "alpha in planes": ((BANDS[..., :4], 2, (2,), 1, 2), BANDS[..., :3]),
    "premultiplied": ((BANDS[..., :4], 2, (1,)), BANDS[..., :3]),
    "alpha, 16 bits": ((BANDS[..., :4] * np.uint16(256), 2, (2,)), BANDS[..., :3]),
    "13 bands": ((BANDS, 1, (0,) * 12), "it has 13 bands; expected 1 or 3, .*keep three of them"),
    "4 bands": ((BANDS[..., :4], 1, (0, 0, 0)), "it has 4 bands"),
    "infrared": ((BANDS[..., :4], 2, (0,)), "it has 4 bands"),
    "2 bands": ((BANDS[..., :2], 1, (0,)), "it has 2 bands"),
    "float": ((BANDS[..., :1] / np.float32(255), 1, (), 3), "float with 32 bits; expected unsigned with 8 or 16"),
    "signed": ((BANDS[..., :1].view(np.int8), 1, (), 2), "signed with 8 bits"),
    "32 bits": ((BANDS[..., :1].astype(np.uint32), 1), "unsigned with 32 bits"),
    "CMYK, 16 bits": ((BANDS[..., :4].astype(np.uint16), 5), "CMYK with 16 bits"),
    "planes of 16 bits": ((BANDS[..., :3].astype(np.uint16), 2, (), 1, 2), "plane by plane"),
}


@pytest.mark.parametrize("case", TIFFS)
def test_tiff(case):
    arguments, expected = TIFFS[case]
    data = tiff(*arguments)
    if isinstance(expected, str):
        with pytest.raises(UnreadableImage, match=f"unreadable image x: .*{expected}"):
            decode(data, "x")
        return
    np.testing.assert_array_equal(decode(data, "x"), expected)
    with pytest.raises(UnreadableImage, match="truncated"):
        decode(data[:-1], "x")


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
    monkeypatch.setattr("tfvision.data.pixels.decoding.cv2.imdecode", lambda *_: pytest.fail("decoded"))
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


def test_scan_tells_gray(tmp_path):
    gray = encode(NOISE, "PNG", "L")
    late = NOISE.copy()
    late[:-1] = late[:-1, :, :1]
    for files, is_gray in (
        ({"a": gray, "b": encode(NOISE, "PNG", "1")}, True),
        ({"a": gray, "c": encode(late, "PNG")}, False),
    ):
        assert scan(images_of(tmp_path, files)).is_gray is is_gray


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


def heic(pixels: np.ndarray, kind: str = "HEIF", **options: object) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    stream = io.BytesIO()
    if kind == "HEIF":
        pillow_heif.from_pillow(Image.fromarray(pixels)).save(stream, **options)
    else:
        Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
def test_photos_of_phones(kind: str, tmp_path: Path) -> None:
    smooth = cv2.resize(CORNERS, (64, 48), interpolation=cv2.INTER_LINEAR)
    data = heic(smooth, kind, quality=95)
    assert np.abs(decode(data, "x").astype(int) - smooth).mean() < 4
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter to the right when shown
    turned = decode(heic(smooth, kind, quality=95, exif=exif.tobytes()), "x")
    assert turned.shape == (64, 48, 3)
    assert np.abs(turned.astype(int) - np.rot90(smooth, -1)).mean() < 4
    for broken in (data[: len(data) // 2], data[:40]):
        with pytest.raises(UnreadableImage, match="damaged"):
            decode(broken, "x")
    (tmp_path / "photo").write_bytes(data)
    assert len(open_images(tmp_path / "photo", labelled=False)) == 1


def test_without_the_extra_photos_are_counted_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = heic(NOISE)
    for name in ("a/1.heic", "a/2.png", "b/3.png", "b/4.HEIC"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data if "h" in name.lower() else encode(NOISE, "PNG"))
    assert len(open_images(tmp_path)) == 4
    monkeypatch.setattr("tfvision.data.pixels.heif.reads", lambda kind: False)
    monkeypatch.setattr("tfvision.data.sources.image_files.reads", lambda kind: False)
    images = open_images(tmp_path)
    assert images.ids == ("a/2.png", "b/3.png")
    assert images.notes == (
        "not read: 2 .heic (such as a/1.heic); 2 are photos of phones, which pip install 'tfvision[heif]' reads",
    )
    with pytest.raises(UnreadableImage, match=r"it is HEIC, which is read with pip install 'tfvision\[heif\]'"):
        decode(data, "x")

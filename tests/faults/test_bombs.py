"""Row 12: images that would take more than their pixels are refused before they are decoded, whatever their format."""

import io
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from image_bytes import (
    NOISE,
    PNG_START,
    bmp,
    chunk,
    encode,
    frame_control,
    gif,
    gif_frame,
    jpeg,
    packed_zeros,
    png,
    riff,
    segment,
    tiff,
    webp,
)
from PIL import Image
from watched import Outcome, decode_watched

from tfvision.data.pixels.decoding import UnreadableImage, decode
from tfvision.errors import UsageError

MOST_MEMORY, MOST_SECONDS = 1 << 30, 10
ZEROS = packed_zeros(300)
TALL_ENTRIES = b"".join(struct.pack("<HHII", tag, 2, 1_000_000, 8) for tag in range(4000))
LOSSLESS = encode("WEBP", lossless=True)[12:]
WEBP_FRAME = riff(b"ANMF", bytes(6) + (23).to_bytes(3, "little") + (19).to_bytes(3, "little") + bytes(4) + LOSSLESS)
# The size of a JPEG behind FF 00, which libjpeg passes over: 01 49 would be the length of a segment.
HIDDEN = jpeg(30_000, 30_000, before=b"\xff\0\1\x49" + b"\xff\xfe\0\x06hide")


def animated(controls: bytes = b"", after: bytes = b"", number: int = 4) -> bytes:
    return png(20, 20, chunk(b"acTL", struct.pack(">II", number, 0)), controls, after=after)


def heif_lie(kind: str, claimed: int) -> bytes:
    """A file of 64 x 64 whose boxes claim another size."""
    stream = io.BytesIO()
    image = Image.fromarray(NOISE).resize((64, 64))
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").from_pillow(image).save(stream)
    else:
        image.save(stream, kind)
    data = stream.getvalue()
    place = data.index(b"ispe") + 8
    return data[:place] + struct.pack(">II", claimed, claimed) + data[place + 8 :]


# What is said of each; "" for those that are decoded, within their memory and time.
BOMBS = {
    "png_false_length": (
        png(4, 4)[:33] + struct.pack(">I", 3_523_216_561) + b"IDAT" + bytes(1000) + png(4, 4)[-12:],
        "truncated",
    ),
    "png_size": (png(100_000, 100_000, packed=b""), "claims 100,000 x 100,000"),
    "png_unpacks_behind_its_end": (png(1, 1, packed=ZEROS), "bytes for 1 pixels"),
    "png_text": (png(4, 4, chunk(b"zTXt", b"a\0\0" + ZEROS), chunk(b"iTXt", b"a\0\1\0\0\0" + ZEROS)), ""),
    "png_profile": (png(4, 4, chunk(b"iCCP", b"a\0\0" + ZEROS)), ""),
    "png_exif": (
        png(4, 4, chunk(b"eXIf", b"II*\0\x08\0\0\0" + struct.pack("<H", 4000) + TALL_ENTRIES + bytes(1 << 20))),
        "",
    ),
    "png_chunks": (png(4, 4, chunk(b"IDAT", b"") * 300_000), "more than 200,000 chunks"),
    "png_two_headers": (png(4, 4, png(9_999, 9_999)[8:33]), "damaged"),
    "png_critical_chunk": (png(4, 4, chunk(b"JUNK", b"")), "damaged"),
    "apng_hostile": (
        animated(b"\0\0\0\x1afbTL" + bytes(30), b"\0\0\0\x16fdT\0" + bytes(22) + b"\0\0\x1a\x66cTL\0"),
        "truncated",
    ),
    "apng_broken": (animated(after=frame_control(1, 20, 20) + chunk(b"fdT\0", bytes(22))), ""),
    "apng_frame_outside": (animated(frame_control(0, 20, 20), frame_control(1, 2_000_000_000, 20, 9)), ""),
    "apng_frames": (animated(frame_control(0, 20, 20), number=2**31 - 1), ""),
    "jpeg_hidden_size": (HIDDEN, "claims 30,000 x 30,000"),
    "jpeg_hidden_in_length": (jpeg(30_000, 30_000, before=b"\xff\xfe\0\0"), "claims 30,000 x 30,000"),
    "jpeg_fill_bytes": (jpeg(30_000, 30_000, before=b"\xff\xff\xff\xfe\0\2junk"), "claims 30,000 x 30,000"),
    "jpeg_second_size": (jpeg(8, 8, before=segment(0xC1, b"\x08\x75\x30\x75\x30\1\1\x11\0")), "damaged"),
    "jpeg_thumbnail": (jpeg(30_000, 30_000, before=segment(0xE1, b"Exif\0\0" + jpeg(8, 8))), "claims 30,000 x 30,000"),
    "jpeg_scans": (jpeg(4000, 3000, scans=3000), "it has 3,000 scans"),
    "jpeg_scans_behind_a_false_end": (
        jpeg(4000, 3000, scans=1)[:-2] + segment(0xFE, b"\xff\xd9") + jpeg(4000, 3000, scans=900)[-10 * 890 - 2 :],
        "it has 8",
    ),
    "jpeg_scans_of_a_small_one": (jpeg(16, 16, scans=200_000), "it has 200,000 scans"),
    "jpeg_junk": (jpeg(8, 8, before=b"\xff\0" * 100_000), "damaged"),
    "jpeg_segments": (jpeg(8, 8, before=segment(0xFE, b"") * 20_000), "damaged"),
    "jpeg_exif": (
        jpeg(8, 8, before=segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 4000) + TALL_ENTRIES) * 100),
        "",
    ),
    "jpeg_arithmetic": (jpeg(3000, 3000, frame=0xCA, body=b"\x12\x34" * 50), ""),
    "jpeg_lossless": (jpeg(3000, 3000, frame=0xC3, body=b"\x12\x34" * 50), "damaged"),
    "gif_canvas": (gif(60_000, 60_000, gif_frame(1, 1)), "claims 60,000 x 60,000"),
    "gif_frame_outside": (gif(4, 4, gif_frame(60_000, 60_000)), "damaged"),
    "gif_frames": (gif(4, 4, gif_frame(4, 4) * 200_000), "damaged"),
    "gif_comment": (gif(4, 4, b"\x21\xfe" + (b"\xff" + b"x" * 255) * 100_000 + b"\0", gif_frame(4, 4)), "damaged"),
    "bmp_size": (bmp(100_000, -100_000, 0, bytes(100)), "claims 100,000 x 100,000"),
    "bmp_runs": (bmp(3000, 3000, 1, b"\0\2\xff\xff" * 1000 + b"\0\1"), ""),
    "bmp_runs_outside": (bmp(10, 10, 1, b"\xff\1" * 1000), "damaged"),
    "bmp_header": (bmp(10, 10, 0, bytes(100), header=2**31 - 1), "damaged or no image"),
    "bmp_least_height": (bmp(10, -(2**31), 0, bytes(100)), "claims 10 x 2,147,483,648"),
    "webp_canvas": (webp(1 << 24, 1 << 24, 0, LOSSLESS), "claims 16,777,216 x 16,777,216"),
    "webp_canvas_of_another_size": (webp(9000, 9000, 0, LOSSLESS), "damaged"),
    "webp_animated_canvas": (webp(1 << 14, 1 << 14, 2, riff(b"ANIM", bytes(6)), WEBP_FRAME), "claims 16,384 x 16,384"),
    "webp_frame_outside": (webp(9, 9, 2, riff(b"ANIM", bytes(6)), WEBP_FRAME), "damaged"),
    "webp_chunks": (webp(24, 20, 8, riff(b"abcd", b"") * 500_000, LOSSLESS), ""),
    "tiff_size": (tiff({256: (4, 1, 100_000), 257: (4, 1, 100_000)}), "damaged|truncated|claims"),
    "tiff_entries_point_at_everything": (
        tiff({tag: (2, 1 << 20, 8) for tag in range(40_000, 43_000)}, bytes(1 << 20)),
        "damaged",
    ),
    "tiff_too_many_entries": (tiff({tag: (2, 1, 8) for tag in range(40_000, 45_000)}), "damaged"),
    "tiff_tile": (
        tiff({322: (4, 1, 30_000), 323: (4, 1, 30_000), 324: (4, 1, 8), 325: (4, 1, 99), 273: (4, 1, 8)}),
        "its tiles are",
    ),
    "tiff_only_tiles": (
        tiff({322: (4, 1, 30_000), 323: (4, 1, 30_000), 324: (4, 1, 8), 325: (4, 1, 99)}).replace(
            struct.pack("<HHI", 273, 4, 1), struct.pack("<HHI", 272, 4, 1)
        ),
        "its tiles are 30,000 x 30,000",
    ),
    "tiff_strips": (tiff({257: (4, 1, 4_000_000), 278: (4, 1, 1)}), "damaged"),
    "tiff_strip_lengths": (tiff({279: (4, 1, 2**31 - 1)}), "truncated"),
    "tiff_loop": (tiff({330: (4, 1, 8), 34665: (4, 1, 8)}), ""),
    "tiff_old_jpeg": (tiff({259: (3, 1, 6)}), r"its compression \(6\) is not read"),
    "tiff_deflate": (tiff({259: (3, 1, 8)}, zlib.compress(bytes(1440)) + ZEROS), ""),
    "heic_claims_more": (heif_lie("HEIF", 9000), "damaged|memory"),
    "avif_size": (heif_lie("AVIF", 60_000), "claims 60,000 x 60,000"),
    "other_formats": (b"P6\n100000 100000\n255\n" + bytes(100), "no image"),
    "other_formats_hdr": (b"#?RADIANCE\n\n-Y 100000 +X 100000\n", "no image"),
    "other_formats_sun": (b"\x59\xa6\x6a\x95" + struct.pack(">7I", 100_000, 100_000, 24, 0, 1, 0, 0), "no image"),
    "other_formats_jpeg_2000": (b"\xff\x4f\xff\x51" + bytes(100), "no image"),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    return decode_watched({name: data for name, (data, _) in BOMBS.items()}, tmp_path_factory.mktemp("bombs") / "files")


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_take_no_more_than_their_pixels(name: str, outcomes: dict[str, Outcome]) -> None:
    outcome, expected = outcomes[name], BOMBS[name][1]
    assert "Error" not in outcome.said and "ended" not in outcome.said, outcome
    assert re.search(expected, outcome.said) if expected else outcome.said == "", outcome
    assert outcome.seconds < MOST_SECONDS
    assert outcome.memory < MOST_MEMORY


def test_what_was_decoded_is_compared_with_what_was_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tfvision.data.pixels.decoding.cv2.imdecode", lambda *_: np.zeros((9, 9, 3), np.uint8))
    with pytest.raises(UnreadableImage, match="its header claims 24 x 20 pixels, and it has 9 x 9"):
        decode(encode("PNG"), "x")


def test_the_limit_can_be_raised_and_lowered(monkeypatch: pytest.MonkeyPatch) -> None:
    large = png(2000, 1000)
    monkeypatch.setenv("TFVISION_MAX_PIXELS", "1999999")
    with pytest.raises(UnreadableImage, match="claims 2,000 x 1,000 pixels, more than 1,999,999 in all"):
        decode(large, "x")
    monkeypatch.setenv("TFVISION_MAX_PIXELS", "400_000_000")
    with pytest.raises(UnreadableImage, match="damaged"):
        decode(png(20_000, 20_000, packed=b""), "x")
    for wrong in ("many", "0", "-1", "999999"):
        monkeypatch.setenv("TFVISION_MAX_PIXELS", wrong)
        with pytest.raises(
            UsageError, match=f"TFVISION_MAX_PIXELS is '{wrong}'; expected a number of pixels, 1000000 or more"
        ):
            decode(large, "x")


def test_bytes_after_the_end_are_not_walked() -> None:
    for data in (encode("PNG") + PNG_START * 9, encode("JPEG") + b"\xff\xda" * 100_000):
        assert decode(data, "x").shape == NOISE.shape


@pytest.mark.slow
def test_a_tiff_of_400_megapixels_takes_little_more_than_its_pixels_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TFVISION_MAX_PIXELS", "400000000")
    strip = zlib.compress(bytes(range(256)) * 3750, 1)  # 16 rows of 20,000
    count = 20_000 // 16
    tags = {256: 20_000, 257: 20_000, 258: 8, 259: 8, 262: 2, 273: 0, 277: 3, 278: 16, 279: 0}
    place = 14 + 12 * len(tags)
    entries = {tag: (4, 1, value) for tag, value in tags.items()}
    entries |= {258: (3, 1, 8), 273: (4, count, place), 279: (4, count, place + 4 * count)}
    data = b"II*\0" + struct.pack("<IH", 8, len(tags))
    data += b"".join(struct.pack("<HHII", tag, *entry) for tag, entry in sorted(entries.items())) + bytes(4)
    starts = [place + 8 * count + number * len(strip) for number in range(count)]
    data += struct.pack(f"<{2 * count}I", *starts, *[len(strip)] * count) + strip * count
    outcome = decode_watched({"a.tiff": data}, tmp_path / "files")["a.tiff"]
    assert outcome.said == ""
    assert outcome.memory < 1_300_000_000  # OpenCV hands its 1.2 GB to Python as a copy

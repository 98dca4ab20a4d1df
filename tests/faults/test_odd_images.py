"""Row 11: odd images are read as they are meant, or refused by name; the others go on."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from image_bytes import NOISE, chunk, encode, exif, frame_control, gif, gif_frame, jpeg, png, riff, segment, webp
from PIL import Image

from tfvision.data.boxes.orientation import read_orientation
from tfvision.data.images.scan import scan
from tfvision.data.pixels.decoding import UnreadableImage, decode
from tfvision.data.sources.open import open_images
from tfvision.system.bounded import heif_library

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")
PHOTO = encode("JPEG", NOISE.repeat(4, 0).repeat(4, 1))


def animated(kind: str) -> bytes:
    frames = [Image.fromarray(NOISE).convert("P").convert("RGB"), Image.fromarray(255 - NOISE)]
    stream = io.BytesIO()
    options = {"lossless": True} if kind == "WEBP" else {}
    frames[0].save(stream, kind, save_all=True, append_images=frames[1:], **options)
    return stream.getvalue()


@pytest.mark.parametrize("kind", FORMATS)
def test_a_truncated_file_is_refused_wherever_it_ends(kind: str) -> None:
    data = encode(kind)
    for end in range(0, len(data) - 1, max(1, len(data) // 60)):
        with pytest.raises(
            UnreadableImage, match=r"unreadable image x: it is (truncated|damaged|empty)|its pixels are damaged"
        ):
            decode(data[:end], "x")


@pytest.mark.parametrize("kind", FORMATS)
def test_the_first_of_several_pictures(kind: str) -> None:
    data = encode(kind) if kind in ("JPEG", "BMP") else animated(kind)
    first = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert np.abs(decode(data, "x").astype(int) - first).max() <= (8 if kind == "JPEG" else 0)


def test_an_animated_png_is_its_first_picture_however_broken_its_frames_are() -> None:
    black = np.zeros((20, 24, 3), np.uint8)
    control = chunk(b"acTL", b"\0\0\0\4\0\0\0\0")
    broken = (
        frame_control(1, 24, 20) + chunk(b"fdT\0", bytes(22)),
        frame_control(1, 24, 20) + chunk(b"fdAT", b"\0\0\0\2junk"),
        frame_control(9, 2**31 - 1, 20, left=2**31 - 1),
        chunk(b"fdAT", b""),
        frame_control(1, 0, 0),
    )
    for frames in broken:
        np.testing.assert_array_equal(decode(png(24, 20, control, after=frames), "x"), black)
        np.testing.assert_array_equal(decode(png(24, 20, control, frame_control(0, 24, 20), after=frames), "x"), black)


def test_what_a_png_holds_beside_its_pixels_changes_none_of_them() -> None:
    whole = encode("PNG")
    beside = (
        chunk(b"gAMA", b"\0\0\xb1\x8f")
        + chunk(b"tEXt", b"")
        + chunk(b"iCCP", b"a\0\0damaged")
        + chunk(b"tIME", bytes(7))
    )
    np.testing.assert_array_equal(decode(whole[:33] + beside + whole[33:], "x"), NOISE)


# Where the orientation stands, and which one it is; boxes are turned by what `read_orientation` says.
ORIENTATIONS = {
    "jpeg": (lambda one: PHOTO[:2] + segment(0xE1, b"Exif\0\0" + one) + PHOTO[2:], 6),
    "jpeg, XMP first": (
        lambda one: (
            PHOTO[:2] + segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0") + segment(0xE1, b"Exif\0\0" + one) + PHOTO[2:]
        ),
        6,
    ),
    "jpeg, of two the first": (
        lambda one: PHOTO[:2] + segment(0xE1, b"Exif\0\0" + one) + segment(0xE1, b"Exif\0\0" + exif(1)) + PHOTO[2:],
        6,
    ),
    "jpeg, in XMP only": (
        lambda one: PHOTO[:2] + segment(0xE1, b'http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation="6"/>') + PHOTO[2:],
        1,
    ),
    "jpeg, behind FF 00": (lambda one: PHOTO[:2] + b"\xff\0\1\x49" + segment(0xE1, b"Exif\0\0" + one) + PHOTO[2:], 6),
    "png": (lambda one: png(24, 20, chunk(b"eXIf", one)), 6),
    "webp": (lambda one: webp(24, 20, 8, encode("WEBP", lossless=True)[12:], riff(b"EXIF", one)), 6),
    "tiff": (lambda one: encode("TIFF", tiffinfo={274: 6}), 6),
    "avif": (lambda one: encode("AVIF", exif=b"Exif\0\0" + one), 6),
}


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("case", ORIENTATIONS)
def test_boxes_are_turned_as_the_pixels_are(case: str, order: str) -> None:
    write, expected = ORIENTATIONS[case]
    data = write(exif(6, order))
    height, width = decode(data, "x").shape[:2]
    assert (height > width) == (expected == 6)
    assert read_orientation(data) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"<svg width='9' height='9'/>",
        b"%PDF-1.7",
        b"text " * 100,
        b"\xff\xd8\xff",
        b"BM" + bytes(60),
        b"GIF89a" + bytes(20),
        b"RIFF\x10\0\0\0WEBPVP8X",
        b"II*\0\xff\xff\xff\xff",
        b"MM\0+\0\x08\0\0" + b"\xff" * 8,
        bytes(4) + b"ftypheic" + bytes(60),
        b"\0\0\0\x10ftypavif" + b"\xff" * 40,
        gif(0, 0, gif_frame(1, 1)),
        jpeg(0, 9),
        png(4, 4)[:33],
    ],
)
def test_no_image(data: bytes) -> None:
    with pytest.raises(UnreadableImage, match=r"unreadable image x: .*skip$"):
        decode(data, "x")


def test_a_crashing_or_greedy_decoder_of_phone_photos_ends_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    good = encode("AVIF")
    assert decode(good, "x").shape == NOISE.shape
    library = heif_library()
    library._idle[-1].kill()
    library._idle[-1].wait()
    assert decode(good, "x").shape == NOISE.shape  # one that was ended while it waited is replaced
    dying = library._take()
    dying.kill()
    monkeypatch.setattr(library, "_take", lambda: dying)
    with pytest.raises(UnreadableImage, match="more memory or time than its size needs, or ends its decoder"):
        decode(good, "x")
    monkeypatch.undo()
    assert decode(good, "x").shape == NOISE.shape  # by a new one


ODD = {
    "a/good.png": encode("PNG"),
    "a/animated.png": png(20, 20, chunk(b"acTL", bytes(8)), frame_control(0, 20, 20), after=chunk(b"fdT\0", bytes(9))),
    "a/empty.png": b"",
    "a/text.jpg": b"text",
    "a/damaged_within.jpg": PHOTO[: len(PHOTO) // 2] + b"\xff\xd9",
    "b/damaged.png": png(4, 4, packed=b"x\x9cjunk"),
    "b/text_too_short.png": png(24, 20, chunk(b"tEXt", b""), chunk(b"iCCP", b"a\0\0")),
    "b/hidden.jpg": jpeg(30_000, 30_000, before=b"\xff\0\1\x49"),
    "b/good.gif": encode("GIF"),
    "b/cmyk.jpg": encode("JPEG", mode="CMYK"),
}
REFUSED = ["a/empty.png", "a/text.jpg", "b/damaged.png", "b/hidden.jpg"]


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    for name, data in ODD.items():
        (tmp_path / "odd" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "odd" / name).write_bytes(data)
    return tmp_path / "odd"


def test_skip_goes_on_with_the_others(odd: Path) -> None:
    found = scan(open_images(odd), on_bad="skip")
    assert [name for name, _ in found.unreadable] == REFUSED
    assert len(found.images) == len(ODD) - len(REFUSED)


def test_what_decoders_print_stays_away_and_all_else_arrives(odd: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from tfvision.data.pixels.decoding import decode; "
        "from tfvision.system.decoder_messages import without_decoder_messages\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "def look(path):\n"
        "    try: decode(path.read_bytes(), path.name)\n"
        "    except Exception as error: sys.stderr.write('ours\\n')\n"
        "with without_decoder_messages():\n"
        "    with ThreadPoolExecutor(4) as pool: list(pool.map(look, [p for p in Path(sys.argv[1]).rglob('*.*')] * 5))\n"
        "    os.write(2, b'from C\\n')\n"
        "    assert sys.stderr.isatty() is False\n"
        "print('after', file=sys.stderr); os.write(2, b'last\\n')\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(odd)], capture_output=True, text=True, timeout=60)
    assert sorted(done.stderr.split("\n")) == sorted(["", *["ours"] * 20, "from C", "after", "last"])
    assert done.returncode == 0


def test_a_crash_has_its_last_words(odd: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from tfvision.data.pixels.decoding import decode; "
        "from tfvision.system.decoder_messages import without_decoder_messages\n"
        "with without_decoder_messages():\n"
        "    decode(Path(sys.argv[1], 'a/good.png').read_bytes(), 'x'); os.write(2, b'last words\\n'); os.abort()\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(odd)], capture_output=True, text=True, timeout=60)
    assert "last words" in done.stderr
    assert done.returncode < 0


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["audit", "train"])
def test_verbs_say_one_line_for_each_and_nothing_else(verb: str, odd: Path, tmp_path: Path) -> None:
    options = {"audit": ["--weights", "none"], "train": ["--backbone", "small_cnn", "--weights", "none"]}[verb]
    data = [str(odd)] if verb == "audit" else ["--data", str(odd)]
    command = [sys.executable, "-m", "tfvision", verb, *data, *options, "--output", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == (0 if verb == "audit" else 3), done.stderr
    said = done.stderr.splitlines()
    assert len(said) == (0 if verb == "audit" else 1 + len(REFUSED)), said

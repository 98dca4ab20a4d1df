"""Images of each format: headers, then pixels."""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, features

from targets.target import Target
from tfvision.data.pixels.decoding import decode
from tfvision.data.pixels.exif import TIFF_STARTS
from tfvision.data.pixels.headers import HEAD_BYTES, image_format
from tfvision.data.pixels.heif import reads

_NOISE = np.random.default_rng(0).integers(0, 256, (9, 11, 3), dtype=np.uint8)
_PNG_START = 8
# Modes and options of Pillow, by format.
_WRITTEN: dict[str, list[tuple[str, dict[str, object]]]] = {
    "JPEG": [
        ("RGB", {}),
        ("L", {}),
        ("CMYK", {}),
        ("RGB", {"progressive": True, "exif": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\1\3\0\1\0\0\0\6\0\0\0"}),
    ],
    "PNG": [("RGB", {}), ("RGBA", {}), ("P", {}), ("1", {}), ("I;16", {}), ("RGB", {"save_all": True, "frames": 2})],
    "GIF": [("RGB", {}), ("P", {"save_all": True, "frames": 3})],
    "BMP": [("RGB", {}), ("L", {}), ("P", {}), ("1", {})],
    "WEBP": [("RGB", {}), ("RGBA", {"lossless": True}), ("RGB", {"save_all": True, "frames": 2})],
    "TIFF": [
        *[("RGB", {"compression": kind}) for kind in ("raw", "tiff_lzw", "jpeg", "tiff_adobe_deflate", "packbits")],
        *[(mode, {}) for mode in ("L", "RGBA", "CMYK", "P", "I;16")],
        ("1", {"compression": "group4"}),
    ],
    "AVIF": [("RGB", {}), ("RGBA", {})],
    "HEIC": [("RGB", {})],
}


def _seeds(kind: str) -> Iterator[bytes]:
    yield b""
    for mode, options in _WRITTEN[kind] if _is_written(kind) else []:
        pixels = Image.fromarray(_NOISE)
        image = Image.fromarray(_NOISE[..., 0].astype(np.uint16) << 6) if mode == "I;16" else pixels.convert(mode)
        given, stream = dict(options), io.BytesIO()
        if frames := given.pop("frames", 0):
            given["append_images"] = [image.rotate(90 * turn) for turn in range(1, int(str(frames)))]
        image.save(stream, {"HEIC": "HEIF"}.get(kind, kind), **given)
        yield stream.getvalue()
        yield stream.getvalue()[: len(stream.getvalue()) // 2]


def _is_written(kind: str) -> bool:
    if kind == "HEIC" and reads(kind):
        import pillow_heif

        pillow_heif.register_heif_opener()
    return reads(kind) if kind == "HEIC" else kind != "AVIF" or bool(features.check("avif"))


def _read(kind: str, data: bytes, folder: Path) -> None:
    found = "TIFF" if data.startswith(TIFF_STARTS) else image_format(data[:HEAD_BYTES])
    if found == kind:
        pixels = decode(data, f"file.{kind.lower()}")
        assert pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.size


def _with_checksums(data: bytes) -> bytes:
    """Return a PNG whose chunks have the right checksums."""
    mended, place = bytearray(data), _PNG_START
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        end = place + 8 + length
        if end + 4 > len(data):
            break
        struct.pack_into(">I", mended, end, zlib.crc32(data[place + 4 : end]))
        place = end + 4
    return bytes(mended)


def _target(kind: str) -> Target:
    mend: dict[str, Callable[[bytes], bytes]] = {"mend": _with_checksums} if kind == "PNG" else {}
    return Target(partial(_read, kind), partial(_seeds, kind), **mend)


TARGETS = {kind.lower(): _target(kind) for kind in _WRITTEN}

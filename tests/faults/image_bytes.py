"""Image files built byte by byte, as no program writes them."""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image

PNG_START = b"\x89PNG\r\n\x1a\n"
NOISE = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)


def encode(kind: str, pixels: np.ndarray = NOISE, mode: str = "RGB", **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(stream, kind, **options)
    return stream.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int, height: int, *before: bytes, packed: bytes | None = None, after: bytes = b"") -> bytes:
    """A black PNG, with chunks before and after its pixels."""
    packed = zlib.compress(bytes((3 * width + 1) * height)) if packed is None else packed
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return PNG_START + head + b"".join(before) + chunk(b"IDAT", packed) + after + chunk(b"IEND", b"")


def frame_control(number: int, width: int, height: int, left: int = 0) -> bytes:
    return chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, width, height, left, 0, 0, 0, 0, 0))


def jpeg(width: int, height: int, scans: int = 1, frame: int = 0xC2, body: bytes = b"", before: bytes = b"") -> bytes:
    """A JPEG of one colour with as many scans as wanted, and segments before its frame."""
    tables = b"\xff\xdb\0\x43\0" + bytes([1] * 64)
    tables += b"\xff\xc4" + struct.pack(">H", 21) + b"\0" + bytes([0, 2] + [0] * 14) + bytes([0, 1])
    tables += b"\xff\xc4" + struct.pack(">H", 22) + b"\x10" + bytes([0, 3] + [0] * 14) + bytes([0xE0, 1, 0])
    parts = b"".join(bytes([part, 0x11, 0]) for part in (1, 2, 3))
    size = b"\xff" + bytes([frame]) + struct.pack(">HBHHB", 17, 8, height, width, 3) + parts
    first = b"\xff\xda" + struct.pack(">HB", 12, 3) + b"\1\0\2\0\3\0" + b"\0\0\1" + body
    more = [
        b"\xff\xda" + struct.pack(">HB", 8, 1) + bytes([1 + k % 3, 0]) + b"\1\x3f\0" + body for k in range(scans - 1)
    ]
    return b"\xff\xd8" + before + tables + size + first + b"".join(more) + b"\xff\xd9"


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def exif(orientation: int, order: str = "<") -> bytes:
    entry = struct.pack(f"{order}HHI", 274, 3, 1) + struct.pack(f"{order}HH", orientation, 0)
    start = b"II*\0" if order == "<" else b"MM\0*"
    return start + struct.pack(f"{order}IH", 8, 1) + entry + bytes(4)


def tiff(tags: dict[int, tuple[int, int, int]], body: bytes = bytes(1440)) -> bytes:
    """A TIFF of 24 x 20 in one strip, with other tags `{tag: (type, count, value)}` beside or instead of its own."""
    own = {256: 24, 257: 20, 258: 8, 259: 1, 262: 2, 273: 0, 277: 3, 278: 20, 279: len(body)}
    entries = {tag: (4, 1, value) for tag, value in own.items()}
    entries[258] = (3, 1, 8)
    entries[273] = (4, 1, 14 + 12 * len(entries | tags))
    directory = [struct.pack("<HHII", tag, *entry) for tag, entry in sorted((entries | tags).items())]
    return b"II*\0" + struct.pack("<IH", 8, len(directory)) + b"".join(directory) + bytes(4) + body


def webp(width: int, height: int, flags: int, *chunks: bytes) -> bytes:
    canvas = bytes([flags, 0, 0, 0]) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBP" + riff(b"VP8X", canvas) + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def riff(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def gif(width: int, height: int, *blocks: bytes) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6) + b"".join(blocks) + b";"


def gif_frame(width: int, height: int) -> bytes:
    return b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\2\2\x44\1\0"


def bmp(width: int, height: int, compression: int, body: bytes, *, header: int = 40) -> bytes:
    info = struct.pack("<IiiHHIIiiII", header, width, height, 1, 8, compression, len(body), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 1078 + len(body), 0, 0, 1078) + info + bytes(1024) + body


def packed_zeros(megabytes: int, packer: Callable[[], object] = zlib.compressobj) -> bytes:
    """Zeros, packed block by block."""
    pack = packer()
    block = bytes(1 << 20)
    return b"".join(pack.compress(block) for _ in range(megabytes)) + pack.flush()  # type: ignore[attr-defined]

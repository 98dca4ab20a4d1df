"""Unpacking the members of a .zip in steps, so that no member takes more memory than is asked for."""

import bz2
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from typing import Protocol

from tfvision.data.storage.spans import Span

READ_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)

_BLOCK_BYTES = 1 << 20
_LZMA_BYTES = 1 << 28  # memory for unpacking; its highest level needs a quarter
_LZMA_HEAD, _LZMA_PROPERTIES = 4, 5
_HAS_END_MARK = 2  # a flag


class _Unpacker(Protocol):
    """What `bz2.BZ2Decompressor` and `lzma.LZMADecompressor` have in common."""

    @property
    def eof(self) -> bool:
        """Whether the end was found."""
        ...

    @property
    def needs_input(self) -> bool:
        """Whether more packed bytes are needed to go on."""
        ...

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Unpack up to `max_length` bytes."""
        ...


class _Deflated:
    """zlib with the methods of the others."""

    def __init__(self) -> None:
        self._unpacker = zlib.decompressobj(-15)

    @property
    def eof(self) -> bool:
        return self._unpacker.eof

    @property
    def needs_input(self) -> bool:
        return not self._unpacker.unconsumed_tail

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._unpacker.decompress(self._unpacker.unconsumed_tail + data, max_length)


def unpack(packed: Span, info: zipfile.ZipInfo, step: int = _BLOCK_BYTES) -> Iterator[bytes]:
    """Unpack a member.

    Args:
        packed: Its bytes in the file.
        info: What the directory of the .zip says of it; its method is one of `READ_METHODS`.
        step: How many bytes to unpack at a time, at most.

    Yields:
        Its content, up to one byte more than its size in the directory.

    Raises:
        zipfile.BadZipFile: It ends early.
        zlib.error: It is damaged, as `lzma.LZMAError`, OSError and EOFError of the other methods.
    """
    left = info.file_size + 1
    for block in _stored(packed, step) if info.compress_type == zipfile.ZIP_STORED else _steps(packed, info, step):
        yield block[:left]
        left -= min(left, len(block))
        if not left:
            return


def _stored(packed: Span, step: int) -> Iterator[bytes]:
    for start in range(0, packed.size, step):
        yield packed.read(min(step, packed.size - start), start)


def _steps(packed: Span, info: zipfile.ZipInfo, step: int) -> Iterator[bytes]:
    unpacker, place, head = _unpacker(packed, info)
    data = head
    while not unpacker.eof:
        if unpacker.needs_input and not data and place < packed.size:
            size = min(_BLOCK_BYTES, packed.size - place)
            data, place = packed.read(size, place), place + size
        block = unpacker.decompress(data, step)
        if not block and not data and place >= packed.size and unpacker.needs_input:
            if unpacker.eof or info.compress_type == zipfile.ZIP_LZMA:
                return  # one without a mark at its end
            raise zipfile.BadZipFile("it ends early")
        data = b""
        yield block


def _unpacker(packed: Span, info: zipfile.ZipInfo) -> tuple[_Unpacker, int, bytes]:
    """Return what unpacks a member, where its data begins, and what to give it first."""
    if info.compress_type == zipfile.ZIP_DEFLATED:
        return _Deflated(), 0, b""
    if info.compress_type == zipfile.ZIP_BZIP2:
        return bz2.BZ2Decompressor(), 0, b""
    # With the head of an .lzma file, for which the library knows a limit of memory.
    start = _LZMA_HEAD + _LZMA_PROPERTIES
    size = b"\xff" * 8 if info.flag_bits & _HAS_END_MARK else info.file_size.to_bytes(8, "little")
    head = packed.read(start, 0)[_LZMA_HEAD:] + size
    return lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_LZMA_BYTES), start, head

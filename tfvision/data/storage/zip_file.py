"""A .zip, read in place: its members are found once, and each is read where it lies."""

import io
import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tfvision.data.storage.limits import (
    ANY_ARRAY,
    LARGE_BYTES,
    check_image,
    check_name,
    check_packed,
    check_size,
    check_texts,
    is_visible,
    within,
)
from tfvision.data.storage.spans import Span, open_span
from tfvision.data.storage.unpacking import READ_METHODS, unpack
from tfvision.errors import DataError, listing
from tfvision.system.cache import write_temporary

_LOCAL_HEADER = 30
_READ_AHEAD = 256
_STEP = 1 << 20  # bytes that are unpacked at a time
_ANY_MEMBER = 64 << 20  # bytes that a member may unpack to in memory, whatever its size

# What zipfile and the decompressors raise for damaged archives, including names that are not UTF-8 and wrong local
# headers.
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(OSError, EOFError, RuntimeError, ValueError, OverflowError, MemoryError, IndexError),
)


class Zip:
    """The members of a .zip, read in place from any number of threads.

    Members are read at their offset, not by `zipfile`: it takes a lock for each read, its count of open members is not
    thread-safe, and it unpacks a few bytes of bzip2 to gigabytes at once.

    Args:
        path: The .zip file.

    Attributes:
        path: The .zip file.
        names: Sorted names with forward slashes; folders and hidden files are left out.
        no_files: Names of folders that have a content, as no folder has.

    Raises:
        DataError: The file is not a .zip, is damaged or is encrypted.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except _DAMAGE as error:
            raise DataError(f"cannot open {path}: {error}; expected a whole .zip, copy or download it again") from error
        self._whole = open_span(path)
        for info in self._zip.infolist():
            check_name(path, info.filename)
        members = [
            (name, info)
            for info in self._zip.infolist()
            if info.filename and not _is_folder(info) and is_visible(name := within(info.filename.replace("\\", "/")))
        ]
        self._members = dict(members)
        _check_places(path, self._zip.infolist(), self._whole.size)
        for name, info in members:
            other = self._members[name]
            if (info.CRC, info.file_size) != (other.CRC, other.file_size):
                raise DataError(f"{path} holds two different files {name!r}; unpack it and give the folder")
        locked = [name for name, info in self._members.items() if info.flag_bits & 1]
        if locked:
            raise DataError(
                f"{path} is encrypted ({listing(locked, 1)}); unpack it with its password and give the folder"
            )
        odd = [name for name, info in self._members.items() if info.compress_type not in READ_METHODS]
        if odd:
            raise DataError(
                f"{path} is packed in a way that is not read ({listing(odd, 1)}); unpack it and give the folder"
            )
        check_texts(path, ((name, info.file_size) for name, info in self._members.items()))
        self.names = tuple(sorted(self._members))
        folders = (within(info.filename) for info in self._zip.infolist() if info.file_size and _is_folder(info))
        self.no_files = tuple(sorted(filter(is_visible, folders)))

    def size(self, name: str) -> int:
        """Return the unpacked size of a member in bytes."""
        return self._members[name].file_size

    def read(self, name: str) -> bytes:
        """Return the content of a member.

        Args:
            name: Its name in the storage.

        Returns:
            All of its bytes, unpacked.

        Raises:
            DataError: The member is damaged or larger than 1 GiB.
        """
        info = self._members[name]
        title = f"{self.path}/{name}"
        check_size(title, max(info.file_size, info.compress_size))
        check_packed(title, info.compress_size, info.file_size, _ANY_MEMBER)
        check_image(title, info.file_size, lambda size, start: self._part(name, size, start))
        try:
            if info.file_size > LARGE_BYTES:  # a list of blocks, as bytes in the end, would be there twice
                whole = io.BytesIO()
                for block in self._blocks(info):
                    whole.write(block)
                return whole.getvalue()
            if hasattr(os, "pread") and info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                return self._read_at_offset(info)
            return b"".join(self._blocks(info))
        except _DAMAGE as error:
            raise self._damaged(name, error) from error

    def head(self, name: str, size: int) -> bytes:
        """Return the beginning of a member.

        Args:
            name: Its name in the storage.
            size: How many bytes to return.

        Returns:
            Up to `size` bytes, unpacked; fewer if the member is shorter.

        Raises:
            DataError: The beginning is damaged.
        """
        return self._part(name, size, 0)

    def span(self, name: str) -> Span:
        """Open a member of any size for random access; a compressed one is unpacked to a temporary file.

        Args:
            name: Its name in the storage.

        Returns:
            The unpacked bytes of the member.

        Raises:
            DataError: The member is damaged, or there is no space to unpack it.
        """
        info = self._members[name]
        title = f"{self.path}/{name}"
        check_packed(title, info.compress_size, info.file_size, ANY_ARRAY)
        try:
            if info.compress_type != zipfile.ZIP_STORED:
                return Span(write_temporary(self._blocks(info), info.file_size, title), 0, info.file_size, title)
            for _ in self._blocks(info):  # compares the checksum at the end
                pass
            return replace(self._packed(info), name=title)
        except _DAMAGE as error:
            raise self._damaged(name, error) from error

    def _part(self, name: str, size: int, start: int) -> bytes:
        """Return up to `size` bytes of a member from a place in it, for which a packed one is unpacked from its beginning."""
        part, place = b"", 0
        try:
            for block in unpack(self._packed(self._members[name]), self._members[name], min(size + start, _STEP)):
                part += block[max(0, start - place) :]
                place += len(block)
                if len(part) >= size:
                    break
            return part[:size]
        except _DAMAGE as error:
            raise self._damaged(name, error) from error

    def _packed(self, info: zipfile.ZipInfo) -> Span:
        """Return the bytes of a member as they lie in the file."""
        header = self._whole.read(_LOCAL_HEADER, info.header_offset)
        if header[:4] != b"PK\x03\x04":
            raise zipfile.BadZipFile("no member starts here")
        return replace(self._whole, start=info.header_offset + _data_start(header), size=info.compress_size)

    def _blocks(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        """Unpack a member as a whole, and compare its length and checksum at the end."""
        size, checksum = 0, 0
        for block in unpack(self._packed(info), info):
            size, checksum = size + len(block), zlib.crc32(block, checksum)
            yield block
        if size != info.file_size or checksum != info.CRC:
            raise zipfile.BadZipFile("wrong length or checksum")

    def _damaged(self, name: str, error: Exception) -> DataError:
        return DataError(f"{self.path} is damaged at {name}: {error}; copy or download it again")

    def _read_at_offset(self, info: zipfile.ZipInfo) -> bytes:
        assert self._zip.fp is not None, "the .zip stays open as long as this object"
        descriptor = self._zip.fp.fileno()
        guess = _LOCAL_HEADER + len(info.filename) + _READ_AHEAD + info.compress_size
        block = os.pread(descriptor, guess, info.header_offset)
        if block[:4] != b"PK\x03\x04" or len(block) < _LOCAL_HEADER:
            raise zipfile.BadZipFile("no member starts here")
        start = _data_start(block)
        data = block[start : start + info.compress_size]
        if len(data) < info.compress_size:
            data = os.pread(descriptor, info.compress_size, info.header_offset + start)
        if info.compress_type == zipfile.ZIP_DEFLATED:
            # One byte more than declared is enough to notice a member that unpacks to more.
            data = zlib.decompressobj(-15).decompress(data, info.file_size + 1)
        if len(data) != info.file_size or zlib.crc32(data) != info.CRC:
            raise zipfile.BadZipFile("wrong length or checksum")
        return data


def _is_folder(info: zipfile.ZipInfo) -> bool:
    return info.filename.endswith(("/", "\\"))


def _check_places(path: Path, members: list[zipfile.ZipInfo], size: int) -> None:
    """Refuse members that lie outside of the file, or that share bytes: a small file could unpack to any size."""
    members = sorted(members, key=lambda info: info.header_offset)
    ends = [info.header_offset + _LOCAL_HEADER + info.compress_size for info in members]
    starts = [*(info.header_offset for info in members), size][1:]
    for info, end, limit in zip(members, ends, starts, strict=True):
        if info.header_offset < 0 or end > limit:
            raise DataError(
                f"{path} is damaged at {info.filename!r}: it overlaps another member or the end; copy it again"
            )


def _data_start(header: bytes) -> int:
    """Return where the data of a member starts: its local name and extra field may differ from the directory's."""
    return _LOCAL_HEADER + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")

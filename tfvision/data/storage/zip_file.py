"""A .zip, read in place: its members are found once, and each is read where it lies."""

import lzma
import os
import posixpath
import struct
import threading
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

from tfvision.data.storage.limits import check_size, is_visible
from tfvision.data.storage.spans import Span, open_span
from tfvision.errors import DataError, listing
from tfvision.system.cache import write_temporary

_LOCAL_HEADER = 30
_READ_AHEAD = 256
_BLOCK_BYTES = 1 << 20

# What zipfile and the decompressors raise for damaged archives, including names that are not UTF-8 and wrong local
# headers.
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(OSError, EOFError, RuntimeError, ValueError),
)


class Zip:
    """The members of a .zip, read in place from any number of threads.

    Stored and deflated members are read at their offset without a lock: `zipfile` takes a lock for each read, and its
    count of open members is not thread-safe.

    Args:
        path: The .zip file.

    Attributes:
        path: The .zip file.
        names: Sorted names with forward slashes; folders and hidden files are left out.

    Raises:
        DataError: The file is not a .zip, is damaged or is encrypted.
    """

    def __init__(self, path: Path):
        self.path = path
        self._lock = threading.Lock()
        try:
            self._zip = zipfile.ZipFile(path)
        except _DAMAGE as error:
            raise DataError(f"cannot open {path}: {error}; expected a whole .zip, copy or download it again") from error
        self._members = {
            name: info
            for info in self._zip.infolist()
            if info.filename
            and not info.filename.endswith(("/", "\\"))
            and is_visible(name := posixpath.normpath(info.filename.replace("\\", "/")).lstrip("/"))
        }
        locked = [name for name, info in self._members.items() if info.flag_bits & 1]
        if locked:
            raise DataError(
                f"{path} is encrypted ({listing(locked, 1)}); unpack it with its password and give the folder"
            )
        self.names = tuple(sorted(self._members))

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
        check_size(f"{self.path}/{name}", max(info.file_size, info.compress_size))
        try:
            if hasattr(os, "pread") and info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                return self._read_at_offset(info)
            with self._lock:
                return self._zip.read(info)
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
        try:
            with self._zip.open(self._members[name]) as member:
                return member.read(size)
        except _DAMAGE as error:
            raise self._damaged(name, error) from error

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
        try:
            with self._zip.open(info) as member:
                blocks = iter(lambda: member.read(_BLOCK_BYTES), b"")
                if info.compress_type != zipfile.ZIP_STORED:
                    return Span(write_temporary(blocks, info.file_size, title), 0, info.file_size, title)
                for _ in blocks:  # zipfile compares the checksum at the end
                    pass
            # The span opens the file itself: that of the ZipFile is closed with it, possibly before the span.
            whole = open_span(self.path)
            start = info.header_offset + _data_start(whole.read(_LOCAL_HEADER, info.header_offset))
            return replace(whole, start=start, size=info.file_size, name=title)
        except _DAMAGE as error:
            raise self._damaged(name, error) from error

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


def _data_start(header: bytes) -> int:
    """Return where the data of a member starts: its local name and extra field may differ from the directory's."""
    return _LOCAL_HEADER + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")

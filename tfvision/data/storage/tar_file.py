"""A .tar, read in place; a compressed one is unpacked once into a file that is gone afterwards."""

import bz2
import gzip
import lzma
import posixpath
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from tfvision.data.storage.limits import check_image, check_name, check_size, check_texts, is_visible, within
from tfvision.data.storage.spans import Span, open_span
from tfvision.data.storage.tar_headers import TarHeaders
from tfvision.errors import DataError
from tfvision.system.cache import write_temporary

TAR_SUFFIXES = (".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")

_Blocks = Iterator[bytes]
_BLOCK_BYTES = 1 << 20
_RECORD = 512  # bytes, two of which are 0 at the end
_MOST_TIMES, _ANY_WAY = 200, 1 << 30  # what a compressed file may unpack to: that many times its size, or 1 GiB
_EMPTY, _EMPTY_MEMBERS = 32, 100_000  # bytes of a file that can be nothing, and how many there may be
_LINKS = 40  # to be followed one after the other, as in Linux
_XZ_BYTES = 1 << 28  # memory for unpacking; its highest level needs a quarter
_DAMAGE = (
    *(tarfile.TarError, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, OverflowError),
    *(MemoryError, RecursionError, IndexError),
)


class Tar:
    """The members of a .tar, read in place from any number of threads.

    Args:
        path: The .tar, .tar.gz, .tar.bz2 or .tar.xz.

    Attributes:
        path: The file.
        names: Sorted names with forward slashes; folders, hidden files and devices are left out, links to other
            members are read as these.
        skipped_links: Names of links that lead to no member.
        no_files: Names of pipes, devices and members of unknown types.

    Raises:
        DataError: The file is no .tar or is damaged, or there is no space to unpack it.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            self._whole = _unpacked(path)
            self._whole.file.seek(0)
            with TarHeaders(self._whole.file, path.stat().st_size) as archive:
                members = _members(archive, path)
                _check_end(self._whole, archive.offset)
            self._places, self.skipped_links = _places(members)
            self.no_files = _no_files(members)
        except _DAMAGE as error:
            raise DataError(f"cannot open {path}: {error}; expected a whole .tar, copy or download it again") from error
        check_texts(path, ((name, size) for name, (_, size) in self._places.items()))
        self.names = tuple(sorted(self._places))
        ends = [start + size for start, size in self._places.values()]
        if ends and max(ends) > self._whole.size:
            raise DataError(f"{path} ends within a member; copy or download it again")

    def size(self, name: str) -> int:
        """Return the size of a member in bytes."""
        return self._places[name][1]

    def read(self, name: str) -> bytes:
        """Return the content of a member.

        Args:
            name: Its name in the storage.

        Returns:
            All of its bytes.

        Raises:
            DataError: The member is larger than 1 GiB, or cannot be read.
        """
        span = self.span(name)
        check_size(span.name, span.size)
        check_image(span.name, span.size, span.read)
        return span.read(span.size, 0)

    def head(self, name: str, size: int) -> bytes:
        """Return the beginning of a member.

        Args:
            name: Its name in the storage.
            size: How many bytes to return.

        Returns:
            Up to `size` bytes; fewer if the member is shorter.

        Raises:
            DataError: The file cannot be read.
        """
        return self.span(name).head(size)

    def span(self, name: str) -> Span:
        """Open a member of any size for random access.

        Args:
            name: Its name in the storage.

        Returns:
            Its bytes.
        """
        start, size = self._places[name]
        return replace(self._whole, start=start, size=size, name=f"{self.path}/{name}")


def is_tar(path: Path) -> bool:
    """Tell whether a file is called like a .tar."""
    return path.name.lower().endswith(TAR_SUFFIXES)


def _unpacked(path: Path) -> Span:
    """Return the bytes of the .tar itself."""
    with open(path, "rb") as file:
        head = file.read(6)
        file.seek(0)
        if head.startswith(b"\xfd7zXZ"):
            blocks = _unpack_xz(file)
        elif head.startswith(b"\x1f\x8b"):
            blocks = _blocks(gzip.GzipFile(fileobj=file))
        elif head.startswith(b"BZh"):
            blocks = _blocks(bz2.BZ2File(file))
        else:
            return open_span(path)
        unpacked = write_temporary(_bounded(blocks, path), 0, str(path))
    return Span(unpacked, 0, unpacked.seek(0, 2), str(path))


def _blocks(packed: gzip.GzipFile | bz2.BZ2File) -> _Blocks:
    return iter(lambda: packed.read(_BLOCK_BYTES), b"")


def _unpack_xz(file: BinaryIO) -> _Blocks:
    """Unpack with a limit of memory, which `lzma.LZMAFile` does not have."""
    data = file.read(_BLOCK_BYTES)
    while data:
        unpacker = lzma.LZMADecompressor(memlimit=_XZ_BYTES)
        while not unpacker.eof:
            if unpacker.needs_input and not data and not (data := file.read(_BLOCK_BYTES)):
                raise EOFError("it ends early")
            yield unpacker.decompress(data, _BLOCK_BYTES)
            data = b""
        data = (unpacker.unused_data or file.read(_BLOCK_BYTES)).lstrip(b"\0")  # several files may follow each other


def _bounded(blocks: _Blocks, path: Path) -> _Blocks:
    most = max(_ANY_WAY, _MOST_TIMES * path.stat().st_size)
    total = 0
    for block in blocks:
        if (total := total + len(block)) > most:
            raise DataError(f"{path} unpacks to more than {most:,} bytes; unpack it yourself and give the folder")
        yield block


def _members(archive: tarfile.TarFile, path: Path) -> list[tarfile.TarInfo]:
    members, empty = [], 0
    for member in archive:
        check_name(path, member.name)
        check_name(path, member.linkname)
        members.append(member)
        empty += member.isreg() and member.size < _EMPTY
        if empty > _EMPTY_MEMBERS:
            raise tarfile.ReadError(f"it holds more than {_EMPTY_MEMBERS:,} files of less than {_EMPTY} bytes")
    return members


def _check_end(whole: Span, offset: int) -> None:
    """Refuse a file that does not end where its last member does: `tarfile` stops in silence at a wrong header."""
    rest = whole.size - offset
    if rest < _RECORD or any(whole.read(_RECORD, offset)):
        raise tarfile.ReadError("it ends early, or holds something that is no member")


def _places(members: list[tarfile.TarInfo]) -> tuple[dict[str, tuple[int, int]], tuple[str, ...]]:
    """Return offset and size of each file, where links are followed to other members, and the links to none."""
    if any(member.sparse is not None or member.size < 0 for member in members):
        raise tarfile.ReadError("it holds sparse files, or sizes below 0; pack it again without -S")
    files = {posixpath.normpath(member.name): (member.offset_data, member.size) for member in members if member.isreg()}
    links = {posixpath.normpath(member.name): _target(member) for member in members if member.islnk() or member.issym()}
    for name in links:
        target = name
        for _ in range(_LINKS):  # to links, too
            if (target := links.get(target, target)) in files:
                files[name] = files[target]
                break
    skipped = sorted(name for link in links if link not in files and is_visible(name := within(link)))
    places: dict[str, tuple[int, int]] = {}
    for name, place in files.items():
        if places.setdefault(within(name), place) != place:
            raise tarfile.ReadError(f"it holds two different files {within(name)!r}; unpack it and give the folder")
    return {name: place for name, place in places.items() if is_visible(name)}, tuple(skipped)


def _no_files(members: list[tarfile.TarInfo]) -> tuple[str, ...]:
    known = {*tarfile.REGULAR_TYPES, tarfile.DIRTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE}
    return tuple(sorted(filter(is_visible, (within(member.name) for member in members if member.type not in known))))


def _target(link: tarfile.TarInfo) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(link.name) if link.issym() else "", link.linkname))

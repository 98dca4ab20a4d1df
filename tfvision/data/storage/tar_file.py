"""A .tar, read in place; a compressed one is unpacked once into a file that is gone afterwards."""

import bz2
import gzip
import lzma
import posixpath
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from tfvision.data.storage.limits import check_size, is_visible
from tfvision.data.storage.spans import Span, open_span
from tfvision.errors import DataError
from tfvision.system.cache import write_temporary

TAR_SUFFIXES = (".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")

_Packed = gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile
_OPENERS: dict[bytes, Callable[[Path], _Packed]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ": lzma.LZMAFile,
}
_BLOCK_BYTES = 1 << 20
_RECORD = 512  # bytes, two of which are 0 at the end
_MOST_TIMES, _ANY_WAY = 200, 1 << 30  # what a compressed file may unpack to: that many times its size, or 1 GiB
_DAMAGE = (tarfile.TarError, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, OverflowError)


class Tar:
    """The members of a .tar, read in place from any number of threads.

    Args:
        path: The .tar, .tar.gz, .tar.bz2 or .tar.xz.

    Attributes:
        path: The file.
        names: Sorted names with forward slashes; folders, hidden files and devices are left out, links to other
            members are read as these.
        skipped_links: Names of links that lead to no member.

    Raises:
        DataError: The file is no .tar or is damaged, or there is no space to unpack it.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            self._whole = _unpacked(path)
            self._whole.file.seek(0)
            with tarfile.open(fileobj=self._whole.file, mode="r:") as archive:
                members = archive.getmembers()
                _check_end(self._whole, archive.offset)
            self._places, self.skipped_links = _places(members)
        except _DAMAGE as error:
            raise DataError(f"cannot open {path}: {error}; expected a whole .tar, copy or download it again") from error
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
    opener = next((opener for start, opener in _OPENERS.items() if head.startswith(start)), None)
    if opener is None:
        return open_span(path)
    with opener(path) as packed:
        unpacked = write_temporary(_blocks(packed, path), 0, str(path))
    return Span(unpacked, 0, unpacked.seek(0, 2), str(path))


def _blocks(packed: _Packed, path: Path) -> Iterator[bytes]:
    most = max(_ANY_WAY, _MOST_TIMES * path.stat().st_size)
    total = 0
    while block := packed.read(_BLOCK_BYTES):
        if (total := total + len(block)) > most:
            raise DataError(f"{path} unpacks to more than {most:,} bytes; unpack it yourself and give the folder")
        yield block


def _check_end(whole: Span, offset: int) -> None:
    """Refuse a file that does not end where its last member does: `tarfile` stops in silence at a wrong header."""
    rest = whole.size - offset
    if rest < _RECORD or any(whole.read(_RECORD, offset)):
        raise tarfile.ReadError("it ends early, or holds something that is no member")


def _places(members: list[tarfile.TarInfo]) -> tuple[dict[str, tuple[int, int]], tuple[str, ...]]:
    """Return offset and size of each file, where links are followed to other members, and the links to none."""
    if any(member.sparse is not None or member.size < 0 for member in members):
        raise tarfile.ReadError("it holds sparse files, or sizes below 0; pack it again without -S")
    files = {_plain(member.name): (member.offset_data, member.size) for member in members if member.isreg()}
    links = [member for member in members if member.islnk() or member.issym()]
    while links:  # to links, too
        targets = {member: files.get(_target(member)) for member in links}
        files |= {_plain(member.name): target for member, target in targets.items() if target}
        left = [member for member in links if not targets[member]]
        if len(left) == len(links):
            break
        links = left
    skipped = sorted(name for name in (_plain(member.name) for member in links) if is_visible(name))
    return {name: place for name, place in files.items() if is_visible(name)}, tuple(skipped)


def _target(link: tarfile.TarInfo) -> str:
    return _plain(posixpath.join(posixpath.dirname(link.name) if link.issym() else "", link.linkname))


def _plain(name: str) -> str:
    return posixpath.normpath(name).lstrip("/")

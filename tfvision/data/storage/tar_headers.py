"""The headers of a .tar, with bounds: what they may be in all, and what stands beside them."""

import re
import tarfile
from typing import BinaryIO

_EXTRA_BYTES = 1 << 16  # of a header with a long name, or with what else pax stores
# All headers: 100,000 members and 32 MiB beside them anyway, and beyond that what the file on the disk is large enough for.
# A packed header has some 100 bytes, since names and checksums differ, and is read in 30 microseconds.
_ANY_MEMBERS, _BYTES_A_MEMBER = 100_000, 64
_ANY_EXTRA, _EXTRA_TIMES = 32 << 20, 8
_SHARED_BYTES = 1024  # of headers for all members, which are copied for each; git writes 52
_LONG_NUMBER = re.compile(rb"\d{100}")  # some versions of tarfile take time by its square


class TarHeaders(tarfile.TarFile):
    """A .tar that counts its headers, since few packed bytes may be any number of them.

    Args:
        file: The .tar, unpacked.
        stored: The size of the file on the disk.
    """

    def __init__(self, file: BinaryIO, stored: int):
        self._members, self._extra, self._shared, self._stored = 0, 0, 0, stored
        super().__init__(fileobj=file, tarinfo=_Member)

    def count_member(self) -> None:
        """Count a header of a member, or of what is beside it."""
        self._members += 1
        if self._members > _ANY_MEMBERS + self._stored // _BYTES_A_MEMBER:
            raise tarfile.ReadError(f"{self._stored:,} bytes that hold more than {self._members - 1:,} members")

    def count_extra(self, size: int, *, is_shared: bool) -> None:
        """Count what stands beside the header of a member, or of all."""
        self._extra += size
        self._shared += size * is_shared
        if self._extra > max(_ANY_EXTRA, _EXTRA_TIMES * self._stored):
            raise tarfile.ReadError(f"{self._stored:,} bytes that hold {self._extra:,} bytes of headers")
        if self._shared > _SHARED_BYTES:
            raise tarfile.ReadError(f"{self._shared:,} bytes of headers for all members")


class _Member(tarfile.TarInfo):
    """A member whose additional headers are not read if they are larger than any name."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> tarfile.TarInfo:  # type: ignore[override]
        """Read a member with what is beside its header, of which only what it says of the place is kept."""
        assert isinstance(archive, TarHeaders)
        archive.count_member()
        member = super().fromtarfile(archive)
        member.pax_headers = {}
        return member

    def _refuse_sparse(self, *_: object) -> tarfile.TarInfo:
        raise tarfile.ReadError("it holds sparse files; pack it again without -S")

    # Their maps of holes have any length.
    _proc_sparse = _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _refuse_sparse

    def _proc_pax(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        self._check_extra(archive)
        start = archive.fileobj.tell()
        if _LONG_NUMBER.search(archive.fileobj.read(self.size)):
            raise tarfile.ReadError("a header holds a number without end")
        archive.fileobj.seek(start)
        return super()._proc_pax(archive)  # type: ignore[misc]

    def _proc_gnulong(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        self._check_extra(archive)
        return super()._proc_gnulong(archive)  # type: ignore[misc]

    def _check_extra(self, archive: tarfile.TarFile) -> None:
        if not 0 <= self.size <= _EXTRA_BYTES:
            raise tarfile.ReadError(f"a header of {self.size:,} bytes")
        assert isinstance(archive, TarHeaders)
        archive.count_extra(self.size, is_shared=self.type == tarfile.XGLTYPE)

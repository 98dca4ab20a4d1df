"""A stretch of an open file that any number of threads can read at any offset."""

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from tfvision.errors import DataError


@dataclass(frozen=True)
class Span:
    """Bytes `start` to `start + size` of a file that is kept open.

    It is read rather than mapped: mapped pages would count as memory of this process.

    Attributes:
        file: The open file; do not rely on its position.
        start: Where the stretch begins.
        size: Its length in bytes.
        name: What to call it in an error.
    """

    file: BinaryIO
    start: int
    size: int
    name: str
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def read(self, size: int, offset: int) -> bytes:
        """Read some bytes.

        Args:
            size: How many bytes.
            offset: Where they start in the span.

        Returns:
            Exactly `size` bytes.

        Raises:
            DataError: The span ends before them, or they cannot be read.
        """
        if offset < 0 or offset + size > self.size:
            raise DataError(f"{self.name} ends before byte {offset + size:,}; copy or download it again")
        try:
            data = self._read_at(size, self.start + offset)
        except (OSError, ValueError) as error:
            raise DataError(f"cannot read {self.name}: {error}") from error
        if len(data) != size:
            raise DataError(f"{self.name} became shorter while it was read; leave it alone until the end")
        return data

    def head(self, size: int) -> bytes:
        """Return the first bytes, fewer than `size` if there are no more."""
        return self.read(min(size, self.size), 0)

    def _read_at(self, size: int, offset: int) -> bytes:
        if not hasattr(os, "pread"):  # Windows
            with self._lock:
                self.file.seek(offset)
                return self.file.read(size)
        data = os.pread(self.file.fileno(), size, offset)
        while 0 < len(data) < size and (more := os.pread(self.file.fileno(), size - len(data), offset + len(data))):
            data += more
        return data


def open_span(path: Path) -> Span:
    """Open a whole file; it is closed when the span is no longer used.

    Args:
        path: The file.

    Returns:
        All of its bytes.

    Raises:
        DataError: The file cannot be opened.
    """
    try:
        return Span(open(path, "rb", buffering=0), 0, path.stat().st_size, str(path))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error

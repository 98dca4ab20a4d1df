"""Feature stores: outputs of a frozen trunk for images, on disk, found again by content.

A store is a folder of two files that only grow: `features.bin`, a row of numbers per image, and `index.bin`, an entry
per row with the image's key and a checksum. A row is valid once its entry is there, so whatever a kill or a full disk
leaves behind is at worst computed again. Rows are read through a memory map, and used only if their checksums match.
"""

import functools
import json
import mmap
import os
import shutil
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from tfvision.errors import WriteError
from tfvision.system.cache import make_own_folder, open_own, own_cache
from tfvision.system.files import write_json
from tfvision.system.locks import locked
from tfvision.system.terminal import console

FORMAT = 1  # a part of every key: another format means another store
KEY_BYTES = 16

_FEATURES, _INDEX, _FACTS = "features.bin", "index.bin", "store.json"
_ENTRY = np.dtype([("key", f"V{KEY_BYTES}"), ("checksum", "<u4")])  # the checksum is of key and row
_WAY_OUT = (
    "free some space, set TFVISION_CACHE to a folder on a larger disk, or compute without a store with --no-cache"
)


class FeatureStore:
    """The rows of one trunk.

    Args:
        folder: Where it is; made when the first row is written.
        values: Numbers in a row.
        dtype: `float16` or `float32`, as numbers are stored on disk.
        facts: What `tfvision cache list` shows.
    """

    def __init__(self, folder: Path, values: int, dtype: str, facts: Mapping[str, str | int]) -> None:
        self.folder, self.values, self.dtype, self.facts = folder, values, np.dtype(dtype), facts

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return self.values * self.dtype.itemsize

    def find(self, keys: Sequence[bytes], *, check: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Find rows by their keys, and check that they are what was written.

        Args:
            keys: `KEY_BYTES` each.
            check: Read every row to check it; without, the answer is quick, and no row may be used.

        Returns:
            `(rows, values)`, all rows of the store as a read-only memory map, and int64 `(len(keys),)`, the row of
            each key, -1 where there is none or where it is damaged.
        """
        entries, table = self._read()
        known = entries["key"].tobytes()
        # Of two rows with the same key, the later one was written because the earlier one was damaged.
        places = {known[start : start + KEY_BYTES]: start // KEY_BYTES for start in range(0, len(known), KEY_BYTES)}
        rows = np.array([places.get(key, -1) for key in keys], np.int64)
        for key, row in {key: places[key] for key in keys if check and key in places}.items():
            if _checksum(key, table[row]) != entries["checksum"][row]:
                rows[rows == row] = -1
        return table, rows

    def require_space(self, count: int) -> None:
        """Refuse to start what the disk cannot hold.

        Args:
            count: Rows to be written.

        Raises:
            WriteError: With the bytes of `count` rows and what is free.
        """
        needed = count * (self.row_bytes + _ENTRY.itemsize)
        try:
            make_own_folder(self.folder)
            free = shutil.disk_usage(self.folder).free
        except OSError as error:
            raise self._not_written(error) from error
        if needed > free:
            raise WriteError(
                f"storing features takes {needed:,} bytes in {self.folder}, which has {free:,} free; {_WAY_OUT}"
            )

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep other processes from writing to this store; they wait.

        Raises:
            WriteError: The folder cannot be written.
        """
        with ExitStack() as held:
            try:
                self._hold(held)
            except OSError as error:
                raise self._not_written(error) from error
            yield

    def append(self, keys: Sequence[bytes], rows: np.ndarray) -> None:
        """Add rows; to be called inside `writing`.

        Args:
            keys: One per row.
            rows: `(len(keys), values)` of the store's dtype.

        Raises:
            WriteError: The disk is full, or the folder cannot be written.
        """
        rows = np.ascontiguousarray(rows, self.dtype)
        entries = np.zeros(len(keys), _ENTRY)
        entries["key"] = np.frombuffer(b"".join(keys), _ENTRY["key"])
        entries["checksum"] = [_checksum(key, row) for key, row in zip(keys, rows, strict=True)]
        try:
            # In this order, so that every entry has its row.
            for name, block in ((_FEATURES, rows), (_INDEX, entries)):
                with open_own(self.folder / name, "ab") as file:
                    file.write(block.data.cast("B"))
        except OSError as error:
            raise self._not_written(error) from error

    def _hold(self, held: ExitStack) -> None:
        """Lock the folder, make it, and cut off what a killed writer left."""
        waiting = "another process is computing the same features; waiting for it"
        make_own_folder(self.folder.parent)
        held.enter_context(locked(_lock_of(self.folder), lambda: console.print(waiting)))
        make_own_folder(self.folder)  # only now: it may have been cleared during the wait
        if not (self.folder / _FACTS).is_file():
            write_json(self.folder / _FACTS, dict(self.facts))
        self._drop_unfinished()

    def _read(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the valid entries, and their rows as a memory map."""
        nothing = np.zeros(0, _ENTRY), np.zeros((0, self.values), self.dtype)
        try:
            with open_own(self.folder / _INDEX, "rb") as file:
                data = file.read()
            features = open_own(self.folder / _FEATURES, "rb")
        except FileNotFoundError:
            return nothing
        except OSError as error:
            raise self._not_written(error) from error
        with features:
            return self._matching(data, features)

    def _matching(self, data: bytes, features: BinaryIO) -> tuple[np.ndarray, np.ndarray]:
        nothing = np.zeros(0, _ENTRY), np.zeros((0, self.values), self.dtype)
        size = os.fstat(features.fileno()).st_size
        entries = np.frombuffer(data[: len(data) // _ENTRY.itemsize * _ENTRY.itemsize], _ENTRY)
        entries = entries[: size // self.row_bytes]
        if not len(entries):
            return nothing
        mapped = mmap.mmap(features.fileno(), len(entries) * self.row_bytes, access=mmap.ACCESS_READ)
        return entries, np.frombuffer(mapped, self.dtype).reshape(len(entries), self.values)

    def _drop_unfinished(self) -> None:
        """Cut off what a killed writer left: rows without an entry, half an entry, entries without a row."""
        with suppress(FileNotFoundError):
            entries = (self.folder / _INDEX).stat().st_size // _ENTRY.itemsize
            rows = min(entries, (self.folder / _FEATURES).stat().st_size // self.row_bytes)
            for name, size in ((_INDEX, rows * _ENTRY.itemsize), (_FEATURES, rows * self.row_bytes)):
                with open_own(self.folder / name, "r+b") as file:
                    file.truncate(size)
            return
        for name in (_INDEX, _FEATURES):  # one is useless without the other
            (self.folder / name).unlink(missing_ok=True)

    def _not_written(self, error: OSError) -> WriteError:
        return WriteError(f"cannot store features in {self.folder}: {error.strerror or error}; {_WAY_OUT}")


@dataclass(frozen=True)
class StoreFacts:
    """Facts about a store.

    Attributes:
        name: Its folder's name, which is its key.
        what: Backbone and where it is cut.
        rows: Number of rows, one per view of an image.
        size: Bytes on disk.
        written: When it was last written, in seconds since 1970.
    """

    name: str
    what: str
    rows: int
    size: int
    written: float


def stores_folder() -> Path:
    """Find the folder of all stores.

    Returns:
        The folder; it may not exist yet.

    Raises:
        UsageError: Others may write to the cache.
    """
    return own_cache() / "features"


def list_stores() -> list[StoreFacts]:
    """Return the facts about each store, the latest first."""
    folder = stores_folder()
    found = (
        [_facts_of(each) for each in folder.iterdir() if each.is_dir() and not each.is_symlink()]
        if folder.is_dir()
        else []
    )
    return sorted(found, key=lambda facts: facts.written, reverse=True)


def clear_stores() -> tuple[int, int]:
    """Remove all stores, after waiting for those that are being written.

    Returns:
        How many there were, and their bytes.

    Raises:
        WriteError: One cannot be removed.
    """
    found = list_stores()
    for facts in found:
        folder = stores_folder() / facts.name
        try:
            waiting = functools.partial(console.print, f"{facts.what} is being written; waiting for it to finish")
            with locked(_lock_of(folder), waiting):
                shutil.rmtree(folder)
        except OSError as error:
            raise WriteError(f"cannot remove {folder}: {error.strerror or error}; remove it by hand") from error
    return len(found), sum(facts.size for facts in found)


def _lock_of(folder: Path) -> Path:
    """Return the lock file of a store: beside its folder, so that the folder can be removed while it is held."""
    return folder.with_name(f"{folder.name}.lock")


def _facts_of(folder: Path) -> StoreFacts:
    sizes = {path.name: path.stat() for path in folder.iterdir() if path.is_file()}
    rows = sizes[_INDEX].st_size // _ENTRY.itemsize if _INDEX in sizes else 0
    try:
        facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
        what = f"{facts['backbone']} up to {facts['last']}, {facts['image_size']} px, {facts['dtype']}"
    except (OSError, ValueError, KeyError, TypeError):
        what = "not readable"
    written = max((stat.st_mtime for stat in sizes.values()), default=0.0)
    return StoreFacts(folder.name, what, rows, sum(stat.st_size for stat in sizes.values()), written)


def _checksum(key: bytes, row: np.ndarray) -> int:
    return zlib.crc32(row.data, zlib.crc32(key))

"""A directory, read in place."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tfvision.data.storage.limits import LARGE_BYTES, check_image, check_size, is_visible
from tfvision.data.storage.spans import Span, open_span
from tfvision.errors import DataError, printable

# Files by which a folder is known as one that tfvision wrote: a run, folds, a comparison, a search, an audit. The default
# folder of a run lies below the current one, which may be that of the images.
_RESULTS = (
    {"config.yaml", "splits.csv"},
    {"crossval.csv"},
    {"seeds.yaml"},
    {"comparison.csv"},
    {"ensemble.json"},
    {"search.yaml"},
    {"audit.csv"},
)


class Directory:
    """The files below a folder.

    Args:
        path: The folder. Links to folders are followed, each folder once.
        only: Relative names to keep; all if None.

    Attributes:
        path: The folder.
        names: Sorted relative names with forward slashes; hidden files, and folders that tfvision wrote, are left out.
        results: Relative names of these folders.
        skipped_links: Relative names of links that lead nowhere, or to a folder that is read already.
        no_files: Relative names of pipes, sockets and devices.
        empty: Relative names of folders with nothing in them.
        unread: Relative names of folders that cannot be read, with the reason.
    """

    def __init__(self, path: Path, only: Iterable[str] | None = None):
        self.path = path
        found = _walk(path) if only is None else _Found(list(only))
        self.names, self.results = tuple(sorted(found.names)), tuple(sorted(found.results))
        self.skipped_links, self.no_files = tuple(sorted(found.links)), tuple(sorted(found.no_files))
        self.empty, self.unread = tuple(sorted(found.empty)), tuple(sorted(found.unread))

    def size(self, name: str) -> int:
        """Return the size of a file in bytes."""
        return (self.path / name).stat().st_size

    def read(self, name: str) -> bytes:
        """Return the content of a file.

        Args:
            name: Its name in the storage.

        Returns:
            All of its bytes.

        Raises:
            DataError: The file is gone, larger than 1 GiB, or cannot be read.
        """
        path = os.path.join(self.path, name)  # a Path object would take longer than reading the file
        try:
            with open(path, "rb", buffering=0) as file:
                size = os.fstat(file.fileno()).st_size
                check_size(path, size)
                if size > LARGE_BYTES:
                    check_image(path, size, self.span(name).read)
                return file.read()
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror or error}") from error

    def head(self, name: str, size: int) -> bytes:
        """Return the beginning of a file.

        Args:
            name: Its name in the storage.
            size: How many bytes to return.

        Returns:
            Up to `size` bytes; fewer if the file is shorter.

        Raises:
            DataError: The file cannot be read.
        """
        return self.span(name).head(size)

    def span(self, name: str) -> Span:
        """Open a file of any size for random access.

        Args:
            name: Its name in the storage.

        Returns:
            The whole file.

        Raises:
            DataError: The file cannot be opened.
        """
        return open_span(self.path / name)


def is_result(names: Iterable[str]) -> bool:
    """Tell by the names of its files whether a folder is one that tfvision wrote."""
    found = set(names)
    return any(marks <= found for marks in _RESULTS)


def unread_folders(storage: object, *, needed: bool) -> tuple[str, ...]:
    """Return a note on folders that cannot be read.

    Args:
        storage: What was searched for images.
        needed: Whether folders say what the images are; a CSV names them one by one, and none that is missing.

    Returns:
        A line, if there are any and nothing needs them.

    Raises:
        DataError: There are some, and they may hold images of their own.
    """
    if not isinstance(storage, Directory) or not storage.unread:
        return ()
    name, reason = storage.unread[0]
    if needed:
        raise DataError(
            f"cannot read the folder {printable(str(storage.path / name))}: {reason}; check its permissions"
        )
    return (f"not read: {len(storage.unread):,} folders, such as {printable(name)} ({reason})",)


@dataclass
class _Found:
    """What lies below a folder, by relative names; see the attributes of `Directory`."""

    names: list[str]
    results: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    no_files: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    unread: list[tuple[str, str]] = field(default_factory=list)


def _walk(root: Path) -> _Found:
    found, seen, pending = _Found([]), set(), [(root, "")]
    links: list[tuple[Path, str]] = []
    while pending or links:
        if not pending:
            links.sort(key=lambda link: link[1], reverse=True)
        folder, prefix = (pending or links).pop()
        real = os.path.realpath(folder)
        if real in seen:
            found.links.append(prefix)  # only a link can lead to a folder again
            continue
        seen.add(real)
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            reason = error.strerror or str(error)
            if not prefix:
                raise DataError(f"cannot read the folder {folder}: {reason}; check its permissions") from error
            found.unread.append((prefix, reason))
            continue
        if prefix and is_result(entry.name for entry in entries):
            found.results.append(prefix)
            continue
        entries = [entry for entry in entries if is_visible(entry.name)]
        if not entries:
            found.empty.append(prefix.rstrip("/"))
        for entry in entries:
            name = f"{prefix}{entry.name}"
            if _is_dir(entry):
                # Real folders come before links to them, which are then left out.
                where = links if entry.is_symlink() else pending
                where.append((Path(entry.path), f"{name}/"))
            elif _is_file(entry):
                found.names.append(name)
            elif entry.is_symlink():
                found.links.append(name)
            else:
                found.no_files.append(name)
    return found


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False

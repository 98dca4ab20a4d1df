"""What storages share: which names are seen, and how large a file may be."""

from pathlib import Path, PurePosixPath

from tfvision.errors import DataError

MAX_FILE_BYTES = 1 << 30


# Folders that systems and file servers keep beside the user's own.
_SYSTEM = frozenset({"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found"})


def is_visible(name: str) -> bool:
    return not any(part.startswith(".") or part in _SYSTEM for part in PurePosixPath(name).parts)


def check_size(name: Path | str, size: int) -> None:
    if size > MAX_FILE_BYTES:
        raise DataError(f"{name} has {size:,} bytes, more than the {MAX_FILE_BYTES:,} allowed; remove it")

"""The cache folder: what is written once on each machine, and temporary files too large for a memory disk."""

import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from tfvision.errors import DataError


def cache_folder() -> Path:
    """Return `$TFVISION_CACHE`, by default `~/.cache/tfvision`; it may not exist yet."""
    return Path(os.environ.get("TFVISION_CACHE") or Path.home() / ".cache" / "tfvision").expanduser()


def write_temporary(blocks: Iterable[bytes | memoryview], size: int, name: str) -> BinaryIO:
    """Write blocks to a file in the cache folder that has no name and is gone when it is closed.

    Args:
        blocks: The content.
        size: Its size in bytes, compared with the free space before anything is written.
        name: What is being unpacked, for the error.

    Returns:
        The open file.

    Raises:
        DataError: The folder cannot be written to, or does not have enough space.
    """
    folder = cache_folder()
    needed = f"unpacking {name} needs {size:,} bytes in {folder}"
    way_out = "free some space, or set TFVISION_CACHE to a folder that can be written on a larger disk"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        if free < size:
            raise DataError(f"{needed}, which has {free:,} free; {way_out}")
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  (open as long as it is read)
    except OSError as error:
        raise DataError(f"{needed}: {error.strerror or error}; {way_out}") from error
    for block in blocks:
        _append(file, block, needed, way_out)
    return file


def _append(file: BinaryIO, block: bytes | memoryview, needed: str, way_out: str) -> None:
    try:
        file.write(block)
        file.flush()
    except OSError as error:
        raise DataError(f"{needed}: {error.strerror or error}; {way_out}") from error

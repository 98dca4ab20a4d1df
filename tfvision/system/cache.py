"""The cache folder: what is written once on each machine, and temporary files too large for a memory disk.

What is in it counts as computed by this user, and holds images or what was computed of them. So nobody else may write
there, and its files are readable by nobody else.
"""

import errno
import os
import shlex
import shutil
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from tfvision.errors import DataError, UsageError

_OWN_FOLDER, _OWN_FILE = 0o700, 0o600
_ROOT = 0  # the user who may do everything anyway


def cache_folder() -> Path:
    """Return `$TFVISION_CACHE`, by default `~/.cache/tfvision`; it may not exist yet."""
    return Path(os.environ.get("TFVISION_CACHE") or Path.home() / ".cache" / "tfvision").expanduser()


def own_cache() -> Path:
    """Return the cache folder, and refuse one in which others may write.

    Returns:
        See `cache_folder`; it may not exist yet.

    Raises:
        UsageError: It belongs to another user or may be written by others, who could plant files and links there; the
            message says how to mend it.
    """
    folder = cache_folder()
    if not hasattr(os, "geteuid") or not folder.exists():  # on Windows a home folder is one's own
        return folder
    real = folder.resolve()
    for place in (real, *real.parents):
        if problem := shared_by(os.stat(place), os.geteuid(), is_above=place != real):
            quoted = shlex.quote(str(place))
            mend = f"chmod go-w {quoted}, or set TFVISION_CACHE to a folder of your own"
            if "belongs" in problem or place != real:
                mend = "set TFVISION_CACHE to a folder of your own"
            raise UsageError(
                f"the cache {folder} is not safe: {quoted} {problem}, who could plant files and links there; {mend}"
            )
    return folder


def shared_by(found: os.stat_result, user: int, *, is_above: bool = False) -> str:
    """Say why a folder is not one's own.

    Args:
        found: What the system says of it.
        user: The number of the user.
        is_above: Whether the cache is below it. Others may write there if they cannot rename what is not theirs, as in
            `/tmp`.

    Returns:
        The reason; "" if only this user, or the administrator, can write there.
    """
    if found.st_uid not in (user, _ROOT):
        return f"belongs to another user ({found.st_uid})"
    if is_above and found.st_mode & stat.S_ISVTX:
        return ""
    if found.st_mode & stat.S_IWOTH:
        return "may be written by all users"
    # Many systems give each user a group with the same number, in which nobody else is.
    if found.st_mode & stat.S_IWGRP and not is_above and found.st_gid not in (found.st_uid, _ROOT):
        return f"may be written by the group {found.st_gid}"
    return ""


def make_own_folder(folder: Path) -> None:
    """Make a folder in the cache, and those above it, for this user alone.

    Args:
        folder: The folder; one that exists stays as it is.

    Raises:
        OSError: It cannot be made, or something else has its name, such as a link.
    """
    if folder.is_symlink():
        raise _planted(folder)
    if not folder.is_dir():
        if folder.parent != folder:
            make_own_folder(folder.parent.resolve())  # above the cache, links are the user's own
        folder.mkdir(_OWN_FOLDER, exist_ok=True)


def open_own(path: Path, mode: str) -> BinaryIO:
    """Open a file in the cache, for this user alone and not through a link.

    Args:
        path: The file.
        mode: `rb`, `ab` or `r+b`.

    Returns:
        The open file.

    Raises:
        OSError: It cannot be opened, or is a link.
    """
    return open(path, mode, opener=_not_through_links)  # type: ignore[return-value]  # a binary mode


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
        UsageError: Others may write there.
    """
    folder = own_cache()
    needed = f"unpacking {name} needs {size:,} bytes in {folder}"
    way_out = "free some space, or set TFVISION_CACHE to a folder that can be written on a larger disk"
    try:
        folder.mkdir(_OWN_FOLDER, parents=True, exist_ok=True)
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


def _not_through_links(path: str, flags: int) -> int:
    try:
        return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), _OWN_FILE)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _planted(Path(path)) from None
        raise


def _planted(path: Path) -> OSError:
    return OSError(errno.ELOOP, f"{path} is a link, which somebody else may have planted; remove it")

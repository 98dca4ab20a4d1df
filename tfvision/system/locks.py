"""A lock that is released when the process that holds it ends, however it ends."""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tfvision.system.terminal import console

if TYPE_CHECKING:
    from filelock import FileLock

# The errors of file systems that do not support locks.
_UNKNOWN = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}


@contextmanager
def locked(file: Path, busy: Callable[[], None]) -> Iterator[None]:
    """Hold a lock exclusively; if the file system does not support locks, say so once and continue without.

    Args:
        file: The lock file; its folder is created if it is missing. It is removed with the lock; the file of a killed
            process stays and is reused.
        busy: Called once if another process holds the lock; it raises, or returns to wait for the lock.

    Yields:
        Nothing, while the lock is held.

    Raises:
        OSError: The file cannot be created or opened.
    """
    from filelock import FileLock

    # A soft lock would outlive a killed process.
    lock = FileLock(file, fallback_to_soft=False)
    _acquire(lock, file, busy)
    try:
        yield
    finally:
        # Before the release: a process that waits then sees that the file is gone, and creates a new one. Windows
        # cannot remove an open file; there the lock removes it afterwards.
        with suppress(OSError):
            file.unlink()
        lock.release()


def _acquire(lock: "FileLock", file: Path, busy: Callable[[], None]) -> None:
    from filelock import Timeout

    try:
        try:
            lock.acquire(blocking=False)
        except Timeout:
            busy()
            lock.acquire()
    except OSError as error:
        if error.errno not in _UNKNOWN:
            raise
        _say_unlocked(file.parent, error.strerror)


@cache
def _say_unlocked(folder: Path, reason: str) -> None:
    console.print(f"{folder} cannot be locked ({reason}): see to it that no other process writes there")

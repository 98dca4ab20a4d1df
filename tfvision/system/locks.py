"""A lock that ends with the process that holds it, however that ends."""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from filelock import FileLock, Timeout

from tfvision.system.terminal import console

# What file systems say that know no locks.
_UNKNOWN = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}


@contextmanager
def locked(file: Path, busy: Callable[[], None]) -> Iterator[None]:
    """Hold a lock alone; where the file system knows no locks, say so once and go on without.

    Args:
        file: The lock's file; its folder is made if missing. It goes with the lock; of a killed process it stays, and
            is taken by the next.
        busy: Called once if another process holds the lock: raises, or returns to wait for its end.

    Raises:
        OSError: The file cannot be made or opened.
    """
    # A soft lock would outlive a killed process.
    lock = FileLock(file, fallback_to_soft=False)
    _acquire(lock, file, busy)
    try:
        yield
    finally:
        # Before the release: who waits sees that this file is gone, and makes a new one. Windows removes it after.
        with suppress(OSError):
            file.unlink()
        lock.release()


def _acquire(lock: FileLock, file: Path, busy: Callable[[], None]) -> None:
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

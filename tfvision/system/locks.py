"""A lock on a folder, which ends with the process that holds it, however that ends."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


@contextmanager
def locked(folder: Path, busy: Callable[[], None]) -> Iterator[None]:
    """Hold a folder alone; without effect where the file system or the platform knows no locks.

    Args:
        folder: A folder that exists.
        busy: Called once if another process holds it: raises, or returns to wait for its end.

    Raises:
        OSError: The folder cannot be opened.
    """
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            busy()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:
            pass  # a file system without locks
        yield
    finally:
        with suppress(OSError):
            os.close(descriptor)

"""The other side of `BoundedProcess`: it takes calls and answers them, within bounds."""

import importlib
import json
import math
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from tfvision.errors import TfvisionError, one_line
from tfvision.system.bounded import FRAME, PROCESSOR_SECONDS

Said = tuple[dict[str, Any], bytes | memoryview]

_MEMORY = 512 << 20  # bytes above what Python and the library take
_OURS = "tfvision."


def serve() -> None:
    """Answer calls until the process that makes them ends."""
    calls, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks
    with suppress(BrokenPipeError):
        while len(head := calls.read(FRAME.size)) == FRAME.size:
            words, size = FRAME.unpack(head)
            function, arguments, takes_data, memory, seconds = json.loads(calls.read(words))
            given = [calls.read(size)] if takes_data else []
            renew_time(seconds)
            work = _function(function)  # what it imports is not counted
            in_use = _in_use()
            _bound_memory(in_use and in_use + _MEMORY + memory)
            for said, data in _answered(work(*given, *arguments), seconds):
                _send(answers, said, data)
            _bound_memory(None)


def renew_time(more: int = 0) -> None:
    """Give the work that goes on the whole of its time again: it has come further.

    Args:
        more: Seconds above `PROCESSOR_SECONDS`.
    """
    with suppress(ImportError, ValueError, OSError):
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(
            resource.RLIMIT_CPU, (math.ceil(used.ru_utime + used.ru_stime) + PROCESSOR_SECONDS + more, hard)
        )
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _function(name: str) -> Any:
    module, _, function = name.partition(":")
    assert module.startswith(_OURS), "only its own functions are called"
    return getattr(importlib.import_module(module), function)


def _answered(answers: Iterator[Said], seconds: int) -> Iterator[Said]:
    """Yield the answers, then that they are done, or why they are not."""
    renew_time(seconds)
    try:
        for said, data in answers:
            yield said, data
            renew_time(seconds)
        yield {"done": True}, b""
    except TfvisionError as error:
        yield {"refused": str(error)}, b""
    except MemoryError:
        yield {"failed": f"it takes more than {_MEMORY >> 20:,} MiB of memory above its size"}, b""
    except Exception as error:  # a library may fail in any way on damaged files
        yield {"failed": one_line(error) or type(error).__name__}, b""


def _send(pipe: IO[bytes], said: dict[str, Any], data: bytes | memoryview) -> None:
    words = json.dumps(said).encode()
    pipe.write(FRAME.pack(len(words), len(data)) + words)
    pipe.write(data)
    pipe.flush()


def _in_use() -> int:
    """Return the bytes of data in use; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[5])
    except (OSError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _bound_memory(limit: int | None) -> None:
    """Bound the data, or lift the bound; without effect where the size in use is not known.

    Of data, not of addresses: the latter count what threads reserve and never use.
    """
    if limit == 0:
        return
    with suppress(ImportError, ValueError, OSError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        soft = hard if limit is None else limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))

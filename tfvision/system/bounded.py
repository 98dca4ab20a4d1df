"""Work on the files of strangers in a process of its own, which has bounds: of time, of memory, and it may crash.

A library in C may loop without end, take all memory or end its process on bytes that were made for that, and nothing in the
process that called it can stop it. What crosses the border is JSON and bytes: nothing that is executed when it is read.
"""

import atexit
import functools
import json
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from tfvision.errors import DataError

PROCESSOR_SECONDS = 2  # of work on one answer, however slow the disk is; hostile files burn them, whole ones a few ms
_IDLE_SECONDS = 60  # for one answer, where no system counts the processor's time
_OUT_OF_TIME, _KILLED = 24, 9  # signals, which Windows does not have
FRAME = struct.Struct(">IQ")  # the lengths of the JSON and of the bytes after it

# It imports as this process would.
_SCRIPT = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from tfvision.system.bounded_work import serve
serve()
"""


class NotRead(Exception):
    """The library failed, or a bound was reached; the message says which, without the name of the file."""


class BoundedProcess:
    """A process that does the work of a library; it is started when it is first asked, and waits for more.

    Args:
        library: The name of the library, for messages.
    """

    def __init__(self, library: str) -> None:
        self.library = library
        self._idle: list[subprocess.Popen[bytes]] = []  # as many as have worked at once
        self._owner = 0  # a process that was forked has no part in the pipes of its parent
        self._lock = threading.Lock()
        atexit.register(self.end)

    def ask(
        self, function: str, *arguments: Any, data: bytes | None = None, memory: int = 0, seconds: int = 0
    ) -> Iterator[tuple[dict[str, Any], bytes]]:
        """Let it call a function that yields mappings and bytes.

        Args:
            function: Such as `tfvision.data.storage.hdf5_reading:list_datasets`.
            *arguments: Plain values.
            data: Bytes for the function, before the other arguments.
            memory: Bytes that the work may take above what any work may.
            seconds: Seconds of the processor that each answer may take above `PROCESSOR_SECONDS`.

        Yields:
            What the function yields.

        Raises:
            DataError: The function raised it.
            NotRead: It raised anything else, or reached a bound.
        """
        process, is_done = self._take(), False
        assert process.stdin
        try:
            words = json.dumps([function, arguments, data is not None, memory, seconds]).encode()
            process.stdin.write(FRAME.pack(len(words), len(data or b"")) + words)
            process.stdin.write(data or b"")
            process.stdin.flush()
            while True:
                said, found = self._answer(process, seconds)
                if said.keys() & {"done", "refused", "failed"}:
                    is_done = True
                    break
                yield said, found
        except OSError:
            raise self._ended(process) from None
        finally:
            if is_done:
                self._give_back(process)
            else:  # whoever asked wants no more answers, or there are none
                _end(process)
        if "refused" in said:
            raise DataError(said["refused"])
        if "failed" in said:
            raise NotRead(said["failed"])

    def end(self) -> None:
        """End the processes that wait."""
        with self._lock:
            for process in self._waiting():
                _end(process)
            self._idle.clear()

    def _waiting(self) -> "list[subprocess.Popen[bytes]]":
        if self._owner != os.getpid():
            self._idle, self._owner = [], os.getpid()
        return self._idle

    def _take(self) -> "subprocess.Popen[bytes]":
        """Return a process that waits, or another: one whose work goes on answers nobody else."""
        with self._lock:
            while waiting := self._waiting():
                process = waiting.pop()
                if process.poll() is None:
                    return process
                _end(process)
        # One thread: those of a library for linear algebra reserve memory of which none is needed.
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
        command = [sys.executable, "-c", _SCRIPT, json.dumps(sys.path)]
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )

    def _give_back(self, process: "subprocess.Popen[bytes]") -> None:
        with self._lock:
            self._waiting().append(process)

    def _answer(self, process: "subprocess.Popen[bytes]", seconds: int) -> tuple[dict[str, Any], bytes]:
        """Return the next answer, unless the process ends before it, or is ended since it takes too long."""
        assert process.stdout
        late = threading.Timer(_IDLE_SECONDS * (1 + seconds // PROCESSOR_SECONDS), process.kill)
        late.start()
        try:
            head = process.stdout.read(FRAME.size)
            if len(head) < FRAME.size:
                raise self._ended(process)
            words, size = FRAME.unpack(head)
            said, data = process.stdout.read(words), process.stdout.read(size)
            if len(said) < words or len(data) < size:
                raise self._ended(process)
            return json.loads(said), data
        finally:
            late.cancel()

    def _ended(self, process: "subprocess.Popen[bytes]") -> NotRead:
        status = process.wait()
        if status in (-_OUT_OF_TIME, -_KILLED):
            return NotRead(f"{self.library} did not come to an end with it in time")
        return NotRead(f"{self.library} crashed on it")


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):  # what was never read or sent
            if pipe:
                pipe.close()


@functools.cache
def hdf5_library() -> BoundedProcess:
    """Return the process in which libhdf5 reads files; it stays for the next ones until this process ends."""
    return BoundedProcess("the HDF5 library")


@functools.cache
def heif_library() -> BoundedProcess:
    """Return the processes in which HEIC and AVIF are decoded, as many as there are threads that do."""
    return BoundedProcess("the decoder")

"""Decoding in a process of its own, with limits of memory and of CPU time.

For formats whose real size only their decoder finds: a HEIC or AVIF says its size in several places, of which the video
stream has the last word.
"""

import atexit
import os
import signal
import struct
import subprocess
import sys
import time
from contextlib import suppress
from typing import IO

import numpy as np

from tfvision.data.pixels.heif import decode_heif

_ASK, _ANSWER = struct.Struct("<QQ"), struct.Struct("<qq")
_MEMORY = 800 << 20  # bytes above those of the pixels
_SECONDS, _PIXELS_A_SECOND = 10, 4_000_000  # CPU time of any image, and beyond that
_STRIP = 1 << 24  # bytes of pixels sent at a time
_START = "from tfvision.data.pixels.apart import decode_for_others; decode_for_others()"


class DecodeError(Exception):
    """An image that could not be decoded apart; its text says why."""


class _EndedError(DecodeError):
    """The process that decoded has ended."""


class _Process:
    """A process that decodes one image after the other."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "MALLOC_ARENA_MAX": "2"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        assert self._process.stdin is not None and self._process.stdout is not None, "both are pipes"
        self._to, self._from = self._process.stdin, self._process.stdout

    def decode(self, data: bytes, pixels: int) -> np.ndarray:
        try:
            self._to.write(_ASK.pack(len(data), pixels))
            self._to.write(data)
            self._to.flush()
            height, width = _ANSWER.unpack(_exactly(self._from, _ANSWER.size))
            if height > 0:
                content = bytearray(3 * height * width)
                _fill(self._from, memoryview(content))
                return np.frombuffer(content, np.uint8).reshape(height, width, 3)
        except (OSError, EOFError):
            self.close()
            raise _EndedError("it takes more memory or time than its size needs, or ends its decoder") from None
        raise DecodeError("its pixels are damaged" if not height else "it is larger than its header claims")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._to, self._from):
            with suppress(OSError):
                pipe.close()


_idle: list[_Process] = []  # as many as there are threads that decode


def decode_apart(data: bytes, pixels: int) -> np.ndarray:
    """Decode a HEIC or AVIF in another process.

    Args:
        data: The file.
        pixels: How many pixels its header claims.

    Returns:
        uint8 (height, width, 3), RGB, upright.

    Raises:
        DecodeError: It cannot be decoded, or not within the memory and the time that its pixels need.
    """
    try:
        process = _idle.pop()
    except IndexError:
        process = _Process()
    try:
        found = process.decode(data, pixels)
    except _EndedError:
        raise
    except DecodeError:
        _idle.append(process)
        raise
    except BaseException:  # an interruption: the answer would be taken for that to the next question
        process.close()
        raise
    _idle.append(process)
    return found


@atexit.register
def _close_all() -> None:
    while _idle:
        _idle.pop().close()


os.register_at_fork(after_in_child=_idle.clear) if hasattr(os, "register_at_fork") else None


def decode_for_others() -> None:
    """Decode what comes from the other process, until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is meant for the other process, which may go on for a while
    asked, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    while len(head := asked.read(_ASK.size)) == _ASK.size:
        size, pixels = _ASK.unpack(head)
        _limit(pixels)
        _answer(asked.read(size), pixels, answers)
        answers.flush()


def _answer(data: bytes, pixels: int, answers: IO[bytes]) -> None:
    try:
        image = decode_heif(data)
        image.load()
    except MemoryError:
        raise
    except Exception:  # a decoder may fail in any way on damaged pixels
        answers.write(_ANSWER.pack(0, 0))
        return
    if image.width * image.height > pixels:
        answers.write(_ANSWER.pack(-1, 0))
        return
    answers.write(_ANSWER.pack(image.height, image.width))
    rows = max(1, _STRIP // (3 * image.width))
    for top in range(0, image.height, rows):
        answers.write(image.crop((0, top, image.width, min(top + rows, image.height))).tobytes())


def _limit(pixels: int) -> None:
    """Allow the memory and the time that so many pixels need, and no more."""
    try:
        import resource
    except ImportError:  # Windows
        return
    with suppress(OSError, ValueError), open("/proc/self/statm", encoding="ascii") as file:
        used = int(file.read().split()[5]) * resource.getpagesize()
        # Of data, not of addresses: the latter count what threads reserve and never use.
        resource.setrlimit(resource.RLIMIT_DATA, (used + 3 * pixels + _MEMORY, resource.RLIM_INFINITY))
    with suppress(OSError, ValueError):
        seconds = int(time.process_time()) + 1 + _SECONDS + pixels // _PIXELS_A_SECOND
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))


def _exactly(pipe: IO[bytes], size: int) -> bytes:
    data = bytearray(size)
    _fill(pipe, memoryview(data))
    return bytes(data)


def _fill(pipe: IO[bytes], view: memoryview) -> None:
    done = 0
    while done < len(view):
        count = pipe.readinto(view[done:])  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        done += count

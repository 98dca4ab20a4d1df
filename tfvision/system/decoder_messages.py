"""What libjpeg and libpng print, kept from the terminal: our errors say it, and name the file.

They write to the descriptor of errors, past Python, from any thread. To redirect it while an image is decoded would lose
what others write meanwhile. So it leads to a small process for as long as a verb runs, which leaves out their lines and
passes on all others, also the last words of a process that crashes.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_BEGINNINGS = (
    *("libpng warning: ", "libpng error: ", "Corrupt JPEG data: ", "Premature end of JPEG file"),
    *("Warning: unknown JFIF revision number", "Invalid SOS parameters for sequential JPEG"),
    *("Inconsistent progression sequence for component", "Unknown Adobe color transform code"),
)
_FILTER = f"""
import os, sys
for line in sys.stdin.buffer:
    if not line.startswith({tuple(start.encode() for start in _BEGINNINGS)!r}):
        os.write(2, line)
"""
_DESCRIPTOR = 2
_SECONDS = 2  # for the last lines, at the end


class _Filter:
    """Whether messages are to be left out, and the process that does it once there are images."""

    def __init__(self) -> None:
        self.is_wanted = False
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._kept = -1

    def start(self) -> None:
        with self._lock:
            if self.is_wanted:
                self._start()
            self.is_wanted = False  # at the end: threads that come meanwhile have to wait

    def _start(self) -> None:
        errors = sys.stderr
        if errors is not sys.__stderr__ or errors is None or errors.fileno() != _DESCRIPTOR:
            return  # somebody reads it
        errors.flush()
        kept = os.dup(_DESCRIPTOR)
        try:
            # A session of its own: Ctrl-C ends the verb, whose last lines it still has to pass on.
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _FILTER],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError:  # no process can be started: the lines are only noise
            os.close(kept)
            return
        assert process.stdin is not None, "it is a pipe"
        os.dup2(process.stdin.fileno(), _DESCRIPTOR)
        process.stdin.close()
        # What Python writes goes past the filter: in its order, and to a terminal.
        sys.stderr = open(  # noqa: SIM115  (closed by `stop`)
            os.dup(kept), "w", buffering=1, encoding=errors.encoding, errors=errors.errors
        )
        self._process, self._kept = process, kept

    def stop(self) -> None:
        with self._lock:
            self.is_wanted = False
            if self._process is None:
                return
            if sys.stderr is not None and sys.stderr is not sys.__stderr__:
                with suppress(OSError, ValueError):
                    sys.stderr.close()
            sys.stderr = sys.__stderr__
            os.dup2(self._kept, _DESCRIPTOR)
            os.close(self._kept)
            with suppress(subprocess.TimeoutExpired):  # a process that we started may hold the pipe for longer
                self._process.wait(_SECONDS)
            self._process = None


_filter = _Filter()


@contextmanager
def without_decoder_messages() -> Iterator[None]:
    """Leave out what image libraries print, from the first image on. For a process of ours only."""
    _filter.is_wanted = True
    try:
        yield
    finally:
        _filter.stop()


def about_to_decode() -> None:
    """Begin to leave out what image libraries print, if that is wanted and not done yet."""
    if _filter.is_wanted:
        _filter.start()

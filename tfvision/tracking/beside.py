"""Trackers beside a training: a process for each, whose failure is one line and stops nothing."""

import json
import os
import shlex
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from tfvision.system.terminal import console, waiting

_MOST_SECONDS = 300.0  # after the training, until a tracker has everything
_MOST_SECONDS_INTERRUPTED = 20.0


@contextmanager
def tracked(folder: Path, names: Sequence[str]) -> Iterator[None]:
    """Send a run to trackers while it is trained in the `with` block.

    Args:
        folder: The run folder, with its first files.
        names: Keys of `TRACKERS`.

    Yields:
        Nothing.
    """
    followers = [_Follower(folder, name) for name in names]
    try:
        yield
    except BaseException:
        _finish(followers, _MOST_SECONDS_INTERRUPTED)
        raise
    _finish(followers, _MOST_SECONDS)


def send_command(folder: Path, name: str) -> str:
    """Return the command that sends what a tracker does not have of a run."""
    return f"tfvision track {shlex.quote(str(folder))} --to {name}"


class _Follower:
    """The process that sends to one tracker, and a thread that says at once if it fails."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self._closing = threading.Event()
        self._complained: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (closed by the thread)
        paths = [path for path in sys.path if path]  # a notebook may have found tfvision by one that it added
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "TF_CPP_MIN_LOG_LEVEL": "3"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tfvision.tracking.following", str(folder), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complained,
            env=environment,
        )
        self.thread = threading.Thread(target=self._wait, daemon=True)
        self.thread.start()

    def end(self) -> None:
        """Tell the process that the training ended."""
        self._closing.set()
        assert self.process.stdin, "it was started with a pipe"
        with suppress(OSError):
            self.process.stdin.close()

    def give_up(self, seconds: float) -> None:
        """End a process that takes too long."""
        self.process.kill()
        self.thread.join()
        if self.process.returncode == -9:
            self._warn(f"did not take everything within {seconds:g} s")

    def _wait(self) -> None:
        assert self.process.stdout, "it was started with a pipe"
        said = self.process.stdout.read().decode("utf-8", "replace").strip()
        status = self.process.wait()
        with self._complained as file:
            file.seek(0)
            complained = file.read().decode("utf-8", "replace").strip().splitlines()
        try:
            answer = json.loads(said)
        except ValueError:
            answer = {"error": (complained[-1] if complained else f"exit status {status}")[:160]}
        if "error" in answer and status != -9:
            self._warn(answer["error"])
        elif "where" in answer:
            console.print(f"{self.name}: {answer['where']}")

    def _warn(self, what: str) -> None:
        goes_on = "" if self._closing.is_set() else "; the training goes on"
        console.print(
            f"{self.name}: {what}{goes_on}; what is missing there is sent by `{send_command(self.folder, self.name)}`"
        )


def _finish(followers: Sequence[_Follower], seconds: float) -> None:
    for follower in followers:
        follower.end()
    for follower in followers:
        with waiting(f"sending the run to {follower.name}"):
            follower.thread.join(seconds)
        if follower.thread.is_alive():
            follower.give_up(seconds)

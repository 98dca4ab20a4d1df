"""Commands in forked children of a process that has loaded TensorFlow: a fault costs a second, not the import.

The process that forks must not have computed anything with TensorFlow, whose threads a child would miss.
"""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PICTURES = (
    "experiment.pictures.plot_samples",
    "experiment.shallow.plot_samples",
    "experiment.results.plot_results",
    "ensembles.combining._draw",
)
_MOST_SECONDS = 300.0
_INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM)
_CHANGES = {"open": 0, "os.rename": 1, "os.remove": 0, "os.mkdir": 0, "os.rmdir": 0, "os.symlink": 1}  # argument: path


@dataclass(frozen=True)
class Ended:
    """A child that has ended.

    Attributes:
        status: Its exit status; below 0 the signal that ended it.
        errors: What it wrote to standard error.
        seconds: How long it took.
    """

    status: int
    errors: str
    seconds: float


def load(*, pictures: bool = False) -> None:
    """Import what the verbs import, computing nothing.

    Args:
        pictures: Whether children draw the pictures of a run, two thirds of the time of a short one.
    """
    from tfvision.system.device import load_tensorflow

    load_tensorflow()
    import importlib

    for module in (
        "experiment.running", "experiment.results", "experiment.building", "experiment.pseudo_label", "crossval.page",
        "seeds.page", "search.results", "search.trials", "audit.audit", "export.export", "explain.explain", "robustness.attack",
        "robustness.certify", "robustness.texture", "ensembles.training", "ensembles.combining", "learning_curve.page",
        "plots.classes", "training.fit", "training.features.feeding", "prediction.predict", "comparison.page",
    ):  # fmt: skip
        importlib.import_module(f"tfvision.{module}")
    for name in () if pictures else _PICTURES:
        module, function = name.rsplit(".", 1)
        setattr(importlib.import_module(f"tfvision.{module}"), function, lambda *_: None)


def run(
    words: list[object],
    *,
    fault: Callable[[int], None] = lambda pid: None,
    inside: Callable[[], None] = lambda: None,
) -> Ended:
    """Run the command line in a child.

    Args:
        words: The words after `tfvision`.
        fault: Called with the child's process id once it runs, here.
        inside: Called in the child before the command.
    """
    start = time.monotonic()
    reading, writing = os.pipe()  # no file, which a child on a full disk could not write to
    given = list(map(str, words))
    # One that comes before the child has its own hold would run what stands here to its end, in the child as well.
    signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTIONS)
    pid = os.fork()
    if not pid:
        _be_child(given, inside, writing)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _INTERRUPTIONS)
    os.close(writing)
    try:
        fault(pid)
        status = _wait(pid, start)
        os.set_blocking(reading, False)  # a child's child may hold the other end
        said = b""
        with suppress(BlockingIOError):  # it said nothing
            said = os.read(reading, 1 << 16)
    finally:
        os.close(reading)
    return Ended(status, said.decode("utf-8", "replace"), time.monotonic() - start)


def do(work: Callable[[], object]) -> int:
    """Do some work in a child that is to compute nothing with TensorFlow; return its exit status, 0 if nothing was raised."""
    pid = os.fork()
    if not pid:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def kill_at_byte(number: int) -> None:
    """Let this process die of a signal once it writes beyond a number of bytes in any file, what is before being written."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (number, resource.RLIM_INFINITY))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)


def after(seconds: float, number: int) -> Callable[[int], None]:
    """Return a fault: a signal some seconds after the start."""

    def send(pid: int) -> None:
        time.sleep(seconds)
        os.kill(pid, number)  # a child that has ended is not yet waited for, so that nobody else has its id

    return send


def on_changes(folder: Path, do: Callable[[int], None]) -> Callable[[], None]:
    """Return what lets a child do something right before each change that it makes in a folder, given its number from 1.

    A change is a file opened for writing, renamed or removed, or a folder made or removed, by Python.
    """
    place, done = os.path.realpath(folder), [0]

    def hook(event: str, args: tuple) -> None:
        if event not in _CHANGES or (event == "open" and not _writes(args)):
            return
        path = args[_CHANGES[event]]
        if isinstance(path, (str, bytes, os.PathLike)) and os.path.realpath(os.fsdecode(path)).startswith(place):
            done[0] += 1
            do(done[0])

    return lambda: sys.addaudithook(hook)


def kill_at_change(number: int, folder: Path) -> Callable[[], None]:
    """Return what lets a child die by SIGKILL right before a change, see `on_changes`."""
    return on_changes(folder, lambda each: os.kill(os.getpid(), signal.SIGKILL) if each == number else None)


def fill_disk_at_change(number: int, folder: Path, room: int) -> Callable[[], None]:
    """Return what lets a child find the disk full from a change on: no file can have more than `room` bytes, in any library."""
    import resource

    def fill(each: int) -> None:
        if each == number:
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))

    return on_changes(folder, fill)


def _writes(args: tuple) -> bool:
    mode, flags = args[1], args[2]
    return any(letter in (mode or "") for letter in "wax+") or bool((flags or 0) & (os.O_WRONLY | os.O_RDWR))


def _be_child(words: list[str], inside: Callable[[], None], errors: int) -> None:
    status = 70
    try:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for target, source in ((0, nowhere), (1, nowhere), (2, errors)):
            os.dup2(source, target)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        from tfvision.cli import main

        inside()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _INTERRUPTIONS)
        status = main(words)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _wait(pid: int, start: float) -> int:
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() - start > _MOST_SECONDS:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)

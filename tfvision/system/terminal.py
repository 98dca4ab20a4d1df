"""Progress and results: one live line on a terminal (rich), plain lines elsewhere."""

import io
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import wraps
from importlib import import_module
from types import TracebackType
from typing import Any, ParamSpec, Protocol, TypeVar

from rich.console import Console, RenderableType
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as LiveProgress

from tfvision.errors import printable

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


class Cell(Protocol):
    """The one output of a notebook's cell, updated in place; `tfvision.notebook.live` has it."""

    def say(self, text: str) -> None:
        """Add a line."""

    def progress(self, text: str) -> None:
        """Replace the line about the work that is being done; "" for none."""

    def epoch(self, text: str, rows: Sequence[Mapping[str, Any]], monitor: str) -> None:
        """Add the line of an epoch, and draw the curves of all so far."""

    def close(self) -> None:
        """Show the last state, which stays in the notebook."""


class _Console(Console):
    """A console that survives a closed pipe (`tfvision train ... | head`): the work goes on without output."""

    cell: Cell | None = None

    @property
    def open_cell(self) -> Cell | None:
        """The output of the cell, unless nothing is to be said."""
        return None if self.quiet else self.cell

    def print(self, *objects: Any, **options: Any) -> None:
        """Print, in a notebook into the output of the cell; names of files cannot move the cursor."""
        objects = tuple(harmless(each) if isinstance(each, str) else each for each in objects)
        if self.cell is None:
            super().print(*objects, **options)
        elif not self.quiet:
            # Not captured from this console, which would display something empty in the cell for each line.
            text = io.StringIO()
            plain = Console(file=text, highlight=False, soft_wrap=True, markup=False, force_jupyter=False)
            plain.print(*objects, **options)
            self.cell.say(text.getvalue().rstrip("\n"))

    def on_broken_pipe(self) -> None:
        drop_output()  # rich would end the process here


_EVERY_SECONDS = 30.0  # between two plain lines about the same work

# Soft wrapping and no highlighting, so that a file or a test receives the text itself.
console = _Console(highlight=False, soft_wrap=True, markup=False)


def harmless(text: str) -> str:
    """Return lines of text without what would do more to a terminal than to print: names of files may hold anything."""
    if text.isascii() and text.isprintable():
        return text
    return "\n".join("\t".join(map(printable, line.split("\t"))) for line in text.split("\n"))


def say_result(text: RenderableType) -> None:
    """Print the result that was asked for, even with `--quiet`."""
    before, console.quiet = console.quiet, False
    console.print(text)
    console.quiet = before


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what is printed meanwhile, such as the epochs of a training, from the output."""
    before, console.quiet = console.quiet, True
    try:
        yield
    finally:
        console.quiet = before


def say_epoch(text: str, rows: Sequence[Mapping[str, Any]], monitor: str) -> None:
    """Print the line of an epoch; a notebook also gets the curves.

    Args:
        text: The line.
        rows: The history so far, a row an epoch.
        monitor: The column that chooses the epoch.
    """
    if console.open_cell:
        console.open_cell.epoch(text, rows, monitor)
    else:
        console.print(text)


def in_one_output(verb: Callable[_Given, _Result]) -> Callable[_Given, _Result]:
    """Let a function print into one output of its cell when a notebook calls it: progress and curves, updated in place.

    Args:
        verb: A public function.

    Returns:
        The function; elsewhere than in a notebook it does as before.
    """

    @wraps(verb)
    def shown(*args: _Given.args, **options: _Given.kwargs) -> _Result:
        if console.cell is not None or not _in_notebook():
            return verb(*args, **options)
        console.cell = import_module("tfvision.notebook.live").Output()
        try:
            return verb(*args, **options)
        finally:
            cell, console.cell = console.cell, None
            cell.close()

    return shown


def new_output() -> Cell | None:
    """Return a new output of a notebook's cell, to be closed at the end; None on a terminal, and where nothing is to be said."""
    return import_module("tfvision.notebook.live").Output() if _in_notebook() and not console.quiet else None


def _in_notebook() -> bool:
    """Tell whether a kernel with a front end runs this; IPython on a terminal is none."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None) is not None


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show what is being done for as long as it takes, on a terminal; nothing is left behind."""
    if console.cell or not console.is_terminal or console.quiet:
        yield
        return
    with console.status(what):
        yield


def drop_output() -> None:
    """Redirect standard output to nowhere for good, with what is still buffered, once nobody reads it."""
    with suppress(OSError):  # in a notebook it has no descriptor
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


class ProgressLine:
    """Shows the progress of a piece of work; a context manager.

    Args:
        what: The name of the work, at the start of the line.
        total: The number of images, or of what `unit` names.
        unit: What is counted, in the plural.
    """

    def __init__(self, what: str, total: int, *, unit: str = "images") -> None:
        self.what, self.total, self.unit = what, total, unit
        self._start = self._printed_at = time.monotonic()
        self._live: LiveProgress | None = None
        if console.is_terminal and not console.quiet and console.cell is None:
            columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.fields[state]}"))
            self._live = LiveProgress(*columns, console=console, transient=True)
            self._task = self._live.add_task(what, total=total, state="")

    def __enter__(self) -> "ProgressLine":
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()
        if console.open_cell:
            console.open_cell.progress("")

    def report(self, done: int, total: int | None = None, *, detail: str = "", afterwards: float | None = None) -> None:
        """Show how many images are done, with the rate, the time left and a detail.

        Args:
            done: The number done.
            total: The new total; unchanged if None.
            detail: A short text to show, such as the loss.
            afterwards: Seconds that what follows is expected to take, to show the time left in all.
        """
        self.total = total or self.total
        now = time.monotonic()
        rate = done / max(1e-9, now - self._start)
        left = f"{duration((self.total - done) / rate) if done else '?'} left"
        if done and afterwards is not None:
            left += f", {duration((self.total - done) / rate + afterwards)} in all"
        counts = f"{done:,}/{self.total:,}"
        state = "  ".join(
            part for part in (counts, detail, f"{rate:,.{0 if rate >= 10 else 1}f} {self.unit}/s", left) if part
        )
        if console.open_cell:
            console.open_cell.progress(f"{self.what}  {state}")
        elif self._live:
            self._live.update(self._task, completed=done, total=self.total, state=state)
        elif now - self._printed_at > _EVERY_SECONDS:
            console.print(f"{self.what}  {state}")
            self._printed_at = now


def duration(seconds: float) -> str:
    """Return seconds as `45 s`, `3:20 min` or `1:05 h`."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60}:{seconds % 60:02} min"
    return f"{seconds // 3600}:{seconds % 3600 // 60:02} h"


def size_text(size: int) -> str:
    """Return a number of bytes as `740 kB`, `52 MB` or `6.9 GB`."""
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if size >= unit:
            number = size / unit
            return f"{number:.1f} {name}" if number < 10 else f"{number:,.0f} {name}"
    return f"{size / 1e3:,.0f} kB"

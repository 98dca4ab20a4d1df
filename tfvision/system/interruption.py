"""Ctrl-C and SIGTERM: wherever one arrives, the command ends as interrupted, and nothing takes it for an error.

Python raises KeyboardInterrupt in whatever the main thread does. In a function that C++ has called, TensorFlow makes an
error of its own from it; in a destructor, Python prints and forgets it. So it is remembered that a signal has arrived.
"""

import _thread
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

AGAIN = "interrupted, and nothing is half-written: go on with the same command"
_SECONDS = 0.02  # until an interruption that a destructor has swallowed is raised again


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as Ctrl-C does."""


_KINDS: dict[int, type[KeyboardInterrupt]] = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: Terminated}
_arrived: list[int] = []  # the signals since `interruptible` was entered


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM interrupt what runs in the `with` block, by KeyboardInterrupt and Terminated.

    Where SIGINT is ignored, as in a job that a shell runs in the background, it stays so.

    Yields:
        Nothing.
    """
    _arrived.clear()
    before: dict[int, Any] = {}
    forgotten = sys.unraisablehook
    try:
        if threading.current_thread() is threading.main_thread():  # no other one handles signals
            for number in _KINDS:
                if number == signal.SIGTERM or signal.getsignal(number) is signal.default_int_handler:
                    before[number] = signal.signal(number, _interrupt)
        sys.unraisablehook = lambda lost: _raise_again() if _is_ours(lost) else forgotten(lost)
        yield
    finally:
        _arrived.clear()
        sys.unraisablehook = forgotten
        for number, handler in before.items():
            signal.signal(number, handler)


def raise_if_interrupted() -> None:
    """Raise the interruption that has arrived, if one has: the error at hand may be what a library made of it.

    Raises:
        KeyboardInterrupt: Ctrl-C, or SIGTERM.
    """
    if _arrived:
        raise _KINDS[_arrived[0]] from None


def exit_status(interruption: KeyboardInterrupt) -> int:
    """Return the exit status of a command that was interrupted: 130, or 143 by SIGTERM."""
    return 143 if isinstance(interruption, Terminated) else 130


def _interrupt(number: int, frame: FrameType | None) -> None:
    if _arrived and number == signal.SIGTERM:  # a second one ends the process at once
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
    _arrived.append(number)
    raise _KINDS[number]


def _is_ours(lost: Any) -> bool:
    return isinstance(lost.exc_value, KeyboardInterrupt) and bool(_arrived)


def _raise_again() -> None:
    number = _arrived.pop()
    again = threading.Timer(_SECONDS, _thread.interrupt_main, (number,))
    again.daemon = True
    again.start()

"""Ctrl-C and SIGTERM: wherever one arrives, the command ends as interrupted, and nothing takes it for an error.

Python raises KeyboardInterrupt in whatever the main thread does. In a function that C++ has called, TensorFlow makes an
error of its own from it; in a destructor, Python prints and forgets it; some of C++ forgets it without a word. So it is
remembered that a signal has arrived, and it is raised again until the command ends.
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
_SECONDS = 0.5  # until an interruption that was swallowed is raised again


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as Ctrl-C does."""


_KINDS: dict[int, type[KeyboardInterrupt]] = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: Terminated}
_arrived: list[int] = []  # the signals since `interruptible` was entered
_reminding: list[bool] = []  # whether the handler is called to raise once more what has arrived


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM interrupt what runs in the `with` block, by KeyboardInterrupt and Terminated.

    Where SIGINT is ignored, as in a job that a shell runs in the background, it stays so.

    Yields:
        Nothing.
    """
    _forget()
    before: dict[int, Any] = {}
    forgotten = sys.unraisablehook
    try:
        if threading.current_thread() is threading.main_thread():  # no other one handles signals
            for number in _KINDS:
                if number == signal.SIGTERM or signal.getsignal(number) is signal.default_int_handler:
                    before[number] = signal.signal(number, _interrupt)
        sys.unraisablehook = lambda lost: None if _of_interruption(lost.exc_value) else forgotten(lost)
        yield
    finally:
        _forget()
        sys.unraisablehook = forgotten
        for number, handler in before.items():
            signal.signal(number, handler)


def what_came(error: BaseException) -> BaseException:
    """Return the interruption that has arrived, if one has: an error may be what a library made of it.

    Args:
        error: What was caught.

    Returns:
        The interruption, or the error itself.
    """
    return _KINDS[_arrived[0]]() if _arrived and not isinstance(error, KeyboardInterrupt) else error


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


def _forget() -> None:
    _arrived.clear()
    _reminding.clear()


def _interrupt(number: int, frame: FrameType | None) -> None:
    if _reminding:
        _reminding.clear()
        if not _arrived:
            return
        _remind_later()
        if _of_interruption(sys.exc_info()[1]):  # on its way out, through what cleans up
            return
        raise _KINDS[_arrived[0]]
    if _arrived and number == signal.SIGTERM:  # a second one ends the process at once
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
    _arrived.append(number)
    _remind_later()
    raise _KINDS[number]


def _remind_later() -> None:
    again = threading.Timer(_SECONDS, _remind)
    again.daemon = True
    again.start()


def _remind() -> None:
    """Let the main thread come by the handler again."""
    if _arrived:
        _reminding.append(True)
        _thread.interrupt_main(signal.Signals(_arrived[0]))


def _of_interruption(error: BaseException | None) -> bool:
    """Tell whether an error is an interruption or came of one."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None

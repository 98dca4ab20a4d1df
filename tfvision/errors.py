"""Errors with their exit status, and helpers that word a message: lists, values, and the nearest known name."""

import difflib
import re
import reprlib
from collections.abc import Callable, Collection, Iterable, Sequence

_MOST_MESSAGE = 4000  # characters; whatever a file holds, an error stays one that can be read
_NEXT_LINE = "\n  "  # of a message that lists all there is to repair; the only break of lines in any
_MOST_NAME = 100  # characters of one name; comparing two long ones takes the product of their lengths

_shown = {"traceback": False}

# Control characters, ends of lines, marks of direction, and halves of letters.
_CONTROL = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def debug(on: bool = True) -> None:
    """Show whole tracebacks in a notebook from now on, instead of the one line that says what to do.

    Args:
        on: False to go back to the one line.
    """
    _shown["traceback"] = on


class TfvisionError(Exception):
    """An error whose message is one clear line: what was given, what was expected, what to do."""

    exit_status = 4

    def __str__(self) -> str:
        # What a file holds is repeated in a message, and must not look like a line of our own.
        lines = map(printable, super().__str__().split(_NEXT_LINE))
        return _cut(_NEXT_LINE.join(lines), _MOST_MESSAGE)

    @property
    def _render_traceback_(self) -> Callable[[], list[str]]:
        """What a notebook shows in place of a traceback. IPython shows its own for an error that has no such attribute."""
        if _shown["traceback"]:
            raise AttributeError("_render_traceback_")
        return lambda: [f"{type(self).__name__}: {self}", "(tfvision.debug() shows where it was raised)"]


class UsageError(TfvisionError):
    """A wrong flag, key, value or name, or an output folder that already exists."""

    exit_status = 2


class DataError(TfvisionError):
    """Data that is missing, unreadable, unlabelled or too small."""

    exit_status = 3


class DamagedError(DataError):
    """A file that tfvision wrote and that is not whole any more.

    Args:
        path: The file.
        why: What is wrong with it.
    """

    def __init__(self, path: object, why: str) -> None:
        super().__init__(f"{path} is damaged: {why}; put a copy of it back, or make it again")
        self.why = why


class RunError(TfvisionError):
    """A run that failed after it started: a NaN loss, a full disk, an export that disagrees with its model."""

    exit_status = 4


class WriteError(RunError):
    """A file that could not be written; once there is space, the run can continue."""


def one_line(error: BaseException, most: int = 160) -> str:
    """Return the message of a library's error on one line, shortened.

    Args:
        error: The error.
        most: The most characters to return.

    Returns:
        The message, or "" if the error has none.
    """
    return " ".join(str(error).split())[:most]


def worded(value: object) -> str:
    """Word a value of the user's for a message: as Python writes it, cut where it is long, deep or wide.

    The one way in which a message repeats a value, since what a file holds may be endless: a YAML file of 600 bytes can
    describe a list of a billion entries.

    Args:
        value: Any value.

    Returns:
        At most about a line.
    """
    return _cut(_WORDS.repr(value), _MOST_WORDED)


def nearest(name: str, known: Iterable[str]) -> str:
    """Suggest the known name that is most like a wrong one.

    Args:
        name: The wrong name.
        known: The names to choose from.

    Returns:
        `' (did you mean X?)'`, to be appended to a message; `''` if no known name is similar.
    """
    if len(name := str(name)) > _MOST_NAME:
        return ""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" (did you mean {matches[0]}?)" if matches else ""


def check_known(what: str, name: object, known: Collection[str]) -> None:
    """Refuse a name that is not among the known ones.

    Args:
        what: What kind of thing it names, such as `pooling`, for the message.
        name: The name.
        known: The known names, in the order to list them.

    Raises:
        UsageError: The name is not known; the message gives the nearest known name and lists them all.
    """
    if name not in known:
        raise UsageError(f"unknown {what} {worded(name)}{nearest(str(name), known)}; expected {', '.join(known)}")


def listing(names: Sequence[object], limit: int = 5, *, of: int | None = None) -> str:
    """Return `'a, b, c and 7 more'`.

    Args:
        names: What to list, in order.
        limit: How many to write out.
        of: How many there are, if `names` holds only the first.

    Returns:
        The names, separated by commas, with the number of those left out.
    """
    shown = ", ".join(_cut(printable(str(name)), _MOST_WORDED) for name in names[:limit])
    rest = (len(names) if of is None else of) - limit
    return f"{shown} and {rest:,} more" if rest > 0 else shown


def printable(text: str) -> str:
    """Return a text without what would move the cursor of a terminal, turn its letters around or end a line.

    Args:
        text: Such as the name of a file, which may hold anything.

    Returns:
        The text, control characters and halves of letters as `\\x1b`, `\\n` and the like.
    """
    return text if text.isprintable() else _CONTROL.sub(lambda match: ascii(match[0])[1:-1], text)


_MOST_WORDED = 300  # characters


class _Words(reprlib.Repr):
    """The representation of a value, of which no more is looked at than is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother = 3, _MOST_NAME, _MOST_NAME
        self.maxlist = self.maxtuple = self.maxdict = 8

    def repr_int(self, x: int, level: int) -> str:
        # Python refuses to write out a number of thousands of digits.
        return repr(x) if abs(x) < 10**_MOST_DIGITS else f"a number of more than {_MOST_DIGITS} digits"


_MOST_DIGITS = 40
_WORDS = _Words()


def _cut(text: str, most: int) -> str:
    """Return a text whose middle is left out if it is longer than `most` characters, and how much is missing."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]} ... ({len(text) - 2 * half:,} characters more) ... {text[-half:]}"

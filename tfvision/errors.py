"""Errors with their exit status, and how a message words what it lists and the nearest known name."""

import difflib
from collections.abc import Collection, Iterable, Sequence


class TfvisionError(Exception):
    """An error whose message is one clear line: what came, what was expected, what to do."""

    exit_status = 4


class UsageError(TfvisionError):
    """A wrong flag, key, value, name or an output folder that exists already."""

    exit_status = 2


class DataError(TfvisionError):
    """Data that is missing, unreadable, unlabelled or too small."""

    exit_status = 3


class RunError(TfvisionError):
    """A run that failed on the way: NaN loss, full disk, an export that disagrees."""

    exit_status = 4


class WriteError(RunError):
    """A file could not be written: free some space, and the run can go on."""


def one_line(error: BaseException, most: int = 160) -> str:
    """Return the first `most` characters of what a library's error says, in one line; "" where it says nothing."""
    return " ".join(str(error).split())[:most]


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `' (did you mean X?)'` for the known name nearest to `name`, or `''`."""
    matches = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.6)
    return f" (did you mean {matches[0]}?)" if matches else ""


def check_known(what: str, name: object, known: Collection[str]) -> None:
    """Refuse a name that is none of those known.

    Args:
        what: What it names, such as `pooling`.
        name: The name.
        known: All there are, in the order to list them.

    Raises:
        UsageError: With the nearest known one and all of them.
    """
    if name not in known:
        raise UsageError(f"unknown {what} {name!r}{nearest(str(name), known)}; expected {', '.join(known)}")


def listing(names: Sequence[object], limit: int = 5) -> str:
    """Return `'a, b, c and 7 more'`.

    Args:
        names: What to list, in order.
        limit: How many are written out.
    """
    shown = ", ".join(str(name) for name in names[:limit])
    rest = len(names) - limit
    return f"{shown} and {rest:,} more" if rest > 0 else shown

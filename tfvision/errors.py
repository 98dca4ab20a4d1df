"""The errors a user can meet, each with the exit status of the command line."""


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

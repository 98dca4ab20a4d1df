"""What a target is: files of one kind, the function that reads them, and what counts as a finding."""

import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tfvision.errors import TfvisionError, printable


def _nothing(folder: Path) -> None:
    """Prepare nothing."""


def _unchanged(data: bytes) -> bytes:
    return data


@dataclass(frozen=True)
class Target:
    """Files of one kind, and what reads them.

    Attributes:
        read: Reads such a file as tfvision does, in a folder of its own that holds what `prepare` put there.
        seeds: Makes small files, right and wrong ones, from which others are made.
        prepare: Puts into the folder what lies beside the file.
        mend: Makes checksums right that a change made wrong, so that a reader looks further.
    """

    read: Callable[[bytes, Path], None]
    seeds: Callable[[], Iterator[bytes]]
    prepare: Callable[[Path], None] = _nothing
    mend: Callable[[bytes], bytes] = _unchanged


def finding(target: Target, data: bytes, folder: Path) -> str:
    """Read a file.

    Args:
        target: What reads it.
        data: The file.
        folder: A folder that was prepared for the target.

    Returns:
        What is wrong with how it was read: a traceback, or an error of more than a line; "" if it was taken or refused.
    """
    try:
        target.read(data, folder)
    except TfvisionError as error:
        text = str(error)
        return "" if text.strip() and text == printable(text) else f"an error that is not one line: {text!r}"
    except Exception:
        return traceback.format_exc()
    return ""

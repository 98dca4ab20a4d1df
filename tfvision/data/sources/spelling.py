"""One spelling for a name: composed Unicode, and text also where bytes of a file name are none."""

import unicodedata
from collections.abc import Iterable

from tfvision.errors import listing


def spelled(name: str) -> str:
    """Return a name as it stands in tables and messages.

    Args:
        name: The name of a file or folder as the system gives it.

    Returns:
        The name in composed form (NFC), since macOS writes the same name decomposed; bytes that are no UTF-8 become
        `\\xe9` and the like.
    """
    try:
        text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half a letter, from JSON such as "\\ud800"
        text = name.encode("utf-8", "backslashreplace").decode()
    return unicodedata.normalize("NFC", text)


def unspelled_note(names: Iterable[str]) -> tuple[str, ...]:
    """Return a note on names that are no UTF-8, if there are any."""
    odd = [spelled(name) for name in names if not name.isascii() and is_not_utf8(name)]
    if not odd:
        return ()
    return (f"{len(odd):,} names are no UTF-8 and are written with \\x: {listing(odd, 3)}",)


def is_not_utf8(name: str) -> bool:
    """Whether a name on the disk has bytes that are no UTF-8."""
    return any("\udc80" <= letter <= "\udcff" for letter in name)

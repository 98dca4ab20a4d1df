"""Paths of this machine in text that is meant for others: found, and shortened to the last name."""

import os
import re
import tempfile
from pathlib import Path

# A path from the root of a file system: a slash or a drive that nothing precedes which would make it a part of something
# else, such as an address, a relative path or a share like `images/s`.
_ABSOLUTE = re.compile(
    r"""(?:(?<=hub/)/|(?<![\w./:~<>\\*)\]-])(?:/(?![/\s])|[A-Za-z]:[\\/](?!/)))[^\s'"`,;:()\[\]{}<>|*?]*[^\s'"`,;:()\[\]{}<>|*?.]"""
)
_SHORTEST = 5  # of a folder that is looked for in binary files: `/a` would be found by chance


def shorten_paths(text: str, *known: str) -> tuple[str, int]:
    """Shorten each absolute path in a text to its last name.

    Args:
        text: The text.
        *known: Paths that may stand in it and have spaces, such as that of the data.

    Returns:
        The text, and how many paths were shortened.
    """
    count = 0
    for path in sorted({each for each in known if is_absolute(each)}, key=len, reverse=True):
        count += text.count(path)
        text = text.replace(path, _name(path))
    for place in local_folders():
        if " " in place:  # which would end the path that it begins
            text = text.replace(place, "/_")
    text, more = _ABSOLUTE.subn(lambda match: _name(match[0]), text)
    return text, count + more


def is_absolute(path: str) -> bool:
    """Tell whether a text is a path from the root of a file system, here or on Windows."""
    return path.startswith(("/", "\\\\")) or bool(re.match(r"[A-Za-z]:[\\/]", path))


def local_folders() -> list[str]:
    """Return the folders of this machine and user that nothing meant for others should name: home, temporary, current."""
    places = {str(Path.home()), tempfile.gettempdir(), os.getcwd()}
    return sorted(place for place in places if len(place) >= _SHORTEST)


def _name(path: str) -> str:
    return re.split(r"[\\/]+", path.rstrip("\\/"))[-1] or path

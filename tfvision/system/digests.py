"""Digests of the files of a folder, by which a changed bit is found when a file is read again.

A folder that keeps them has a hidden file with a line for each file ever written there: digest and name. A line is added
before the file takes its place, and none is ever removed: whatever a kill leaves behind, and whoever else writes there, a
file that is whole has its line. What has no line is not checked, such as the files of older versions.
"""

import hashlib
from pathlib import Path, PurePosixPath

DIGESTS = ".digests"
_KINDS = frozenset({".csv", ".json", ".npy", ".txt", ".yaml"})  # models and checkpoints have checksums of their own


def keep_digests(folder: Path) -> None:
    """Let a folder keep digests of the files that are written to it from now on.

    Args:
        folder: An existing folder.
    """
    (folder / DIGESTS).touch()


def note_digest(path: Path, written: Path) -> None:
    """Note the digest of a file that is about to take its place; nothing in a folder that keeps none.

    Args:
        path: Its place.
        written: Where it is now.

    Raises:
        OSError: The disk is full.
    """
    kept = path.parent / DIGESTS
    if path.suffix in _KINDS and kept.is_file():
        with kept.open("ab") as file:
            file.write(f"{_digest(written.read_bytes())} {path.name}\n".encode("utf-8", "surrogateescape"))


def differs(path: Path, data: bytes) -> bool:
    """Tell whether a file is not what was written to it.

    Args:
        path: The file.
        data: Its content.

    Returns:
        False also where nothing is known of it.
    """
    try:
        lines = (path.parent / DIGESTS).read_bytes().decode("utf-8", "surrogateescape").split("\n")
    except OSError:
        return False
    known = {line.partition(" ")[0] for line in lines if line.partition(" ")[2] == path.name}
    return bool(known) and _digest(data) not in known


def list_digests(folder: Path, into: Path) -> None:
    """Write the digests of all files below a folder that is complete.

    Args:
        folder: The folder.
        into: The file to write, below the folder.

    Raises:
        OSError: The disk is full.
    """
    lines = [f"{_digest_of(path)} {path.relative_to(folder).as_posix()}\n" for path in _files(folder) if path != into]
    into.write_text("".join(lines), encoding="utf-8", newline="\n")


def first_changed(folder: Path, listed: Path) -> str:
    """Find a file that is not what `list_digests` found.

    Args:
        folder: The folder.
        listed: The list; one that is missing, as in a folder of an older version, lists nothing.

    Returns:
        What is wrong with which file; "" if nothing is.
    """
    try:
        lines = listed.read_text(encoding="utf-8").split("\n") if listed.is_file() else [""]
        if lines.pop():
            return f"{listed.relative_to(folder).as_posix()} is cut short"
        names = [PurePosixPath(line.partition(" ")[2]) for line in lines]
        # Each file is read once, however large: the list may be a stranger's.
        if len(set(names)) < len(names) or any(name.is_absolute() or ".." in name.parts for name in names):
            return f"{listed.name} names a file twice, or one that is elsewhere"
        for digest, _, name in (line.partition(" ") for line in lines):
            if not (folder / name).is_file():
                return f"{name} is gone"
            if _digest_of(folder / name) != digest:
                return f"{name} is not what was written"
    except (OSError, ValueError) as error:
        return f"{listed.name} cannot be read ({type(error).__name__})"
    return ""


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def _digest_of(path: Path) -> str:
    found = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            found.update(piece)
    return found.hexdigest()


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()

"""Files that are never half-written, and the removal of what killed processes left behind."""

import csv
import errno
import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

from tfvision.errors import DamagedError, DataError, RunError, UsageError, WriteError, one_line, printable
from tfvision.system.csv_table import csv_rows, csv_text
from tfvision.system.digests import DIGESTS, differs, note_digest

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Provide a temporary path beside `path` to write to; at the end it is renamed to `path`.

    Args:
        path: The file to write; its folder is created if it is missing. The temporary file has the same suffix, since
            Keras chooses the format by it.

    Yields:
        The temporary path.

    Raises:
        UsageError: `path` is not a file name.
        WriteError: The file could not be written (full disk, read-only folder).
    """
    path = Path(path)
    if not path.name:
        raise UsageError(f"{path} is no file name; choose another --output")
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(path.parent, f".{path.stem}.", path.suffix)
        _claim(temporary)
        yield temporary
        note_digest(path, temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise not_written(path, error) from error
    finally:
        with suppress(OSError):  # a failure to clean up must not hide the first one
            temporary.unlink(missing_ok=True)


def _claim(temporary: Path) -> None:
    """Make an empty file of our own; a link that somebody has planted under its name is not followed."""
    temporary.unlink(missing_ok=True)
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))


def refuse_no_text(*paths: Path | str | None) -> None:
    """Refuse paths that are no text: they would have to stand in the files that a run writes at its end.

    Args:
        *paths: The paths; None stands for none.

    Raises:
        UsageError: With the first that has bytes which are no UTF-8.
    """
    for path in (str(path) for path in paths if path is not None):
        try:
            path.encode("utf-8")
        except UnicodeEncodeError:
            shown = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            raise UsageError(f"the path {printable(shown)} is not UTF-8 text; rename it") from None


def below(folder: Path, name: str) -> Path:
    """Return the path of a file named after an image, which is below a folder whatever the name is.

    Args:
        folder: The folder.
        name: The id of an image, with slashes; data may call an image `../a` or `/a`.

    Returns:
        The path, without what would lead out of the folder.
    """
    parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("..", "/")]
    return folder.joinpath(*parts or ("_",))


@contextmanager
def appearing(folder: Path) -> Iterator[Path]:
    """Provide a temporary folder as `filled_beside` does.

    Args:
        folder: The folder to make, which must not exist.

    Yields:
        The temporary folder.

    Raises:
        WriteError: The folder cannot be made.
    """
    try:
        with filled_beside(folder) as temporary:
            yield temporary
    except OSError as error:
        raise not_written(folder, error) from error


@contextmanager
def filled_beside(folder: Path) -> Iterator[Path]:
    """Provide a temporary folder beside `folder` to fill; at the end it is renamed: all of it appears or nothing.

    Args:
        folder: The folder to make, which must not exist.

    Yields:
        The temporary folder.

    Raises:
        OSError: The folder cannot be made.
    """
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(folder.parent, f".{folder.name}.")
        temporary.mkdir()  # refuses a link that somebody has planted under its name
        yield temporary
        os.rename(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def is_pattern(path: Path) -> bool:
    """Tell whether a path holds letters that TensorFlow takes for a pattern."""
    return bool(set(str(path.absolute())) & set("[]*?\\"))


@contextmanager
def loadable(folder: Path) -> Iterator[Path]:
    """Provide a path by which TensorFlow finds the files of a folder.

    It takes `[`, `*` and `?` in a path for a pattern, and then finds no variables.

    Args:
        folder: An existing folder.

    Yields:
        The folder, or a link to it without such letters.
    """
    if not is_pattern(folder):
        yield folder
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        link = Path(temporary) / "linked"
        link.symlink_to(folder.absolute(), target_is_directory=True)
        yield link


def refuse_unwritable(*paths: Path | str | None) -> None:
    """Refuse output files that cannot be written, before the work whose outcome they are to hold.

    Args:
        *paths: The files; their folders are created if they are missing. None stands for no file.

    Raises:
        UsageError: A path is no text.
        WriteError: With the first that cannot be written.
    """
    refuse_no_text(*paths)
    for path in [Path(path) for path in paths if path is not None]:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path.parent):
                pass
        except OSError as error:
            raise not_written(path, error) from error


def not_written(path: Path, error: OSError) -> WriteError:
    """Return the error to raise when an output file cannot be written.

    Args:
        path: The file.
        error: Why it cannot be written.

    Returns:
        The error, which says what to do.
    """
    return WriteError(f"cannot write {path}: {error.strerror or error}; free some space or choose another --output")


def refuse_no_space(error: Exception, path: Path | str) -> None:
    """Say that there is no space, if that is why a library could not read a file: it unpacks what it reads.

    Args:
        error: What the library raised.
        path: What it was to read.

    Raises:
        RunError: There is no space for temporary files.
    """
    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        raise RunError(
            f"no space to unpack {path} ({error.strerror}); free some space, or set TMPDIR to a folder that has it"
        ) from error


def remove_leftovers(folder: Path) -> None:
    """Remove the half-written files that killed processes left in a run folder and its subfolders.

    Nothing else may be writing there with this process's own id.
    """
    for place, _, _ in os.walk(folder):
        _remove_ended(Path(place), re.compile(r"\..+\.(\d{1,7})(\.\w+)?"))


def remove_abandoned(folder: Path, start: str, end: str = "") -> None:
    """Remove the files and folders that processes left which have ended.

    Args:
        folder: The folder to look in.
        start: What their names begin with; the process id follows.
        end: What their names end with, after the process id.
    """
    _remove_ended(folder, re.compile(rf"{re.escape(start)}(\d{{1,7}}){re.escape(end)}"))


def write_text(path: Path | str, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all.

    Args:
        path: The file to write.
        text: Its content.

    Raises:
        WriteError: The file could not be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def to_json(value: Any) -> str:
    """Return `value` as indented JSON with a newline at its end; NaN is refused."""
    return json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def write_json(path: Path | str, value: Any) -> None:
    """Write a JSON file as `to_json` formats it, whole or not at all.

    Args:
        path: The file to write.
        value: Plain values.

    Raises:
        WriteError: The file could not be written.
    """
    write_text(path, to_json(value))


def read_json(path: Path | str) -> dict[str, Any]:
    """Read a JSON object that tfvision wrote.

    Args:
        path: The file.

    Returns:
        The object.

    Raises:
        DataError: The file is missing, or does not hold a JSON object.
    """
    try:
        content = json.loads(read_written(path))
    except (ValueError, RecursionError) as error:
        raise DamagedError(path, one_line(error) or "it is nested too deep") from None
    if not isinstance(content, dict):
        raise DamagedError(path, "it holds no JSON object")
    return content


def read_written(path: Path | str) -> str:
    """Read a text file that tfvision wrote: the one door to the files of a run.

    Args:
        path: The file.

    Returns:
        Its text.

    Raises:
        DataError: It is missing, no text, or not what was written.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}; expected a file that tfvision wrote") from None
    if differs(path, data):
        raise DamagedError(path, f"it is not what was written (to use it as it is, remove {path.parent / DIGESTS})")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DamagedError(path, f"byte {error.start:,} is not UTF-8") from None


def read_written_rows(path: Path | str, columns: Sequence[str]) -> list[dict[str, str]]:
    """Read a table that tfvision wrote.

    Args:
        path: A CSV file with a header.
        columns: Columns that it must have.

    Returns:
        Its rows, the cells as text.

    Raises:
        DataError: It is missing, or lacks a column.
    """
    header, rows = read_written_table(path)
    if missing := [name for name in columns if name not in header]:
        raise DamagedError(path, f"it has no column {missing[0]}")
    return [dict(zip(header, row, strict=True)) for row in rows]


def read_written_table(path: Path | str) -> tuple[list[str], list[list[str]]]:
    """Read a table that tfvision wrote, whatever its columns.

    Args:
        path: A CSV file with a header.

    Returns:
        The names of its columns, and its rows, each with a cell for each column.

    Raises:
        DataError: It is missing or damaged.
    """
    text = read_written(path)
    try:
        header, *rows = csv_rows(io.StringIO(text, newline=""), strict=True)
    except (ValueError, csv.Error) as error:
        raise DamagedError(path, f"it is no table ({one_line(error)})" if text else "it is empty") from None
    if len(set(header)) < len(header):
        raise DamagedError(path, "it has a column twice")
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise DamagedError(path, f"row {number:,} has {len(row)} cells; expected {len(header)}")
    if not text.endswith("\n"):
        raise DamagedError(path, "it ends in the middle of a line")
    return header, rows


def to_csv(rows: Sequence[Mapping[str, object]]) -> str:
    """Return rows with the same keys as CSV with a header, floats with six digits."""
    names = list(rows[0])
    return csv_text(names, ([f"{v:.6g}" if isinstance(v, float) else v for v in map(row.get, names)] for row in rows))


def _remove_ended(folder: Path, pattern: re.Pattern[str]) -> None:
    """Remove what matches; the first group of the pattern is the id of the process that wrote it."""
    if os.name == "nt":  # signal 0 would end the process on Windows
        return
    with suppress(OSError):
        for entry in list(os.scandir(folder)):
            match = pattern.fullmatch(entry.name)
            if not match or _is_running(int(match[1])):
                continue
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                os.unlink(entry.path)


def _is_running(process: int) -> bool:
    """Tell whether another process with this id runs; in containers a killed one often had our own id."""
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it belongs to another user
        return True
    return True

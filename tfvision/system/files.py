"""Files that are never half-written, what killed processes left of them, and names as near as a typing slip."""

import csv
import io
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tfvision.errors import DataError, UsageError, WriteError


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Give a temporary path beside `path` to write to; it takes the place of `path` at the end.

    Args:
        path: The file to write; its folder is made if missing. The temporary file keeps the suffix, since Keras
            chooses its format by it.

    Raises:
        UsageError: `path` is no file name.
        WriteError: The file could not be written (full disk, read-only folder).
    """
    path = Path(path)
    if not path.name:
        raise UsageError(f"{path} is no file name; choose another --output")
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(path.parent, f".{path.stem}.", path.suffix)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise not_written(path, error) from error
    finally:
        with suppress(OSError):  # what failed to be written must not hide why
            temporary.unlink(missing_ok=True)


def not_written(path: Path, error: OSError) -> WriteError:
    """Return the error to raise where a file of an output cannot be written."""
    return WriteError(f"cannot write {path}: {error.strerror or error}; free some space or choose another --output")


def remove_leftovers(folder: Path) -> None:
    """Remove the half-written files that killed processes left in a run folder and the folders in it.

    Nothing else may be writing there under this process's own number.
    """
    for place, _, _ in os.walk(folder):
        _remove_ended(Path(place), re.compile(r"\..+\.(\d{1,7})(\.\w+)?"))


def remove_abandoned(folder: Path, start: str, end: str = "") -> None:
    """Remove the entries of `folder` called `start`, a process number and `end`, where that process has ended."""
    _remove_ended(folder, re.compile(rf"{re.escape(start)}(\d{{1,7}}){re.escape(end)}"))


def write_text(path: Path | str, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def to_json(value: Any) -> str:
    """Return `value` as indented JSON with a newline at its end; NaN is refused."""
    return json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def write_json(path: Path | str, value: Any) -> None:
    """Write `value` to `path` as `to_json` gives it, whole or not at all."""
    write_text(path, to_json(value))


def read_json(path: Path | str) -> dict[str, Any]:
    """Read a JSON object that tfvision wrote.

    Raises:
        DataError: The file is missing or holds no JSON object.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        why = getattr(error, "strerror", None) or error
        raise DataError(f"cannot read {path}: {why}; expected a JSON file tfvision wrote") from None
    if not isinstance(content, dict):
        raise DataError(f"{path} holds no JSON object; expected a JSON file tfvision wrote")
    return content


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows of equal keys as CSV with a header, floats in six digits."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows)
    return text.getvalue()


def _remove_ended(folder: Path, pattern: re.Pattern[str]) -> None:
    """Remove what matches; its first group is the number of the process that wrote it."""
    if os.name == "nt":  # there the signal 0 would end the process
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
    """Whether another process of this number runs; in containers a killed one often had our own."""
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is someone else's
        return True
    return True

"""Files that are never half-written, and names as near as a typing slip."""

import difflib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tfvision.errors import UsageError, WriteError


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
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise WriteError(
            f"cannot write {path}: {error.strerror or error}; free some space or choose another --output"
        ) from error
    finally:
        with suppress(OSError):  # what failed to be written must not hide why
            temporary.unlink(missing_ok=True)


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


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `' (did you mean X?)'` for the known name nearest to `name`, or `''`."""
    matches = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.6)
    return f" (did you mean {matches[0]}?)" if matches else ""

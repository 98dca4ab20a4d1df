"""Checks of what a weights file holds, before any of it is read into memory.

Weights are passed around, so a file may be damaged or malicious. Both formats are HDF5, alone or in a `.keras`
archive. Nothing in a file is ever executed: an archive's own layers are never built, only its arrays are read.
"""

import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tfvision.errors import TfvisionError, UsageError, one_line
from tfvision.models.model_config import LARGEST_CONFIG, parse_config
from tfvision.system.bounded import hdf5_library

_READING = "tfvision.models.weights_reading"
_READ_A_SECOND = 100 << 20  # bytes, of any disk

_WEIGHTS, _CONFIG = "model.weights.h5", "config.json"  # members of a .keras archive

# Weights hardly compress: a file that declares many times its own size was made to fill the memory.
_EXPANSION = 4
_SLACK = 16 * 2**20


def check_weights_file(path: Path) -> int:
    """Refuse a file that is damaged, reaches outside itself or declares far more than it holds.

    Args:
        path: `.h5`, `.hdf5` or `.keras`.

    Returns:
        How many numbers it holds.

    Raises:
        UsageError: The file is one of these; the message says which.
    """
    with refusing_damage(path):
        if path.suffix != ".keras":
            return _check_hdf5(path, None, path.stat().st_size)
        with zipfile.ZipFile(path) as archive:
            _check_members(archive)
            declared = sum(member.file_size for member in archive.infolist())
            _refuse(too_large(declared, path.stat().st_size))
            return _check_hdf5(path, _WEIGHTS, archive.getinfo(_WEIGHTS).file_size)


def read_config(path: Path) -> Any:
    """Read the configuration of a model file, refusing what may not be made of it.

    Args:
        path: A `.keras` archive.

    Returns:
        The values of its config.json.

    Raises:
        UsageError: The file is damaged, or names what is no layer of Keras; the message says what.
    """
    with refusing_damage(path, "model of Keras"), zipfile.ZipFile(path) as archive:
        _check_members(archive)
        if (size := archive.getinfo(_CONFIG).file_size) > LARGEST_CONFIG:
            raise ValueError(f"{_CONFIG} declares {size:,} bytes, more than {LARGEST_CONFIG:,}")
        return parse_config(archive.read(_CONFIG), _CONFIG)


def operation_names(path: Path) -> list[str]:
    """Read the names of the layers and operations of a model.

    Args:
        path: A `.keras` archive that passed `check_weights_file`.

    Returns:
        The names, in the order of the model's configuration.

    Raises:
        UsageError: The archive does not list them.
    """
    with refusing_damage(path), zipfile.ZipFile(path) as archive:
        return [str(entry["name"]) for entry in json.loads(archive.read(_CONFIG))["config"]["layers"]]


def input_channels(path: Path) -> int:
    """Read how many channels the images of a model have.

    Args:
        path: A `.keras` archive that passed `check_weights_file`.

    Returns:
        The channels of its first input.

    Raises:
        UsageError: The archive does not tell.
    """
    with refusing_damage(path), zipfile.ZipFile(path) as archive:
        layers = json.loads(archive.read(_CONFIG))["config"]["layers"]
        shapes = (entry["config"]["batch_shape"] for entry in layers if entry["class_name"] == "InputLayer")
        return int(next(shapes)[-1])


@contextmanager
def refusing_damage(path: Path, expected: str = "weights file") -> Iterator[None]:
    """Turn any error in reading a file into a `UsageError` of one line; errors of tfvision pass unchanged."""
    try:
        yield
    except TfvisionError:
        raise
    except Exception as error:  # a damaged file fails in many ways
        reason = one_line(error) or type(error).__name__
        raise UsageError(f"{path} is damaged or no {expected}; expected .h5 or .keras of Keras ({reason})") from None


def _check_members(archive: zipfile.ZipFile) -> None:
    """Refuse an archive with names that are there twice, or that lead out of it."""
    names = archive.namelist()
    twice = [name for name, count in Counter(names).items() if count > 1]
    _refuse(f"it holds {twice[0]!r} twice" if twice else None)
    outside = [
        name for name in names if name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", name) or ":" in name
    ]
    _refuse(f"{outside[0]!r} leads out of the archive" if outside else None)


def _check_hdf5(path: Path, member: str | None, size: int) -> int:
    """Return how many numbers an HDF5 file holds, or a member of an archive that is one."""
    path.open("rb").close()  # whether it can be read is said in the words of the system
    seconds, place = size // _READ_A_SECOND, str(path.absolute())  # the other process works where it was started
    said = hdf5_library().ask(f"{_READING}:check_hdf5", place, member, memory=2 * size, seconds=seconds)
    return sum(int(found["values"]) for found, _ in said)


def too_large(declared: int, stored: int) -> str | None:
    """Say what is wrong with a file that declares more bytes than it can hold.

    Args:
        declared: Bytes of all arrays.
        stored: Bytes of the file.

    Returns:
        What is wrong; None if nothing is.
    """
    if declared > _EXPANSION * stored + _SLACK:
        return f"it declares {declared:,} bytes and holds {stored:,}"
    return None


def _refuse(problem: str | None) -> None:
    if problem:
        raise ValueError(problem)

"""Directories and .zip files, read in place through one small interface: `names`, `read`, `head`, `span`, `size`."""

import zipfile
from pathlib import Path

from tfvision.data.storage.directory import Directory
from tfvision.data.storage.zip_file import Zip
from tfvision.errors import DataError, nearest

Storage = Directory | Zip


def open_storage(path: Path | str) -> Storage:
    """Open a folder or a .zip.

    Args:
        path: The folder or file; `~` is the home folder.

    Returns:
        Its files.

    Raises:
        DataError: There is no such path, or it is neither a folder nor a .zip.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        return Directory(path)
    refuse_missing(path)
    if path.suffix.lower() == ".zip" or zipfile.is_zipfile(path):
        return Zip(path)
    raise DataError(f"{path} is not a folder, .zip, CSV, .npy, .npz or HDF5 file; give one of these, or digits")


def refuse_missing(path: Path) -> None:
    """Refuse a path of data that does not exist.

    Args:
        path: The path.

    Raises:
        DataError: There is no such path; the message gives the most similar name in the same folder.
    """
    if not path.exists():
        siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(
            f"no such data: {path}{nearest(path.name, siblings)}; "
            "give a folder, a .zip, a CSV, .npy, .npz or HDF5 file, or digits"
        )

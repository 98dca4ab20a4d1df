"""Directories, .zip and .tar files, read in place through one small interface: `names`, `read`, `head`, `span`, `size`."""

import zipfile
from pathlib import Path

from tfvision.data.storage.directory import Directory
from tfvision.data.storage.tar_file import Tar, is_tar
from tfvision.data.storage.zip_file import Zip
from tfvision.errors import DataError, nearest

Storage = Directory | Zip | Tar


def open_storage(path: Path | str) -> Storage:
    """Open a folder, a .zip or a .tar.

    Args:
        path: The folder or file; `~` is the home folder.

    Returns:
        Its files.

    Raises:
        DataError: There is no such path, or it is neither a folder nor such a file.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        return Directory(path)
    refuse_missing(path)
    if not path.is_file():  # a pipe would be waited for
        raise DataError(f"{path} is neither a file nor a folder; give one of these")
    if path.suffix.lower() == ".zip" or zipfile.is_zipfile(path):
        return Zip(path)
    if is_tar(path):
        return Tar(path)
    raise DataError(f"{path} is not a folder, .zip, .tar, CSV, .npy, .npz or HDF5 file; give one of these, or digits")


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
            "give a folder, a .zip, a .tar, a CSV, .npy, .npz or HDF5 file, or digits"
        )

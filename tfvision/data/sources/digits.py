"""The embedded data set: scikit-learn's digits, written out as a class-per-folder tree of PNG files."""

import os
import shutil
import tempfile
from pathlib import Path

from tfvision.data.storage.files import refuse_missing
from tfvision.errors import DataError
from tfvision.system.cache import make_own_folder, own_cache

# The name that can be given in place of a path of data. It never means a folder, which would be another data set for
# whoever starts the same recipe elsewhere: `--output digits` makes one.
EMBEDDED = "digits"


def refuse_missing_data(data: str | os.PathLike[str]) -> None:
    """Refuse data that does not exist, without opening it.

    Args:
        data: A path, or `digits`.

    Raises:
        DataError: There is no such path; the message gives the most similar name in the same folder.
    """
    if os.fspath(data) != EMBEDDED:
        refuse_missing(Path(data).expanduser())


def shadowed_note() -> tuple[str, ...]:
    """Return a line about something here that is called `digits` too and is not meant, if there is something."""
    if not os.path.lexists(EMBEDDED):
        return ()
    return (f"{EMBEDDED} means the images that come with scikit-learn; for what is called so here give ./{EMBEDDED}",)


def write_digits() -> Path:
    """Write the 1,797 images of 8 x 8 pixels once, all or none, below `$TFVISION_CACHE` (`~/.cache/tfvision`).

    Returns:
        Their folder.

    Raises:
        DataError: The folder cannot be written, or a link has its name.
        UsageError: Others may write to the cache.
    """
    cache = own_cache()
    folder = cache / EMBEDDED
    if folder.is_dir() and not folder.is_symlink():
        return folder
    try:
        make_own_folder(cache)
        if folder.is_symlink():
            raise DataError(f"{folder} is a link, which somebody else may have planted; remove it")
        with tempfile.TemporaryDirectory(prefix=".digits.", dir=cache) as temporary:
            whole = Path(temporary) / EMBEDDED
            _write_tree(whole)
            try:
                os.rename(whole, folder)
            except OSError:
                if not folder.is_dir():  # else another process was first
                    raise
                shutil.rmtree(whole)
    except OSError as error:
        raise DataError(
            f"cannot write the digits to {folder}: {error.strerror or error}; "
            "set TFVISION_CACHE to a folder that can be written"
        ) from error
    return folder


def _write_tree(folder: Path) -> None:
    # Needed once on each machine; scikit-learn alone takes a second to import.
    import cv2
    import numpy as np
    from sklearn.datasets import load_digits

    data = load_digits()
    for label in range(10):
        (folder / str(label)).mkdir(parents=True)
    # 0..16 -> 0..255
    pixels = np.rint(data.images * (255 / 16)).astype(np.uint8)
    for i, (image, label) in enumerate(zip(pixels, data.target, strict=True)):
        (folder / str(label) / f"{i:04d}.png").write_bytes(cv2.imencode(".png", image)[1].tobytes())

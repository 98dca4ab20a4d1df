"""What to train on if nothing is named: the images of the current folder, or the embedded example."""

import os
from pathlib import Path

from tfvision.data.sources.digits import EMBEDDED
from tfvision.data.storage.limits import is_visible
from tfvision.errors import TfvisionError
from tfvision.system.terminal import console

_MOST, _FEWEST, _SHARE = 20_000, 6, 0.9
_BESIDE = frozenset({".csv", ".tsv", ".txt", ".md", ".xml", ".json", ".yaml"})  # what lies beside images


def data_here() -> str:
    """Choose the data of a command that names none, and say which.

    Returns:
        `.` if the current folder holds images in a layout that can be read with two classes or more, and hardly anything
        else; else `digits`.
    """
    if _holds_images(Path()) and _has_classes():
        console.print("no --data: training on the images of this folder; give --data FOLDER for others")
        return "."
    console.print("no --data: training on the embedded example, 1,797 digits; give --data FOLDER for your own")
    return EMBEDDED


def _holds_images(folder: Path) -> bool:
    """Tell whether nearly all files are images, by their endings; a large folder is not looked through."""
    from tfvision.data.pixels.decoding import IMAGE_SUFFIXES  # with OpenCV

    images = others = 0
    for path, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if is_visible(name) and not _is_ours(os.path.join(path, name))]
        endings = [os.path.splitext(name)[1].lower() for name in names if is_visible(name)]
        images += sum(ending in IMAGE_SUFFIXES for ending in endings)
        others += sum(ending not in IMAGE_SUFFIXES | _BESIDE for ending in endings)
        if images + others > _MOST:
            break
    return images >= _FEWEST and images >= _SHARE * (images + others)


def _has_classes() -> bool:
    from tfvision.data.sources.open import open_images  # with NumPy

    try:
        return len(open_images(".").class_names) > 1
    except TfvisionError:
        return False


def _is_ours(folder: str) -> bool:
    from tfvision.data.storage.directory import is_result

    try:
        return is_result(os.listdir(folder))
    except OSError:
        return False

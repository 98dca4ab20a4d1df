"""Which files of a storage are images, by their endings or their first bytes, and what is said of the others."""

import posixpath
import re
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from tfvision.data.pixels.decoding import IMAGE_SUFFIXES
from tfvision.data.pixels.headers import HEAD_BYTES, image_format
from tfvision.data.pixels.heif import INSTALL, reads
from tfvision.data.sources.spelling import spelled
from tfvision.data.storage.directory import Directory
from tfvision.data.storage.files import Storage
from tfvision.errors import DataError, listing

ARCHIVE_SUFFIXES = frozenset({".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar"})

_PHOTOS = frozenset({".heic", ".heif", ".hif", ".avif"})
# Endings that are never looked into: text, programs, arrays, archives, sound and films, and the files of editors.
_OTHERS = ARCHIVE_SUFFIXES | frozenset(
    {".csv", ".tsv", ".txt", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".md", ".rst", ".html", ".pdf", ".log"}
    | {".ini", ".cfg", ".toml", ".py", ".ipynb", ".sh", ".m", ".mat", ".npy", ".npz", ".h5", ".hdf5", ".pkl", ".pth"}
    | {".keras", ".pb", ".parquet", ".mp4", ".avi", ".mov", ".mp3", ".wav", ".db", ".names", ".cache", ".xlsx", ".doc"}
)


MASK_FOLDERS = frozenset(
    {"mask", "masks", "trimaps", "segmentation", "segmentations", "segmentationclass", "segmentationobject"}
)
_MASK = re.compile(r"_mask(_\d+)?$")


def find_image_files(storage: Storage) -> list[str]:
    """Find the image files: by a known ending, else by their first bytes.

    Args:
        storage: Any files.

    Returns:
        Their names in the order of the storage.

    Raises:
        DataError: A file cannot be read.
    """
    return [name for name in storage.names if suffix(name) in IMAGE_SUFFIXES or _looks_like_one(storage, name)]


def is_image_file(path: Path) -> bool:
    """Tell whether a file is an image, by its ending or its first bytes, though it may not be readable here."""
    if not path.is_file():
        return False
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return True
    return (
        path.suffix.lower() not in _OTHERS
        and image_format(Directory(path.parent, [path.name]).head(path.name, HEAD_BYTES)) != ""
    )


def left_out(storage: Storage, images: Collection[str], used: Collection[str], what: str) -> tuple[str, ...]:
    """Say which files are not used, in one line.

    Args:
        storage: Where they are.
        images: Names of the image files.
        used: Names of the files that are used, images or not.
        what: What does not name or hold the images that are left out, such as `train.csv`.

    Returns:
        One note; none if all files are used.
    """
    kept, known = set(used), set(images)
    unnamed = [name for name in storage.names if name in known and name not in kept]
    others = [name for name in storage.names if name not in known and name not in kept]
    said = [f"{len(unnamed):,} images that {what} does not name (such as {spelled(unnamed[0])})"] if unnamed else []
    if others:
        counts = Counter(suffix(name) or "without an ending" for name in others)
        kinds = ", ".join(f"{count:,} {end}" for end, count in counts.most_common(4)) + ", ..." * (len(counts) > 4)
        said.append(f"{kinds} (such as {spelled(_telling(others))})")
        if photos := sum(suffix(name) in _PHOTOS and _format(storage, name) != "" for name in others):
            said.append(f"{photos:,} are photos of phones, which {INSTALL} reads")
    if results := getattr(storage, "results", ()):
        said.append(f"{len(results):,} folders that tfvision wrote (such as {spelled(results[0])})")
    if links := getattr(storage, "skipped_links", ()):
        said.append(f"{len(links):,} links that lead nowhere or to what is read already (such as {spelled(links[0])})")
    if no_files := getattr(storage, "no_files", ()):
        said.append(f"{len(no_files):,} that are no plain files (such as {spelled(no_files[0])})")
    return (f"not read: {'; '.join(said)}",) if said else ()


def without_masks(images: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Leave out masks: images in a folder that is called so, or with `_mask` behind the name of another image.

    Args:
        images: Names of image files.

    Returns:
        The other images, and a note; all images where those in such folders do not repeat the names of others.
    """
    inside = [name for name in images if MASK_FOLDERS & set(name.lower().split("/")[:-1])]
    kept = [name for name in images if not MASK_FOLDERS & set(name.lower().split("/")[:-1])]
    stems = {posixpath.basename(posixpath.splitext(name)[0]) for name in kept}
    matching = sum(_MASK.sub("", posixpath.basename(posixpath.splitext(name)[0])) in stems for name in inside)
    if 2 * matching < len(inside):
        kept, inside = list(images), []
    paths = {posixpath.splitext(name)[0] for name in kept}
    beside = [name for name in kept if (stem := posixpath.splitext(name)[0]) != _MASK.sub("", stem) in paths]
    masks = [*inside, *beside]
    if not masks:
        return list(images), ()
    return [name for name in kept if name not in set(beside)], (
        f"{len(masks):,} masks are left out, such as {spelled(masks[0])}",
    )


def empty_folders(storage: Storage, images: Sequence[str]) -> tuple[str, ...]:
    """Name the folders beside those of the classes that hold no image that can be read, or nothing at all."""
    level = min((name.count("/") for name in images), default=0)  # of the folders of classes
    if level == 0:
        return ()
    filled = {_folder(name, level) for name in images}
    parents = {posixpath.dirname(_folder(name, level)) for name in images if name.count("/") == level}
    others = {_folder(name, level) for name in storage.names if name.count("/") >= level} - filled
    others |= {name for name in getattr(storage, "empty", ()) if name.count("/") == level - 1}
    empty = sorted(spelled(folder) for folder in others if posixpath.dirname(folder) in parents)
    return (f"no image that can be read in {listing([f'{folder}/' for folder in empty], 5)}",) if empty else ()


def no_images(storage: Storage, expected: str) -> DataError:
    """Return the error for a storage without images, which names what is there instead."""
    archives = [name for name in storage.names if suffix(name) in ARCHIVE_SUFFIXES]
    if archives:
        return DataError(
            f"no images in {storage.path}, but {len(archives)} archives, such as {spelled(archives[0])}; "
            "unpack it and give that"
        )
    counts = Counter(suffix(name) or "without an ending" for name in storage.names)
    held = ", ".join(f"{count:,} {end}" for end, count in counts.most_common(4))
    return DataError(f"no images in {storage.path}{f' (it holds {held})' if held else ''}; {expected}")


def suffix(name: str) -> str:
    """Return the ending of a name in lower case, with its dot."""
    return posixpath.splitext(name)[1].lower()


def _looks_like_one(storage: Storage, name: str) -> bool:
    if suffix(name) in _OTHERS:
        return False
    kind = _format(storage, name)
    return kind != "" and (kind not in ("HEIC", "AVIF") or reads(kind))


def _format(storage: Storage, name: str) -> str:
    return image_format(storage.head(name, HEAD_BYTES)) if storage.size(name) >= HEAD_BYTES else ""


def _telling(names: Sequence[str]) -> str:
    """Return the name whose ending is the most frequent."""
    frequent = Counter(map(suffix, names)).most_common(1)[0][0]
    return next(name for name in names if suffix(name) == frequent)


def _folder(name: str, level: int) -> str:
    """Return the folder that a name lies in, `level` folders from the top."""
    return "/".join(name.split("/", level)[:level])

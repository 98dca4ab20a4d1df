"""Labels from folders: one for each class, below a folder for each part if the data comes with a split."""

import posixpath
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from tfvision.data.sources.entries import Entry, Reading
from tfvision.data.sources.image_files import MASK_FOLDERS
from tfvision.data.sources.parts import PART_NAMES, UNLABELLED, part_in, parts_among
from tfvision.data.sources.spelling import spelled
from tfvision.errors import DataError, listing

_KINDS = MASK_FOLDERS | {"images", "image", "imgs", "jpegimages", "labels", "annotations"}
_Folders = dict[str, list[str]]  # image: the folders that it lies in
_Placed = dict[str, tuple[str, list[str]]]  # image: its part, or "", and the folders below that of the part


def read_folders(path: Path, images: Sequence[str]) -> Reading:
    """Read labels, and the split if there is one, from the folders that images lie in.

    Folders that all images have in common do not count, nor does one that repeats the name of a part, as in
    `seg_train/seg_train/<class>`. Images of a part that lie in no folder there have no label, and are left out.

    Args:
        path: The data, for messages.
        images: Their names in the storage.

    Returns:
        An entry for each labelled image, and what a user should know.

    Raises:
        DataError: An image lies in no class folder, or folders could be parts as well as classes.
    """
    shorts = dict(zip(images, without_top(images), strict=True))
    if not any("/" in short for short in shorts.values()):
        # A single folder is a class, not a top folder: data to evaluate on may have only one class.
        shorts = {name: posixpath.join(*name.split("/")[-2:]) for name in images}
    notes: list[str] = []
    placed = _placed_in_parts(shorts, path, notes) or _placed_in_classes(shorts, path, notes)
    outside = [shorts[name] for name, (_, folders) in placed.items() if not folders]
    if outside:
        raise DataError(
            f"{len(outside):,} of {len(images):,} images in {path} stand in no class folder: "
            f"{listing(outside)}; expected two or more folders, one for each class, or a CSV that names the files"
        )
    entries = [
        Entry(spelled(shorts[name]), name, spelled(folders[0]), part=part or None)
        for name, (part, folders) in placed.items()
    ]
    return Reading(entries, tuple(notes))


def without_top(names: Sequence[str]) -> list[str]:
    """Return names without the folders that all of them have in common."""
    common = posixpath.commonpath([posixpath.dirname(name) or "." for name in names])
    return [name[len(common) + 1 :] for name in names] if common not in ("", ".") else list(names)


def parts_by_folder(names: Sequence[str]) -> dict[str, str]:
    """Return the part of each name by the top folders; empty unless all of those are parts, training among them."""
    tops = {name: short.split("/")[0] for name, short in zip(names, without_top(names), strict=True)}
    found = parts_among(set(tops.values()))
    if "train" not in found.values() or not set(tops.values()) <= found.keys():
        return {}
    return {name: found[top] for name, top in tops.items()}


def top_folders_of_parts(names: Sequence[str]) -> dict[str, str]:
    """Return the path of each top folder that is a part, with a slash at its end, and the part; see `parts_by_folder`."""
    parts = parts_by_folder(names)
    if not parts:
        return {}
    above = len(names[0]) - len(without_top(names)[0])
    return {f"{name[:above]}{name[above:].split('/')[0]}/": part for name, part in parts.items()}


def in_parts_of_folders(found: Reading) -> Reading:
    """Give entries without a part that of their top folder, where all of these are parts."""
    names = [entry.name for entry in found.entries]
    if any(entry.part for entry in found.entries) or not (parts := parts_by_folder(names)):
        return found
    if UNLABELLED in parts.values():
        return found
    entries = [replace(entry, part=parts[entry.name]) for entry in found.entries]
    return replace(found, entries=entries, notes=(*found.notes, "parts: the top folders"))


def _placed_in_parts(shorts: dict[str, str], path: Path, notes: list[str]) -> _Placed:
    """Place images if the top folders are parts, or the folders in each class are."""
    split = {name: short.split("/") for name, short in shorts.items()}
    if tops := parts_among({folders[0] for folders in split.values() if len(folders) > 1}):
        by_top: dict[str, _Folders] = {}
        for name, folders in split.items():
            by_top.setdefault(folders[0] if len(folders) > 1 else "", {})[name] = folders[1:-1]
        _refuse_beside_parts(by_top, tops, path)
        return _below_parts(by_top, tops, notes)
    return _parts_inside(split, path, notes)


def _parts_inside(split: _Folders, path: Path, notes: list[str]) -> _Placed:
    """Place images if the folders in each class folder are parts; say it if only some are."""
    inner: dict[str, set[str]] = {folders[0]: set() for folders in split.values()}
    classes: dict[str, set[str]] = {top: set() for top in inner}
    for top, *names in split.values():
        inner[top].update(names[:-1][:1] or [""])
        classes[top].update(names[:-1][1:2])
    seconds = set().union(*inner.values())
    below = parts_among(seconds - {""}) if len(inner) > 1 else {}
    if not below:
        return {}
    if below.keys() < seconds or UNLABELLED in below.values():
        notes.append(
            f"{listing(sorted(below))} inside folders look like parts of a split, but do not stand in all: not kept"
        )
        return {}
    if len(set.intersection(*classes.values())) > 1:
        raise DataError(
            f"{path} holds the same classes below each of {listing(sorted(classes))}, which are data sets of their own; give "
            "the path of one"
        )
    notes.append(f"parts: {_named(below)}, inside each class folder")
    return {name: (below[second], [top]) for name, (top, second, *_) in split.items()}


def _refuse_beside_parts(by_top: dict[str, _Folders], tops: dict[str, str], path: Path) -> None:
    """Refuse folders with classes, parts or nothing but images beside those of the parts."""
    labelled = sorted(top for top in by_top.keys() - tops.keys() if top and any(by_top[top].values()))
    for top in labelled:
        if len(parts_among({folders[0] for folders in by_top[top].values() if folders})) > 1:
            raise DataError(f"{path} holds parts of a split, and {top}/ holds parts too; give the path of one of them")
    if labelled or "" in by_top:
        odd = [f"{top}/" for top in labelled] or [posixpath.basename(name) for name in by_top[""]]
        raise DataError(
            f"{path} has {listing(odd, 3)} beside train/; expected only train/, validation/ and test/; rename or move the rest"
        )


def _below_parts(by_top: dict[str, _Folders], tops: dict[str, str], notes: list[str]) -> _Placed:
    """Place images below the parts, training first: what is no class there is none elsewhere."""
    placed: _Placed = {}
    left_out: dict[str, int] = {}
    dropped: set[str] = set()  # in training, so that what looks the same is dropped elsewhere
    classes: dict[str, str] = {}  # of training, by their name in small letters
    for top in sorted(by_top, key=lambda top: (tops.get(top) != "train", top)):
        part = tops.get(top, UNLABELLED)
        below = _unnested(by_top[top], top, dropped, is_training=part == "train")
        if part == "train":
            classes |= {spelled(folders[0]).lower(): folders[0] for folders in below.values() if folders}
        known = any(folders and spelled(folders[0]).lower() in classes for folders in below.values())
        if part == UNLABELLED or (part != "train" and classes and not known):
            left_out[top] = len(below)
            continue
        placed |= {name: (part, _as_in_training(folders, classes)) for name, folders in below.items()}
    if any(top.lower() not in PART_NAMES for top in tops if top not in left_out):
        notes.append(f"parts: {_named({top: part for top, part in tops.items() if top not in left_out})}")
    notes += [
        f"{top}/ holds {count:,} images in no class folder of training: left out" for top, count in left_out.items()
    ]
    return {name: placed[name] for name in sorted(placed)}


def _as_in_training(folders: list[str], classes: dict[str, str]) -> list[str]:
    """Return folders, the first spelled as that of training which differs in upper and lower case alone."""
    return [classes.get(spelled(folders[0]).lower(), folders[0]), *folders[1:]] if folders else folders


def _unnested(below: _Folders, top: str, dropped: set[str], *, is_training: bool) -> _Folders:
    """Drop the folders inside a part that all of its images lie in and that are no class.

    These repeat the name of the part, or are the only folder in training and hold others; elsewhere a single folder may
    be the only class, so there those are dropped that were in training.
    """
    while all(below.values()) and len(firsts := {folders[0] for folders in below.values()}) == 1:
        (first,) = firsts
        repeats = first.lower() == top.lower() or (part_in(first)[0] != "" and part_in(first) == part_in(top))
        holds = is_training and all(len(folders) > 1 for folders in below.values())
        if not (repeats or holds or first.lower() in dropped):
            break
        if holds:
            dropped.add(first.lower())
        below = {name: folders[1:] for name, folders in below.items()}
    return below


def _placed_in_classes(shorts: dict[str, str], path: Path, notes: list[str]) -> _Placed:
    """Place images by their first folder, past one that holds the folders beside it once more."""
    split = {name: short.split("/")[:-1] for name, short in shorts.items()}
    inner: dict[str, set[str]] = {folders[0]: set() for folders in split.values() if folders}
    for folders in split.values():
        if folders:
            inner[folders[0]].update(folders[1:2])
    tops = inner.keys()
    again = [top for top in tops if len(tops) > 2 and inner[top] >= tops - {top}]
    if len(again) == 1:
        count = sum(folders[:1] == again for folders in split.values())
        notes.append(f"{again[0]}/ holds the folders beside it once more: its {count:,} images are of those classes")
        split = {name: folders[1:] if folders[:1] == again else folders for name, folders in split.items()}
        return {name: ("", folders) for name, folders in split.items()}
    shared = sorted(set.intersection(*inner.values())) if len(inner) > 1 else []
    if len(shared) > 1 and any(part_in(top)[0] and not part_in(top)[1] for top in tops):
        raise DataError(
            f"{path} has the folders {listing([name.lower() for name in shared])} in each of "
            f"{listing(sorted(top.lower() for top in tops))}, which look like "
            "parts of a split; expected train/, validation/ and test/, or one folder per class; rename or move them"
        )
    _refuse_kinds(path, tops)
    if len(tops) > 1 and (again := _repeated(inner)):
        notes.append(
            f"classes: the folders {listing(sorted(tops), 5)}, in which {listing(again, 5)} stand again and again; if those "
            "are the classes, give --label-from-name '([^/]+)/[^/]+$'"
        )
    return {name: ("", folders) for name, folders in split.items()}


def _repeated(inner: dict[str, set[str]]) -> list[str]:
    """Return the folders inside class folders that stand in several, if at least half do and there are two or more."""
    counts = Counter(name for names in inner.values() for name in names)
    again = sorted(name for name, count in counts.items() if count > 1 and name.lower() not in _KINDS)
    return again if len(again) > 1 and 2 * len(again) >= len(counts) else []


def _refuse_kinds(path: Path, tops: Collection[str]) -> None:
    """Refuse folders that are kinds of files rather than classes, such as images/ and masks/."""
    kinds = sorted(top for top in tops if top.lower() in _KINDS)
    if len(kinds) > 1:
        raise DataError(
            f"{path} has {listing([f'{kind}/' for kind in kinds])}, which are called as kinds of files, not as classes; give "
            "the path of the images with their class folders, a CSV, or --label-from-name"
        )


def _named(parts: dict[str, str]) -> str:
    return ", ".join(f"{folder} is {part}" for folder, part in sorted(parts.items()))

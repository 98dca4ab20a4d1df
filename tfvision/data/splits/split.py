"""Training, validation and test parts: stratified, drawn from the seed, with exact copies and groups kept together."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import get_args, get_type_hints

import numpy as np

from tfvision.data.images.imageset import ImageSet
from tfvision.data.options import SplitOptions
from tfvision.data.splits.folds import draw_folds
from tfvision.data.splits.stratify import PARTS, draw_parts
from tfvision.errors import DataError, UsageError, check_known, listing

LEFT_OUT = ""
HELD_OUT = "held_out"  # in no fold
SCORED = (*PARTS[1:], HELD_OUT)  # the parts that a model is scored on
MIN_IMAGES = 3
GIVEN = get_args(get_type_hints(SplitOptions)["given"])


@dataclass(frozen=True)
class Split:
    """The part of each image.

    Attributes:
        parts: str (n,), one of `PARTS`, "held_out" for an image that is in no fold, or "" for an image left out.
        notes: What a user should know about how the split was made, one line each.
    """

    parts: np.ndarray
    notes: tuple[str, ...] = ()


def split_images(
    images: ImageSet,
    hashes: tuple[str, ...],
    *,
    validation: float = 0.1,
    test: float = 0.1,
    given: str = "keep",
    group_validation: bool = True,
    seed: int,
) -> Split:
    """Split images by class, or complete the split that comes with the data.

    Args:
        images: Labelled images; their `groups` stay together.
        hashes: Content hash of each image; images with equal hashes stay together.
        validation: Share of each class for validation, 0..1.
        test: Share of each class for the test, 0..1.
        given: `keep` to keep the parts that come with the images, where a validation part without a test part becomes
            the test; or `ignore` to draw from all images.
        group_validation: Whether a group may not be divided between training and validation either; it is never divided
            between these and the test.
        seed: Seed of the draw. The order of the images does not matter.

    Returns:
        The split.

    Raises:
        DataError: A class has fewer than 3 images, or too few to be in every part.
        UsageError: The shares leave nothing for training, or `given` is unknown.
    """
    if not (validation >= 0 and test >= 0 and validation + test < 1):  # so that NaN is refused
        raise UsageError(
            f"validation {validation} and test {test} of the images; expected shares from 0 with a sum below 1"
        )
    check_known("split given", given, GIVEN)
    if images.parts is not None and given == "keep":
        return _complete(images, hashes, validation, group_validation, seed)
    notes = () if images.parts is None else ("the data comes with a split, which is ignored: a new one is drawn",)
    kept = _one_group_each(images, hashes)
    counts = np.bincount(images.labels[kept], minlength=len(images.class_names))
    if small := [f"{images.class_names[k]} ({counts[k]})" for k in np.flatnonzero(counts < MIN_IMAGES)]:
        raise DataError(
            f"classes with fewer than {MIN_IMAGES} images: {listing(small, 20)}"
            f"{'' if kept.all() else ', without exact copies of images in another group'}; "
            "add images, or go on without them with --on-small skip"
        )
    parts = np.full(len(images), LEFT_OUT, "U10")
    shares = (1 - validation - test, validation, test)
    parts[kept] = _draw(images, hashes, kept, shares, seed, group_validation=group_validation)
    _check_learned(images, parts)
    return Split(parts, (*notes, *_note_copies(kept)))


def split_by_fold(
    images: ImageSet,
    hashes: tuple[str, ...],
    *,
    folds: int,
    fold: int,
    validation: float,
    held_out: float = 0.0,
    group_validation: bool = True,
    seed: int,
) -> Split:
    """Take one of several folds as the test, and draw validation from the others.

    Args:
        images: Labelled images; parts that come with them are ignored.
        hashes: Content hash of each image; images with equal hashes stay together, as do groups.
        folds: The number of folds; each image is in the test of one of them.
        fold: Which fold is the test, from 1 on.
        validation: Share of the images in folds that is used for validation, 0..1.
        held_out: Share of all images that is in no fold, 0..1; the same images for each `fold`.
        group_validation: As in `split_images`.
        seed: Seed of the draw.

    Returns:
        The split.

    Raises:
        DataError: A class has fewer images than there are folds, or there are fewer groups than folds.
        UsageError: Validation leaves nothing for training.
    """
    share = validation / (1 - 1 / folds)
    if not 0 <= share < 1:
        raise UsageError(f"validation {validation} of the images leaves none for training beside {folds} folds")
    ignored = "the data comes with a split, which is ignored: folds are drawn"
    notes: tuple[str, ...] = () if images.parts is None else (ignored,)
    kept = _one_group_each(images, hashes)
    parts = np.full(len(images), LEFT_OUT, "U10")
    if held_out:
        parts[kept] = _draw(images, hashes, kept, (1 - held_out, 0.0, held_out), seed)
        parts[parts == "test"] = HELD_OUT
        notes += (f"{(parts == HELD_OUT).sum():,} images are held out of all folds",)
    folded = kept & (parts != HELD_OUT)
    fold_of = np.full(len(images), -1)
    fold_of[folded] = (
        draw_folds(images.select(folded), tuple(hashes[i] for i in np.flatnonzero(folded)), folds, seed) + 1
    )
    others = folded & (fold_of != fold)
    parts[others] = _draw(images, hashes, others, (1 - share, share, 0.0), seed, group_validation=group_validation)
    parts[fold_of == fold] = "test"
    _check_learned(images, parts)
    return Split(parts, (*notes, *_note_copies(kept), f"fold {fold} of {folds} is the test"))


def _complete(images: ImageSet, hashes: tuple[str, ...], validation: float, group_validation: bool, seed: int) -> Split:
    """Keep the given parts; take a missing part from training; drop copies of later images from earlier parts."""
    assert images.parts is not None, "there is no split to complete"
    parts, notes = images.parts.astype("U10"), []
    given = set(parts)
    if "test" not in given and "validation" in given:
        parts[parts == "validation"] = "test"
        notes.append("the data has no test part: its validation part is the test, validation is cut from training")
    elif "validation" not in given:
        notes.append("the data has no validation part: it is cut from training")
    dropped = 0
    for later, earlier in ((("test",), "validation"), (("test", "validation"), "train")):
        held = {hashes[i] for i in np.flatnonzero(np.isin(parts, later))}
        copies = [i for i in np.flatnonzero(parts == earlier) if hashes[i] in held]
        parts[copies] = LEFT_OUT
        dropped += len(copies)
    if dropped:
        notes.append(f"{dropped:,} images are exact copies of images in a later part: left out")
    _check_learned(images, parts)
    if "validation" not in parts:
        train = np.flatnonzero(parts == "train")
        kept = _one_group_each(images.select(train), [hashes[i] for i in train])
        parts[train[~kept]] = LEFT_OUT
        notes += _note_copies(kept)
        learned = parts == "train"
        shares = (1 - validation, validation, 0.0)
        parts[learned] = _draw(images, hashes, learned, shares, seed, group_validation=group_validation)
        _check_learned(images, parts)
    if torn := _torn_groups(images, parts):
        notes.append(f"{len(torn):,} groups stand in more than one given part: {listing(torn)}")
    return Split(parts, tuple(notes))


def _draw(
    images: ImageSet,
    hashes: Sequence[str],
    chosen: np.ndarray,
    shares: tuple[float, float, float],
    seed: int,
    *,
    group_validation: bool = True,
) -> np.ndarray:
    """Draw the parts of the images where a mask is True, as if there were no others.

    Without `group_validation` the test is drawn first, by whole groups; then validation, by single images.
    """
    drawn, keys = images.select(chosen), [hashes[i] for i in np.flatnonzero(chosen).tolist()]
    if group_validation or images.groups is None:
        return draw_parts(drawn, tuple(keys), shares, seed)
    learned, validation, test = shares
    parts = draw_parts(drawn, tuple(keys), (learned + validation, 0.0, test), seed)
    rest = np.flatnonzero(parts == "train")
    share = validation / (learned + validation)
    singles = replace(drawn.select(rest), groups=None)
    parts[rest] = draw_parts(singles, tuple(keys[i] for i in rest), (1 - share, share, 0.0), seed)
    return parts


def _note_copies(kept: np.ndarray) -> tuple[str, ...]:
    copies = int((~kept).sum())
    return (f"{copies:,} images are exact copies of images in another group: left out",) if copies else ()


def _one_group_each(images: ImageSet, hashes: Sequence[str]) -> np.ndarray:
    """Tell which images to keep so that exact copies are in one group: otherwise they would link whole groups."""
    if images.groups is None:
        return np.ones(len(images), bool)
    home: dict[str, str] = {}
    for i in sorted(range(len(images)), key=images.ids.__getitem__):
        home.setdefault(hashes[i], images.groups[i])
    return np.array([home[key] == group for key, group in zip(hashes, images.groups, strict=True)])


def _check_learned(images: ImageSet, parts: np.ndarray) -> None:
    learned = set(images.labels[parts == "train"])
    if unlearned := [name for k, name in enumerate(images.class_names) if k not in learned]:
        raise DataError(f"no training images of {listing(unlearned)}; add some to train/ or leave these classes out")


def _torn_groups(images: ImageSet, parts: np.ndarray | None) -> list[str]:
    if images.groups is None or parts is None:
        return []
    pairs = {(group, part) for group, part in zip(images.groups, parts, strict=True) if part != LEFT_OUT}
    return sorted(str(group) for group, count in Counter(group for group, _ in pairs).items() if count > 1)

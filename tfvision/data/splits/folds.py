"""Folds for cross-validation: stratified, with copies and groups kept together."""

import numpy as np

from tfvision.data.images.imageset import ImageSet
from tfvision.data.splits.stratify import tied_units
from tfvision.errors import DataError


def draw_folds(images: ImageSet, hashes: tuple[str, ...], folds: int, seed: int) -> np.ndarray:
    """Draw a fold for each image; every class is spread as evenly as copies and groups allow.

    Args:
        images: Labelled images; those of one group stay together.
        hashes: Content hash of each image; images with equal hashes stay together.
        folds: The number of folds, 2 or more.
        seed: Seed of the draw. The order of the images does not matter.

    Returns:
        int64 (n,), 0 to `folds - 1`.

    Raises:
        DataError: A class has fewer images than there are folds, there are fewer groups than folds, or all images of a
            class are in one fold.
    """
    order = np.array(sorted(range(len(images)), key=images.ids.__getitem__), np.int64)
    labels = images.labels[order]
    counts = np.bincount(labels, minlength=len(images.class_names))
    if small := [f"{images.class_names[k]} ({counts[k]})" for k in np.flatnonzero(counts < folds)]:
        raise DataError(
            f"classes with fewer images than {folds} folds: {', '.join(small)}; use fewer folds, or add images"
        )
    units = tied_units([hashes[i] for i in order], None if images.groups is None else images.groups[order])
    tied = units.max() + 1 < len(units)
    if units.max() + 1 < folds:
        raise DataError(f"{units.max() + 1} groups cannot make {folds} folds; use at most {units.max() + 1}")
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    # StratifiedKFold divides single images exactly, but does not support groups.
    divide = (StratifiedGroupKFold if tied else StratifiedKFold)(folds, shuffle=True, random_state=seed)
    fold = np.empty(len(images), np.int64)
    for number, (_, held_out) in enumerate(divide.split(np.zeros(len(labels)), labels, units if tied else None)):
        fold[order[held_out]] = number
    for k, name in enumerate(images.class_names):
        if len(set(fold[images.labels == k].tolist())) < 2:
            raise DataError(f"all images of {name} are in one group: no fold could learn and test it; leave it out")
    return fold

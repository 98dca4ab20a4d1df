"""Folds for cross-validation: stratified, copies and groups never torn apart."""

import numpy as np

from tfvision.data.images.imageset import ImageSet
from tfvision.data.splits.stratify import tied_units
from tfvision.errors import DataError


def draw_folds(images: ImageSet, hashes: tuple[str, ...], folds: int, seed: int) -> np.ndarray:
    """Draw a fold for each image, every class spread over all as evenly as what is tied together allows.

    Args:
        images: Labelled images; those of one group stay together.
        hashes: Content hash of each image; images with equal ones stay together.
        folds: How many, 2 or more.
        seed: Seed of the draw. The order of the images does not matter.

    Returns:
        int64 (n,), 0 to `folds - 1`.

    Raises:
        DataError: Fewer images of a class, or fewer groups, than folds; or a class that stands in one fold only.
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

    # StratifiedKFold divides singles exactly, and takes no groups.
    divide = (StratifiedGroupKFold if tied else StratifiedKFold)(folds, shuffle=True, random_state=seed)
    fold = np.empty(len(images), np.int64)
    for number, (_, held_out) in enumerate(divide.split(np.zeros(len(labels)), labels, units if tied else None)):
        fold[order[held_out]] = number
    for k, name in enumerate(images.class_names):
        if len(set(fold[images.labels == k].tolist())) < 2:
            raise DataError(f"all images of {name} are of one group: no fold could learn and test it; leave it out")
    return fold

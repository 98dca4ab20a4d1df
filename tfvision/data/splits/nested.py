"""Nested subsets: a stratified order of images, every beginning of which is a sample, with copies and groups together."""

from collections.abc import Sequence

import numpy as np

from tfvision.data.images.imageset import ImageSet
from tfvision.data.splits.stratify import tied_units


class NestedSubsets:
    """One random order of images: larger subsets hold the smaller ones, and a share is the same whatever others are asked for.

    Every subset has about the same share of each class, exact to one image where there are no copies and groups, and an
    image of each class.

    Args:
        images: Labelled images; those of one group stay together.
        hashes: Content hash of each image; images with equal hashes stay together.
        seed: Seed of the order. The order in which the images are given does not matter.
    """

    def __init__(self, images: ImageSet, hashes: Sequence[str], seed: int | Sequence[int]) -> None:
        order = np.array(sorted(range(len(images)), key=images.ids.__getitem__), np.int64)
        groups = None if images.groups is None else images.groups[order]
        unit = tied_units([hashes[i] for i in order], groups)
        members = np.zeros((unit.max() + 1, len(images.class_names)), np.int64)
        np.add.at(members, (unit, images.labels[order]), 1)
        self._sequence = _spread(members, np.random.default_rng(seed))
        self._ends = np.cumsum(members.sum(axis=1)[self._sequence])
        self._unit = np.empty(len(images), np.int64)
        self._unit[order] = unit
        self._least = _covering(members[self._sequence])

    def take(self, share: float) -> np.ndarray:
        """Return which images are in a subset.

        Args:
            share: Share of the images, above 0 to 1; 1 takes all.

        Returns:
            bool (n,); the size is as near to the share as whole copies and groups allow.
        """
        wanted = share * self._ends[-1]
        count = max(self._least, int(np.argmin(np.abs(self._ends - wanted))) + 1)
        return np.isin(self._unit, self._sequence[:count])


def _spread(members: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return units in an order that spreads those of each class evenly, after one of each class.

    A unit of several classes counts as one of the rarest among them. Units are not chosen by their size: small subsets
    would be of small groups.

    Args:
        members: int64 (units, classes), the images of each.
        generator: Draws the order within a class.

    Returns:
        int64 (units,), their indexes.
    """
    frequency = members.sum(axis=0)
    rarest = np.where(members > 0, frequency, frequency.sum() + 1).argmin(axis=1)
    place = np.empty(len(members))
    for k in np.unique(rarest):
        of_class = generator.permutation(np.flatnonzero(rarest == k))
        place[of_class] = (np.arange(len(of_class)) + 0.5) / len(of_class)
    sequence = np.lexsort((generator.random(len(members)), place))
    first: list[int] = []
    for k in np.argsort(frequency, kind="stable"):
        if frequency[k] and not members[first, k].any():
            first.append(int(sequence[np.flatnonzero(members[sequence, k])[0]]))
    return np.concatenate([np.array(first, np.int64), sequence[~np.isin(sequence, first)]])


def _covering(members: np.ndarray) -> int:
    """Return how many units from the first on hold an image of each class."""
    found = members.sum(axis=0) > 0
    return int(np.argmax((np.cumsum(members, axis=0) > 0)[:, found].all(axis=1))) + 1

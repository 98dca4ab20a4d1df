"""What follows from copies: conflicting labels, leaks across parts, and which copy is kept."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from tfvision.audit.findings import Finding
from tfvision.data.copies.duplicates import Pair
from tfvision.data.splits.stratify import PARTS


def describe_pairs(pairs: Sequence[Pair]) -> list[Finding]:
    """Return a finding about the second image of each pair, the most similar pair first."""
    return [
        Finding(p.second, "exact_duplicate" if p.exact else "near_duplicate", p.score, p.first, p.turned)
        for p in sorted(pairs, key=lambda pair: -pair.score)
    ]


def find_conflicts(pairs: Sequence[Pair], labels: np.ndarray, class_names: Sequence[str]) -> list[Finding]:
    """Return a finding for each pair of copies, exact or near, whose labels differ.

    Args:
        pairs: Verified copies.
        labels: int (n,), an index into `class_names`; -1 without a label.
        class_names: The classes.

    Returns:
        Findings about the second image of a pair, the most similar pair first.
    """
    return [
        Finding(
            p.second, "conflicting_labels", p.score, p.first, f"{class_names[labels[p.second]]}, {class_names[labels[p.first]]}"
        )
        for p in sorted(pairs, key=lambda pair: -pair.score)
        if labels[p.first] != labels[p.second] and min(labels[p.first], labels[p.second]) >= 0
    ]  # fmt: skip


def find_leaks(pairs: Sequence[Pair], parts: np.ndarray) -> list[Finding]:
    """Find the images with a copy in a later part of a split.

    Args:
        pairs: Verified copies.
        parts: str (n,), train, validation or test; "" for images that are left out.

    Returns:
        One finding for each such image, with its copy in the latest part.
    """
    rank = part_ranks(parts)
    beside = neighbours_of(pairs)
    score = {frozenset((p.first, p.second)): p.score for p in pairs}
    found = []
    for i, others in sorted(beside.items()):
        later = max(others, key=lambda j: (rank[j], -j))
        if 0 <= rank[i] < rank[later]:
            found.append(
                Finding(i, "leak", score.get(frozenset((i, later)), 1.0), later, f"{parts[i]}, {parts[later]}")
            )
    return found


def part_ranks(parts: np.ndarray) -> np.ndarray:
    """Return 0, 1 or 2 for train, validation and test, and -1 for images in no part."""
    return np.array([PARTS.index(part) if part in PARTS else -1 for part in parts], np.int64)


def neighbours_of(pairs: Sequence[Pair]) -> dict[int, set[int]]:
    """Return the copies of each image. All exact copies of an image are copies of each other; near copies need not be.

    A near copy of an image is also a near copy of that image's exact copies.
    """
    members: dict[int, list[int]] = defaultdict(list)
    for pair in pairs:
        if pair.exact:
            members[pair.first].append(pair.second)
    kinds = {first: [first, *others] for first, others in members.items()}
    beside: dict[int, set[int]] = defaultdict(set)
    for kind in kinds.values():
        for i in kind:
            beside[i].update(j for j in kind if j != i)
    for pair in pairs:
        if not pair.exact:
            for i in kinds.get(pair.first, [pair.first]):
                for j in kinds.get(pair.second, [pair.second]):
                    beside[i].add(j)
                    beside[j].add(i)
    return beside


def choose_copies(pairs: Sequence[Pair], bad: np.ndarray, preference: np.ndarray) -> np.ndarray:
    """Tell which images are dropped because a copy of them is kept.

    In order of preference, an image is kept unless it is a copy of one that was kept before. Chains are not followed:
    of a, b, c, where b is a copy of both others but a is not a copy of c, both a and c are kept.

    Args:
        pairs: Verified copies.
        bad: bool (n,), images that are dropped for other reasons; they push no copy out.
        preference: float (n,), images with higher values are kept first; of equal ones, the first.

    Returns:
        bool (n,), True for images that are dropped.
    """
    beside = neighbours_of(pairs)
    stays: set[int] = set()
    goes = np.zeros(len(bad), bool)
    for i in sorted(beside, key=lambda i: (-preference[i], i)):
        if bad[i]:
            continue
        goes[i] = not stays.isdisjoint(beside[i])
        if not goes[i]:
            stays.add(i)
    return goes

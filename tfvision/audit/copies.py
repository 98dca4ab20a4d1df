"""What follows from copies: different labels, leaks across parts, and which one of them stays."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from tfvision.audit.findings import Finding
from tfvision.data.copies.duplicates import Pair
from tfvision.data.splits.stratify import PARTS


def describe_pairs(pairs: Sequence[Pair]) -> list[Finding]:
    """Return a finding for each pair, on the second image, the most alike first."""
    return [
        Finding(p.second, "exact_duplicate" if p.exact else "near_duplicate", p.score, p.first, p.turned)
        for p in sorted(pairs, key=lambda pair: -pair.score)
    ]


def find_conflicts(pairs: Sequence[Pair], labels: np.ndarray, class_names: Sequence[str]) -> list[Finding]:
    """Return the pairs that stand under two labels, of exact copies and of near ones."""
    return [
        Finding(
            p.second, "conflicting_labels", p.score, p.first, f"{class_names[labels[p.second]]}, {class_names[labels[p.first]]}"
        )
        for p in sorted(pairs, key=lambda pair: -pair.score)
        if labels[p.first] != labels[p.second] and min(labels[p.first], labels[p.second]) >= 0
    ]  # fmt: skip


def find_leaks(pairs: Sequence[Pair], parts: np.ndarray) -> list[Finding]:
    """Return the images that have a copy in a later part of a split, each once, with that copy.

    Args:
        pairs: Verified copies.
        parts: str (n,), train, validation or test; "" for images that are left out.
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
    """Return 0, 1, 2 for train, validation, test and -1 for none."""
    return np.array([PARTS.index(part) if part in PARTS else -1 for part in parts], np.int64)


def neighbours_of(pairs: Sequence[Pair]) -> dict[int, set[int]]:
    """Return the copies of each image. All exact copies of one image are copies of one another; near ones need not be.

    A near copy of an image is one of its exact copies too.
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
    """Tell which images go because a copy of theirs stays.

    One after the other by preference, an image stays unless it is a copy of one that stays. So of a, b, c where b is a
    copy of both and a none of c, both a and c stay: no chains.

    Args:
        pairs: Verified copies.
        bad: bool (n,), images that go for other reasons; they keep no copy out.
        preference: float (n,), the higher the rather it stays; the first of equal ones.

    Returns:
        bool (n,).
    """
    beside = neighbours_of(pairs)
    stays, goes = set(), np.zeros(len(bad), bool)
    for i in sorted(beside, key=lambda i: (-preference[i], i)):
        if bad[i]:
            continue
        goes[i] = not stays.isdisjoint(beside[i])
        if not goes[i]:
            stays.add(i)
    return goes

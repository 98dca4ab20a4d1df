"""Connected components: images that belong together, directly or through others."""

from collections.abc import Hashable, Iterable, Sequence

import numpy as np


def components(count: int, links: Sequence[tuple[int, int]]) -> np.ndarray:
    """Number the sets of indexes that are linked, directly or through others.

    Args:
        count: The number of indexes.
        links: Pairs of indexes below `count`.

    Returns:
        int64 (count,), the least index of the set that each belongs to.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not links:
        return np.arange(count)
    first, second = np.array(links, np.int64).T
    graph = coo_array((np.ones(len(links), bool), (first, second)), (count, count))
    found, labels = connected_components(graph, directed=False)
    # SciPy does not promise any order of its labels.
    least = np.full(found, count, np.int64)
    np.minimum.at(least, labels, np.arange(count))
    return least[labels]


def links_of_equal(keys: Iterable[Hashable]) -> list[tuple[int, int]]:
    """Return a link from the first index of each key to every index that has it."""
    first: dict[Hashable, int] = {}
    return [(first.setdefault(key, index), index) for index, key in enumerate(keys)]

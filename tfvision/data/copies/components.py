"""Connected components: which images belong together, directly or through others."""

from collections.abc import Hashable, Iterable, Sequence

import numpy as np


def components(count: int, links: Sequence[tuple[int, int]]) -> np.ndarray:
    """Number the sets of indexes that links tie together, int64 (count,); the number is the least index of the set."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not links:
        return np.arange(count)
    first, second = np.array(links, np.int64).T
    graph = coo_array((np.ones(len(links), bool), (first, second)), (count, count))
    found, labels = connected_components(graph, directed=False)
    # SciPy promises no order of its labels.
    least = np.full(found, count, np.int64)
    np.minimum.at(least, labels, np.arange(count))
    return least[labels]


def links_of_equal(keys: Iterable[Hashable]) -> list[tuple[int, int]]:
    """Return a link from the first index of each key to every index that has it."""
    first: dict[Hashable, int] = {}
    return [(first.setdefault(key, index), index) for index, key in enumerate(keys)]

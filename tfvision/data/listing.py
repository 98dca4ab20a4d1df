"""A list of names as it stands in an error message: the first few, then how many more."""

from collections.abc import Sequence


def listing(names: Sequence[object], limit: int = 5) -> str:
    """Return `'a, b, c and 7 more'`.

    Args:
        names: What to list, in order.
        limit: How many are written out.
    """
    shown = ", ".join(str(name) for name in names[:limit])
    rest = len(names) - limit
    return f"{shown} and {rest:,} more" if rest > 0 else shown

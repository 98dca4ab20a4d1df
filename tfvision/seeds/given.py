"""Which seeds are meant, as people write them."""

import re
from collections.abc import Sequence

from tfvision.errors import UsageError, worded

_LARGEST = 2**32 - 1
_MOST = 1000  # more is a slip, such as the seed itself


def read_seeds(given: int | str | Sequence[int], first: int) -> tuple[int, ...]:
    """Return the seeds that are meant.

    Args:
        given: Their number, `5`; or the seeds themselves, a list, `11-20` or `3,5,8`.
        first: The first seed where only their number is given.

    Returns:
        Two or more different seeds, in the order given.

    Raises:
        UsageError: It is none of these, fewer than two seeds, more than a thousand, or one of them twice.
    """
    expected = "expected their number, such as 5, a range such as 11-20, or a list such as 3,5,8"
    text = given if isinstance(given, str) else str(given) if isinstance(given, int) else ",".join(map(str, given))
    if "," not in text and text.strip().isdecimal() and isinstance(given, (int, str)):
        seeds: list[int] = list(range(first, first + min(int(text), _MOST + 1)))
    else:
        seeds = []
        for word in text.strip(",").split(","):
            match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", word)
            if match is None:
                raise UsageError(f"seeds: {expected}; got {worded(given)}")
            low, high = int(match[1]), int(match[2] or match[1])
            if high < low:
                raise UsageError(f"seeds: {expected}; got {worded(given)}, whose range runs backwards")
            seeds += range(low, min(high, low + _MOST) + 1)
    if not 2 <= len(seeds) <= _MOST:
        raise UsageError(f"seeds: expected from 2 to {_MOST:,} of them, got {worded(given)}; one is given as --seed")
    if len(set(seeds)) < len(seeds) or max(seeds) > _LARGEST:
        wrong = "one of them twice" if len(set(seeds)) < len(seeds) else f"one above {_LARGEST:,}"
        raise UsageError(f"seeds: {expected}; got {worded(given)}, {wrong}")
    return tuple(seeds)


def listed(seeds: Sequence[int]) -> str:
    """Return seeds as a range, `1 to 5`, or a list."""
    whole = list(range(seeds[0], seeds[0] + len(seeds)))
    return f"{seeds[0]} to {seeds[-1]}" if list(seeds) == whole else ", ".join(map(str, seeds))

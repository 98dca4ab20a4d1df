"""Class names: labels as text, and the order of the classes."""

import re
from collections.abc import Iterable

from tfvision.errors import UsageError, listing, nearest, worded

_INTEGER = re.compile(r"[+-]?\d+(\.0+)?")
_POSITIVE = ("1", "true")


def plain_labels(labels: list[str]) -> list[str]:
    """Write integral floats as integers (`1.0` -> `1`) if all labels are integral."""
    if all(_INTEGER.fullmatch(label) for label in labels if label):
        return [label.split(".")[0] for label in labels]
    return labels


def order_classes(names: Iterable[str], positive_class: str | None = None) -> tuple[str, ...]:
    """Sort class names, by value if all are integers; of two, the positive one comes second.

    Args:
        names: The distinct class names.
        positive_class: The positive one of two classes; by default "1" or "true" in upper or lower case, else the
            second in order.

    Returns:
        The names in order.

    Raises:
        UsageError: The positive class is not one of the names, or there are more than two.
    """
    names = list(names)
    numeric = all(_INTEGER.fullmatch(name) for name in names)
    ordered = sorted(names, key=lambda name: (float(name), name) if numeric else name)
    if positive_class is not None:
        wanted = str(positive_class)
        matches = [name for name in ordered if name == wanted] or [n for n in ordered if n.lower() == wanted.lower()]
        if not matches:
            raise UsageError(
                f"unknown positive class {worded(wanted)}{nearest(wanted, ordered)}; the classes are {listing(ordered, 20)}"
            )
        if len(ordered) > 2:
            raise UsageError(
                f"a positive class needs two classes, but there are {len(ordered)}; leave {worded(wanted)} out"
            )
        positive: str | None = matches[0]
    else:
        positive = next((name for name in ordered if name.lower() in _POSITIVE), None)
    if len(ordered) == 2 and positive == ordered[0]:
        ordered.reverse()
    return tuple(ordered)

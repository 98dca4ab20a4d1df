"""Groups that data names: images of one patient or slide, which must not stand in two parts of a split."""

from collections.abc import Sequence

from tfvision.data.sources.parts import UNLABELLED
from tfvision.errors import worded

CERTAIN_GROUPS = ("group", "groups", "groupid", "groupids")
_WORDS = ("patient", "subject", "slide", "lesion", "specimen", "tile", "scene", "video", "camera")
GROUP_NAMES = (
    *CERTAIN_GROUPS,
    *(word + end for word in _WORDS for end in ("", "s", "id", "ids")),
)  # as `plain_column` has them

_FEW = 3  # one for each part


def with_alone(groups: Sequence[str], images: Sequence[str]) -> list[str]:
    """Return the group of each image; one without a group stands alone: all of them together would be one huge group."""
    return [group or f"{image} alone" for group, image in zip(groups, images, strict=True)]


def said_of_groups(
    groups: Sequence[str | None],
    labels: Sequence[str | None],
    parts: Sequence[str | None],
    *,
    plain_name: str,
    what: str,
    is_asked: bool,
) -> tuple[bool, str]:
    """Tell whether groups that were found by the name of their column are kept together, and say so.

    A column that is called `group` says what it is for, as does one that was asked for. One that is called `patient` or
    `camera` is a good reason to keep its images in one part, but none to refuse a split that it makes impossible.

    Args:
        groups: The group of each image.
        labels: The class of each image; None for images without.
        parts: The part that the data gives each image; None for no part.
        plain_name: The name of the column or array, in lowercase letters and digits.
        what: How the user knows it, such as "column 'slide' of labels.csv".
        is_asked: Whether it was asked for.

    Returns:
        Whether they are kept together, and a line about it.
    """
    why = "" if is_asked or plain_name in CERTAIN_GROUPS else _why_not(groups, labels, parts)
    if why:
        return (
            False,
            f"groups: {what} is not used, because {why}; to keep its images together, name it as --group-column",
        )
    return True, f"groups: {what}"


def _why_not(groups: Sequence[str | None], labels: Sequence[str | None], parts: Sequence[str | None]) -> str:
    of_class: dict[str, set[str | None]] = {}
    for group, label, part in zip(groups, labels, parts, strict=True):
        if label is not None and part in (None, UNLABELLED):  # what is divided
            of_class.setdefault(label, set()).add(group)
    label, values = min(of_class.items(), key=lambda item: len(item[1]), default=("", set()))
    if label and len(values) < _FEW:
        return f"class {worded(label)} has {len(values)} of them and needs {_FEW} to be divided"
    return ""

"""Labels in the names of files, by a pattern that the user gives, or that is suggested."""

import posixpath
import re
from collections import Counter
from collections.abc import Sequence

from tfvision.data.sources.entries import Entry, Reading
from tfvision.data.sources.folders import without_top
from tfvision.data.sources.spelling import spelled
from tfvision.errors import DataError, UsageError, listing, worded

# cat.0.jpg, Abyssinian_12.jpg, cat (3).png, cat0001.jpg
_USUAL = r"^(.*?[^\W\d_])[._ -]*\(?\d+\)?\.\w+$"


def check_pattern(pattern: str) -> re.Pattern[str]:
    """Compile a pattern of labels.

    Args:
        pattern: A regular expression.

    Returns:
        It, compiled.

    Raises:
        UsageError: It is no regular expression, or does not say with one group what the label is.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UsageError(
            f"label_from_name: {worded(pattern)} is no regular expression ({error}); expected such as '^(.+?)_'"
        ) from None
    if compiled.groups != 1 and "label" not in compiled.groupindex:
        raise UsageError(
            f"label_from_name: {worded(pattern)} has {compiled.groups} groups; expected one, which is the label, such as "
            "'^(.+?)_', or one called (?P<label>...)"
        )
    return compiled


def read_names(path: object, images: Sequence[str], pattern: str) -> Reading:
    """Read the label of each image from its name.

    Args:
        path: The data, for messages.
        images: Their names in the storage.
        pattern: A regular expression whose group is the label. It is searched in the file name; in the path below the
            data, with forward slashes, if it holds a slash.

    Returns:
        An entry for each image.

    Raises:
        UsageError: See `check_pattern`.
        DataError: It does not match every name.
    """
    compiled = check_pattern(pattern)
    group = "label" if "label" in compiled.groupindex else 1
    entries, without = [], []
    for short, name in zip(map(spelled, without_top(images)), images, strict=True):
        match = compiled.search(short if "/" in pattern else posixpath.basename(short))
        if match is None or not match[group]:
            without.append(short)
        else:
            entries.append(Entry(short, name, match[group]))
    if without:
        raise DataError(
            f"{len(without):,} of {len(images):,} images in {path} have no label by --label-from-name {worded(pattern)}: "
            f"{listing(without)}; correct the pattern, or move them"
        )
    return Reading(entries, (f"labels: by the pattern {worded(pattern)} from the names",))


def suggest_pattern(images: Sequence[str]) -> str:
    """Suggest how labels may stand in names.

    Args:
        images: Names of images without labels.

    Returns:
        A sentence that begins with a semicolon; "" if the names hold no words that many images share.
    """
    names = [posixpath.basename(name) for name in images]
    found = Counter(match[1] for name in names if (match := re.match(_USUAL, name)))
    classes = {label: count for label, count in found.items() if count > 1}
    if len(classes) < 2 or sum(classes.values()) < 0.9 * len(names) or 3 * len(classes) > len(names):
        return ""
    listed = listing([f"{label} {count:,}" for label, count in sorted(classes.items())], 4)
    return f"; the names look like labels ({listed}): --label-from-name '{_USUAL}' takes them"

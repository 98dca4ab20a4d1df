"""Labels in arrays, as text: numbers, booleans, strings or one-hot rows."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from tfvision.errors import DataError, listing, worded


def label_texts(values: np.ndarray, count: int, name: str, class_names: Sequence[str] | None = None) -> list[str]:
    """Return the class of each image as text.

    Args:
        values: (n,) or (n, 1) of integers, integral floats, booleans, text or UTF-8 bytes; or one-hot (n, classes).
        count: n, the number of images.
        name: What to call the labels in an error.
        class_names: Names of the classes, of which numbers are indexes; None to take numbers as names.

    Returns:
        n labels.

    Raises:
        DataError: Another shape or dtype, missing labels, or labels that are not among the class names.
    """
    values = _one_for_each(np.asarray(values), count, name)
    if _is_text(values):
        return _words(values, name, class_names)
    if values.dtype.kind == "f":
        if missing := int((~np.isfinite(values)).sum()):
            raise DataError(f"{name} has {missing:,} labels that are NaN or infinite; fill or remove them")
        if (values != np.rint(values)).any():
            odd = values[values != np.rint(values)]
            raise DataError(f"{name} has labels like {odd[0]:g}; expected classes: whole numbers, text or one-hot rows")
    elif values.dtype.kind not in "bui":
        raise DataError(f"{name} has labels of dtype {values.dtype}; expected whole numbers, text or one-hot rows")
    if class_names is None:
        return [str(value) for value in values.tolist()] if values.dtype.kind == "b" else _integers(values)
    outside = (values < 0) | (values >= len(class_names))
    if outside.any():
        raise DataError(
            f"{name} has the label {values[outside][0]:g}, the class names are {len(class_names)}; expected 0 to "
            f"{len(class_names) - 1}"
        )
    return [class_names[int(value)] for value in values]


def check_count(shape: tuple[int, ...], count: int, name: str) -> None:
    """Refuse labels that are not one for each image.

    Args:
        shape: The shape of the labels, (n, ...).
        count: The number of images.
        name: What to call the labels in an error.

    Raises:
        DataError: n is another number.
    """
    if not shape or shape[0] != count:
        entries = shape[0] if shape else 1
        raise DataError(f"{name} has {entries:,} labels for {count:,} images; expected one for each")


def group_texts(values: np.ndarray, count: int, name: str) -> list[str]:
    """Return the group of each image as text.

    Args:
        values: (n,) or (n, 1) of numbers or text.
        count: n, the number of images.
        name: What to call the groups in an error.

    Returns:
        n groups.

    Raises:
        DataError: Another shape.
    """
    values = np.asarray(values)
    if values.shape not in ((count,), (count, 1)):
        raise DataError(f"{name} has the shape {values.shape}; expected one group for each of {count:,} images")
    return _decoded(values.ravel(), name) if _is_text(values) else [str(value) for value in values.ravel()]


def class_texts(values: np.ndarray, name: str) -> tuple[str, ...]:
    """Return class names as text.

    Args:
        values: (n,) of text, UTF-8 bytes or numbers.
        name: What to call the class names in an error.

    Returns:
        n names.

    Raises:
        DataError: They are not UTF-8, or a name occurs twice.
    """
    values = np.ravel(np.asarray(values))
    names = _decoded(values, name) if _is_text(values) else [str(value) for value in values.tolist()]
    if twice := sorted(text for text, count in Counter(names).items() if count > 1):
        raise DataError(f"{name} names the class {worded(twice[0])} more than once; expected different names")
    return tuple(names)


def _one_for_each(values: np.ndarray, count: int, name: str) -> np.ndarray:
    """Return labels as (n,); one-hot rows become the indexes of their ones."""
    check_count(values.shape, count, name)
    if values.size == count:
        return values.reshape(count)
    if values.ndim == 2 and values.dtype.kind in "buif":
        ones = values == 1
        if (ones.sum(axis=1) == 1).all() and (ones | (values == 0)).all():
            return ones.argmax(axis=1)
    raise DataError(
        f"{name} has the shape {values.shape} and is not one-hot; expected one class for each image, as (n,) or as "
        "rows of zeros with a single 1"
    )


def _integers(values: np.ndarray) -> list[str]:
    return [str(int(value)) for value in values.tolist()]


def _words(values: np.ndarray, name: str, class_names: Sequence[str] | None) -> list[str]:
    texts = _decoded(values, name)
    if empty := sum(not text for text in texts):
        raise DataError(f"{name} has {empty:,} empty labels; fill or remove them")
    if class_names is not None and (unknown := sorted(set(texts) - set(class_names))):
        raise DataError(f"{name} has labels that are no class names: {listing(unknown)}; correct one of them")
    return texts


def _is_text(values: np.ndarray) -> bool:
    return values.dtype.kind in "SU" or (
        values.dtype.kind == "O" and bool(values.size) and all(isinstance(value, str) for value in values.flat)
    )


def _decoded(values: np.ndarray, name: str) -> list[str]:
    try:
        return [(value.decode() if isinstance(value, bytes) else str(value)).strip() for value in values.tolist()]
    except UnicodeDecodeError:
        raise DataError(f"{name} holds text that is not UTF-8; write it again as str") from None

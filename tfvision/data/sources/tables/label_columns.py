"""Columns of a CSV as labels: one for each class, or one whose values must look like classes."""

from collections import Counter
from collections.abc import Sequence

from tfvision.data.sources.tables.reading import Table, plain_column
from tfvision.errors import DataError, listing, worded

_ONE, _ZERO = frozenset({"1", "1.0", "True", "true"}), frozenset({"0", "0.0", "False", "false"})
_TAG_COLUMNS = ("tag", "tags", "keyword", "keywords", "attributes")
_DELIMITERS = ("|", ";", ",", " ")
_MOST_COMPARED = 1000  # different values, which are compared in pairs
_MANY = 10  # values, from which on it is asked whether they are classes at all


def find_one_hot(table: Table, free: Sequence[str]) -> tuple[str, ...]:
    """Find columns with a 1 for the class of the row and 0 elsewhere.

    Args:
        table: The CSV.
        free: The columns to choose from.

    Returns:
        Two columns or more; empty if there are none.

    Raises:
        DataError: All columns hold only 0 and 1, but not each row has exactly one 1.
    """
    found = [column for column in free if set(table.values(column)) <= _ONE | _ZERO]
    found = [column for column in found if set(table.values(column)) & _ONE]
    others = [set(table.values(column)) for column in free if column not in found]
    words = any(len(values) < len(table.rows) and not all(map(_is_number, values)) for values in others)
    if len(found) < 2 or words:  # what is written in words is the label, and these are attributes
        return ()
    ones = [sum(cells) for cells in zip(*([cell in _ONE for cell in table.values(c)] for c in found), strict=True)]
    if set(ones) == {1}:
        return tuple(found)
    if len(found) < len(free):
        return ()
    several, none = sum(count > 1 for count in ones), sum(count == 0 for count in ones)
    first = next(number for number, count in zip(table.numbers, ones, strict=True) if count != 1)
    raise DataError(
        f"{table.name} has a column for each class ({listing(found, 5)}), but {several:,} rows are of several classes "
        f"and {none:,} of none, the first of them row {first}; expected exactly one 1 in each row, since an image has one "
        "class here"
    )


def one_hot_labels(table: Table, columns: Sequence[str]) -> list[str]:
    """Return the class of each row: the name of the column that holds its 1."""
    cells = zip(*(table.values(column) for column in columns), strict=True)
    return [next(name for name, cell in zip(columns, row, strict=True) if cell in _ONE) for row in cells]


def check_labels(table: Table, column: str, *, is_guess: bool) -> None:
    """Refuse a column whose values are no classes: measurements, several tags in a cell, a text for each image.

    Args:
        table: The CSV.
        column: The column of labels.
        is_guess: Whether it was found only because no other column is left; then more is refused.

    Raises:
        DataError: They are no classes.
    """
    values = [value for value in table.values(column) if value]
    distinct = len(set(values))
    what = f"column {worded(column)} of {table.name}"
    if distinct >= _MANY and 3 * distinct > len(values) and all(map(_is_number, values)):
        raise DataError(
            f"{what} holds {distinct:,} different numbers for {len(values):,} images: these are no classes; expected a "
            "few values that many images share, or another column as --label-column"
        )
    if is_guess and distinct >= _MANY and 2 * distinct > len(values):
        raise DataError(
            f"{what} holds {distinct:,} different values for {len(values):,} images: these are no classes; name the "
            "column of labels with --label-column"
        )
    if mark := _tag_mark(column, values, is_guess=is_guess):
        number, example = next(
            (number, value) for number, value in zip(table.numbers, table.values(column), strict=True) if mark in value
        )
        raise DataError(
            f"{what} holds several tags in a cell, such as {worded(example)} in row {number}; expected one class for each image; keep one tag, "
            "or name another column with --label-column"
        )


def _tag_mark(column: str, values: Sequence[str], *, is_guess: bool) -> str:
    """Return what separates the tags of a cell; "" if cells hold one class each.

    Tags are words that stand in several combinations, one of which holds all of another. Names of classes may do that
    too (fox, red fox), so a blank counts only in a column that is called so or was guessed.
    """
    if any(value.startswith("[") and value.endswith("]") and "," in value for value in values):
        return ","
    if len(set(values)) > _MOST_COMPARED:
        return ""
    for mark in _DELIMITERS:
        cells = {frozenset(part.strip() for part in value.split(mark) if part.strip()) for value in set(values)}
        several = [cell for cell in cells if len(cell) > 1]
        if not several or (mark == " " and not is_guess and plain_column(column) not in _TAG_COLUMNS):
            continue
        counts = Counter(tag for cell in cells for tag in cell)
        again = sum(counts[tag] > 1 for tag in counts)
        nested = sum(one < other for one in cells for other in several)
        if plain_column(column) in _TAG_COLUMNS or (again > 1 and nested > 1):
            return mark
    return ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

"""The column of a CSV that says which part of a split a row belongs to."""

from collections.abc import Sequence

from tfvision.data.sources.parts import part_in
from tfvision.data.sources.tables.reading import Table, plain_column
from tfvision.errors import DataError, listing, worded

PART_COLUMNS = (
    *("split", "set", "subset", "dataset", "datasplit", "usage", "partition", "part", "phase", "fold"),
    *("isvalid", "isval", "isvalidation", "istest", "istrain"),
)
_YES, _NO = frozenset({"true", "1", "1.0", "yes"}), frozenset({"false", "0", "0.0", "no", ""})


def find_part_column(table: Table, free: Sequence[str]) -> str | None:
    """Find the column of parts: by its name, if its values name at least two parts.

    Args:
        table: The CSV.
        free: The columns to choose from.

    Returns:
        The column; None if there is none.
    """
    for column in sorted(free, key=lambda column: _rank(column)):
        if plain_column(column) in PART_COLUMNS and parts_in_column(table, column):
            return column
    return None


def parts_in_column(table: Table, column: str) -> dict[str, str]:
    """Find what the values of a column mean.

    Args:
        table: The CSV.
        column: One of its columns.

    Returns:
        Value to part: `train`, `validation`, `test`, or `unlabelled` for rows without a label; empty unless every value
        names a part and they name two or more, training among them.
    """
    values = sorted(set(table.values(column)))
    if plain_column(column).startswith("is"):
        asked = part_in(plain_column(column)[2:])[0]
        other = "test" if asked == "train" else "train"
        found = {value: asked if value.lower() in _YES else other for value in values if value.lower() in _YES | _NO}
    else:
        named = {value: part_in(value) for value in values}
        # The contest FER2013 calls its parts Training, PublicTest and PrivateTest.
        public = {rest for part, rest in named.values() if part == "test"} >= {"public", "private"}
        found = {
            value: "validation" if public and (part, rest) == ("test", "public") else part
            for value, (part, rest) in named.items()
            if part
        }
    whole = len(found) == len(values) and "train" in found.values() and len(set(found.values())) > 1
    return found if whole else {}


def check_part_column(table: Table, column: str) -> dict[str, str]:
    """Find what the values of a column mean that was asked for.

    Args:
        table: The CSV.
        column: One of its columns.

    Returns:
        Value to part, as `parts_in_column`.

    Raises:
        DataError: They name no parts.
    """
    if found := parts_in_column(table, column):
        return found
    cells = table.values(column)
    first = {value: place for place, value in reversed(list(enumerate(cells)))}
    raise DataError(
        f"column {worded(column)} of {table.name} holds {table.in_rows([first[value] for value in sorted(first)], cells, 5)}; expected names of two parts or more, such as "
        "train and test; correct it, or leave out --split-column"
    )


def parts_of_rows(table: Table, column: str | None, part: str = "") -> list[str | None]:
    """Return the part of each row.

    Args:
        table: The CSV.
        column: Its column of parts, if it has one.
        part: The part of all rows, which counts before the column; "" if the CSV is of no part.

    Returns:
        A part for each row, see `parts_in_column`; None without one.

    Raises:
        DataError: The column names no parts.
    """
    if part or column is None:
        return [part or None] * len(table.rows)
    meaning = check_part_column(table, column)
    return [meaning[value] for value in table.values(column)]


def unused_part_note(table: Table, taken: Sequence[str | None]) -> tuple[str, ...]:
    """Say that a column is called like one of parts, but names none."""
    odd = [column for column in table.columns if column not in taken and plain_column(column) in PART_COLUMNS]
    return tuple(
        f"column {worded(column)} of {table.name} is not used: its values {listing(sorted(set(table.values(column))), 3)} name "
        "no parts of a split"
        for column in odd
    )


def _rank(column: str) -> int:
    plain = plain_column(column)
    return PART_COLUMNS.index(plain) if plain in PART_COLUMNS else len(PART_COLUMNS)

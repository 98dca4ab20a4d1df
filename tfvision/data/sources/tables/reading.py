"""CSV files, read as text."""

import csv
import io
import re
from dataclasses import dataclass

from tfvision.data.storage.files import Storage
from tfvision.errors import DataError
from tfvision.system.csv_table import read_rows

TABLE_SUFFIXES = frozenset({".csv", ".tsv"})


@dataclass(frozen=True)
class Table:
    """A CSV file: its name in the storage, its header and its rows, all as stripped text."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def values(self, column: str) -> list[str]:
        """Return one column."""
        index = self.columns.index(column)
        return [row[index] for row in self.rows]


def read_table(storage: Storage, name: str) -> Table:
    """Read a CSV in UTF-8, with or without BOM, delimited by comma, semicolon or tab: the most frequent in the header.

    Args:
        storage: Where the CSV is.
        name: Its name in the storage.

    Returns:
        The table, without empty rows.

    Raises:
        DataError: The CSV is not UTF-8, is empty, repeats a name in its header, or has a row that is too long or short.
    """
    try:
        text = storage.read(name).decode("utf-8-sig")
        if text.startswith("sep="):  # a line for Excel alone
            text = text.partition("\n")[2]
        header, *_ = text.splitlines() or [""]
        delimiter = max(",;\t", key=header.count)
        lines = [
            [cell.strip() for cell in row] for row in read_rows(io.StringIO(text, newline=""), delimiter=delimiter)
        ]
    except UnicodeDecodeError as error:
        raise DataError(f"{name} is not UTF-8 text (byte {error.start}); save it as CSV UTF-8") from error
    except csv.Error as error:
        raise DataError(f"{name} is not a CSV: {error}; expected a header line and one row for each image") from error
    lines = [line for line in lines if any(line)]
    if len(lines) < 2:
        raise DataError(f"{name} has no rows; expected a header line and one row for each image")
    columns, rows = lines[0], lines[1:]
    repeated = sorted({column for column in columns if column and columns.count(column) > 1})
    if repeated:
        raise DataError(f"{name} has the column {repeated[0]!r} more than once; rename one of them")
    wrong = next((i for i, row in enumerate(rows) if len(row) != len(columns)), None)
    if wrong is not None:
        raise DataError(
            f"{name}: row {wrong + 1} after the header has {len(rows[wrong])} fields, the header has {len(columns)}; "
            "quote text that holds the delimiter"
        )
    return Table(name, tuple(columns), tuple(map(tuple, rows)))


def plain_column(column: str) -> str:
    """Return the name of a column in lowercase letters and digits, by which it is recognized."""
    return re.sub(r"[^0-9a-z]", "", column.lower())

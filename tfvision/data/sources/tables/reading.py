"""CSV files, read as text."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from tfvision.data.storage.files import Storage
from tfvision.errors import DataError, listing, worded
from tfvision.system.csv_table import csv_rows

TABLE_SUFFIXES = frozenset({".csv", ".tsv"})


@dataclass(frozen=True)
class Table:
    """A CSV file: its name in the storage, its header and its rows, all as stripped text.

    Attributes:
        name: Its name in the storage.
        columns: The header.
        rows: As many cells each, without empty rows.
        numbers: The number of each row, as a spreadsheet shows it: the header is row 1.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: Sequence[int] = ()

    def values(self, column: str) -> list[str]:
        """Return one column."""
        index = self.columns.index(column)
        return [row[index] for row in self.rows]

    def in_rows(self, indexes: Sequence[int], texts: Sequence[str], limit: int = 20) -> str:
        """Return what stands in some rows with their numbers, for a message: `a.png (row 2), b.png (row 7)`.

        Args:
            indexes: The rows.
            texts: What to say of each row.
            limit: How many to write out.

        Returns:
            The texts with the numbers of their rows, and how many are left out.
        """
        return listing([f"{texts[i]} (row {self.numbers[i]})" for i in indexes[:limit]], limit, of=len(indexes))


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
    content = storage.read(name)
    try:
        text = content.decode("utf-8-sig")
        if text.startswith("sep="):  # a line for Excel alone
            text = text.partition("\n")[2]
        header, *_ = text.splitlines() or [""]
        delimiter = max(",;\t", key=header.count)
        lines = [[cell.strip() for cell in row] for row in csv_rows(io.StringIO(text, newline=""), delimiter=delimiter)]
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"{name} is not UTF-8 text (row {row}, byte {error.start}); save it as CSV UTF-8") from error
    except csv.Error as error:
        raise DataError(f"{name} is not a CSV: {error}; expected a header line and one row for each image") from error
    numbers = [number for number, line in enumerate(lines, start=1) if any(line)]
    lines = [line for line in lines if any(line)]
    if len(lines) < 2:
        raise DataError(f"{name} has no rows; expected a header line and one row for each image")
    columns, rows = lines[0], lines[1:]
    repeated = sorted({column for column in columns if column and columns.count(column) > 1})
    if repeated:
        raise DataError(
            f"{name} has the column {worded(repeated[0])} more than once in row {numbers[0]}; rename one of them"
        )
    wrong = next((i for i, row in enumerate(rows) if len(row) != len(columns)), None)
    if wrong is not None:
        raise DataError(
            f"{name}: row {numbers[wrong + 1]} has {len(rows[wrong])} fields, the header has {len(columns)}; "
            "quote text that holds the delimiter"
        )
    return Table(name, tuple(columns), tuple(map(tuple, rows)), numbers[1:])


def plain_column(column: str) -> str:
    """Return the name of a column in lowercase letters and digits, by which it is recognized."""
    return re.sub(r"[^0-9a-z]", "", column.lower())

"""CSV files, read as text."""

import csv
import io
import re
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from tfvision.data.storage.files import Storage
from tfvision.errors import DataError, listing, worded
from tfvision.system.csv_table import csv_rows

TABLE_SUFFIXES = frozenset({".csv", ".tsv"})
_MOST_COLUMNS = 100_000  # each is looked at for some 30 microseconds; classes of one column each are some thousand


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
        index = self._places[column]
        return [row[index] for row in self.rows]

    @cached_property
    def _places(self) -> dict[str, int]:
        """Return where each column is: a table may have many, and each is asked for."""
        return {column: index for index, column in reversed(list(enumerate(self.columns)))}

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
        DataError: The CSV is not UTF-8, is empty, has more than 100,000 columns, repeats a name in its header, or has a
            row that is too long or short.
    """
    rows, numbers = _read_rows(_text_lines(storage.read(name), name), name)
    if len(rows) < 2:
        raise DataError(f"{name} has no rows; expected a header line and one row for each image")
    columns = rows.pop(0)
    if len(columns) > _MOST_COLUMNS:
        raise DataError(
            f"{name} has {len(columns):,} columns, more than {_MOST_COLUMNS:,}; keep those that name images"
        )
    repeated = sorted(column for column, count in Counter(columns).items() if column and count > 1)
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
    return Table(name, columns, tuple(rows), numbers[1:])


def _text_lines(content: bytes, name: str) -> io.TextIOWrapper:
    """Return the lines of a text in UTF-8, decoded one after the other: as a whole it may take four times its bytes."""
    try:
        content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"{name} is not UTF-8 text (row {row}, byte {error.start}); save it as CSV UTF-8") from error
    return io.TextIOWrapper(io.BytesIO(content), "utf-8-sig", newline="")


def _read_rows(lines: io.TextIOWrapper, name: str) -> tuple[list[tuple[str, ...]], Sequence[int]]:
    """Return the rows that are not empty, the header among them, and the number of each."""
    header = lines.readline()
    if header.startswith("sep="):  # a line for Excel alone
        header = lines.readline()
    delimiter = max(",;\t", key=header.count)
    rows: list[tuple[str, ...]] = []
    numbers = array("Q")
    try:
        for number, row in enumerate(csv_rows(chain([header], lines), delimiter=delimiter), start=1):
            if any(cells := tuple([cell.strip() for cell in row])):
                rows.append(cells)
                numbers.append(number)
    except csv.Error as error:
        raise DataError(f"{name} is not a CSV: {error}; expected a header line and one row for each image") from error
    return rows, numbers


def plain_column(column: str) -> str:
    """Return the name of a column in lowercase letters and digits, by which it is recognized."""
    return re.sub(r"[^0-9a-z]", "", column.lower())

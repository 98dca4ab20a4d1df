"""CSV tables: written so that no cell is a formula to a spreadsheet, and read back unchanged.

Names of files and classes come from whoever made the data. A spreadsheet takes a cell that begins with `=`, `+`, `-` or
`@` for a formula, which may start programs and send what is in the table elsewhere. Such a cell is written with an
apostrophe before it, as OWASP advises (https://owasp.org/www-community/attacks/CSV_Injection), and numbers stay as they
are. A cell that has apostrophes before such a letter gets one more, so that reading takes away exactly what writing
added.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

# Spreadsheets drop blanks at the start of a cell, and take the wide forms of East Asian keyboards for the plain ones.
_FORMULA = "'*[ \\u00a0]*[=+@\\t\\r\\n\\-\\uff1d\\uff0b\\uff0d\\uff20]"
_MARKED = re.compile(f"'(?={_FORMULA})")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|nan)")
_AFTER_NULL = re.compile(f"\0{_FORMULA}")  # in all cells of a row at once: one by one takes thrice the time
_QUOTED = re.compile('[,"\r\n]')


class _Text(Protocol):
    def write(self, text: str, /) -> object: ...


class TableWriter:
    """Writes rows as CSV, to be used like `csv.writer`.

    Args:
        file: Where to; a file is to be opened with `newline=""`.
    """

    def __init__(self, file: _Text) -> None:
        self._file, self._plain = file, csv.writer(file, lineterminator="\n")

    def writerow(self, cells: Iterable[object]) -> None:
        """Write a row; None is an empty cell."""
        texts = ["" if cell is None else str(cell) for cell in cells]
        joined = "\0" + "\0".join(texts)
        # Python's own writer leaves a carriage return without quotes, where its reader takes it for the end of the row.
        if "\r" in joined or _AFTER_NULL.search(joined):
            self._file.write(",".join(_quoted(marked(text)) for text in texts) + "\n")
        else:
            self._plain.writerow(texts)

    def writerows(self, rows: Iterable[Iterable[object]]) -> None:
        """Write rows, each as `writerow` does."""
        for row in rows:
            self.writerow(row)


def csv_rows(lines: Iterable[str], *, delimiter: str = ",", strict: bool = False) -> Iterator[list[str]]:
    """Read the rows of a CSV, those that `TableWriter` wrote as they were.

    Args:
        lines: A file opened with `newline=""`, or `io.StringIO(text, newline="")`.
        delimiter: What separates the cells.
        strict: Whether to refuse quotes that do not end, or in the middle of a cell.

    Returns:
        The cells of each row, one after the other.

    Raises:
        csv.Error: It is no CSV; the message says in which line. Raised where the rows are read.
    """
    return _rows(lines, delimiter, strict)


def read_mappings(lines: Iterable[str], *, rest: str | None = None) -> list[dict[str, str]]:
    """Read the rows of a CSV with a header, as `csv.DictReader` does.

    Args:
        lines: See `csv_rows`.
        rest: What stands for the cells that a short row lacks; None as in `csv.DictReader`.

    Returns:
        A mapping for each row that is not empty.

    Raises:
        csv.Error: It is no CSV, or a row has more cells than the header.
    """
    rows = csv_rows(lines)
    names = next(rows, [])
    found = []
    for number, row in enumerate((row for row in rows if row), start=2):
        if len(row) > len(names):
            raise csv.Error(f"row {number} has {len(row)} cells, the header has {len(names)}")
        found.append(dict(zip(names, [*row, *[rest] * (len(names) - len(row))], strict=True)))
    return found  # type: ignore[return-value]  # a cell that is lacking is None, as from DictReader


def repeated(ids: Sequence[str]) -> list[str]:
    """Find what stands in several rows.

    Args:
        ids: The cells of a column, from row 2 on.

    Returns:
        Each cell that is repeated with the numbers of its first two rows, such as `a.png (rows 2 and 7)`.
    """
    first: dict[str, int] = {}
    second: dict[str, int] = {}
    for number, each in enumerate(ids, start=2):
        if first.setdefault(each, number) != number:
            second.setdefault(each, number)
    return [f"{each} (rows {first[each]} and {number})" for each, number in second.items()]


def csv_text(header: Sequence[object], rows: Iterable[Iterable[object]]) -> str:
    """Return rows as the text of a CSV.

    Args:
        header: The names of the columns.
        rows: As many cells each.

    Returns:
        The text.
    """
    text = io.StringIO(newline="")
    writer = TableWriter(text)
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def marked(cell: str) -> str:
    """Return a cell as it is written: with an apostrophe before what a spreadsheet would take for a formula."""
    return f"'{cell}" if _MARKED.match(f"'{cell}") and not _NUMBER.fullmatch(cell) else cell


def unmarked(cell: str) -> str:
    """Return a cell as it was before `marked`."""
    return cell[1:] if _MARKED.match(cell) else cell


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if _QUOTED.search(cell) else cell


def _rows(lines: Iterable[str], delimiter: str, strict: bool) -> Iterator[list[str]]:
    may_be_marked = False

    def watched() -> Iterator[str]:
        nonlocal may_be_marked
        for line in lines:
            may_be_marked = may_be_marked or "'" in line
            yield line

    reader = csv.reader(watched(), delimiter=delimiter, strict=strict)
    try:
        for row in reader:
            yield [unmarked(cell) if cell[:1] == "'" else cell for cell in row] if may_be_marked else row
            may_be_marked = False
    except csv.Error as error:
        raise csv.Error(f"line {reader.line_num}: {error}") from None

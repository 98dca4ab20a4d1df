"""CSV files that name images: reading one, finding its columns and the images that its rows name."""

import csv
import io
import ntpath
import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass

from tfvision.data.storage.files import Storage
from tfvision.errors import DataError, listing, nearest

TABLE_SUFFIXES = frozenset({".csv", ".tsv"})

FILE_COLUMNS = (
    *("file", "filename", "filepath", "path", "image", "imagefile", "imagename", "imagepath", "imageid"),
    *("img", "id", "name", "picture", "photo"),
)
LABEL_COLUMNS = ("label", "labels", "class", "classname", "classlabel", "target", "category", "species", "y", "classid")
GROUP_COLUMNS = ("group", "groupid")

_SAMPLE = 1000
_ENOUGH_HITS = 0.5


@dataclass(frozen=True)
class Columns:
    """Names of the columns with the file, the label, the group and the box; None for those not asked for or absent."""

    file: str | None = None
    label: str | None = None
    group: str | None = None
    boxes: tuple[str, ...] | None = None

    def any(self) -> bool:
        """Tell whether at least one column is named."""
        return (self.file, self.label, self.group, self.boxes) != (None, None, None, None)


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
        header, *_ = text.splitlines() or [""]
        delimiter = max(",;\t", key=header.count)
        lines = [
            [cell.strip() for cell in row] for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
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


class FileIndex:
    """Finds the image that a CSV cell names.

    It is looked up in this order: below the folder of the CSV, below the folder named like the CSV, below `images/`,
    else by a base name that occurs once; each first as written, then without extension.

    Args:
        table_name: The name of the CSV in the storage.
        images: The names of all images in the storage.
    """

    def __init__(self, table_name: str, images: Iterable[str]):
        folder, base = posixpath.split(table_name)
        self._table_name = table_name
        self._prefixes = ("", posixpath.splitext(base)[0] + "/", "images/")
        start = f"{folder}/" if folder else ""
        below = {name[len(start) :]: name for name in images if name.startswith(start)}
        self._paths = _with_stems([(path, name) for path, name in below.items()])
        self._bases = _with_stems([(posixpath.basename(path), name) for path, name in below.items()])

    def find(self, cell: str) -> str | None:
        """Return the name in the storage of the image that a cell names; None if there is none, or more than one."""
        path = posixpath.normpath(cell.replace("\\", "/")) if cell else ""
        for prefix in self._prefixes:
            if found := self._paths.get(prefix + path):
                return found
        return self._bases.get(posixpath.basename(path))

    def share_found(self, cells: list[str]) -> float:
        """Return the share of the cells (of the first 1,000) that name an image, 0..1."""
        cells = cells[:_SAMPLE]
        return sum(self.find(cell) is not None for cell in cells) / max(1, len(cells))

    def check_inside(self, cells: Iterable[str]) -> None:
        """Refuse cells that point outside the folder of the CSV.

        Args:
            cells: Paths as written in the CSV.

        Raises:
            DataError: A path is absolute, or leaves the folder by `..`.
        """
        for cell in cells:
            path = posixpath.normpath(cell.replace("\\", "/"))
            if path.startswith(("/", "../")) or path == ".." or ntpath.splitdrive(cell)[0]:
                raise DataError(
                    f"{self._table_name} names {cell!r}, which leaves its folder; "
                    "give paths relative to the CSV and below its folder"
                )


def find_columns(table: Table, index: FileIndex, asked: Columns, *, labelled: bool) -> Columns:
    """Find the columns: as asked, else by name, else by elimination if only one is left.

    Args:
        table: The CSV.
        index: Finds the images that cells name.
        asked: The columns that were asked for.
        labelled: Whether a label column is needed.

    Returns:
        The columns, without those of boxes.

    Raises:
        DataError: A column that was asked for is missing, or it is not clear which column is meant.
    """
    for option, column in (("file", asked.file), ("label", asked.label), ("group", asked.group)):
        if column is not None and column not in table.columns:
            raise DataError(
                f"{table.name} has no column {column!r}{nearest(column, table.columns)}; its columns are "
                f"{listing(table.columns, 20)}; give one of them as --{option}-column"
            )
    free = [column for column in table.columns if column and column not in (asked.file, asked.label, asked.group)]
    file = asked.file or find_file_column(table, index, free)
    if file is None:
        raise _unclear(table, "file")
    free = [column for column in free if column != file]
    group = asked.group or next(iter(by_name(free, GROUP_COLUMNS)), None)
    free = [column for column in free if column != group]
    label = asked.label
    if label is None and labelled:
        named = by_name(free, LABEL_COLUMNS)
        if not named and len(free) != 1:
            raise _unclear(table, "label")
        label = (named or free)[0]
    return Columns(file, label, group)


def find_file_column(table: Table, index: FileIndex, free: list[str]) -> str | None:
    """Find the column that names images: by its name, else the only one most of whose cells name an image.

    Args:
        table: The CSV.
        index: Finds the images that cells name.
        free: The columns to choose from.

    Returns:
        The column; None if it is not clear which one.
    """
    named = by_name(free, FILE_COLUMNS)
    hits = {column: index.share_found(table.values(column)) for column in free}
    if found := [column for column in named if hits[column] > 0]:
        return found[0]
    found = [column for column in free if hits[column] >= _ENOUGH_HITS]
    if len(found) == 1:
        return found[0]
    return named[0] if named and not found else None


def names_images(table: Table, index: FileIndex, asked: Columns) -> bool:
    """Tell whether a CSV names at least one image.

    Args:
        table: The CSV.
        index: Finds the images that cells name.
        asked: The columns that were asked for.

    Returns:
        Whether a cell of its file column names an image.
    """
    file = (
        asked.file if asked.file in table.columns else find_file_column(table, index, [c for c in table.columns if c])
    )
    return file is not None and index.share_found(table.values(file)) > 0


def by_name(columns: list[str], known: tuple[str, ...]) -> list[str]:
    """Return the columns that have a known name; case and punctuation are ignored.

    Args:
        columns: The columns.
        known: Names in lowercase letters and digits, the preferred ones first.

    Returns:
        The columns that were recognized, in the order of `known`.
    """
    plain = {column: re.sub(r"[^0-9a-z]", "", column.lower()) for column in columns}
    return sorted(
        (column for column in columns if plain[column] in known), key=lambda column: known.index(plain[column])
    )


def _with_stems(pairs: list[tuple[str, str]]) -> dict[str, str | None]:
    """Map each key, and each key without extension, to its name; to None if two names share it."""
    index: dict[str, str | None] = {}
    for key, name in pairs:
        index[key] = None if key in index else name
    stems: dict[str, str | None] = {}
    for key, name in pairs:
        stem = posixpath.splitext(key)[0]
        stems[stem] = None if stem in stems else name
    return stems | index


def _unclear(table: Table, option: str) -> DataError:
    return DataError(
        f"{table.name} does not say which column is the {option}; its columns are {listing(table.columns, 20)}; "
        f"give one of them as --{option}-column"
    )

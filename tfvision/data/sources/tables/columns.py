"""The columns of a CSV that names images, found by name or by elimination."""

from dataclasses import dataclass

from tfvision.data.sources.groups import GROUP_NAMES
from tfvision.data.sources.tables.file_index import FileIndex
from tfvision.data.sources.tables.label_columns import find_one_hot
from tfvision.data.sources.tables.part_columns import PART_COLUMNS, find_part_column
from tfvision.data.sources.tables.reading import Table, plain_column
from tfvision.errors import DataError, listing, nearest, worded

FILE_COLUMNS = (
    *("file", "filename", "filepath", "path", "image", "imagefile", "imagename", "imagepath", "imagefilename"),
    *("imageid", "filenames", "filepaths", "fname", "img", "imgname", "imgpath", "imgfile", "imgid"),
    *("id", "name", "picture", "photo"),
)
LABEL_COLUMNS = (
    *("label", "labels", "class", "classname", "classlabel", "labelname", "target", "category", "species", "breed"),
    *("diagnosis", "dx", "y", "classid"),
)

_ENOUGH_HITS = 0.5


@dataclass(frozen=True)
class Columns:
    """Names of the columns of a CSV; None for those not asked for or absent.

    Attributes:
        file: That names the image.
        label: With its class.
        group: Whose equal values belong together.
        boxes: The four of its box.
        part: With the part of the split.
        one_hot: One for each class, in place of `label`: 1 for the class of the image, 0 in the others.
        is_guess: Whether the label was found because no other column is left.
    """

    file: str | None = None
    label: str | None = None
    group: str | None = None
    boxes: tuple[str, ...] | None = None
    part: str | None = None
    one_hot: tuple[str, ...] = ()
    is_guess: bool = False

    def any(self) -> bool:
        """Tell whether at least one column is named."""
        return self != Columns()


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
    refuse_missing_columns(table, asked)
    taken = (asked.file, asked.label, asked.group, asked.part)
    free = [column for column in table.columns if column and column not in taken]
    file = asked.file or find_file_column(table, index, free)
    if file is None:
        raise _unclear(table, "file")
    if index.find(file) is not None:
        raise DataError(
            f"{table.name} has no header line: {worded(file)}, in its first, names an image; put the names of the columns above it"
        )
    free = [column for column in free if column != file]
    group = asked.group or next(iter(by_name(free, GROUP_NAMES)), None)
    free = [column for column in free if column != group]
    part = asked.part or find_part_column(table, free)
    free = [column for column in free if column != part]
    if asked.label or not labelled:
        return Columns(file, asked.label, group, part=part)
    named = by_name(free, LABEL_COLUMNS)
    if named and not (plain_column(named[0]) == "y" and "x" in map(plain_column, table.columns)):  # a coordinate
        return Columns(file, named[0], group, part=part)
    if one_hot := find_one_hot(table, free):
        return Columns(file, None, group, part=part, one_hot=one_hot)
    if len(free) != 1 or plain_column(free[0]) in (*PART_COLUMNS, *GROUP_NAMES):
        raise _unclear(table, "label")
    return Columns(file, free[0], group, part=part, is_guess=True)


def refuse_missing_columns(table: Table, asked: Columns) -> None:
    """Refuse columns that were asked for and are not there.

    Args:
        table: The CSV.
        asked: The columns that were asked for.

    Raises:
        DataError: One is missing; the nearest is named.
    """
    for option in ("file", "label", "group", "part"):
        column = getattr(asked, option)
        if column is not None and column not in table.columns:
            flag = {"part": "split"}.get(option, option)
            raise DataError(
                f"{table.name} has no column {worded(column)}{nearest(column, table.columns)}; its columns are "
                f"{listing(table.columns, 20)}; give one of them as --{flag}-column"
            )


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
    found = [column for column in named if hits[column] > 0]
    others = (*LABEL_COLUMNS, *GROUP_NAMES)
    full = [column for column in free if hits[column] >= _ENOUGH_HITS and plain_column(column) not in others]
    # Numbers of rows may be names without their ending, too: where another column names files, that one is meant.
    if found and all(cell.isdigit() for cell in table.values(found[0])):
        found = [column for column in full if not all(cell.isdigit() for cell in table.values(column))] or found
    if found:
        return found[0]
    if len(full) == 1:
        return full[0]
    return named[0] if named and not full else None


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
    plain = {column: plain_column(column) for column in columns}
    return sorted(
        (column for column in columns if plain[column] in known), key=lambda column: known.index(plain[column])
    )


def _unclear(table: Table, option: str) -> DataError:
    return DataError(
        f"{table.name} does not say which column is the {option}; its columns are {listing(table.columns, 20)}; "
        f"give one of them as --{option}-column"
    )

"""Image files and what labels them: a CSV, several for the parts of a split, folders, or their names."""

import posixpath
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tfvision.data.sources.entries import Entry, Reading
from tfvision.data.sources.folders import in_parts_of_folders, read_folders, without_top
from tfvision.data.sources.image_files import empty_folders, left_out, suffix, without_masks
from tfvision.data.sources.name_labels import read_names, suggest_pattern
from tfvision.data.sources.parts import UNLABELLED
from tfvision.data.sources.spelling import spelled
from tfvision.data.sources.tables.columns import FILE_COLUMNS, Columns, by_name, find_columns, names_images
from tfvision.data.sources.tables.file_index import FileIndex
from tfvision.data.sources.tables.of_parts import parts_of_tables
from tfvision.data.sources.tables.reading import TABLE_SUFFIXES, Table, read_table
from tfvision.data.sources.tables.rows import read_rows
from tfvision.data.storage.directory import Directory
from tfvision.data.storage.files import Storage
from tfvision.errors import DataError, UsageError, listing, worded

# A form for answers, whose labels are made up.
_SUBMISSION = re.compile(r"submission[^/]*$", re.IGNORECASE)
_BEST_TABLES = ("labels", "train", "annotations")


@dataclass(frozen=True)
class _Found:
    """The CSV files of a storage.

    Attributes:
        usable: Those whose columns are clear and name images.
        refused: The others, or what is wrong with them.
        unclear: What is wrong with those of them that name images, or cannot be read.
    """

    usable: list[tuple[Table, Columns]]
    refused: list[Table | DataError]
    unclear: list[DataError]


def read_files(
    storage: Storage, table: str | None, images: Sequence[str], asked: Columns, pattern: str | None, *, labelled: bool
) -> Reading:
    """Read what labels image files.

    Args:
        storage: Where they are.
        table: The CSV to read; it is searched for if None.
        images: Names of all image files.
        asked: The columns that were asked for.
        pattern: See `read_names`; None to read no labels from names.
        labelled: Whether labels are needed.

    Returns:
        An entry for each image that is used, and what a user should know of the others.

    Raises:
        DataError: Labels are missing, unclear or contradictory.
        UsageError: A pattern that is none, or given beside columns.
    """
    if pattern is not None and labelled:
        if asked.any() or table:
            raise UsageError("label_from_name reads labels from names, and a CSV or its columns give them; keep one")
        kept, masks = without_masks(images)
        found = in_parts_of_folders(read_names(storage.path, kept, pattern))
        return replace(found, notes=(*found.notes, *masks, *_unread(storage, images, found)))
    if table is not None:
        found = read_rows(read_table(storage, table), images, asked, labelled=labelled, root=_root(storage))
        found = in_parts_of_folders(found) if labelled else found
        return replace(found, notes=(*found.notes, *_unread(storage, images, found)))
    if not labelled and not asked.any():
        pairs = zip(without_top(images), images, strict=True)
        found = Reading([Entry(spelled(short), name) for short, name in pairs])
        return replace(found, notes=_unread(storage, images, found))
    kept, masks = without_masks(images) if labelled else (list(images), ())
    found = _read_best(storage, kept, asked, labelled=labelled)
    found = in_parts_of_folders(found) if labelled and found.used else found
    found = replace(found, notes=(*found.notes, *masks))
    empty = () if found.used else empty_folders(storage, images)
    return replace(found, notes=(*found.notes, *empty, *_unread(storage, images, found)))


def _read_best(storage: Storage, images: Sequence[str], asked: Columns, *, labelled: bool) -> Reading:
    """Read the CSV that names its label column, else the class folders, else the CSV that is left."""
    found = _find_tables(storage, images, asked, labelled=labelled)
    certain = [(table, columns) for table, columns in found.usable if asked.any() or not columns.is_guess]
    if certain:
        read = _read_tables(storage, [table for table, _ in certain], images, asked, labelled=labelled)
        return read if asked.any() or not labelled else _refuse_contradiction(read, storage, images)
    if asked.any():
        if found.refused:
            return _read_refused(storage, found.refused[0], images, asked, labelled=labelled)
        raise DataError(
            f"no CSV in {storage.path}, so no columns to choose; leave out the --...-column options or add the CSV"
        )
    folders = _try_folders(storage, images)
    unsure = bool(found.usable or found.unclear)
    if isinstance(folders, Reading) and _are_classes(folders, guessing=unsure):
        return replace(folders, notes=(*folders.notes, *_unused_labels(found)))
    if found.usable:
        return _read_tables(storage, [table for table, _ in found.usable], images, asked, labelled=labelled)
    if found.refused and not any("/" in short for short in without_top(images)):
        return _read_refused(storage, found.refused[0], images, asked, labelled=labelled)
    if found.unclear:
        _read_refused(storage, found.refused[0], images, asked, labelled=labelled)
        raise found.unclear[0]
    if isinstance(folders, Reading):
        return folders
    # With neither class folders nor a usable CSV, what is wrong with the CSV is the more helpful error.
    error = next((each for each in found.refused if isinstance(each, DataError)), None)
    raise error or DataError(f"{folders}{suggest_pattern(images)}{_other_labels(storage)}")


def _refuse_contradiction(read: Reading, storage: Storage, images: Sequence[str]) -> Reading:
    """Refuse a CSV whose labels are those of class folders, but of other ones than the images lie in."""
    folders = _try_folders(storage, images)
    if not isinstance(folders, Reading):
        return read
    lies_in = {entry.name: entry.label for entry in folders.entries}
    classes = set(lies_in.values())
    if len(classes) < 2 or not {entry.label for entry in read.entries} <= classes:
        return read
    wrong = [entry for entry in read.entries if lies_in.get(entry.name, entry.label) != entry.label]
    if wrong:
        first = wrong[0]
        raise DataError(
            f"{listing(read.used, 2)} gives {len(wrong):,} of {len(read.entries):,} images another label than the folder they "
            f"lie in, such as {first.id} ({first.label}); give the path of the CSV to use it, or move it away"
        )
    return read


def _other_labels(storage: Storage) -> str:
    """Say what else may hold the labels, in a sentence that begins with a semicolon."""
    tables = [name for name in storage.names if suffix(name) in (".xlsx", ".xls", ".jsonl", ".parquet", ".ods")]
    if tables:
        return f"; {tables[0]} is not read: save it as CSV"
    found = [name for name in storage.names if suffix(name) in (".xml", ".json", ".txt")]
    return f"; if {found[0]} and the like hold boxes, give --task localize" if found else ""


def _find_tables(storage: Storage, images: Sequence[str], asked: Columns, *, labelled: bool) -> _Found:
    """Read every CSV, those nearest to the top first, then those with the usual names."""
    found = _Found([], [], [])
    names = [name for name in storage.names if suffix(name) in TABLE_SUFFIXES and not _SUBMISSION.search(name)]
    for name in sorted(names, key=_rank):
        table = index = None
        try:
            table = read_table(storage, name)
            index = FileIndex(name, images, _root(storage))
            columns = find_columns(table, index, asked, labelled=labelled)
            if names_images(table, index, asked):
                found.usable.append((table, columns))
                continue
            found.refused.append(table)
            if by_name([columns.file or ""], FILE_COLUMNS):
                found.unclear.append(
                    DataError(f"{name} names no image; correct column {worded(columns.file)} or add the files")
                )
        except DataError as error:
            found.refused.append(error)
            if table is None or (index and names_images(table, index, Columns())):
                found.unclear.append(error)
    return found


def _read_tables(
    storage: Storage, tables: Sequence[Table], images: Sequence[str], asked: Columns, *, labelled: bool
) -> Reading:
    """Read the first CSV, or all that are those of the parts of one split."""
    names = {table.name: table for table in tables}
    if parts := parts_of_tables(list(names)):
        readings = [
            read_rows(names[name], images, asked, labelled=labelled, root=_root(storage), part=part)
            for name, part in parts.items()
            if not (labelled and part == UNLABELLED)
        ]
        notes = [f"parts: {', '.join(f'{name} is {part}' for name, part in parts.items())}"]
        return _joined(readings, notes)
    ranks = [_rank(table.name) for table in tables]
    folders = [posixpath.dirname(table.name) for table in tables]
    if len(tables) > 1 and "" not in folders and len(set(folders)) == len(folders) and len({r[0] for r in ranks}) == 1:
        # One in each folder, for its images alone.
        readings = [read_rows(table, images, asked, labelled=labelled, root=_root(storage)) for table in tables]
        return _joined(readings, [f"{len(tables):,} CSV files, one in each folder"])
    if len(ranks) > 1 and ranks[0][:2] == ranks[1][:2]:
        equal = [table.name for table, rank in zip(tables, ranks, strict=True) if rank[:2] == ranks[0][:2]]
        raise DataError(
            f"{len(equal)} CSV files name the images ({listing(equal)}); give the path of one"
            f"{'' if isinstance(storage, Directory) else ', of the unpacked data'}"
        )
    return read_rows(tables[0], images, asked, labelled=labelled, root=_root(storage))


def _joined(readings: Sequence[Reading], notes: Sequence[str]) -> Reading:
    entries = [entry for reading in readings for entry in reading.entries]
    with_groups = {entry.group is not None for entry in entries}
    if len(with_groups) > 1:
        raise DataError(
            f"only some of {listing([name for reading in readings for name in reading.used])} have a column of groups; give all "
            "of them one"
        )
    counts, ids = Counter(entry.name for entry in entries), {entry.name: entry.id for entry in entries}
    if twice := sorted(ids[name] for name, count in counts.items() if count > 1):
        raise DataError(f"{len(twice):,} images are in two parts: {listing(twice)}; keep each in one CSV")
    said = dict.fromkeys(note for reading in readings for note in reading.notes)
    return Reading(_unique_ids(entries), (*notes, *said), tuple(name for reading in readings for name in reading.used))


def _unique_ids(entries: Sequence[Entry]) -> list[Entry]:
    """Take whole paths for ids if CSV files in several folders call their images alike."""
    if len({entry.id for entry in entries}) == len(entries):
        return list(entries)
    return [replace(entry, id=spelled(entry.name)) for entry in entries]


def _try_folders(storage: Storage, images: Sequence[str]) -> Reading | DataError:
    try:
        return read_folders(storage.path, images)
    except DataError as error:
        return error


def _are_classes(folders: Reading, *, guessing: bool) -> bool:
    """Tell whether folders are better labels than a column that is only left over: not if they are numbered."""
    names = {entry.label or "" for entry in folders.entries}
    if not guessing:
        return True
    stems = {re.sub(r"[\W_]*\d+$", "", name) for name in names}
    return len(names) > 1 and not (len(stems) == 1 and "" not in stems)


def _unused_labels(found: _Found) -> tuple[str, ...]:
    """Say which columns could be meant as labels where folders are."""
    notes = [
        f"labels: the folders; column {worded(columns.label)} of {table.name} is not used (--label-column {columns.label} is)"
        for table, columns in found.usable[:1]
    ]
    return (*notes, *(f"labels: the folders; {error}" for error in found.unclear[:1]))


def _read_refused(
    storage: Storage, refused: Table | DataError, images: Sequence[str], asked: Columns, *, labelled: bool
) -> Reading:
    """Raise what is wrong with a CSV."""
    if isinstance(refused, DataError):
        raise refused
    return read_rows(refused, images, asked, labelled=labelled, root=_root(storage))


def _unread(storage: Storage, images: Sequence[str], found: Reading) -> tuple[str, ...]:
    # Images that folders leave out are in the notes already, part by part.
    kept = [entry.name for entry in found.entries] if found.used else images
    return left_out(storage, images, {*kept, *found.used}, listing(found.used, 2))


def _root(storage: Storage) -> Path | None:
    return storage.path if isinstance(storage, Directory) else None


def _rank(name: str) -> tuple[int, int, str]:
    """Return a sort key for CSV files: those nearest to the top first, then the usual names."""
    stem = posixpath.splitext(posixpath.basename(name))[0].lower()
    return name.count("/"), stem not in _BEST_TABLES, name

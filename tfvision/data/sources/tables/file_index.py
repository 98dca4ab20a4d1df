"""The image that a cell of a CSV names."""

import ntpath
import posixpath
from collections.abc import Iterable, Sequence
from pathlib import Path

from tfvision.data.sources.parts import part_in
from tfvision.data.sources.spelling import spelled
from tfvision.data.storage.limits import LONGEST_NAME
from tfvision.errors import DataError, worded

_SAMPLE = 1000
_MOST_FOLDERS = 100  # that an image named by a cell may lie in


class FileIndex:
    """Finds the image that a CSV cell names.

    It is looked up in this order: below the folder of the CSV, below the folder named like the CSV or its part, below
    `images/`; then without its first folders, one by one; each first as written, then without extension. A cell without a
    folder, or one whose folder is that of all cells, also finds a file name that occurs once anywhere below: of several
    folders each must be there, since `test/1.jpg` is not `train/1.jpg`. A CSV in a folder without images names those below
    the folder above it. Composed and decomposed Unicode are the same name.

    Args:
        table_name: The name of the CSV in the storage.
        images: The names of all images in the storage.
        root: The folder of the storage; a cell with a path below that of the CSV is taken as relative to it.
    """

    def __init__(self, table_name: str, images: Iterable[str], root: Path | None = None):
        images = list(images)
        folder, base = posixpath.split(table_name)
        self._table_name = table_name
        self._root = None if root is None else (root / folder).absolute().as_posix()
        while folder and not any(name.startswith(f"{folder}/") for name in images):
            folder = posixpath.dirname(folder)
        start = f"{folder}/" if folder else ""
        below = {spelled(name[len(start) :]): name for name in images if name.startswith(start)}
        stem = posixpath.splitext(base)[0]
        self._prefixes = ("", f"{stem}/", *_folders_of_part(stem, below), "images/")
        self._paths = _with_stems([(path, name) for path, name in below.items()])
        self._most_folders = min(max((path.count("/") for path in self._paths), default=0), _MOST_FOLDERS)
        self._bases = _with_stems([(posixpath.basename(path), name) for path, name in below.items()])

    def find(self, cell: str) -> str | None:
        """Return the name in the storage of the image that a cell names; None if there is none, or more than one."""
        if len(cell) > LONGEST_NAME:
            return None
        path = self._relative(cell)
        levels = path.split("/")
        # No image lies so deep that more would be found: what is tried for each folder takes the square of their number.
        for start in range(max(0, len(levels) - 1 - self._most_folders), len(levels)):
            rest = "/".join(levels[start:])
            for prefix in self._prefixes:
                if found := self._paths.get(prefix + rest):
                    return found
        return self._bases.get(path) if len(levels) == 1 else None

    def find_all(self, cells: Sequence[str]) -> list[str | None]:
        """Find the image that each cell of a column names.

        Args:
            cells: The whole column: if all have the same folder, it may be called otherwise here.

        Returns:
            As `find`, for each cell.
        """
        shared = len({posixpath.dirname(self._relative(cell)) for cell in cells if cell}) == 1
        found = [self.find(cell) for cell in cells]
        if not shared:
            return found
        return [name or self.find(posixpath.basename(self._relative(c))) for name, c in zip(found, cells, strict=True)]

    def share_found(self, cells: list[str]) -> float:
        """Return the share of the cells (of the first 1,000) that name an image, 0..1."""
        cells = cells[:_SAMPLE]
        return sum(name is not None for name in self.find_all(cells)) / max(1, len(cells))

    def check_inside(self, cells: Iterable[str], numbers: Iterable[int]) -> None:
        """Refuse cells that point outside the folder of the CSV.

        Args:
            cells: Paths as written in the CSV.
            numbers: The number of the row of each.

        Raises:
            DataError: A path is absolute, or leaves the folder by `..`.
        """
        for cell, number in zip(cells, numbers, strict=True):
            path = self._relative(cell)
            if path.startswith(("/", "../")) or path == ".." or ntpath.splitdrive(path)[0]:
                raise DataError(
                    f"{self._table_name} row {number} names {worded(cell)}, which leaves its folder; "
                    "give paths relative to the CSV and below its folder"
                )

    def _relative(self, cell: str) -> str:
        path = posixpath.normpath(spelled(cell).replace("\\", "/")) if cell else ""
        if self._root and path.startswith(f"{self._root}/"):
            return path[len(self._root) + 1 :]
        return path


def _folders_of_part(stem: str, below: Iterable[str]) -> list[str]:
    """Return the top folder of the part that a CSV is called after, `train/` for `train_labels.csv`."""
    part = part_in(stem)[0]
    tops = sorted({name.split("/")[0] for name in below if "/" in name})
    found = [f"{top}/" for top in tops if part and part_in(top)[0] == part]
    return found if len(found) == 1 else []


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

"""HDF5 files: the location of their datasets, so that images are read without the HDF5 library and its lock."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tfvision.data.storage.limits import MAX_LABEL_BYTES, UNPACKED_A_SECOND
from tfvision.data.storage.rows import FileRows, row_bytes
from tfvision.data.storage.spans import Span, open_span
from tfvision.errors import DataError
from tfvision.system.bounded import NotRead, hdf5_library
from tfvision.system.cache import write_temporary

_READING = "tfvision.data.storage.hdf5_reading"


class Hdf5:
    """The datasets of an HDF5 file as named arrays, `train/images` in a group.

    The library reads it in a process of its own: there are files from which it never returns.

    Args:
        path: The file.

    Attributes:
        path: The file.
        shapes: The shape of each dataset.

    Raises:
        DataError: The file is damaged, or has a link to another file.
    """

    def __init__(self, path: Path):
        self.path = path
        open_span(path).file.close()  # refuses a file that cannot be opened
        [(found, _)] = self._ask("list_datasets")
        self.shapes: dict[str, tuple[int, ...]] = {name: tuple(shape) for name, shape in found["shapes"]}

    def rows(self, name: str) -> FileRows:
        """Open a dataset to read it row by row; one that is compressed or chunked across images is unpacked once.

        Args:
            name: The name of the dataset.

        Returns:
            Its rows.

        Raises:
            DataError: It is not an array of numbers, is in another file, or was not written completely.
        """
        [(facts, places)] = self._ask("locate", name)
        shape, dtype = tuple(facts["shape"]), np.dtype(facts["dtype"])
        if facts["rows_per_block"]:
            starts = np.frombuffer(places, np.int64)
            return FileRows(open_span(self.path), shape, dtype, starts, facts["rows_per_block"])
        size = shape[0] * row_bytes(shape, dtype)
        # A filter of the library holds a chunk packed and unpacked, and its cache a third time.
        memory, seconds = 3 * facts["chunk"], facts["chunk"] // UNPACKED_A_SECOND
        blocks = (data for _, data in self._ask("unpacked_rows", name, memory=memory, seconds=seconds))
        span = Span(write_temporary(blocks, size, f"{self.path}/{name}"), 0, size, f"{self.path}/{name}")
        return FileRows(span, shape, dtype, np.array([0]), max(1, shape[0]))

    def values(self, name: str) -> np.ndarray:
        """Return a small dataset as a whole.

        Args:
            name: The name of the dataset.

        Returns:
            Its values; text of variable length as an array of str objects.

        Raises:
            DataError: It is larger than 256 MiB, in another file, or neither numbers nor text.
        """
        [(facts, data)] = self._ask("read_values", name, memory=2 * MAX_LABEL_BYTES)
        if "texts" in facts:
            return _objects(facts["texts"])[np.frombuffer(data, np.int32)].reshape(facts["shape"])
        return np.frombuffer(data, np.dtype(facts["dtype"])).reshape(facts["shape"])

    def class_names(self, labels: str) -> np.ndarray | None:
        """Return the attribute `class_names` (or `classes`) of the label dataset or of the file.

        Args:
            labels: The name of the label dataset.

        Returns:
            (classes,); None if there is no such attribute.

        Raises:
            DataError: The attribute is damaged.
        """
        found = list(self._ask("read_class_names", labels))
        return _objects(found[0][0]["texts"]) if found else None

    def _ask(
        self, function: str, *arguments: str, memory: int = 0, seconds: int = 0
    ) -> Iterator[tuple[dict[str, Any], bytes]]:
        try:
            function = f"{_READING}:{function}"
            yield from hdf5_library().ask(
                function, str(self.path.absolute()), *arguments, memory=memory, seconds=seconds
            )
        except NotRead as error:
            raise DataError(f"cannot read {self.path}: {error}; expected a whole HDF5 file, copy it again") from None


def _objects(texts: list[str]) -> np.ndarray:
    """Return an array of texts that does not make each as long as the longest."""
    return np.array(texts, dtype=object)

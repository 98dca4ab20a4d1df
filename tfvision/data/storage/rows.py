"""The rows of an array in a file, each read when it is needed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from tfvision.data.storage.spans import Span
from tfvision.errors import DataError

_BLOCK_BYTES = 16 << 20


class Rows(Protocol):
    """What NumPy arrays, HDF5 datasets and `FileRows` have in common."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, ...)."""

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the values."""

    def __getitem__(self, key: int | slice) -> np.ndarray:
        """Return one row, or a stack of them."""


class FileRows:
    """An array that is stored uncompressed in a file, in blocks of whole rows.

    Args:
        span: The stretch of the file that contains it.
        shape: The shape of the array, (n, ...).
        dtype: The dtype of the values, of any byte order.
        starts: int64 (blocks,), the offset of each block in the span.
        rows_per_block: Rows in a block; the last block may have fewer.
    """

    def __init__(self, span: Span, shape: tuple[int, ...], dtype: np.dtype, starts: np.ndarray, rows_per_block: int):
        self.shape, self.dtype = shape, dtype
        self._span, self._starts, self._rows_per_block = span, starts, rows_per_block
        self._row_bytes = row_bytes(shape, dtype)

    def __getitem__(self, key: int | slice) -> np.ndarray:
        """Read one row, or several.

        Args:
            key: Which row, or a slice of rows.

        Returns:
            One row, read-only; or the rows, stacked.

        Raises:
            DataError: The file cannot be read.
            IndexError: There is no such row.
        """
        if isinstance(key, slice):
            return np.stack([self[i] for i in range(*key.indices(self.shape[0]))])
        if not 0 <= key < self.shape[0]:
            raise IndexError(f"row {key} of {self.shape[0]}")
        block, place = divmod(key, self._rows_per_block)
        data = self._span.read(self._row_bytes, int(self._starts[block]) + place * self._row_bytes)
        return np.frombuffer(data, self.dtype).reshape(self.shape[1:])


def row_bytes(shape: tuple[int, ...], dtype: np.dtype) -> int:
    """Return the size of one row in bytes, without overflow whatever a header says.

    Args:
        shape: The shape of the array, (n, ...).
        dtype: The dtype of the values.

    Returns:
        Bytes.
    """
    size = dtype.itemsize
    for side in shape[1:]:
        size *= int(side)
    return size


def row_blocks(rows: Rows, multiple: int = 1) -> Iterator[np.ndarray]:
    """Yield all rows in blocks of about 16 MiB.

    Args:
        rows: The array, (n, ...).
        multiple: Rows in a chunk of the file. A block is a multiple of that, so that no chunk is unpacked twice, unless
            a chunk is much larger than a block.

    Yields:
        Blocks of rows.
    """
    step = max(1, _BLOCK_BYTES // max(1, row_bytes(rows.shape, rows.dtype)))
    if multiple <= 4 * step:
        step = max(multiple, step // multiple * multiple)
    for start in range(0, rows.shape[0], step):
        yield rows[start : start + step]


def no_rows(name: str, path: Path | str) -> DataError:
    """Return the error for an array that is a single value.

    Args:
        name: The array.
        path: The file that holds it.

    Returns:
        The error.
    """
    return DataError(f"{name} in {path} is a single value; expected images, one a row")

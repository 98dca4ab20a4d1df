"""`.npy` files in a folder, a .zip or an .npz (which is a .zip of such files)."""

import io
import math
from collections.abc import Iterator

import numpy as np

from tfvision.data.storage.files import Storage
from tfvision.data.storage.limits import MAX_LABEL_BYTES
from tfvision.data.storage.rows import FileRows, no_rows, row_bytes
from tfvision.data.storage.spans import Span
from tfvision.errors import DataError
from tfvision.system.cache import write_temporary

_HEADER_BYTES = 1 << 16
_BEHIND_BYTES = 1 << 20  # behind the values; a packed file could have any number of them
# Rows that are turned from Fortran order at a time: the file is read once for each such block, if columns are short.
_BLOCK_BYTES = 128 << 20
_SHORT_COLUMN, _READ_BYTES = 4096, 8 << 20  # bytes; shorter ones take longer to ask for one by one than to read
_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class NpyFiles:
    """The `.npy` files of a storage as named arrays; only their headers are read at first.

    Args:
        storage: A folder, .zip or .npz.

    Attributes:
        path: The path of the storage.
        shapes: The shape of each array by its name, `train/images` for `train/images.npy`; () for a damaged one, which
            is refused only when it is needed.
    """

    def __init__(self, storage: Storage):
        self.path = storage.path
        self._storage = storage
        self._files = {name[:-4]: name for name in storage.names if name.lower().endswith(".npy")}
        self.shapes = {name: self._shape(name) for name in self._files}

    def rows(self, name: str) -> FileRows:
        """Open an array to read it row by row; one in Fortran order is rewritten to a temporary file once.

        Args:
            name: The name of the array.

        Returns:
            Its rows.

        Raises:
            DataError: It is damaged, truncated, or contains pickled objects.
        """
        start, shape, fortran, dtype = self._header(name)
        if not shape:
            raise no_rows(name, self.path)
        span = self._storage.span(self._files[name])
        if fortran and len(shape) > 1:
            size = shape[0] * row_bytes(shape, dtype)
            name = f"{span.name} (in Fortran order)"
            span = Span(write_temporary(_transposed(span, start, shape, dtype), size, name), 0, size, name)
            start = 0
        return FileRows(span, shape, dtype, np.array([start]), max(1, shape[0]))

    def values(self, name: str) -> np.ndarray:
        """Return a small array as a whole.

        Args:
            name: The name of the array.

        Returns:
            Its values.

        Raises:
            DataError: It is larger than 256 MiB, damaged, truncated, or contains pickled objects.
        """
        start, shape, fortran, dtype = self._header(name)
        size = math.prod(shape) * dtype.itemsize
        if size > MAX_LABEL_BYTES:
            raise DataError(f"{name} in {self.path} has {size:,} bytes, too many for labels; name another array")
        values = np.frombuffer(self._storage.span(self._files[name]).read(size, start), dtype)
        return values.reshape(shape, order="F" if fortran else "C")

    def class_names(self, labels: str) -> None:
        """Return None: `.npy` files have no attributes."""

    def _header(self, name: str) -> tuple[int, tuple[int, ...], bool, np.dtype]:
        file = self._files[name]
        head = self._storage.head(file, _HEADER_BYTES)
        return _read_header(head, self._storage.size(file), f"{self.path}/{file}")

    def _shape(self, name: str) -> tuple[int, ...]:
        try:
            return self._header(name)[1]
        except DataError:
            return ()


def _read_header(head: bytes, size: int, name: str) -> tuple[int, tuple[int, ...], bool, np.dtype]:
    """Return where the values start, the shape, whether they are in Fortran order, and the dtype."""
    stream = io.BytesIO(head)
    try:
        shape, fortran, dtype = _READERS[np.lib.format.read_magic(stream)](stream)
        sides = [int(side) for side in shape]
    except Exception as error:  # a parser may fail in any way on foreign bytes
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{name} is no whole .npy file: {reason}; write it again with numpy.save") from None
    if dtype.hasobject:
        raise DataError(f"{name} holds pickled objects, which are never loaded; save numbers or fixed-width text")
    if dtype.fields or dtype.subdtype or dtype.itemsize == 0 or min(sides, default=0) < 0:
        raise DataError(f"{name} has the dtype {dtype} and shape {shape}; expected plain numbers or text")
    claimed, there = math.prod(sides) * dtype.itemsize, size - stream.tell()
    if claimed > there:
        raise DataError(f"{name} is truncated: its header claims {claimed:,} bytes, {there:,} are there; copy it again")
    if there > claimed + _BEHIND_BYTES:
        raise DataError(f"{name} has {there - claimed:,} bytes behind its values; write it again with numpy.save")
    return stream.tell(), tuple(sides), fortran, dtype


def _transposed(span: Span, start: int, shape: tuple[int, ...], dtype: np.dtype) -> Iterator[memoryview]:
    """Yield in C order an array that is stored in Fortran order, in which the first axis varies fastest."""
    count, inner, item = shape[0], math.prod(shape[1:]), dtype.itemsize
    step = max(1, _BLOCK_BYTES // max(1, inner * item))
    together = max(1, _READ_BYTES // max(1, count * item)) if count * item < _SHORT_COLUMN else 1  # columns
    for first in range(0, count, step):
        width = min(step, count - first)
        block = np.empty((inner, width), dtype)
        for k in range(0, inner, together):
            if together > 1:
                size = min(together, inner - k) * count
                columns = np.frombuffer(span.read(size * item, start + k * count * item), dtype)
                block[k : k + together] = columns.reshape(-1, count)[:, first : first + width]
            else:
                block[k] = np.frombuffer(span.read(width * item, start + (k * count + first) * item), dtype)
        rows = np.ascontiguousarray(block.reshape(*shape[:0:-1], width).T)
        yield rows.view(np.uint8).reshape(-1).data

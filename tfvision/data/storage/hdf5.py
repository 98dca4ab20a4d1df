"""HDF5 files: the location of their datasets, so that images are read without the HDF5 library and its lock."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from tfvision.data.storage.limits import MAX_FILE_BYTES
from tfvision.data.storage.rows import FileRows, row_blocks, row_bytes
from tfvision.data.storage.spans import Span, open_span
from tfvision.errors import DataError, TfvisionError
from tfvision.system.cache import write_temporary

_CLASS_NAMES = ("class_names", "classes")
_ATTRIBUTE_BYTES = 1 << 20  # HDF5 stores attributes of up to 64 KiB in the object header


class Hdf5:
    """The datasets of an HDF5 file as named arrays, `train/images` in a group; the file is opened for each call.

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
        self.shapes: dict[str, tuple[int, ...]] = {}
        with self._open() as file:
            for name in file:
                if isinstance(file.get(name, getlink=True), h5py.ExternalLink):
                    raise DataError(f"{name} in {path} leads to another file; copy its data into this one")
            file.visititems(self._note)

    def rows(self, name: str) -> FileRows:
        """Open a dataset to read it row by row; one that is compressed or chunked across images is unpacked once.

        Args:
            name: The name of the dataset.

        Returns:
            Its rows.

        Raises:
            DataError: It is not an array of numbers, is in another file, or was not written completely.
        """
        with self._open() as file:
            dataset = file[name]
            self._check(dataset)
            size = dataset.shape[0] * row_bytes(dataset.shape, dataset.dtype)
            starts, rows_per_block = _places(dataset)
            if starts is not None:
                rows = FileRows(open_span(self.path), dataset.shape, dataset.dtype, starts, rows_per_block)
                if _agree(rows, dataset):
                    return rows
            multiple = dataset.chunks[0] if dataset.chunks else 1
            blocks = (block.reshape(-1).view(np.uint8).data for block in row_blocks(dataset, multiple))
            span = Span(write_temporary(blocks, size, f"{self.path}/{name}"), 0, size, f"{self.path}/{name}")
            return FileRows(span, dataset.shape, dataset.dtype, np.array([0]), max(1, dataset.shape[0]))

    def values(self, name: str) -> np.ndarray:
        """Return a small dataset as a whole; text as str.

        Args:
            name: The name of the dataset.

        Returns:
            Its values.

        Raises:
            DataError: It is larger than 1 GiB, or in another file.
        """
        with self._open() as file:
            dataset = file[name]
            if dataset.size * dataset.dtype.itemsize > MAX_FILE_BYTES:
                raise DataError(f"{name} in {self.path} has {dataset.size:,} values, too many for labels")
            self._check_inside(dataset)
            return _as_array(dataset.asstr()[()] if h5py.check_string_dtype(dataset.dtype) else dataset[()])

    def class_names(self, labels: str) -> np.ndarray | None:
        """Return the attribute `class_names` (or `classes`) of the label dataset or of the file.

        Args:
            labels: The name of the label dataset.

        Returns:
            (classes,); None if there is no such attribute.

        Raises:
            DataError: The attribute is damaged.
        """
        with self._open() as file:
            for owner in (file[labels], file):
                for name in _CLASS_NAMES:
                    if name in owner.attrs:
                        if owner.attrs.get_id(name).get_storage_size() > _ATTRIBUTE_BYTES:
                            raise DataError(f"{self.path} is damaged: its attribute {name} is too large; copy it again")
                        return np.ravel(_as_array(owner.attrs[name]))
        return None

    @contextmanager
    def _open(self) -> Iterator[h5py.File]:
        try:
            with h5py.File(self.path, "r", locking=False) as file:
                yield file
        except TfvisionError:
            raise
        except Exception as error:  # the library may fail in any way on damaged files
            reason = " ".join(str(error).split()) or type(error).__name__
            raise DataError(f"cannot read {self.path}: {reason}; expected a whole HDF5 file, copy it again") from error

    def _note(self, name: str, item: h5py.Dataset | h5py.Group) -> None:
        if isinstance(item, h5py.Dataset) and item.shape is not None:
            self.shapes[name] = item.shape

    def _check(self, dataset: h5py.Dataset) -> None:
        self._check_inside(dataset)
        if dataset.dtype.kind not in "buif":
            raise DataError(f"{dataset.name} in {self.path} has the dtype {dataset.dtype}; expected numbers")
        grid = 1
        for side, chunk in zip(dataset.shape, dataset.chunks or dataset.shape, strict=True):
            grid *= -(-side // chunk) if chunk else 0
        is_whole = dataset.id.get_num_chunks() == grid if dataset.chunks else dataset.id.get_storage_size() > 0
        if dataset.size and not is_whole:
            raise DataError(f"{dataset.name} in {self.path} was not written to its end; write or download it again")

    def _check_inside(self, dataset: h5py.Dataset) -> None:
        if dataset.is_virtual or dataset.external:
            raise DataError(f"{dataset.name} in {self.path} lies in another file; copy its data into this one")


def _places(dataset: h5py.Dataset) -> tuple[np.ndarray | None, int]:
    """Return where each block of whole images starts in the file, and its number of images; None without blocks."""
    offset = dataset.id.get_offset()
    if offset is not None:
        return np.array([offset]), max(1, dataset.shape[0])
    chunks = dataset.chunks
    if not chunks or chunks[1:] != dataset.shape[1:] or dataset.id.get_create_plist().get_nfilters():
        return None, 0
    starts = np.zeros(-(-dataset.shape[0] // chunks[0]), np.int64)

    def note(chunk: h5py.h5d.StoreInfo) -> None:
        starts[chunk.chunk_offset[0] // chunks[0]] = chunk.byte_offset

    dataset.id.chunk_iter(note)
    return starts, chunks[0]


def _agree(rows: FileRows, dataset: h5py.Dataset) -> bool:
    """Tell whether the library reads the same first and last image: offsets are wrong if a file has a user block."""
    ends = (0, dataset.shape[0] - 1) if dataset.shape[0] else ()
    try:
        return all(rows[i].tobytes() == dataset[i].tobytes() for i in ends)
    except DataError:
        return False


def _as_array(values: object) -> np.ndarray:
    """Return values of an HDF5 file as an array of plain dtype; h5py returns text as objects."""
    values = np.asarray(values)
    if values.dtype.kind != "O":
        return values
    texts = [value.decode() if isinstance(value, bytes) else str(value) for value in values.ravel()]
    return np.array(texts, dtype=str).reshape(values.shape)

"""What is read of HDF5 files by their library, in a process with bounds: it never returns from some damages.

Every function yields a mapping and bytes, as `BoundedProcess` asks for them.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tfvision.data.storage.limits import ANY_ARRAY, MAX_LABEL_BYTES, UNPACKED_A_SECOND, check_packed
from tfvision.data.storage.rows import FileRows, no_rows, row_blocks, row_bytes
from tfvision.data.storage.spans import open_span
from tfvision.errors import DataError
from tfvision.system.bounded_work import Said, renew_time

_CLASS_NAMES = ("class_names", "classes")
_ATTRIBUTE_BYTES = 1 << 20  # HDF5 stores attributes of up to 64 KiB in the object header
_MOST_NAMES, _MOST_CLASSES = 100_000, 1_000_000
_LONGEST_TEXT = 4096  # characters of a label
_TEXTS_A_BLOCK = 1024
_LARGEST_CHUNK = 512 << 20  # bytes, which take some seconds to unpack
_CHUNK_CACHE = 32 << 20


def list_datasets(path: str) -> Iterator[Said]:
    """Yield `{"shapes": [[name, shape], ...]}` of all datasets.

    Args:
        path: The file.

    Yields:
        One mapping.

    Raises:
        DataError: It has a link to another file, or datasets without number.
    """
    found: list[tuple[str, tuple[int, ...]]] = []
    visited = 0

    def note(name: str, item: h5py.Dataset | h5py.Group) -> bool | None:
        nonlocal visited
        visited += 1
        if visited % 1000 == 0:
            renew_time()
        if isinstance(item, h5py.Dataset) and item.shape is not None:
            found.append((name, item.shape))
        return True if visited > _MOST_NAMES else None

    with _open(path) as file:
        for name in file:
            if isinstance(file.get(name, getlink=True), h5py.ExternalLink):
                raise DataError(f"{name} in {path} leads to another file; copy its data into this one")
        if file.visititems(note):
            raise DataError(f"{path} holds more than {_MOST_NAMES:,} datasets and groups; expected an array of images")
    yield {"shapes": found}, b""


def locate(path: str, name: str) -> Iterator[Said]:
    """Yield where the rows of a dataset lie in the file, if they lie there unpacked.

    Args:
        path: The file.
        name: The name of the dataset.

    Yields:
        One mapping: `shape`, `dtype`, `chunk` (bytes of one), and `rows_per_block`, 0 if the rows must be unpacked; and the
        start of each block of rows, int64.

    Raises:
        DataError: It is not an array of numbers, is in another file, was not written completely, or unpacks to far more
            than its size.
    """
    with _open(path) as file:
        dataset = file[name]
        _check(dataset, path)
        if not dataset.shape:
            raise no_rows(name, path)
        size = dataset.shape[0] * row_bytes(dataset.shape, dataset.dtype)
        chunk = math.prod(dataset.chunks or (0,)) * dataset.dtype.itemsize
        if chunk > _LARGEST_CHUNK:
            raise DataError(f"{name} in {path} is stored in chunks of {chunk:,} bytes; write it in smaller ones")
        facts = {"shape": dataset.shape, "dtype": dataset.dtype.str, "chunk": min(chunk, size)}
        starts, rows_per_block = _places(dataset)
        if starts is not None:
            rows = FileRows(open_span(Path(path)), dataset.shape, dataset.dtype, starts, rows_per_block)
            if _agree(rows, dataset):
                yield facts | {"rows_per_block": rows_per_block}, starts.astype(np.int64).tobytes()
                return
        _check_filters(dataset, size, path)
    yield facts | {"rows_per_block": 0}, b""


def unpacked_rows(path: str, name: str) -> Iterator[Said]:
    """Yield the rows of a dataset, unpacked, in blocks.

    Args:
        path: The file.
        name: The name of a dataset that `locate` accepted.

    Yields:
        The bytes of each block.
    """
    with _open(path) as file:
        dataset = file[name]
        for block in row_blocks(dataset, dataset.chunks[0] if dataset.chunks else 1):
            yield {}, np.ascontiguousarray(block).reshape(-1).view(np.uint8).data


def read_values(path: str, name: str) -> Iterator[Said]:
    """Yield a small dataset.

    Args:
        path: The file.
        name: The name of the dataset.

    Yields:
        `{"shape", "dtype"}` and the values, or `{"shape", "texts"}`, the different texts, and for each value the index of its
        text, int32.

    Raises:
        DataError: It is too large for labels, in another file, or neither numbers nor text.
    """
    with _open(path) as file:
        dataset = file[name]
        _check_inside(dataset, path)
        if dataset.size * dataset.dtype.itemsize > MAX_LABEL_BYTES:
            raise DataError(f"{name} in {path} has {dataset.size:,} values, too many for labels")
        yield _values(dataset, name, path)


def read_class_names(path: str, labels: str) -> Iterator[Said]:
    """Yield the attribute `class_names` (or `classes`) of the label dataset or of the file, if there is one.

    Args:
        path: The file.
        labels: The name of the label dataset.

    Yields:
        `{"texts"}`, their names.

    Raises:
        DataError: The attribute is damaged, too large, or neither numbers nor text.
    """
    with _open(path) as file:
        for owner in (file[labels], file):
            for name in _CLASS_NAMES:
                if name in owner.attrs:
                    attribute = owner.attrs.get_id(name)
                    count = math.prod(attribute.shape or ())
                    if attribute.get_storage_size() > _ATTRIBUTE_BYTES or count > _MOST_CLASSES:
                        raise DataError(f"{path} is damaged: its attribute {name} is too large; copy it again")
                    if attribute.dtype.kind not in "SUbuif" and not h5py.check_string_dtype(attribute.dtype):
                        raise DataError(f"{path} has an attribute {name} of {attribute.dtype}; expected names")
                    values = np.ravel(np.asarray(owner.attrs[name])).tolist()
                    yield {"texts": [_text(value, name, path) for value in values]}, b""
                    return


def _open(path: str) -> h5py.File:
    return h5py.File(path, "r", locking=False, rdcc_nbytes=_CHUNK_CACHE)


def _values(dataset: h5py.Dataset, name: str, path: str) -> Said:
    kind = dataset.dtype.kind
    if h5py.check_string_dtype(dataset.dtype) and kind == "O":
        return _texts(dataset, name, path)
    if kind not in "SUbuif":
        raise DataError(f"{name} in {path} has the dtype {dataset.dtype}; expected numbers or text")
    if kind in "SU" and dataset.dtype.itemsize > _LONGEST_TEXT:
        raise DataError(f"{name} in {path} holds texts of {dataset.dtype.itemsize:,} bytes, too long for labels")
    renew_time(dataset.size * dataset.dtype.itemsize // UNPACKED_A_SECOND)
    values = np.ascontiguousarray(dataset[()])
    # Without what HDF5 adds to a dtype.
    return {"shape": dataset.shape, "dtype": values.dtype.str}, values.reshape(-1).view(np.uint8).data


def _texts(dataset: h5py.Dataset, name: str, path: str) -> Said:
    """Return texts of variable length: each different one once, however often the file repeats it."""
    numbers: dict[str, int] = {}
    flat = dataset.asstr()
    codes: list[np.ndarray] = []
    count = dataset.shape[0] if dataset.shape else 1
    for start in range(0, count, _TEXTS_A_BLOCK):
        block = flat[start : start + _TEXTS_A_BLOCK] if dataset.shape else [flat[()]]
        texts = np.ravel(np.asarray(block, dtype=object))
        for text in texts:
            if len(text) > _LONGEST_TEXT:
                raise DataError(f"{name} in {path} holds a text of {len(text):,} characters, too long for a label")
        codes.append(np.array([numbers.setdefault(text, len(numbers)) for text in texts], np.int32))
        renew_time()
    found: dict[str, Any] = {"shape": dataset.shape, "texts": list(numbers)}
    return found, np.concatenate([np.zeros(0, np.int32), *codes]).tobytes()


def _text(value: object, name: str, path: str) -> str:
    text = value.decode() if isinstance(value, bytes) else str(value)
    if len(text) > _LONGEST_TEXT:
        raise DataError(f"{name} in {path} holds a text of {len(text):,} characters, too long for a class")
    return text


def _check(dataset: h5py.Dataset, path: str) -> None:
    if not isinstance(dataset, h5py.Dataset):
        raise DataError(f"{dataset.name} in {path} is no array; expected images")
    _check_inside(dataset, path)
    if dataset.dtype.kind not in "buif":
        raise DataError(f"{dataset.name} in {path} has the dtype {dataset.dtype}; expected numbers")
    grid = 1
    for side, chunk in zip(dataset.shape, dataset.chunks or dataset.shape, strict=True):
        grid *= -(-side // chunk) if chunk else 0
    is_whole = dataset.id.get_num_chunks() == grid if dataset.chunks else dataset.id.get_storage_size() > 0
    if dataset.size and not is_whole:
        raise DataError(f"{dataset.name} in {path} was not written to its end; write or download it again")


def _check_filters(dataset: h5py.Dataset, size: int, path: str) -> None:
    """Refuse what unpacks to far more than its size, or is packed twice, whose bytes in between nobody counts."""
    way_out = "write it again without compression"
    check_packed(f"{dataset.name} in {path}", dataset.id.get_storage_size(), size, ANY_ARRAY, way_out)
    properties = dataset.id.get_create_plist()
    filters = [properties.get_filter(index)[0] for index in range(properties.get_nfilters())]
    if len(set(filters)) < len(filters):
        raise DataError(f"{dataset.name} in {path} is packed twice in the same way; {way_out}")


def _check_inside(dataset: h5py.Dataset, path: str) -> None:
    if dataset.is_virtual or dataset.external:
        raise DataError(f"{dataset.name} in {path} lies in another file; copy its data into this one")


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

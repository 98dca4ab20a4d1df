"""What weights files hold, read by the HDF5 library in a process with bounds: it never returns from some damages.

Keras reads a file only after it was read here from the beginning to the end: what the library survives once, it survives
again.
"""

import io
import zipfile
from collections.abc import Iterator
from typing import IO

import h5py

from tfvision.data.storage.rows import row_blocks
from tfvision.models.weights_file import too_large
from tfvision.system.bounded_work import Said, renew_time

_MOST_LINKS, _LINKS_A_TIME = 100_000, 1000  # of a file, and how many may take the time of one answer


def check_hdf5(path: str, member: str | None) -> Iterator[Said]:
    """Count the numbers in a file, or refuse one that is damaged, reaches outside itself or declares more than it holds.

    Args:
        path: An HDF5 file, or an archive.
        member: The member of the archive that is such a file.

    Yields:
        `values`, how many numbers the file holds.

    Raises:
        ValueError: The file is one of these; the message says which.
    """
    if member is None:
        with open(path, "rb") as opened:
            stored = opened.seek(0, io.SEEK_END)
        values = _check(path, stored)
    else:
        with zipfile.ZipFile(path) as archive:
            weights = archive.read(member)  # seeking in an archive rereads it from the start
        values = _check(io.BytesIO(weights), len(weights))
    yield {"values": values}, b""


def _check(file: str | IO[bytes], stored: int) -> int:
    with h5py.File(file, "r") as opened:
        declared = values = links = 0
        seen: set[int] = set()

        def problem(name: str, link: object) -> str | None:
            nonlocal declared, values, links
            links += 1
            if links > _MOST_LINKS:
                return f"it holds more than {_MOST_LINKS:,} arrays and groups"
            if links % _LINKS_A_TIME == 0:
                renew_time()
            if not isinstance(link, h5py.HardLink):
                return f"{name} is a link to another place"
            place = opened.id.links.get_info(name.encode("utf-8", "surrogateescape")).u
            if place in seen:  # under another name
                return None
            seen.add(place)
            item = opened[name]
            _read_attributes(item)
            if isinstance(item, h5py.Dataset):
                if item.external or item.is_virtual:
                    return f"{name} is stored in another file"
                if item.dtype.kind not in "fiubVc":
                    return f"{name} holds {item.dtype}, not numbers"
                declared += item.nbytes
                values += item.size or 0
                if (larger := too_large(declared, stored)) is None:
                    _read_packed(item)
                return larger
            return None

        # Returned, not raised: an exception does not always survive the library in between.
        found = opened.visititems_links(problem)
        if found:
            raise ValueError(found)
        _read_attributes(opened)
    return values


def _read_attributes(item: h5py.Dataset | h5py.Group) -> None:
    for name in item.attrs:
        _ = item.attrs[name]


def _read_packed(dataset: h5py.Dataset) -> None:
    """Unpack what filters packed. Numbers that lie there as they are are only copied, which cannot fail to end."""
    if dataset.chunks and dataset.shape and dataset.id.get_create_plist().get_nfilters():
        for _ in row_blocks(dataset, dataset.chunks[0]):
            renew_time()

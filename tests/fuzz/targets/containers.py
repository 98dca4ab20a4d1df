"""Arrays and archives of images: npy, npz, HDF5, zip and tar."""

import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from targets.target import Target
from tfvision.data.sources.open import open_images

_IMAGES = np.arange(4 * 4 * 4 * 3, dtype=np.uint8).reshape(4, 4, 4, 3)
_LABELS = np.array([0, 1, 0, 1])


def _read(name: str, data: bytes, folder: Path) -> None:
    path = folder / name
    path.write_bytes(data)
    images = open_images(path)
    assert len(images.ids) == len(images.labels) and len(images) > 0
    for index in {0, len(images) - 1}:
        assert images.read(index).ndim == 3


def _npy(array: np.ndarray, **options: bool) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, **options)  # type: ignore[arg-type]
    return stream.getvalue()


def _arrays() -> Iterator[bytes]:
    yield _npy(_IMAGES)
    yield _npy(np.asfortranarray(_IMAGES[..., 0].astype(np.float32)))
    yield _npy(_IMAGES[..., 0].astype(">u2"))
    yield _npy(np.array([{}]), allow_pickle=True)
    yield _npy(_IMAGES).replace(b"(4, 4, 4, 3)", b"(4, 4, 4, 9)")


def _labels_beside(folder: Path) -> None:
    np.save(folder / "labels.npy", _LABELS)


def _zip(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return stream.getvalue()


def _npz() -> Iterator[bytes]:
    members = {"images.npy": _npy(_IMAGES), "labels.npy": _npy(_LABELS)}
    yield _zip(members)
    yield _zip(members, zipfile.ZIP_DEFLATED)
    yield _zip({**members, "labels.npy": _npy(np.array(["cat", "dog", "cat", "é"]))}, zipfile.ZIP_LZMA)
    yield _zip({"images.npy": _npy(np.array(7)), "labels.npy": _npy(_LABELS)})
    yield _zip({"images.npy": _npy(_IMAGES)[:99], "other.npy": _npy(_LABELS)})
    yield _zip({"x_train.npy": _npy(_IMAGES), "y_train.npy": _npy(_LABELS), "x_test.npy": b"", "y_test.npy": b"no"})


def _hdf5() -> Iterator[bytes]:
    for texts, packed in ((None, None), (["cat", "dog", "cat", "dog"], "gzip")):
        stream = io.BytesIO()
        with h5py.File(stream, "w") as file:
            file.create_dataset("images", data=_IMAGES, compression=packed)
            labels = file.create_dataset("labels", data=_LABELS if texts is None else texts)
            labels.attrs["class_names"] = ["cat", "dog"]
        yield stream.getvalue()
    for images, labels in ((np.array(7), _LABELS), (_IMAGES, np.array(7)), (h5py.Empty("u1"), h5py.Empty("u1"))):
        stream = io.BytesIO()
        with h5py.File(stream, "w") as file:
            file["images"], file["labels"] = images, labels
        yield stream.getvalue()


def _members() -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    for number in range(4):
        stream = io.BytesIO()
        Image.fromarray(_IMAGES[number]).save(stream, "PNG")
        members[f"{('cat', 'dog')[number % 2]}/{number}.png"] = stream.getvalue()
    return members


def _zips() -> Iterator[bytes]:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        yield _zip(_members(), method)
    yield _zip({**_members(), "../evil.png": b"", "cat\\3.png": b"x", "labels.csv": b"file,label\n0,cat\n"})


def _tars() -> Iterator[bytes]:
    for form in (tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
            for name, data in _members().items():
                info = tarfile.TarInfo(name if form == tarfile.USTAR_FORMAT else f"{'long' * 30}/{name}")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        yield stream.getvalue().rstrip(b"\0") + bytes(1024)


def with_checksums(data: bytes) -> bytes:
    """Return a .zip whose stored members have the right checksums."""
    mended = bytearray(data)
    with suppress(Exception), zipfile.ZipFile(io.BytesIO(data)) as archive:
        place = archive.start_dir
        for info in archive.infolist():
            start = info.header_offset + 30 + sum(struct.unpack_from("<HH", data, info.header_offset + 26))
            if info.compress_type == zipfile.ZIP_STORED and data[place : place + 4] == b"PK\x01\x02":
                checksum = zlib.crc32(data[start : start + info.compress_size])
                struct.pack_into("<I", mended, place + 16, checksum)
                struct.pack_into("<I", mended, info.header_offset + 14, checksum)
            place += 46 + sum(struct.unpack_from("<HHH", data, place + 28))
    return bytes(mended)


def _header_checksums(data: bytes) -> bytes:
    """Return a tar whose headers have the right checksums."""
    mended, place = bytearray(data), 0
    while place + 512 <= len(data):
        if any(head := data[place : place + 512]):
            total = sum(head[:148]) + 8 * 32 + sum(head[156:])
            mended[place + 148 : place + 156] = b"%06o\0 " % total
            with suppress(ValueError):
                place += -(-int(head[124:136].strip(b"\0 ") or b"0", 8) // 512) * 512
        place += 512
    return bytes(mended)


TARGETS = {
    "npy": Target(partial(_read, "images.npy"), _arrays, _labels_beside),
    "npz": Target(partial(_read, "data.npz"), _npz, mend=with_checksums),
    "hdf5": Target(partial(_read, "data.h5"), _hdf5),
    "zip": Target(partial(_read, "data.zip"), _zips, mend=with_checksums),
    "tar": Target(partial(_read, "data.tar"), _tars, mend=_header_checksums),
}

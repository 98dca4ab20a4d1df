"""What storages share: which names are seen, how large a file may be, and what a packed one may unpack to."""

import posixpath
import re
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from tfvision.data.pixels.exif import TIFF_STARTS
from tfvision.data.pixels.headers import HEAD_BYTES, image_format, read_header
from tfvision.data.pixels.tiff import count_pixels
from tfvision.errors import DataError

MAX_FILE_BYTES = 1 << 30
ANY_ARRAY = 1 << 30  # bytes that a packed array may unpack to, in a file, whatever its size
_MOST_TIMES = 200  # what a packed file may unpack to, beyond the bytes that it may anyway: that many times its size
LARGE_BYTES, _HEAD = 64 << 20, 4 << 20  # an image file that is looked at before it is read, and how much of it
_BYTES_A_PIXEL = 16  # four channels of 16 bits, twice
UNPACKED_A_SECOND = 50 << 20  # bytes; slower than any machine
MAX_LABEL_BYTES = 256 << 20  # of an array of labels or groups
# Tables and annotations of an archive, all together, may unpack to 8 MiB anyway, and beyond that to 50 times the archive:
# with the images they are of, real ones stay below 5 times. Each byte of one made to harm takes up to a microsecond and 50
# bytes of memory, so 8 MiB are less than ten seconds and half a GB.
_ANY_TEXT, _MOST_TIMES_TEXT = 8 << 20, 50
_TEXTS = (".csv", ".tsv", ".json", ".xml", ".txt", ".yaml", ".yml", ".names", ".labels")
LONGEST_NAME = 4096  # characters of a name with its folders; Linux opens none that is longer
_OUTSIDE = re.compile(r"(?:/|\.\./)*")

# Folders that systems and file servers keep beside the user's own.
_SYSTEM = frozenset({"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found"})


def within(name: str) -> str:
    """Return the name of a member without a `/` or `../` before it, which some programs pack along."""
    name = posixpath.normpath(name)
    return _OUTSIDE.sub("", name, count=1)


def check_name(archive: Path, name: str) -> None:
    """Refuse an archive with a name that no file could have.

    Args:
        archive: The archive.
        name: A name in it.

    Raises:
        DataError: The name has more than 4,096 characters.
    """
    if len(name) > LONGEST_NAME:
        raise DataError(
            f"{archive} holds a name of {len(name):,} characters ({name[:40]}...), more than {LONGEST_NAME:,}; "
            "unpack it and give the folder"
        )


def is_visible(name: str) -> bool:
    return not any(part.startswith(".") or part in _SYSTEM for part in PurePosixPath(name).parts)


def check_size(name: Path | str, size: int) -> None:
    """Refuse a file that is too large to be read as a whole."""
    if size > MAX_FILE_BYTES:
        raise DataError(f"{name} has {size:,} bytes, more than the {MAX_FILE_BYTES:,} allowed; remove it")


def check_packed(
    name: Path | str, packed: int, size: int, anyway: int, way_out: str = "unpack it and give the folder"
) -> None:
    """Refuse a packed file that unpacks to far more than its size.

    Args:
        name: What to call it in the error.
        packed: Its size in bytes.
        size: What it unpacks to.
        anyway: Bytes that it may unpack to in any case.
        way_out: What to do if it is right.

    Raises:
        DataError: It unpacks to more than that, and to more than 200 times its size.
    """
    if size > max(anyway, _MOST_TIMES * packed):
        raise DataError(f"{name} unpacks from {packed:,} to {size:,} bytes; if it is right, {way_out}")


def check_texts(archive: Path, sizes: Iterable[tuple[str, int]]) -> None:
    """Refuse an archive whose tables and annotations unpack to far more than its size.

    Args:
        archive: The archive.
        sizes: The name of each member, and what it unpacks to in bytes.

    Raises:
        DataError: They unpack to more than 8 MiB, and to more than 50 times the archive.
    """
    stored = archive.stat().st_size
    total = sum(size for name, size in sizes if name.lower().endswith(_TEXTS))
    if total > max(_ANY_TEXT, _MOST_TIMES_TEXT * stored):
        raise DataError(
            f"the tables and annotations in {archive} unpack to {total:,} bytes, {total // max(1, stored):,} times its size; "
            "if they are right, unpack it and give the folder"
        )


def check_image(name: Path | str, size: int, read: Callable[[int, int], bytes]) -> None:
    """Refuse a large image file with more bytes than its pixels need, before it is read as a whole.

    Args:
        name: What to call it in the error.
        size: Its size in bytes.
        read: Returns so many bytes from a place in it.

    Raises:
        DataError: It is such a file.
    """
    if size <= LARGE_BYTES:
        return
    start = read(_HEAD, 0)
    if start.startswith(TIFF_STARTS):
        pixels = count_pixels(size, read)
    elif image_format(start[:HEAD_BYTES]):
        header = read_header(start)  # none of a HEIC or AVIF, of which only small ones lie in its beginning
        pixels = header.height * header.width if header else 0
    else:  # a table or an array
        return
    if size > LARGE_BYTES + _BYTES_A_PIXEL * pixels:
        raise DataError(
            f"{name} has {size:,} bytes, and its header claims {pixels:,} pixels; save it again as one picture, or remove it"
        )

"""The scan, which reads every image once: is it readable, how large is it, is it gray, what is its content hash?"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar, get_args, get_type_hints

import numpy as np

from tfvision.data.boxes.orientation import read_orientation
from tfvision.data.options import Source
from tfvision.data.pixels.decoding import decode
from tfvision.data.pixels.header import UPRIGHT
from tfvision.errors import DataError, check_known

if TYPE_CHECKING:
    from tfvision.data.boxes.given import GivenBoxes
    from tfvision.data.images.imageset import ImageSet


ON_BAD = get_args(get_type_hints(Source)["on_bad"])

_SCAN_CHUNK = 32

Found = TypeVar("Found")


@dataclass(frozen=True)
class Scan:
    """What one pass over all images found.

    Attributes:
        images: The readable images, in their order; their boxes, if any, are now in pixels of the upright images.
        sizes: int64 (n, 2), height and width after the EXIF orientation is applied.
        hashes: Content hash of each image: of its file, or of its pixels if it is in an array.
        unreadable: Pairs (id, reason) of the images that were dropped, and (row, reason) of wrong boxes.
        is_gray: Whether the three channels of every image are equal.
    """

    images: ImageSet
    sizes: np.ndarray
    hashes: tuple[str, ...]
    unreadable: tuple[tuple[str, str], ...]
    is_gray: bool = False


@dataclass(frozen=True)
class _Look:
    size: tuple[int, int]
    hash: str
    is_gray: bool
    orientation: int


def scan(
    images: ImageSet,
    *,
    on_bad: str = "fail",
    progress: Callable[[int, int], None] | None = None,
    frames: bool = False,
) -> Scan:
    """Read and decode every image once, in threads, keeping only sizes and hashes.

    Args:
        images: The images to scan.
        on_bad: `fail` to refuse unreadable images and wrong boxes, `skip` to drop them.
        progress: Called with (done, total) as images are read.
        frames: Whether to fill in `frames` of the images; always done for images with boxes.

    Returns:
        What was found.

    Raises:
        DataError: There are unreadable images or wrong boxes with `fail` (all are listed), or nothing usable is left.
        UsageError: An unknown `on_bad`.
    """
    check_known("on_bad", on_bad, ON_BAD)
    given = images.given
    oriented = frames or given is not None
    found: list[_Look | str] = list(look_at_all(images, lambda index: _look_at(images, index, oriented), progress))
    unreadable = [(images.ids[i], look) for i, look in enumerate(found) if isinstance(look, str)]
    rows: list[tuple[str, str]] = []
    if given is not None:
        images, wrong = _place_boxes(images, given, found)
        found = [wrong.get(given.rows[i], look) for i, look in enumerate(found)]
        rows = [*images.bad, *wrong.items()]
    good = [i for i, look in enumerate(found) if not isinstance(look, str)]
    if (unreadable or rows) and (on_bad == "fail" or not good):
        raise DataError(_report(unreadable, rows, len(images), left=bool(good)))
    looks = [look for look in found if not isinstance(look, str)]
    sizes = np.array([look.size for look in looks], np.int64).reshape(-1, 2)
    images = images.select(good) if len(good) < len(images) else images
    if oriented:
        images = replace(images, frames=np.c_[sizes[:, ::-1], [look.orientation for look in looks]])
    is_gray = bool(good) and all(look.is_gray for look in looks)
    hashes = tuple(look.hash for look in looks)
    return Scan(replace(images, hashes=hashes), sizes, hashes, (*unreadable, *rows), is_gray)


def content_hash(images: ImageSet, index: int) -> str:
    """Return the content hash of an image in its present state, computed as by `scan`.

    Args:
        images: The set that it belongs to.
        index: Which image.

    Returns:
        32 hexadecimal digits.

    Raises:
        DataError: The image can no longer be read.
    """
    return hash_pixels(images.read(index)) if images.in_arrays else hash_file(images.read_bytes(index))


def look_at_all(
    images: ImageSet, look: Callable[[int], Found], progress: Callable[[int, int], None] | None = None
) -> Iterator[Found]:
    """Yield `look(index)` for every image in order, computed in threads.

    Args:
        images: The images.
        look: Called with the index of each image.
        progress: Called with (done, total) as images are done.

    Yields:
        What `look` returns.
    """
    chunks = [range(start, min(start + _SCAN_CHUNK, len(images))) for start in range(0, len(images), _SCAN_CHUNK)]
    pool = ThreadPoolExecutor(os.cpu_count())
    done = 0
    try:
        for looks in pool.map(lambda chunk: [look(i) for i in chunk], chunks):
            yield from looks
            done += len(looks)
            if progress:
                progress(done, len(images))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _place_boxes(images: ImageSet, given: GivenBoxes, looks: list[_Look | str]) -> tuple[ImageSet, dict[str, str]]:
    """Move the given boxes into the upright images; return also, by row, what is wrong with boxes that do not fit."""
    boxes, wrong = np.zeros((len(images), 4)), {}
    for index, look in enumerate(looks):
        if isinstance(look, str):
            continue
        height, width = look.size
        box = given.upright(index, look.orientation, width, height)
        if isinstance(box, str):
            wrong[given.rows[index]] = box
        else:
            boxes[index] = box
    return replace(images, boxes=boxes), wrong


def _report(unreadable: list[tuple[str, str]], rows: list[tuple[str, str]], total: int, *, left: bool) -> str:
    """Say how many and what to do on the first line, then list each on its own line: all can be fixed at once."""
    way_out = ", or go on without them with --on-bad skip" if left else ""
    lines = [f"{name}: {reason}" for name, reason in (*unreadable, *rows)]
    if len(lines) == 1:
        return f"{'unreadable image' if unreadable else 'wrong box:'} {lines[0]}; repair or remove it{way_out}"
    counts = [f"{len(unreadable):,} unreadable of {total:,} images"] if unreadable else []
    counts += [f"{len(rows):,} boxes that are wrong or missing"] if rows else []
    return "\n  ".join([f"{' and '.join(counts)}; repair or remove them{way_out}:", *lines])


def _look_at(images: ImageSet, index: int, oriented: bool) -> _Look | str:
    """Return what was found about an image, its orientation only if asked, or the reason why it is unreadable."""
    orientation = UPRIGHT
    try:
        if images.in_arrays:
            pixels = images.read(index)
            content = hash_pixels(pixels)
        else:
            data = images.read_bytes(index)
            pixels = decode(data, images.ids[index])
            content = hash_file(data)
            orientation = read_orientation(data) if oriented else UPRIGHT
    except DataError as error:
        return getattr(error, "reason", str(error))
    return _Look(pixels.shape[:2], content, _is_gray(pixels), orientation)


def hash_file(data: bytes) -> str:
    """Return the content hash of an encoded image, 32 hexadecimal digits."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def hash_pixels(pixels: np.ndarray) -> str:
    """Return the content hash of a decoded image, 32 hexadecimal digits."""
    content = hashlib.blake2b(repr(pixels.shape).encode(), digest_size=16)
    content.update(np.ascontiguousarray(pixels).data)
    return content.hexdigest()


def _is_gray(pixels: np.ndarray) -> bool:
    """Tell whether the channels are equal; the first row reveals nearly all images whose channels are not."""
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    if (red[0] != green[0]).any() or (red[0] != blue[0]).any():
        return False
    return bool((red == green).all() and (red == blue).all())

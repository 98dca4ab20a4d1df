"""Exact copies, found by their content, and near copies, found by a perceptual hash and verified pixel by pixel."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from tfvision.data.copies.components import components
from tfvision.data.copies.hashing import VARIANTS, near_pairs, perceptual_hashes
from tfvision.data.images.imageset import ImageSet
from tfvision.data.images.scan import look_at_all
from tfvision.data.options import DuplicateOptions

_SIDE = 96  # pixels; larger images are shrunk to this longer side before they are compared
_ASPECT = 1.03  # copies have the same aspect ratio, up to the rounding of a resize
_ROUNDING = 1.0  # gray levels: the same pixels in another file format
_BLUR = 1.5  # pixels; anything finer counts as detail
_HELD = 2048  # images kept in memory while pairs are compared
_TURNED = {"": (1, 1), "mirrored": (1, -1), "upside down": (-1, 1), "turned by 180 degrees": (-1, -1)}


@dataclass(frozen=True)
class Pair:
    """Two images of which one is a copy of the other.

    Attributes:
        first: Index of the one that comes first.
        second: Index of the other.
        score: Correlation of their pixels, 1 for exact copies.
        exact: Whether their content is equal byte by byte.
        turned: How the second must be turned to match the first, one of `ORIENTATIONS`.
    """

    first: int
    second: int
    score: float
    exact: bool
    turned: str = ""


@dataclass(frozen=True)
class Likeness:
    """How similar two images are at their best alignment.

    Attributes:
        correlation: Correlation of all pixels and channels, -1..1.
        detail: Correlation of the detail finer than about three pixels, -1..1.
        residual: Root mean square of the difference, in gray levels, 0..255.
    """

    correlation: float
    detail: float
    residual: float

    def is_copy(self, options: DuplicateOptions) -> bool:
        """Tell whether one was made from the other: by its detail, or by a difference as small as re-encoding makes."""
        alike = self.correlation >= options.correlation
        if self.residual <= options.residual:
            # The smoothest images have no detail that could agree, and re-encoding hardly changes them.
            return self.detail >= options.dull_detail or (self.residual < _ROUNDING and alike)
        return self.detail >= options.detail and alike


def find_duplicates(
    images: ImageSet,
    content: Sequence[str],
    perceptual: np.ndarray,
    options: DuplicateOptions,
    busy: np.ndarray | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Pair, ...]:
    """Find exact copies, and near copies that are verified pixel by pixel; no pair is inferred from two others.

    Args:
        images: Readable images.
        content: Content hash of each.
        perceptual: uint64 (n, 8), `perceptual_hashes` of each.
        options: When two images count as copies.
        busy: bool (n,), the images to search for near copies; all if None. Leave out images of a single colour, which
            have nothing to compare.
        progress: Called with (done, total) as pairs are compared.

    Returns:
        Each exact copy paired with the first image of the same content, then near copies among these first images, in
        order.
    """
    first: dict[str, int] = {}
    home = np.array([first.setdefault(key, i) for i, key in enumerate(content)], np.int64)
    exact = [Pair(int(home[i]), i, 1.0, True) for i in np.flatnonzero(home != np.arange(len(home))).tolist()]
    unique = np.flatnonzero((home == np.arange(len(home))) & (True if busy is None else busy))
    candidates = _candidates(perceptual[unique], options)

    @lru_cache(maxsize=_HELD)
    def read(index: int) -> np.ndarray:
        return _shrunk(images.read(index))

    near: dict[tuple[int, int], Pair] = {}
    for done, (i, j, turned) in enumerate(candidates, start=1):
        a, b = int(unique[i]), int(unique[j])
        if (a, b) not in near:
            likeness = compare_pair(read(a), read(b), options.shift, turned)
            if likeness.is_copy(options):
                near[a, b] = Pair(a, b, likeness.correlation, False, turned)
        if progress:
            progress(done, len(candidates))
    return (*exact, *(near[pair] for pair in sorted(near)))


def compare_pair(first: np.ndarray, second: np.ndarray, shift: int, turned: str = "") -> Likeness:
    """Align two images and measure how similar they are.

    They are aligned where the fine detail agrees best: the coarse parts of two cells or two fields may agree anywhere,
    the detail of a copy agrees at one place only.

    Args:
        first: uint8 (height, width, 3).
        second: uint8 (height, width, 3), any size.
        shift: Pixels that it may be shifted by in each direction.
        turned: How the second must be turned to match the first, one of `ORIENTATIONS`.

    Returns:
        Their likeness; the least possible if their aspect ratios differ.
    """
    down, right = _TURNED[turned]
    second = second[::down, ::right]
    if max(_aspect(first), _aspect(second)) > _ASPECT * min(_aspect(first), _aspect(second)):
        return Likeness(0.0, 0.0, 255.0)
    height, width = min(first.shape[:2], second.shape[:2])
    a, b = (_resized(image, height, width).astype(np.float32) for image in (first, second))
    margin = min(shift, min(height, width) // 8)
    inner = (slice(margin, height - margin), slice(margin, width - margin))
    found = cv2.matchTemplate(_detail(b), _detail(a)[inner], cv2.TM_CCOEFF_NORMED)
    top, left = np.unravel_index(np.argmax(found), found.shape)
    a, b = a[inner], b[top : top + height - 2 * margin, left : left + width - 2 * margin]
    whole = cv2.matchTemplate(np.ascontiguousarray(b), np.ascontiguousarray(a), cv2.TM_CCOEFF_NORMED)
    return Likeness(float(whole[0, 0]), float(found[top, left]), float(np.sqrt(np.mean((a - b) ** 2))))


def tie_copies(images: ImageSet, content: Sequence[str], pairs: Sequence[Pair]) -> tuple[str, ...]:
    """Return content hashes that are equal for verified copies, so that a split keeps these together.

    Args:
        images: The images.
        content: Content hash of each.
        pairs: The pairs that `find_duplicates` found. Images that are copies only through others are kept together
            too, else a copy could get into another part.

    Returns:
        A hash for each image: that of the first among its copies and itself.
    """
    unit = components(len(images), [(pair.first, pair.second) for pair in pairs])
    first: dict[int, str] = {}
    return tuple(first.setdefault(unit[i], key) for i, key in enumerate(content))


def hash_images(images: ImageSet, progress: Callable[[int, int], None] | None = None) -> np.ndarray:
    """Compute the perceptual hashes of readable images, in threads.

    Args:
        images: The images, at least one.
        progress: Called with (done, total) as images are hashed.

    Returns:
        uint64 (n, 8), `perceptual_hashes` of each.
    """
    return np.stack(list(look_at_all(images, lambda index: perceptual_hashes(images.read(index)), progress)))


def _candidates(perceptual: np.ndarray, options: DuplicateOptions) -> list[tuple[int, int, str]]:
    """Return the pairs with similar hashes and how the second is turned; pairs with the same first are adjacent."""
    found = {
        (int(i), int(j), turned)
        for variant, turned in enumerate(VARIANTS)
        if options.flips or not turned
        for i, j in near_pairs(perceptual[:, 0], perceptual[:, variant], options.hash_distance)
    }
    return sorted(found)  # not turned comes before turned


def _aspect(image: np.ndarray) -> float:
    return image.shape[1] / image.shape[0]


def _shrunk(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    scale = _SIDE / max(height, width)
    return image if scale >= 1 else _resized(image, max(1, round(height * scale)), max(1, round(width * scale)))


def _resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    if image.shape[:2] == (height, width):
        return image
    return cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=cv2.INTER_AREA)


def _detail(image: np.ndarray) -> np.ndarray:
    return image - cv2.GaussianBlur(np.ascontiguousarray(image), (0, 0), _BLUR)

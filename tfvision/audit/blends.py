"""Images that share a blended picture: their fine detail agrees at the same place, though they are not copies.

A foreign picture that was blended into several images leaves the same edges in all of them. So do a frame, a watermark and
the bars of a screenshot, but not all over the image: what agrees in the middle too is a blend. No backbone is needed.
"""

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np

from tfvision.audit.findings import Finding
from tfvision.audit.options import ForeignOptions

_BLUR = 1.0  # sigma in pixels of the thumbnail; anything finer counts as detail
_REFERENCE = 4096  # images that all others are compared with
_BLOCK = 1024
_GRID = 5  # blocks a side, of which the outer ones, where frames and bars are, do not count
_AGREES = 0.3  # correlation of a block from which on it agrees; blocks of unlike images stay below 0.2


def find_blends(
    thumbnails: np.ndarray, copies: Sequence[tuple[int, int]], options: ForeignOptions, seed: int
) -> list[Finding]:
    """Find images whose fine detail correlates with that of several others: blended, or overlaid in places only.

    In a set of similar images (digits, aligned faces) detail correlates anyway, so the threshold rises with the usual
    correlation of the set. Frames of a fixed camera share their background and would be called blended.

    Args:
        thumbnails: uint8 (n, side, side), gray.
        copies: Pairs of indexes of copies; these share everything, which does not make them blended.
        options: Thresholds.
        seed: Seed of the sample of 4,096 images that all are compared with in larger sets.

    Returns:
        Findings, the strongest first, each with the image it shares most detail with.
    """
    count = len(thumbnails)
    if count <= options.blend_partners:
        return []
    fine = _fine(thumbnails)
    details = _details(fine)
    reference = np.sort(np.random.default_rng(seed).permutation(count)[:_REFERENCE])
    place = {int(index): column for column, index in enumerate(reference)}
    hidden = [(i, place[j]) for pair in copies for i, j in (pair, pair[::-1]) if j in place]
    hidden += [(i, column) for i, column in place.items()]
    rows, columns = np.array(hidden).T
    shared, most = np.empty(count, np.float32), np.empty((count, options.blend_partners), np.int64)
    for start in range(0, count, _BLOCK):
        found = details[start : start + _BLOCK] @ details[reference].T
        here = (rows >= start) & (rows < start + _BLOCK)
        found[rows[here] - start, columns[here]] = -1
        partners = np.argpartition(-found, options.blend_partners - 1, axis=1)[:, : options.blend_partners]
        likeness = np.take_along_axis(found, partners, axis=1)
        partners = np.take_along_axis(partners, np.argsort(-likeness, axis=1, kind="stable"), axis=1)
        shared[start : start + _BLOCK] = likeness.min(axis=1)
        most[start : start + _BLOCK] = reference[partners]
    threshold = max(options.blend, _usual(shared, options.blend_deviations))
    judged = np.arange(count)  # whose likeness to its partners tells a blend from an overlay
    for i, j in _copies_of(shared >= threshold, copies):  # a copy of a blended image is blended too
        like = float(details[i] @ details[j])
        if like >= threshold > shared[i]:
            shared[i], most[i, 0], judged[i] = like, j, j
    chosen = np.flatnonzero(shared >= threshold)
    order = chosen[np.argsort(-shared[chosen], kind="stable")]
    return [
        Finding(
            int(i),
            "blended" if _reach(fine, judged[i], most[judged[i]]) >= options.blend_reach else "overlaid",
            float(shared[i]),
            int(most[i, 0]),
        )
        for i in order
    ]


def _reach(fine: np.ndarray, index: int, partners: np.ndarray) -> float:
    """Return the share of the blocks in the middle of an image whose detail agrees with that of its partners."""
    side = int(np.sqrt(fine.shape[1]))
    edges = np.linspace(0, side, _GRID + 1).astype(int)[1:-1]
    images = fine[[index, *partners]].reshape(-1, side, side)
    agreeing = []
    for top, bottom in pairwise(edges):
        for left, right in pairwise(edges):
            own, *others = images[:, top:bottom, left:right].reshape(len(images), -1)
            norms = [np.linalg.norm(own) * np.linalg.norm(other) + 1e-9 for other in others]
            agreeing.append(np.mean([own @ other / norm for other, norm in zip(others, norms, strict=True)]) > _AGREES)
    return float(np.mean(agreeing))


def _copies_of(blended: np.ndarray, copies: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return (i, j) for each copy i of a blended image j where i is not known to be blended itself."""
    both = [(i, j) for pair in copies for i, j in (pair, pair[::-1])]
    return [(i, j) for i, j in both if blended[j] and not blended[i]]


def _fine(thumbnails: np.ndarray) -> np.ndarray:
    """Return the detail finer than the blur as unit vectors, float32 (n, pixels)."""
    values = thumbnails.astype(np.float32)
    fine = np.stack([image - cv2.GaussianBlur(image, (0, 0), _BLUR) for image in values]).reshape(len(values), -1)
    return fine / (np.linalg.norm(fine, axis=1, keepdims=True) + 1e-3)


def _details(fine: np.ndarray) -> np.ndarray:
    """Return detail less the mean of all images, as unit vectors."""
    own = fine - fine.mean(axis=0)
    return own / (np.linalg.norm(own, axis=1, keepdims=True) + 1e-3)


def _usual(correlations: np.ndarray, times: float) -> float:
    """Return the correlation `times` deviations above the median, on Fisher's scale, where it is about normal."""
    scaled = np.arctanh(np.clip(correlations, -0.999, 0.999))
    middle = np.median(scaled)
    return float(np.tanh(middle + times * 1.4826 * np.median(np.abs(scaled - middle))))

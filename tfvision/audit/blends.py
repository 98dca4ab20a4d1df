"""Images that share a blended picture: their fine detail agrees at the same place, though they are not copies.

A foreign picture that was blended into several images leaves the same edges in all of them, and nothing else makes the
edges of different images agree. No backbone is needed.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from tfvision.audit.findings import Finding
from tfvision.audit.options import ForeignOptions

_BLUR = 1.0  # sigma in pixels of the thumbnail; anything finer counts as detail
_REFERENCE = 4096  # images that all others are compared with
_BLOCK = 1024


def find_blends(
    thumbnails: np.ndarray, copies: Sequence[tuple[int, int]], options: ForeignOptions, seed: int
) -> list[Finding]:
    """Find images whose fine detail correlates with that of several others.

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
    details = _details(thumbnails)
    reference = np.sort(np.random.default_rng(seed).permutation(count)[:_REFERENCE])
    place = {int(index): column for column, index in enumerate(reference)}
    hidden = [(i, place[j]) for pair in copies for i, j in (pair, pair[::-1]) if j in place]
    hidden += [(i, column) for i, column in place.items()]
    rows, columns = np.array(hidden).T
    shared, most = np.empty(count, np.float32), np.empty(count, np.int64)
    for start in range(0, count, _BLOCK):
        found = details[start : start + _BLOCK] @ details[reference].T
        here = (rows >= start) & (rows < start + _BLOCK)
        found[rows[here] - start, columns[here]] = -1
        shared[start : start + _BLOCK] = np.partition(found, -options.blend_partners, axis=1)[
            :, -options.blend_partners
        ]
        most[start : start + _BLOCK] = reference[found.argmax(axis=1)]
    threshold = max(options.blend, _usual(shared, options.blend_deviations))
    for i, j in _copies_of(shared >= threshold, copies):  # a copy of a blended image is blended too
        likeness = float(details[i] @ details[j])
        if likeness >= threshold > shared[i]:
            shared[i], most[i] = likeness, j
    chosen = np.flatnonzero(shared >= threshold)
    order = chosen[np.argsort(-shared[chosen], kind="stable")]
    return [Finding(int(i), "blended", float(shared[i]), int(most[i])) for i in order]


def _copies_of(blended: np.ndarray, copies: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return (i, j) for each copy i of a blended image j where i is not known to be blended itself."""
    both = [(i, j) for pair in copies for i, j in (pair, pair[::-1])]
    return [(i, j) for i, j in both if blended[j] and not blended[i]]


def _details(thumbnails: np.ndarray) -> np.ndarray:
    """Return the detail finer than the blur as unit vectors, float32 (n, pixels), less the mean of all images."""
    values = thumbnails.astype(np.float32)
    fine = np.stack([image - cv2.GaussianBlur(image, (0, 0), _BLUR) for image in values]).reshape(len(values), -1)
    fine /= np.linalg.norm(fine, axis=1, keepdims=True) + 1e-3
    fine -= fine.mean(axis=0)
    return fine / (np.linalg.norm(fine, axis=1, keepdims=True) + 1e-3)


def _usual(correlations: np.ndarray, times: float) -> float:
    """Return the correlation `times` deviations above the median, on Fisher's scale, where it is about normal."""
    scaled = np.arctanh(np.clip(correlations, -0.999, 0.999))
    middle = np.median(scaled)
    return float(np.tanh(middle + times * 1.4826 * np.median(np.abs(scaled - middle))))

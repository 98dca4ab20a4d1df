"""Boxes as numbers: area, overlap, clipping, and what remains visible of them after an affine map.

A box is (xmin, ymin, xmax, ymax) in pixels. Coordinates are edges, not centres: the first pixel spans 0 to 1, and
(0, 0, width, height) is the whole image.
"""

from collections.abc import Sequence

import cv2
import numpy as np


def box_areas(boxes: np.ndarray) -> np.ndarray:
    """Return the areas, float (...,), of boxes, float (..., 4); that of an inverted box is 0."""
    return np.prod(np.maximum(boxes[..., 2:] - boxes[..., :2], 0), axis=-1)


def box_ious(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the intersection over union of boxes, pair by pair.

    Args:
        first: float (..., 4).
        second: float (..., 4), broadcast against the first.

    Returns:
        float (...,) in 0..1; 0 where both are empty.
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    corners = np.maximum(first[..., :2], second[..., :2]), np.minimum(first[..., 2:], second[..., 2:])
    both = box_areas(np.concatenate(corners, axis=-1))
    either = box_areas(first) + box_areas(second) - both
    return np.divide(both, either, out=np.zeros_like(either), where=either > 0)


def clip_boxes(boxes: np.ndarray, sizes: np.ndarray | Sequence[int]) -> np.ndarray:
    """Clip boxes to their image.

    Args:
        boxes: float (..., 4).
        sizes: (..., 2), width and height of the image.

    Returns:
        float64 (..., 4).
    """
    sizes = np.asarray(sizes, np.float64)
    return np.clip(boxes, 0, np.concatenate([sizes, sizes], axis=-1))


def box_corners(box: np.ndarray | Sequence[float]) -> np.ndarray:
    """Return the corners of a box, float (4,), in order around it: float64 (4, 2), x and y of each."""
    xmin, ymin, xmax, ymax = box
    return np.array([[xmin, ymin], [xmax, ymin], [xmax, ymax], [xmin, ymax]], np.float64)


def warp_points(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return where an affine map moves points.

    Args:
        points: float (n, 2), x and y.
        matrix: float (2, 3) as `warp_image` takes it: it maps the centres of pixels, which are half a pixel away from
            their edges.

    Returns:
        float64 (n, 2).
    """
    return (points - 0.5) @ matrix[:, :2].T + matrix[:, 2] + 0.5


def visible_box(corners: np.ndarray, width: int, height: int) -> tuple[np.ndarray, float]:
    """Return the box around the part of a moved box that is visible in the image.

    Args:
        corners: float (4, 2), in order around the moved box, which may be rotated or sheared.
        width: Width of the image, in pixels.
        height: Height of the image, in pixels.

    Returns:
        float64 (4,), all 0 if nothing is visible; and the visible share of the moved box's area, 0..1.
    """
    upright = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
    area = float(cv2.contourArea(corners.astype(np.float32)))
    if not area:
        return np.zeros(4), 0.0
    if np.isclose(box_areas(upright), area, rtol=1e-6):  # still a box: no polygon, and no rounding by one
        clipped = clip_boxes(upright, (width, height))
        return clipped, float(box_areas(clipped) / box_areas(upright))
    image = box_corners((0, 0, width, height)).astype(np.float32)
    left, seen = cv2.intersectConvexConvex(corners.astype(np.float32), image)
    if seen is None or not left:
        return np.zeros(4), 0.0
    seen = seen.reshape(-1, 2).astype(np.float64)
    return np.concatenate([seen.min(axis=0), seen.max(axis=0)]), min(1.0, left / area)

"""Boxes as numbers: area, overlap, clipping, and what an affine map leaves in sight of them.

A box is (xmin, ymin, xmax, ymax) in pixels. Coordinates are edges, not centres: the first pixel reaches from 0 to 1, and
(0, 0, width, height) is the whole image.
"""

import cv2
import numpy as np


def box_areas(boxes: np.ndarray) -> np.ndarray:
    """Return the areas, float (...,), of boxes, float (..., 4); an inverted box has none."""
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


def clip_boxes(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Cut boxes at the border of their image.

    Args:
        boxes: float (..., 4).
        sizes: (..., 2), width and height.
    """
    sizes = np.asarray(sizes, np.float64)
    return np.clip(boxes, 0, np.concatenate([sizes, sizes], axis=-1))


def box_corners(box: np.ndarray) -> np.ndarray:
    """Return the corners of a box in order around it, float64 (4, 2), each x and y."""
    xmin, ymin, xmax, ymax = box
    return np.array([[xmin, ymin], [xmax, ymin], [xmax, ymax], [xmin, ymax]], np.float64)


def warp_points(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return where an affine map takes points.

    Args:
        points: float (n, 2).
        matrix: float (2, 3) as `warp_image` takes it: it maps the centres of pixels, which lie half a pixel from their
            edges.
    """
    return (points - 0.5) @ matrix[:, :2].T + matrix[:, 2] + 0.5


def visible_box(corners: np.ndarray, width: int, height: int) -> tuple[np.ndarray, float]:
    """Return the box around the part of a moved box that the image shows.

    Args:
        corners: float (4, 2), in order around the moved box, which may be turned or slanted.
        width: Of the image.
        height: Of the image.

    Returns:
        float64 (4,), four times 0 where nothing is left; and the share of the moved box's area that is left, 0..1.
    """
    upright = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
    area = float(cv2.contourArea(corners.astype(np.float32)))
    if not area:
        return np.zeros(4), 0.0
    if np.isclose(box_areas(upright), area, rtol=1e-6):  # a box still: no polygon is needed, and none of its rounding
        clipped = clip_boxes(upright, (width, height))
        return clipped, float(box_areas(clipped) / box_areas(upright))
    image = box_corners((0, 0, width, height)).astype(np.float32)
    left, seen = cv2.intersectConvexConvex(corners.astype(np.float32), image)
    if seen is None or not left:
        return np.zeros(4), 0.0
    seen = seen.reshape(-1, 2).astype(np.float64)
    return np.concatenate([seen.min(axis=0), seen.max(axis=0)]), min(1.0, left / area)

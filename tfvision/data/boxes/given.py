"""Boxes as a source gives them, before any image is read: in its own unit, with the row that each came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import get_args, get_type_hints

import numpy as np

from tfvision.data.boxes.geometry import box_areas
from tfvision.data.boxes.orientation import swaps_sides, to_upright
from tfvision.data.options import Source
from tfvision.errors import check_known

SEVERAL = get_args(get_type_hints(Source)["several_boxes"])
UNITS = ("pixels", "relative")

_TOLERANCE = 1.0  # px that a box may exceed its image by: it was counted from 1, or rounded up


@dataclass(frozen=True)
class GivenBox:
    """One box as the source gives it.

    Attributes:
        row: Where it was found, for errors: `boxes.csv row 3`, `image_1.xml object 2`.
        corners: xmin, ymin, xmax, ymax.
        label: The class of the object in it, or None.
        size: Width and height of the image according to the source; (0, 0) if it gives none.
    """

    row: str
    corners: tuple[float, float, float, float]
    label: str | None = None
    size: tuple[int, int] = (0, 0)

    @property
    def problem(self) -> str:
        """What is wrong with it, whatever the image is; "" if nothing is."""
        xmin, ymin, xmax, ymax = self.corners
        if not np.isfinite(self.corners).all():
            return f"its box {_shown(self.corners)} holds no numbers"
        if xmax < xmin or ymax < ymin:
            return f"its box {_shown(self.corners)} is inverted: expected xmin < xmax and ymin < ymax"
        if xmax == xmin or ymax == ymin:
            return f"its box {_shown(self.corners)} is empty"
        return ""


@dataclass(frozen=True)
class GivenBoxes:
    """One box for each image.

    Attributes:
        boxes: float64 (n, 4), in `unit`, relative to the pixels as the file stores them; relative to the upright image
            if only its size matches the size that the source gives.
        rows: Where each was found.
        sizes: int64 (n, 2), width and height of each image according to the source, or 0.
        unit: One of UNITS.
        is_upright: Whether all boxes are relative to the upright image.
    """

    boxes: np.ndarray
    rows: tuple[str, ...]
    sizes: np.ndarray
    unit: str = "pixels"
    is_upright: bool = False

    def select(self, indexes: np.ndarray) -> GivenBoxes:
        """Return the boxes at some indexes, int (m,), in that order."""
        return replace(
            self, boxes=self.boxes[indexes], rows=tuple(self.rows[i] for i in indexes), sizes=self.sizes[indexes]
        )

    def upright(self, index: int, orientation: int, width: int, height: int) -> np.ndarray | str:
        """Return the box of one image in pixels of the upright image, or what is wrong with it.

        Args:
            index: Which image.
            orientation: Its EXIF orientation, 1..8.
            width: Width of the upright image, in pixels.
            height: Height of the upright image, in pixels.

        Returns:
            float64 (4,) within the image, or the reason why it does not fit the image.
        """
        box, claimed = self.boxes[index], tuple(int(side) for side in self.sizes[index])
        stored = (height, width) if swaps_sides(orientation) else (width, height)
        # A tool that applied the orientation before the box was drawn gives the size of the upright image.
        turned = self.is_upright or claimed == (width, height) != stored
        if all(claimed) and claimed not in (stored, (width, height)):
            return f"its box was drawn on {claimed[0]}x{claimed[1]} px, the image has {stored[0]}x{stored[1]}"
        frame = np.array((width, height) if turned else stored, np.float64)
        if self.unit == "relative":
            box = box * np.tile(frame, 2)
        outside = np.concatenate([-box[:2], box[2:] - frame]).max()
        inside = np.concatenate([np.maximum(box[:2], 0), np.minimum(box[2:], frame)])
        if outside > _TOLERANCE or not box_areas(inside):
            return f"its box {_shown(box)} lies outside the image of {frame[0]:g}x{frame[1]:g} px"
        return inside if turned else to_upright(inside, orientation, width, height)


def choose_box(boxes: Sequence[GivenBox], several: str) -> GivenBox | None:
    """Choose one of the boxes of an image.

    Args:
        boxes: At least one, each without a problem.
        several: Which of several counts: `largest`, `first` or `refuse`.

    Returns:
        The box; None if there are several and that is refused.
    """
    if len(boxes) == 1 or several == "first":
        return boxes[0]
    if several == "refuse":
        return None
    return max(boxes, key=lambda box: box_areas(np.array(box.corners)))  # the first of equal ones


def check_several(several: str) -> None:
    """Refuse an unknown way to choose among several boxes.

    Args:
        several: The value of `several_boxes`.

    Raises:
        UsageError: The value is not known; the message gives the nearest known one.
    """
    check_known("several_boxes", several, SEVERAL)


def _shown(corners: Sequence[float] | np.ndarray) -> str:
    return f"({', '.join(f'{value:g}' for value in corners)})"

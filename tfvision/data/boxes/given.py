"""Boxes as a source gives them, before any image was read: in its own unit, with the row that each came from."""

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

_TOLERANCE = 1.0  # px that a box may stand out by: counted from 1, or rounded up


@dataclass(frozen=True)
class GivenBox:
    """One box as it is written.

    Attributes:
        row: Where it stands, to be named in an error: `boxes.csv row 3`, `image_1.xml object 2`.
        corners: xmin, ymin, xmax, ymax.
        label: The class of what is in it, or None.
        size: Width and height of the image as the source claims them; (0, 0) where it does not.
    """

    row: str
    corners: tuple[float, float, float, float]
    label: str | None = None
    size: tuple[int, int] = (0, 0)

    @property
    def problem(self) -> str:
        """What is wrong with it whatever the image; "" for nothing."""
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
    """One box an image.

    Attributes:
        boxes: float64 (n, 4), in `unit`, of the pixels as the file stores them; of the upright image where the source
            claims its size and that alone fits.
        rows: Where each stands.
        sizes: int64 (n, 2), width and height of each image as the source claims them, or 0.
        unit: One of UNITS.
    """

    boxes: np.ndarray
    rows: tuple[str, ...]
    sizes: np.ndarray
    unit: str = "pixels"

    def select(self, indexes: np.ndarray) -> GivenBoxes:
        """Return those at `indexes`."""
        return replace(
            self, boxes=self.boxes[indexes], rows=tuple(self.rows[i] for i in indexes), sizes=self.sizes[indexes]
        )

    def upright(self, index: int, orientation: int, width: int, height: int) -> np.ndarray | str:
        """Return the box of one image in pixels of the upright image, or what is wrong with it.

        Args:
            index: Which image.
            orientation: Its EXIF orientation, 1..8.
            width: Of the upright image.
            height: Of the upright image.

        Returns:
            float64 (4,) within the image, or the reason why it cannot be.
        """
        box, claimed = self.boxes[index], tuple(int(side) for side in self.sizes[index])
        stored = (height, width) if swaps_sides(orientation) else (width, height)
        # A tool that turned the image before the box was drawn claims the size that it had then.
        turned = claimed == (width, height) != stored
        if all(claimed) and claimed not in (stored, (width, height)):
            return f"its box was drawn on {claimed[0]}x{claimed[1]} px, the image has {stored[0]}x{stored[1]}"
        frame = np.array((width, height) if turned else stored, np.float64)
        if self.unit == "relative":
            box = box * np.tile(frame, 2)
        outside = np.concatenate([-box[:2], box[2:] - frame]).max()
        inside = np.concatenate([np.maximum(box[:2], 0), np.minimum(box[2:], frame)])
        if outside > _TOLERANCE or not box_areas(inside):
            return f"its box {_shown(box)} lies outside of the image of {frame[0]:g}x{frame[1]:g} px"
        return inside if turned else to_upright(inside, orientation, width, height)


def choose_box(boxes: Sequence[GivenBox], several: str) -> GivenBox | None:
    """Return the box that counts of all in one image; None where several are refused.

    Args:
        boxes: At least one, without a problem.
        several: `largest`, `first` or `refuse`.
    """
    if len(boxes) == 1 or several == "first":
        return boxes[0]
    if several == "refuse":
        return None
    return max(boxes, key=lambda box: box_areas(np.array(box.corners)))  # of equals the first


def check_several(several: str) -> None:
    """Refuse an unknown choice among several boxes.

    Raises:
        UsageError: With the nearest known one.
    """
    check_known("several_boxes", several, SEVERAL)


def _shown(corners: Sequence[float] | np.ndarray) -> str:
    return f"({', '.join(f'{value:g}' for value in corners)})"

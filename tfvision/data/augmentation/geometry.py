"""The geometry of an augmentation: a turn and one affine map, the same for an image and its box."""

import math
from dataclasses import dataclass

import numpy as np

from tfvision.data.augmentation.draws import Draws, signed
from tfvision.data.augmentation.options import Augmentation
from tfvision.data.augmentation.turns import Turn, turn_image, turn_of_draws, turn_points
from tfvision.data.augmentation.warp import rotation_matrix, warp_image
from tfvision.data.boxes.geometry import box_corners, visible_box, warp_points


@dataclass(frozen=True)
class Geometry:
    """Where the pixels of an image go: it is turned, then warped.

    Attributes:
        turn: Flips and quarter turns; only half turns if the image is not square.
        matrix: float64 (2, 3) as `warp_image` takes it; None for no warp.
    """

    turn: Turn
    matrix: np.ndarray | None = None

    def move_image(self, image: np.ndarray, fill: str) -> np.ndarray:
        """Return the moved image.

        Args:
            image: uint8 (height, width, channels).
            fill: How to fill the border, one of `FILLS`.

        Returns:
            uint8 of the same shape.
        """
        turned = turn_image(np.ascontiguousarray(image), self.turn)
        return turned if self.matrix is None else warp_image(turned, self.matrix, fill).reshape(image.shape)

    def move_box(self, box: np.ndarray, height: int, width: int) -> tuple[np.ndarray, float]:
        """Return the box around the visible part of a moved box, and the visible share of it.

        Args:
            box: float (4,) in pixels of the image.
            height: Height of the image, in pixels.
            width: Width of the image, in pixels.

        Returns:
            float64 (4,) within the image, and a share of the area, 0..1.
        """
        corners = turn_points(box_corners(box), self.turn, height, width)
        if self.matrix is not None:
            corners = warp_points(corners, self.matrix)
        return visible_box(corners, width, height)


def draw_geometry(height: int, width: int, options: Augmentation, draws: Draws) -> Geometry:
    """Return the geometry that the options allow and the draws choose.

    Args:
        height: Height of the image, in pixels.
        width: Width of the image, in pixels.
        options: What may be done.
        draws: The numbers drawn for the image.

    Returns:
        The geometry.
    """
    turn = turn_of_draws(height == width, options, draws.flip_x, draws.flip_y, draws.turns)
    return Geometry(turn, _matrix(height, width, options, draws))


def _matrix(height: int, width: int, options: Augmentation, draws: Draws) -> np.ndarray | None:
    """Shear, rotate and zoom around the centre, shift, then enlarge a window to the whole image."""
    if not (options.rotation or options.shift or options.zoom or options.shear or options.crop):
        return None
    zoom = 1 + signed(draws.zoom) * options.zoom
    matrix = rotation_matrix(height, width, signed(draws.angle) * options.rotation, zoom)
    if options.shear:
        slope = math.tan(math.radians(signed(draws.shear) * options.shear))
        matrix[:, 1] += slope * matrix[:, 0]
        matrix[:, 2] -= slope * (height - 1) / 2 * matrix[:, 0]
    matrix[0, 2] += signed(draws.shift_x) * options.shift * width
    matrix[1, 2] += signed(draws.shift_y) * options.shift * height
    if options.crop:
        share = 1 - draws.crop * options.crop
        left, top = draws.crop_x * (1 - share) * width, draws.crop_y * (1 - share) * height
        matrix /= share
        # The edges of pixels are scaled; their centres are half a pixel away.
        matrix[:, 2] += (0.5 - left) / share - 0.5, (0.5 - top) / share - 0.5
    return matrix

"""Boxes through the one resize and back: exact to a rounding error, and where the pixels are to half a pixel."""

import numpy as np
import pytest

from tfvision.data.boxes.geometry import box_ious, clip_boxes
from tfvision.data.boxes.resizing import predicted_boxes, resize_boxes, restore_boxes
from tfvision.data.pixels.resize import MODES, Resize, resize_images

SIZES = [(480, 640), (333, 517), (97, 31), (31, 97), (640, 480), (224, 224), (1, 7), (205, 320)]


@pytest.mark.parametrize("mode", MODES)
def test_boxes_come_back(mode):
    generator = np.random.default_rng(0)
    sizes = np.array(SIZES)
    corners = np.sort(generator.random((len(SIZES), 2, 2)), axis=1).reshape(-1, 4) * np.tile(sizes[:, ::-1], 2)
    resize = Resize(224, 192, mode=mode)
    there = resize_boxes(corners, sizes, resize)
    np.testing.assert_allclose(restore_boxes(there, sizes, resize), corners, atol=1e-9)
    # As a model gives them: shares in float32.
    shares = (there / [192, 224, 192, 224]).numpy().astype(np.float32)
    np.testing.assert_allclose(predicted_boxes(shares, sizes, resize), corners, atol=2e-3)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(480, 640), (333, 517), (297, 131), (205, 320)])
def test_the_box_stands_where_the_resize_puts_the_pixels(mode, size):
    """Bright to dark at a border of the box: the resized edge is where half of the brightness is reached."""
    height, width = size
    box = np.array([0.31 * width, 0.22 * height, 0.72 * width, 0.81 * height]).round()
    image = np.zeros((*size, 3), np.uint8)
    image[int(box[1]) : int(box[3]), int(box[0]) : int(box[2])] = 255
    resize = Resize(160, 160, mode=mode)
    resized = resize_images(image, resize).numpy()[..., 0].astype(float) / 255
    moved = clip_boxes(resize_boxes(box[None], np.array([size]), resize), (160, 160))[0]
    columns, rows = resized.max(axis=0), resized.max(axis=1)
    for values, low, high in ((columns, moved[0], moved[2]), (rows, moved[1], moved[3])):
        middle = int((low + high) / 2)
        # The sum of brightness on either side of the middle is the distance to the edge, wherever it is blurred to.
        assert middle - values[:middle].sum() == pytest.approx(low, abs=0.5)
        assert middle + values[middle:].sum() == pytest.approx(high, abs=0.5)


def test_predicted_boxes_are_put_in_order_and_cut():
    shares = np.array([[0.9, 0.75, 0.1, 0.25], [-0.5, -0.1, 1.2, 1.5]])
    found = predicted_boxes(shares, np.array([[100, 200], [100, 200]]), Resize(64, 64))
    np.testing.assert_allclose(found, [[20, 25, 180, 75], [0, 0, 200, 100]])


def test_crop_may_leave_a_box_outside():
    moved = resize_boxes(np.array([[0, 0, 10, 100]]), np.array([[100, 300]]), Resize(50, 50, mode="crop"))
    np.testing.assert_allclose(moved, [[-50, 0, -45, 50]])


def test_stretch_keeps_the_overlap_of_boxes():
    generator = np.random.default_rng(1)
    first, second = (np.sort(generator.random((50, 2, 2)), axis=1).reshape(-1, 4) * 90 for _ in range(2))
    sizes, resize = np.full((50, 2), (90, 90)) * [1, 2], Resize(64, 32)
    moved = [resize_boxes(boxes, sizes, resize) for boxes in (first, second)]
    np.testing.assert_allclose(box_ious(*moved), box_ious(first, second), atol=1e-12)


def test_overlap_by_hand():
    box = np.array([0, 0, 2, 2.0])
    others = np.array(
        [[0, 0, 2, 2], [1, 0, 3, 2], [1, 1, 3, 3], [2, 0, 4, 2], [5, 5, 6, 6], [1, 1, 1, 1], [2, 2, 0, 0]]
    )
    np.testing.assert_allclose(box_ious(box, others), [1, 1 / 3, 1 / 7, 0, 0, 0, 0])

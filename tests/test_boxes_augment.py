"""Augmentation with boxes: a filled rectangle is drawn, changed with its box, and the pixels are compared with it."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tfvision.data.augmentation.augment import augment_image, image_generator, move_box
from tfvision.data.augmentation.geometry import Geometry
from tfvision.data.augmentation.options import Augmentation
from tfvision.data.augmentation.randaugment import COLOURS, OPERATIONS
from tfvision.data.augmentation.turns import Turn
from tfvision.data.boxes.geometry import box_ious, visible_box

Change = Callable[[np.ndarray, np.ndarray, int], tuple[np.ndarray, np.ndarray, float]]

EXACT = {
    "flips": {"vertical_flip": True},
    "turns": {"quarter_turns": True},
    "shift": {"shift": 0.3},
    "zoom": {"zoom": 0.4},
    "crop": {"crop": 0.5},
    "brightness": {"brightness": 0.2},
    "contrast": {"contrast": 0.5},
    "saturation": {"saturation": 0.5},
    "hue": {"hue": 0.5},
    "channel_shift": {"channel_shift": 0.2},
    "grayscale": {"grayscale": 0.5},
    "scale_abs": {"scale_abs": 0.5},
    "RandAugment": {"rand_magnitude": 0.9, "rand_operations": 3},
    "all of them": {"quarter_turns": True, "shift": 0.2, "zoom": 0.3, "crop": 0.3, "rand_magnitude": 0.5},
}
TURNED = {
    "rotation": {"rotation": 45.0},
    "shear": {"shear": 30.0},
    "both, moved": {"rotation": 180.0, "shear": 20.0, "shift": 0.3, "zoom": 0.3, "crop": 0.3},
}
ENOUGH = 0.25  # of a box must remain, as in training


def rectangle(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a black image, as what stands beyond its border, with one bright rectangle of whole pixels, and its box."""
    draw = np.random.default_rng(seed)
    height, width = draw.integers(200, 320, 2) if draw.random() < 0.5 else [int(draw.integers(200, 320))] * 2
    columns, rows = draw.integers(80, 180, 2)
    left, top = draw.integers(0, width - columns + 1), draw.integers(0, height - rows + 1)
    image = np.zeros((height, width, 3), np.uint8)
    image[top : top + rows, left : left + columns] = 200, 190, 210
    return image, np.array([left, top, left + columns, top + rows], float)


def pixels_against_box(change: Change, seed: int) -> float | None:
    """Return the IoU of the box around the pixels of the rectangle and the box that was changed beside them.

    None where under a quarter of the box is left, which no training sees, or where colours were changed until nothing
    is to be seen.
    """
    image, box, left = change(*rectangle(seed), seed)
    if left < ENOUGH:
        return None
    values = image.astype(float).mean(axis=-1)
    column, row = np.minimum((box[:2] + box[2:]) / 2, np.array(values.shape[::-1]) - 1).astype(int)
    # The farthest corner is ground, whatever it looks like by now: solarize inverts, sharpness leaves bright edges.
    ground, inside = values[-int(row < len(values) / 2), -int(column < len(values[0]) / 2)], values[row, column]
    if abs(inside - ground) < 4:
        return None
    rows, columns = np.nonzero(abs(values - inside) < abs(values - ground))
    seen = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], float)
    return float(box_ious(seen, box))


def ours(options: dict) -> Change:
    augmentation = Augmentation(**options)
    return lambda image, box, seed: changed(image, box, augmentation, seed)


def changed(image, box, augmentation, seed):
    keyed = [image_generator(seed, 0, "image") for _ in range(2)]
    pixels = augment_image(image, augmentation, keyed[0], boxed=True)
    return pixels, *move_box(box, image.shape[:2], augmentation, keyed[1])


@pytest.mark.parametrize(
    ("options", "least"),
    [*((o, 0.95) for o in EXACT.values()), *((o, 0.85) for o in TURNED.values())],
    ids=[*EXACT, *TURNED],
)
def test_the_box_follows_the_pixels(options, least):
    found = [iou for seed in range(40) if (iou := pixels_against_box(ours(options), seed)) is not None]
    assert len(found) >= 15
    assert min(found) >= least


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    amounts=st.fixed_dictionaries(
        {}, optional={name: st.floats(0, 0.5) for name in ("shift", "zoom", "crop", "contrast")}
    ),
    flips=st.fixed_dictionaries(
        {name: st.booleans() for name in ("horizontal_flip", "vertical_flip", "quarter_turns")}
    ),
)
def test_the_box_follows_whatever_is_combined(seed, amounts, flips):
    iou = pixels_against_box(ours({**amounts, **flips}), seed)
    assume(iou is not None)
    assert iou >= 0.95


def test_the_property_finds_the_wrong_boxes_of_keras_random_crop():
    """Keras 3.15.1 takes the row where a crop begins from x, and the column from y."""
    import keras

    def crop(image, box, seed):
        layer = keras.layers.RandomCrop(160, 160, seed=seed)
        layer.bounding_box_format = "xyxy"
        data = {"images": image, "bounding_boxes": {"boxes": box[None].astype("float32"), "labels": np.zeros((1,))}}
        changed = layer(data, training=True)
        moved = keras.ops.convert_to_numpy(changed["bounding_boxes"]["boxes"])[0].astype(float)
        clipped = np.clip(moved, 0, 160)
        return keras.ops.convert_to_numpy(changed["images"]).astype(np.uint8), clipped, 1.0

    found = [iou for seed in range(6) if (iou := pixels_against_box(crop, seed)) is not None]
    assert min(found) < 0.85


def test_the_share_that_is_left():
    moved = Geometry(Turn(), np.array([[1, 0, 0], [0, 1, 0.0]]))
    np.testing.assert_allclose(moved.move_box(np.array([10, 20, 30, 40]), 100, 50)[0], [10, 20, 30, 40])
    moved = Geometry(Turn(), np.array([[1, 0, -20], [0, 1, 0.0]]))
    box, left = moved.move_box(np.array([10, 20, 30, 40]), 100, 50)
    np.testing.assert_allclose(box, [0, 20, 10, 40])
    assert left == pytest.approx(0.5)
    gone = Geometry(Turn(), np.array([[1, 0, 200], [0, 1, 0.0]]))
    box, left = gone.move_box(np.array([10, 20, 30, 40]), 100, 50)
    assert left == 0 and box[2] - box[0] == 0


def test_a_turned_box_is_cut_before_it_is_enclosed():
    """A square on its corner at the border: the half that is left is a triangle, half as wide and as high as it was."""
    corners = np.array([[0, -10], [10, 0], [0, 10], [-10, 0]], float)
    box, left = visible_box(corners, 100, 100)
    np.testing.assert_allclose(box, [0, 0, 10, 10], atol=1e-5)
    assert left == pytest.approx(0.25, abs=1e-6)


@pytest.mark.parametrize("side", [(60, 60), (60, 90)])
def test_flips_and_turns_of_boxes_are_exact(side):
    image = np.zeros((*side, 3), np.uint8)
    image[7:19, 11:50] = 255
    for seed in range(12):
        options = Augmentation(vertical_flip=True, quarter_turns=True)
        pixels, box, left = changed(image, np.array([11, 7, 50, 19]), options, seed)
        rows, columns = np.nonzero(pixels[..., 0])
        np.testing.assert_array_equal(box, [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        assert left == 1


def test_with_and_without_a_box_the_draws_are_the_same():
    image, _ = rectangle(3)
    options = Augmentation(rotation=20, shift=0.2, zoom=0.2, brightness=0.2, fill="constant")
    alone = augment_image(image, options, image_generator(1, 2, "a"))
    np.testing.assert_array_equal(augment_image(image, options, image_generator(1, 2, "a"), boxed=True), alone)


def test_rand_augment_moves_nothing_where_there_is_a_box():
    assert set(OPERATIONS) - set(COLOURS) == {"rotate", "shear_x", "shear_y", "translate_x", "translate_y"}

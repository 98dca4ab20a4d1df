"""Augmentation: exact flips and turns, one warp, tones, and keyed draws."""

import numpy as np
import pytest

from tfvision.config import Augmentation
from tfvision.data.augment import augment_copy, augment_image, image_generator
from tfvision.errors import UsageError
from tfvision.options import from_dict

SQUARE = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
NOISE = np.random.default_rng(0).integers(0, 256, (21, 33, 3), dtype=np.uint8)
NOTHING = Augmentation(horizontal_flip=False)
EVERYTHING = Augmentation(True, True, True, 20.0, 0.1, 0.2, 0.1, 0.2)


class Draws:
    """Stands in for a generator: gives the draws it is told, 0.5 (no change) for the others.

    Order: flip x, flip y, turns, angle, shift x, shift y, zoom, brightness, contrast, spare.
    """

    def __init__(self, **draws):
        names = ("flip_x", "flip_y", "turns", "angle", "shift_x", "shift_y", "zoom", "brightness", "contrast", "spare")
        self.draws = np.array([draws.get(name, 0.5) for name in names])

    def random(self, count):
        assert count == len(self.draws)
        return self.draws


@pytest.mark.parametrize(
    ("draws", "expected"),
    [
        ({}, SQUARE),
        ({"flip_x": 0.0}, SQUARE[:, ::-1]),
        ({"flip_y": 0.49}, SQUARE[::-1]),
        ({"flip_x": 0.1, "flip_y": 0.1}, SQUARE[::-1, ::-1]),
    ],
)
def test_flips(draws, expected):
    result = augment_image(SQUARE, Augmentation(horizontal_flip=True, vertical_flip=True), Draws(**draws))
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize(("turns", "quarters"), [(0.0, 0), (0.3, 1), (0.6, 2), (0.99, 3)])
def test_quarter_turns(turns, quarters):
    result = augment_image(SQUARE, Augmentation(quarter_turns=True), Draws(turns=turns))
    np.testing.assert_array_equal(result, np.rot90(SQUARE, quarters))


@pytest.mark.parametrize(("turns", "quarters"), [(0.2, 0), (0.7, 2)])
def test_quarter_turns_keep_the_shape(turns, quarters):
    result = augment_image(NOISE, Augmentation(quarter_turns=True), Draws(turns=turns))
    np.testing.assert_array_equal(result, np.rot90(NOISE, quarters))


@pytest.mark.parametrize(
    ("fill", "border"),
    [
        ("reflect", [NOISE[:, 3], NOISE[:, 2], NOISE[:, 1]]),
        ("nearest", [NOISE[:, 0]] * 3),
        ("constant", [0 * NOISE[:, 0]] * 3),
    ],
)
def test_shift_by_whole_pixels(fill, border):
    result = augment_image(NOISE, Augmentation(shift=3 / 33, fill=fill), Draws(shift_x=1.0))
    np.testing.assert_array_equal(result[:, 3:], NOISE[:, :-3])
    np.testing.assert_array_equal(result[:, :3], np.stack(border, axis=1))


def test_rotation_by_half_a_turn_is_exact():
    result = augment_image(NOISE, Augmentation(rotation=180.0), Draws(angle=1.0))
    assert np.abs(result.astype(int) - NOISE[::-1, ::-1]).max() <= 1


def test_zoom_enlarges_around_the_centre():
    step = np.zeros((41, 41, 1), np.uint8)
    step[15:26, 15:26] = 200
    larger = augment_image(step, Augmentation(zoom=0.5, fill="constant"), Draws(zoom=1.0))
    smaller = augment_image(step, Augmentation(zoom=0.5, fill="constant"), Draws(zoom=0.0))
    assert larger.shape == step.shape
    assert (larger > 100).sum() == pytest.approx(1.5**2 * 121, rel=0.15)
    assert (smaller > 100).sum() == pytest.approx(0.5**2 * 121, rel=0.25)
    np.testing.assert_array_equal(larger, larger[::-1, ::-1])


def test_brightness_and_contrast():
    image = np.array([[[0], [100], [200]]], np.uint8)
    brighter = augment_image(image, Augmentation(brightness=0.4), Draws(brightness=1.0))
    assert brighter.ravel().tolist() == [102, 202, 255]
    flatter = augment_image(image, Augmentation(contrast=0.5), Draws(contrast=0.0))
    assert flatter.ravel().tolist() == [50, 100, 150]


def test_nothing_on_changes_nothing():
    assert (
        NOTHING.is_empty
        and Augmentation(horizontal_flip=False, fill="constant").is_empty
        and not Augmentation(zoom=0.1).is_empty
    )
    np.testing.assert_array_equal(augment_image(NOISE, NOTHING, image_generator(0, 0, "a")), NOISE)


@pytest.mark.parametrize("channels", [1, 3])
def test_shape_type_and_input_are_kept(channels):
    image = NOISE[..., :channels].copy()
    result = augment_image(image, EVERYTHING, image_generator(0, 0, "a"))
    assert result.shape == image.shape and result.dtype == np.uint8 and (result != image).any()
    np.testing.assert_array_equal(image, NOISE[..., :channels])


def test_draws_are_keyed_by_seed_epoch_image_and_copy():
    keys = [(0, 0, "a", 0), (1, 0, "a", 0), (0, 1, "a", 0), (0, 0, "b", 0), (0, 0, "a", 1)]
    draws = [image_generator(*key).random(4).tolist() for key in keys]
    assert draws == [image_generator(*key).random(4).tolist() for key in keys]
    assert len({tuple(draw) for draw in draws}) == len(keys)


def test_one_setting_does_not_change_the_draws_of_another():
    for i in range(20):
        flipped = augment_image(SQUARE, Augmentation(horizontal_flip=True), image_generator(0, 0, str(i)))
        turned = Augmentation(horizontal_flip=True, quarter_turns=True)
        result = augment_image(SQUARE, turned, image_generator(0, 0, str(i)))
        assert any((result == np.rot90(flipped, quarters)).all() for quarters in range(4))


def test_copies_are_always_flipped():
    ways = {augment_copy(SQUARE, NOTHING, image_generator(0, 0, str(i), 1)).tobytes() for i in range(40)}
    assert ways == {np.ascontiguousarray(way).tobytes() for way in (SQUARE[::-1], SQUARE[:, ::-1], SQUARE[::-1, ::-1])}
    generators = [image_generator(0, 0, "a", 1) for _ in range(2)]
    np.testing.assert_array_equal(
        augment_copy(NOISE, EVERYTHING, generators[0]), augment_image(NOISE, EVERYTHING, generators[1])
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rotation": 200}, "augment.rotation: expected a number from 0 to 180, got 200"),
        ({"shift": -0.1}, "got -0.1"),
        ({"zoom": 1.0}, "from 0 to 0.9"),
        ({"zoom": "a"}, "expected a number, got 'a'"),
        ({"horizontal_flip": 1}, "expected true or false"),
        ({"fill": "reflct"}, "did you mean reflect"),
    ],
)
def test_refused(options, message):
    with pytest.raises(UsageError, match=message):
        from_dict(Augmentation, options)

"""RandAugment: every operation against Pillow or a closed form, and draws that choose them."""

import cv2
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from tfvision.data.augmentation.randaugment import OPERATIONS, rand_augment

GENERATOR = np.random.default_rng(0)
SMOOTH = cv2.GaussianBlur(GENERATOR.integers(0, 256, (37, 53, 3), dtype=np.uint8), (0, 0), 2)
SMOOTH = cv2.convertScaleAbs(SMOOTH, alpha=3, beta=-256)  # from end to end, with some clipped
GRAY = np.ascontiguousarray(SMOOTH[..., :1])
PILLOW = {
    "autocontrast": (lambda image, strength: ImageOps.autocontrast(image), 1),
    "solarize": (lambda image, strength: ImageOps.solarize(image, round(256 * (1 - abs(strength)))), 0),
    "posterize": (lambda image, strength: ImageOps.posterize(image, 8 - round(4 * abs(strength))), 0),
    "color": (lambda image, strength: ImageEnhance.Color(image).enhance(1 + 0.9 * strength), 2),
    "contrast": (lambda image, strength: ImageEnhance.Contrast(image).enhance(1 + 0.9 * strength), 1),
    "brightness": (lambda image, strength: ImageEnhance.Brightness(image).enhance(1 + 0.9 * strength), 1),
    "sharpness": (lambda image, strength: ImageEnhance.Sharpness(image).enhance(1 + 0.9 * strength), 2),
}
STRENGTHS = (-1.0, -0.32, 0.32, 0.5, 1.0)


@pytest.mark.parametrize("strength", STRENGTHS)
@pytest.mark.parametrize("name", PILLOW)
def test_as_pillow(name, strength):
    """Within rounding: Pillow truncates, and rounds its gray and its smoothed image first."""
    pillow, tolerance = PILLOW[name]
    dull = (0.7 * SMOOTH).astype(np.uint8) + 30
    result = OPERATIONS[name](dull, strength, "reflect").astype(int)
    difference = np.abs(result - np.asarray(pillow(Image.fromarray(dull), strength)))
    assert (result != dull).any()
    assert difference[1:-1, 1:-1].max() <= tolerance  # Pillow leaves the border as it is when it smooths
    if name != "sharpness":
        assert difference.max() <= tolerance


def test_equalize_is_the_cumulated_histogram():
    result = OPERATIONS["equalize"](SMOOTH, 0.3, "reflect")
    for k in range(3):
        counts = np.bincount(SMOOTH[..., k].ravel(), minlength=256)
        first = counts[counts > 0][0]
        table = np.round((counts.cumsum() - first) * 255 / (counts.sum() - first)).clip(0)
        np.testing.assert_array_equal(result[..., k], table[SMOOTH[..., k]])


def _turned(x, y, strength):
    angle = np.radians(30 * strength)
    return np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y


SOURCES = {  # where a pixel comes from, counted from the centre of 53 x 37 px; y points down
    "rotate": _turned,
    "shear_x": lambda x, y, strength: (x - 0.3 * strength * y, y),
    "shear_y": lambda x, y, strength: (x, y - 0.3 * strength * x),
    "translate_x": lambda x, y, strength: (x - 0.45 * strength * 53, y),
    "translate_y": lambda x, y, strength: (x, y - 0.45 * strength * 37),
}


@pytest.mark.parametrize("strength", STRENGTHS)
@pytest.mark.parametrize("name", SOURCES)
def test_geometry_on_ramps(name, strength):
    """Bilinear interpolation is exact on a ramp, so the result tells where each pixel came from."""
    y, x = np.mgrid[-18:19, -26:27].astype(float)
    ramps = np.stack([4 * (x + 26), 4 * (y + 18), 0 * x + 255], axis=-1).astype(np.uint8)
    result = OPERATIONS[name](ramps, strength, "constant")
    from_x, from_y = SOURCES[name](x, y, strength)
    inside = (np.abs(from_x) <= 26) & (np.abs(from_y) <= 18)
    assert inside.mean() > 0.4
    assert np.abs(result[..., 0] - 4 * (from_x + 26))[inside].max() <= 0.75
    assert np.abs(result[..., 1] - 4 * (from_y + 18))[inside].max() <= 0.75
    assert not result[(np.abs(from_x) > 27) | (np.abs(from_y) > 19)].any()
    assert OPERATIONS[name](ramps, strength, "nearest")[..., 2].min() == 255


def test_these_are_all_operations():
    named = {"identity", "equalize", *PILLOW, *SOURCES}
    assert set(OPERATIONS) == named and len(OPERATIONS) == 14
    np.testing.assert_array_equal(OPERATIONS["identity"](SMOOTH, 1.0, "reflect"), SMOOTH)


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - {"autocontrast", "equalize"}))
def test_no_strength_changes_nothing(name):
    np.testing.assert_array_equal(OPERATIONS[name](SMOOTH, 0.0, "reflect"), SMOOTH)


@pytest.mark.parametrize("name", OPERATIONS)
def test_one_channel_is_as_three_equal_ones(name):
    one = OPERATIONS[name](GRAY, 0.7, "reflect").reshape(37, 53)
    three = OPERATIONS[name](GRAY.repeat(3, axis=2), 0.7, "reflect")
    assert np.abs(three - one[..., None].astype(int)).max() <= (1 if name in ("contrast", "color") else 0)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 1, 1), (8, 8, 3), (1, 9, 3), (9, 1, 1)])
@pytest.mark.parametrize("name", OPERATIONS)
def test_small_and_constant_images(name, shape):
    for value in (0, 128, 255):
        result = OPERATIONS[name](np.full(shape, value, np.uint8), 1.0, "reflect")
        assert result.dtype == np.uint8 and result.size == np.prod(shape)
        if name in ("autocontrast", "equalize", "color", "contrast", "sharpness", "rotate", "shear_x"):
            assert (result == value).all()


def test_draws_choose_operation_and_direction():
    names = list(OPERATIONS)
    first, second = names.index("translate_x"), names.index("brightness")
    draws = [(first + 0.5) / 14, 0.2, (second + 0.5) / 14, 0.9]
    expected = OPERATIONS["brightness"](OPERATIONS["translate_x"](SMOOTH, 0.4, "nearest"), -0.4, "nearest")
    np.testing.assert_array_equal(rand_augment(SMOOTH, 0.4, draws, "nearest"), expected)
    assert rand_augment(SMOOTH, 0.4, [], "nearest") is SMOOTH
    last = rand_augment(SMOOTH, 0.4, [np.nextafter(1, 0), 0.0], "nearest")
    np.testing.assert_array_equal(last, OPERATIONS[names[-1]](SMOOTH, 0.4, "nearest"))

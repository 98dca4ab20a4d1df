"""Heads of boxes: what they give untrained, and that a map for each side can point anywhere."""

import keras
import numpy as np
import pytest

from tfvision.errors import UsageError
from tfvision.models.classifier import build_localizer, task_of
from tfvision.models.freezing import count_parameters, unfreeze
from tfvision.models.heads.heads import build_box_head

SMALL = {"image_size": 32, "weights": "none", "backbone_options": {"filters": [8], "kernel_size": 3, "pools": [4]}}
PIXELS = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3)).astype("float32")


@pytest.mark.parametrize("kind", ["pooled", "grid"])
def test_an_untrained_linear_head_gives_one_box(kind):
    model = build_localizer("small_cnn", box_head=kind, **SMALL)
    np.testing.assert_allclose(model.predict(PIXELS, verbose=0), [[0.25, 0.25, 0.75, 0.75]] * 3)
    assert task_of(model) == "localize"


def test_a_spatial_head_points_where_its_maps_are_high():
    """Only one position of each map is left: the box is its coordinates, from 0 to 1."""
    maps = keras.Input((5, 4, 2))
    model = keras.Model(maps, build_box_head(maps, kind="spatial", filters=4))
    for axis in "xy":
        kernel, bias = model.get_layer(f"head_box_{axis}_scores").get_weights()
        model.get_layer(f"head_box_{axis}_scores").set_weights([np.zeros_like(kernel), bias])
    np.testing.assert_allclose(model.predict(np.ones((1, 5, 4, 2)), verbose=0), [[0.5] * 4], atol=1e-6)
    # The convolution passes its two channels on: the first scores the first corner, the second the second.
    through = np.zeros((3, 3, 2, 4), np.float32)
    through[1, 1, 0, 0] = through[1, 1, 1, 1] = 1
    model.get_layer("head_box_conv").set_weights([through])
    for axis in "xy":
        pass_on = np.zeros((1, 1, 4, 2), np.float32)
        pass_on[0, 0, 0, 0] = pass_on[0, 0, 1, 1] = 50
        model.get_layer(f"head_box_{axis}_scores").set_weights([pass_on, np.zeros(2, np.float32)])
    features = np.zeros((1, 5, 4, 2), np.float32)
    features[0, 1, 0, 0] = 1  # first corner: second row, first column
    features[0, 4, 2, 1] = 1  # second corner: last row, third column
    expected = [[0, 1 / 4, 2 / 3, 1]]
    np.testing.assert_allclose(model.predict(features, verbose=0), expected, atol=1e-3)


def test_a_grid_head_sees_where_things_are():
    """Each cell is averaged on its own; cells of maps that do not divide overlap."""
    maps = keras.Input((7, 7, 1))
    model = keras.Model(maps, build_box_head(maps, kind="grid", grid=3, dropout=0.0))
    kernel = np.zeros((9, 4), np.float32)
    kernel[[0, 2, 6, 8], range(4)] = 3  # the corners; nine cells are scaled by a third
    model.get_layer("head_box").set_weights([kernel, np.zeros(4, np.float32)])
    image = np.arange(49, dtype=np.float32).reshape(1, 7, 7, 1)
    cells = [
        image[0, rows, columns].mean() for rows in (slice(0, 3), slice(4, 7)) for columns in (slice(0, 3), slice(4, 7))
    ]
    np.testing.assert_allclose(model.predict(image, verbose=0), [cells], rtol=1e-5)


@pytest.mark.parametrize("kind", ["pooled", "grid", "spatial"])
def test_box_and_class_together(kind):
    model = build_localizer("small_cnn", 3, box_head=kind, head_units=(6,), **SMALL)
    found = model.predict(PIXELS, verbose=0)
    assert found["box"].shape == (3, 4) and found["probabilities"].shape == (3, 3)
    np.testing.assert_allclose(found["probabilities"].sum(axis=1), 1, atol=1e-5)
    assert task_of(model) == "localize+classify"
    unfreeze(model, "none")
    parts = count_parameters(model)
    assert 0 < parts.trainable < parts.total


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"box_head": "spacial"}, "unknown box head"),
        ({"num_classes": 1}, "use task localize"),
        ({"box_head": "spatial", "image_size": 8, "backbone_options": {"filters": [4], "pools": [8]}}, "2x2 or more"),
        ({"box_head": "grid", "box_grid": 9}, "does not fit maps of 8x8"),
    ],
)
def test_wrong_heads_are_refused(arguments, message):
    with pytest.raises(UsageError, match=message):
        build_localizer("small_cnn", **{**SMALL, **arguments})

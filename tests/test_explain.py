"""Explanations: a planted patch is found, maps follow the weights, and what they point at decides."""

import json
from pathlib import Path
from typing import get_args, get_type_hints

import cv2
import keras
import numpy as np
import pytest

import tfvision
from tfvision.cli import main
from tfvision.data.pixels.resize import Resize
from tfvision.errors import DataError, UsageError
from tfvision.explain.explain import explain_images
from tfvision.explain.graph import find_maps, split_for_explaining
from tfvision.explain.methods import EXPLAIN_METHODS
from tfvision.explain.options import ExplainOptions
from tfvision.explain.overlays import lay_over, spread
from tfvision.models.model_file import ModelFacts
from tfvision.prediction.predictors import KerasPredictor
from tfvision.tasks import CLASSIFY

SIDE, PATCH = 42, 12
OF_ALL_MODELS = [name for name, method in EXPLAIN_METHODS.items() if method.draws_on != "tokens"]


def planted(count: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Gray noise with one red square each, and the left upper corner of each square."""
    generator = np.random.default_rng(seed)
    pixels = generator.integers(90, 160, (count, SIDE, SIDE, 1)).repeat(3, axis=3).astype(np.float32)
    corners = generator.integers(0, SIDE - PATCH, (count, 2))
    for image, (top, left) in zip(pixels, corners, strict=True):
        image[top : top + PATCH, left : left + PATCH] = (230, 20, 20)
    return pixels, corners


def finder(outputs: int = 2, activation: str = "softmax") -> keras.Model:
    """A model of the second class by redness alone, with maps of 14 x 14 places: its truth is known."""
    pixels = keras.Input((SIDE, SIDE, 3), name="pixels")
    x = keras.layers.Rescaling(1 / 255, name="preprocess")(pixels)
    x = keras.layers.Conv2D(4, 3, strides=3, activation="relu", name="conv")(x)
    x = keras.layers.GlobalAveragePooling2D(name="head_pool")(x)
    x = keras.layers.Dense(outputs, activation, name="head_probabilities")(x)
    model = keras.Model(pixels, x, name="finder")
    kernel = np.zeros((3, 3, 3, 4), np.float32)
    kernel[..., 0, 0], kernel[..., 1:, 0] = 1 / 9, -1 / 18  # red against the others
    kernel[..., :, 1] = 1 / 27  # lightness, which no class goes by
    model.get_layer("conv").set_weights([kernel, np.zeros(4, np.float32)])
    weights = np.zeros((4, outputs), np.float32)
    weights[0, -1] = 40
    bias = np.zeros(outputs, np.float32)
    bias[-1] = -1.5
    model.get_layer("head_probabilities").set_weights([weights, bias])
    return model


def pointing(maps: np.ndarray, corners: np.ndarray) -> float:
    """The share of maps whose highest place lies in the square (Zhang et al., 2016)."""
    hits = 0
    for heat, (top, left) in zip(maps, corners, strict=True):
        y, x = np.unravel_index(spread(heat, SIDE, SIDE).argmax(), (SIDE, SIDE))
        hits += top <= y < top + PATCH and left <= x < left + PATCH
    return hits / len(maps)


@pytest.mark.parametrize("method", OF_ALL_MODELS)
@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_a_patch_that_alone_decides_is_found(method: str, activation: str) -> None:
    pixels, corners = planted()
    model = split_for_explaining(finder(2 if activation == "softmax" else 1, activation))
    assert (model.maps.layer, model.maps.height, model.maps.width) == ("conv", 14, 14)
    assert (model.scores(pixels).argmax(axis=1) == 1).all()
    maps = EXPLAIN_METHODS[method].explain(model, pixels, np.ones(len(pixels), np.int64))
    assert pointing(maps, corners) >= 0.9
    other = EXPLAIN_METHODS[method].explain(model, pixels, np.zeros(len(pixels), np.int64))
    assert pointing(other, corners) < 0.5  # nothing red speaks for the other class


@pytest.mark.parametrize("method", OF_ALL_MODELS)
def test_maps_follow_the_weights(method: str) -> None:
    """Of another model the map is another one (Adebayo et al., "Sanity Checks for Saliency Maps", 2018)."""
    pixels, corners = planted()
    model, targets = finder(), np.ones(len(pixels), np.int64)
    head = model.get_layer("head_probabilities")
    head.set_weights([-weights for weights in head.get_weights()])
    explain = EXPLAIN_METHODS[method].explain
    assert pointing(explain(split_for_explaining(model), pixels, targets), corners) < 0.5
    if (
        EXPLAIN_METHODS[method].draws_on != "pixels"
    ):  # those of pixels are a product with the image, which stays the same
        before = explain(split_for_explaining(finder()), pixels, targets)
        random = [np.random.default_rng(1).normal(0, 0.3, (3, 3, 3, 4)), np.zeros(4)]
        model.get_layer("conv").set_weights(random)
        after = explain(split_for_explaining(model), pixels, targets)
        likeness = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(before, after, strict=True) if b.any()]
        assert not likeness or np.mean(likeness) < 0.5


def test_maps_below_zero_speak_for_a_class_too() -> None:
    """Of ConvNeXt and transformers: what is below 0 where the patch is, and counts negatively, is evidence all the same."""
    pixels, corners = planted()
    source = keras.Input((SIDE, SIDE, 3), name="pixels")
    x = keras.layers.Rescaling(1 / 255, name="preprocess")(source)
    x = keras.layers.Conv2D(1, 3, strides=3, name="conv")(x)
    x = keras.layers.GlobalAveragePooling2D(name="head_pool")(x)
    model = keras.Model(source, keras.layers.Dense(2, "softmax", name="head_probabilities")(x))
    kernel = np.zeros((3, 3, 3, 1), np.float32)
    kernel[..., 0, 0], kernel[..., 1:, 0] = -1 / 9, 1 / 18  # below 0 where it is red
    model.get_layer("conv").set_weights([kernel, np.zeros(1)])
    model.get_layer("head_probabilities").set_weights([np.array([[0, -40.0]]), np.zeros(2)])
    maps = EXPLAIN_METHODS["layercam"].explain(split_for_explaining(model), pixels, np.ones(12, np.int64))
    assert pointing(maps, corners) >= 0.9


def test_a_frozen_model_from_a_file_is_explained(tmp_path: Path) -> None:
    """The gradient begins at the pixels, so it does not depend on what is open."""
    pixels, corners = planted()
    frozen = finder()
    frozen.trainable = False
    frozen.save(tmp_path / "frozen.keras")
    model = split_for_explaining(keras.saving.load_model(tmp_path / "frozen.keras"))
    for method in ("layercam", "integrated_gradients"):
        assert pointing(EXPLAIN_METHODS[method].explain(model, pixels, np.ones(12, np.int64)), corners) >= 0.9


def test_what_the_map_points_at_decides() -> None:
    """Hiding the highest places first lowers the score faster than hiding random ones (Petsiuk et al., "RISE", 2018)."""
    pixels, _ = planted(8)
    model = split_for_explaining(finder())
    maps = EXPLAIN_METHODS["layercam"].explain(model, pixels, np.ones(8, np.int64))
    heats = np.stack([spread(heat, SIDE, SIDE) for heat in maps])
    chance = np.random.default_rng(0).random(heats.shape)

    def area(orders: np.ndarray) -> float:
        scores = []
        for share in (0.02, 0.05, 0.1, 0.2):
            hidden = pixels.copy()
            for image, order in zip(hidden, orders, strict=True):
                image[order >= np.quantile(order, 1 - share)] = image.mean(axis=(0, 1))
            scores.append(model.scores(hidden)[:, 1].mean())
        return float(np.mean(scores))

    assert area(heats) < area(chance) - 0.5


def test_maps_of_at_least_seven_places_or_the_largest_there_are() -> None:
    model = tfvision.build_classifier("mobilenet_v2_035", 3, image_size=64, weights=None)
    maps, _ = find_maps(model)
    assert (maps.height, maps.width, maps.is_small) == (8, 8, False)  # the last one of all is 2 x 2
    assert "pad" not in maps.layer
    small = tfvision.build_classifier("mobilenet_v2_035", 3, image_size=32, weights=None)
    assert find_maps(small)[0].height >= 7
    assert find_maps(model, "out_relu")[0].height == 2
    with pytest.raises(
        UsageError, match=r"layer 'out_rely' is none with feature maps; the last of those are .*out_relu"
    ):
        find_maps(model, "out_rely")
    pixels = keras.Input((8, 8, 3), name="pixels")
    flat = keras.Model(pixels, keras.layers.Dense(2, "softmax")(keras.layers.Flatten()(pixels)))
    with pytest.raises(UsageError, match="no feature maps"):
        split_for_explaining(flat)
    assert split_for_explaining(flat, by_maps=False).scores(np.zeros((1, 8, 8, 3), np.float32)).shape == (1, 2)


def test_tokens_of_a_transformer_are_places() -> None:
    """A class token and 49 patches: the patch that decides is found."""
    pixels = keras.Input((SIDE, SIDE, 3), name="pixels")
    x = keras.layers.Rescaling(1 / 255, name="preprocess")(pixels)
    x = keras.layers.Conv2D(4, 6, strides=6, activation="relu", name="conv")(x)
    x = keras.layers.Reshape((49, 4), name="patches")(x)
    x = keras.layers.ZeroPadding1D((1, 0), name="tokens")(x)
    mixed = keras.layers.Dense(4, name="mixed")(x)
    x = keras.layers.GlobalAveragePooling1D(name="head_pool")(mixed)
    model = keras.Model(pixels, keras.layers.Dense(2, "softmax", name="head_probabilities")(x))
    kernel = np.zeros((6, 6, 3, 4), np.float32)
    kernel[..., 0, 0], kernel[..., 1:, 0] = 1, -0.5
    model.get_layer("conv").set_weights([kernel, np.zeros(4)])
    model.get_layer("mixed").set_weights([np.eye(4), np.zeros(4)])
    model.get_layer("head_probabilities").set_weights([np.array([[0, 1.0]] + [[0, 0]] * 3), np.zeros(2)])
    images, corners = planted()
    explained = split_for_explaining(model)
    assert (explained.maps.layer, explained.maps.height, explained.maps.skipped) == ("mixed", 7, 1)
    for method in ("layercam", "gradcam"):
        assert pointing(EXPLAIN_METHODS[method].explain(explained, images, np.ones(12, np.int64)), corners) >= 0.9


def test_stages_are_fused_by_their_geometric_mean() -> None:
    model = tfvision.build_classifier("mobilenet_v2_035", 3, image_size=64, weights=None)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.float32)
    explained, targets = split_for_explaining(model), np.array([0, 2])
    assert [stage.height for stage in explained.stages] == [32, 16, 8, 4, 2]
    layercam, fused = EXPLAIN_METHODS["layercam"].explain, EXPLAIN_METHODS["fused_layercam"].explain
    stages = [layercam(split_for_explaining(model, one.layer), pixels, targets) for one in explained.stages]
    large = np.stack([[spread(heat, 32, 32) for heat in maps] for maps in stages])
    expected = np.prod(large + 0.05, axis=0) ** (1 / 5) - 0.05
    found = fused(explained, pixels, targets)
    assert found.max() > 0.1
    np.testing.assert_allclose(found, np.maximum(expected, 0), atol=1e-5)
    # Of one layer it is LayerCAM.
    facts = ModelFacts(backbone="x", class_names=("a", "b", "c"), task=CLASSIFY, resize=Resize(64, 64))
    images = tfvision.images_from_arrays(pixels.astype(np.uint8))
    alone = explain_images(KerasPredictor(model, facts), images, ExplainOptions(layer="out_relu"))
    assert (alone.method, alone.layers) == ("layercam", ("out_relu",))


def test_attention_is_followed_to_the_tokens_that_decide() -> None:
    """Of tokens that all look for what is red, and pass on how red it was, those with the square are found."""
    pixels = keras.Input((SIDE, SIDE, 3), name="pixels")
    x = keras.layers.Rescaling(1 / 255, name="preprocess")(pixels)
    x = keras.layers.Conv2D(2, 6, strides=6, activation="relu", name="conv")(x)
    x = keras.layers.Reshape((49, 2), name="patches")(x)
    x = keras.layers.ZeroPadding1D((1, 0), name="tokens")(x)
    x = keras.layers.MultiHeadAttention(1, 2, name="read")(x, x)
    x = keras.layers.GlobalAveragePooling1D(name="head_pool")(x)
    model = keras.Model(pixels, keras.layers.Dense(2, "softmax", name="head_probabilities")(x))
    kernel = np.zeros((6, 6, 3, 2), np.float32)
    kernel[..., 0, 0], kernel[..., 1:, 0] = 1 / 36, -1 / 72
    model.get_layer("conv").set_weights([kernel, np.zeros(2)])
    attends, idle = np.array([[8.0, 0], [0, 0]]).reshape(2, 1, 2), np.zeros((1, 2))
    asks = np.array([[1.0, 0]])  # of every token, whatever it is
    out = np.eye(2).reshape(1, 2, 2)
    model.get_layer("read").set_weights(
        [0 * attends, asks, attends, idle, np.eye(2).reshape(2, 1, 2), idle, out, idle[0]]
    )
    model.get_layer("head_probabilities").set_weights([np.array([[0, 20.0], [0, 0]]), np.array([0, -4.0])])
    images, corners = planted()
    explained = split_for_explaining(model, by_maps=False)
    follow = EXPLAIN_METHODS["attention"].explain
    maps = follow(explained, images, np.ones(12, np.int64))
    assert maps.shape == (12, 7, 7) and pointing(maps, corners) >= 0.9
    assert not follow(explained, images, np.zeros(12, np.int64)).any()  # nothing red speaks for the other class
    facts = ModelFacts(backbone="x", class_names=("gray", "red"), task=CLASSIFY, resize=Resize(SIDE, SIDE))
    found = explain_images(
        KerasPredictor(model, facts), tfvision.images_from_arrays(images.astype(np.uint8)), ExplainOptions()
    )
    assert (found.method, found.layers) == ("attention", ()) and pointing(found.maps, corners) >= 0.9
    assert "_compute_attention" not in vars(model.get_layer("read"))  # and the layer is as it was
    with pytest.raises(UsageError, match="no attention of tokens"):
        follow(split_for_explaining(finder(), by_maps=False), images, np.ones(12, np.int64))


@pytest.mark.parametrize("backbone", ["mobilenet_v2", "convnext_tiny"])
@pytest.mark.slow
def test_real_graphs_give_maps_that_are_not_flat(backbone: str) -> None:
    model = tfvision.build_classifier(backbone, 2, image_size=64, weights=None)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.float32)
    explained = split_for_explaining(model)
    for target in (0, 1):
        found = [
            EXPLAIN_METHODS[name].explain(explained, pixels, np.full(2, target))
            for name in ("layercam", "integrated_gradients")
        ]
        if all(np.ptp(maps) > 0 and np.isfinite(maps).all() for maps in found):
            return
    raise AssertionError("no class has a map")


def test_a_localizer_is_explained_by_its_sides() -> None:
    model = tfvision.build_localizer("mobilenet_v2_035", image_size=64, weights=None)
    explained = split_for_explaining(model)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.float32)
    assert explained.is_box and explained.scores(pixels).shape == (2, 8)
    np.testing.assert_allclose(explained.scores(pixels)[:, :4], -explained.scores(pixels)[:, 4:])


def test_explanations_know_their_class_and_probability() -> None:
    pixels, corners = planted(5)
    facts = ModelFacts(backbone="finder", class_names=("gray", "red"), task=CLASSIFY, resize=Resize(SIDE, SIDE))
    images = tfvision.images_from_arrays(pixels.astype(np.uint8))
    found = explain_images(KerasPredictor(finder(), facts), images, ExplainOptions())
    assert found.classes == ("red",) * 5 and (found.probabilities > 0.5).all() and found.layers == ("conv",)
    assert found.maps.shape == (5, SIDE, SIDE) and found.maps.max() == 1 and pointing(found.maps, corners) >= 0.9
    other = explain_images(KerasPredictor(finder(), facts), images, ExplainOptions(target="gray", method="gradcam"))
    np.testing.assert_allclose(other.probabilities, 1 - found.probabilities, atol=1e-6)
    assert "their maps are 0 everywhere" in other.notes[0] and not other.maps.any()
    html = found._repr_html_()
    assert html.count("<img ") == 10 and "LayerCAM of all stages from conv" in html
    assert repr(found).startswith("Explanations(5 images by fused_layercam from conv: red ")


def test_an_overlay_is_red_where_the_map_is_high() -> None:
    heat = np.zeros((8, 8), np.float32)
    heat[:, 4:] = 1
    laid = lay_over(np.full((8, 8, 1), 128, np.uint8), heat).astype(int)
    assert (laid[:, 4:, 0] > laid[:, 4:, 2]).all() and (laid[:, :4, 2] > laid[:, :4, 0]).all()
    assert spread(np.zeros((2, 2), np.float32), 8, 8).max() == 0


def test_the_options_offer_the_methods_of_the_table() -> None:
    choice, _ = get_args(get_type_hints(ExplainOptions)["method"])  # or None
    assert list(get_args(choice)) == list(EXPLAIN_METHODS)


def test_the_verb_writes_overlays_a_sheet_and_a_table(small_run: Path, colours: Path, tmp_path: Path, capsys) -> None:
    output = tmp_path / "explained"
    words = ["explain", str(small_run), str(colours / "red"), "--limit", "3", "--output", str(output)]
    assert main(words) == 0
    said, stored = capsys.readouterr().out, json.loads((output / "explain.json").read_text())
    assert said.count("red_00") == 3 and [row["id"] for row in stored["images"]] == [f"red_00{k}.png" for k in range(3)]
    assert stored["method"] == "fused_layercam" and 0 <= stored["images"][0]["probability"] <= 1
    side = tfvision.open_run(small_run).facts.resize.height
    for k in range(3):
        assert cv2.imread(str(output / "images" / f"red_00{k}.png")).shape == (side, side, 3)
    assert (output / "sheet.png").is_file()
    assert main(words) == 2 and "exists already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"method": "grad-cam"}, UsageError, "did you mean gradcam"),
        ({"target": "reed"}, UsageError, "did you mean red"),
        ({"layer": "nowhere"}, UsageError, "none with feature maps"),
        ({"colour": "red"}, UsageError, "colour"),
    ],
)
def test_mistakes_are_told(small_run: Path, colours: Path, options: dict, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        tfvision.explain(small_run, colours, **options)


def test_a_missing_run_is_told(colours: Path) -> None:
    with pytest.raises(DataError, match="nosuch"):
        tfvision.explain("runs/nosuch", colours)

"""Trunk and tail: exact for every family, sharing the model's variables, the trunk in inference mode."""

from pathlib import Path

import keras
import numpy as np
import pytest

from tfvision.models.backbones.table import BACKBONES
from tfvision.models.classifier import build_classifier
from tfvision.models.cut import Cut, cut_model
from tfvision.models.freezing import unfreeze
from tfvision.models.heads.heads import build_head

# One backbone of each family at its smallest, and where it is opened.
FAMILIES = {
    "vgg16": "block5",
    "resnet18": "conv5",
    "resnet50": "conv5_block3",
    "resnet50_v2": "20",
    "mobilenet_025": "13",
    "mobilenet_v2_035": "block_16,Conv_1",
    "mobilenet_v3_small": "12",
    "efficientnet_b0": "block7",
    "efficientnet_v2_b0": "20",
    "convnext_tiny": "15",
    "densenet121": "10",
    "inception_v3": "12",
    "xception": "10",
    "nasnet_mobile": "15",
}


def outputs(result: object) -> list[np.ndarray]:
    return [np.asarray(each) for each in (result if isinstance(result, (list, tuple)) else [result])]


def test_every_family_is_here() -> None:
    families = {facts.family for facts in BACKBONES.values()}
    missing = families - {BACKBONES[name].family for name in FAMILIES} - {"small"}  # whose cut test_features makes
    assert missing == set(), "add one of each to FAMILIES"


@pytest.mark.parametrize("backbone", FAMILIES)
def test_training_the_tail_on_features_is_training_the_model(backbone: str) -> None:
    """Two steps of each on the same images, in the same order: same losses, same weights, all in the whole model."""
    keras.utils.set_random_seed(0)
    size = max(32, BACKBONES[backbone].minimum)
    model = build_classifier(backbone, 3, image_size=size, weights="none", head_units=(4,), head_dropout=0.5)
    unfreeze(model, FAMILIES[backbone])
    cut = cut_model(model)
    images = np.random.default_rng(0).integers(0, 256, (2, 2, size, size, 3)).astype("float32")
    labels = np.eye(3, dtype="float32")[[[0, 1], [2, 0]]]
    features = [outputs(cut.trunk(batch, training=False)) for batch in images]
    # The whole in inference mode is its two parts in inference mode.
    calm = outputs(cut.tail(features[0], training=False))[0]
    np.testing.assert_allclose(outputs(model(images[0], training=False))[0], calm, rtol=1e-5, atol=1e-7)
    before = [np.array(variable) for variable in model.variables]  # the state of dropout among them
    results = []
    for fitted, inputs in ((cut.joined, images), (cut.tail, features)):
        for variable, value in zip(model.variables, before, strict=True):
            variable.assign(value)
        fitted.compile(optimizer=keras.optimizers.SGD(0.05), loss="categorical_crossentropy", run_eagerly=True)
        losses = [float(fitted.train_on_batch(x, y)) for x, y in zip(inputs, labels, strict=True)]
        results.append((losses, model.get_weights()))
    (losses, weights), (tail_losses, tail_weights) = results
    np.testing.assert_allclose(tail_losses, losses, rtol=1e-5)
    for one, other in zip(weights, tail_weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    assert not all(any(np.array_equal(weight, value) for value in before) for weight in weights)


def residual(dropout: float = 0.0, head_dropout: float = 0.5) -> keras.Model:
    """Two residual blocks of vectors' size: what crosses a cut can be counted by hand."""
    pixels = keras.Input((8, 8, 3), name="pixels")
    x = keras.layers.Rescaling(1 / 255, name="preprocess")(pixels)
    x = keras.layers.Conv2D(4, 3, padding="same", name="stem")(x)
    for number in (1, 2):
        y = keras.layers.Conv2D(4, 3, padding="same", name=f"block_{number}_a")(x)
        y = keras.layers.Conv2D(4, 3, padding="same", name=f"block_{number}_b")(y)
        if dropout:
            y = keras.layers.Dropout(dropout, noise_shape=(None, 1, 1, 1), name=f"block_{number}_drop")(y)
        x = y + x
    return keras.Model(pixels, build_head(x, 3, units=(5,), dropout=head_dropout), name="own")


def cut_at(model: keras.Model, what: str) -> Cut | None:
    unfreeze(model, what)
    return cut_model(model)


def test_where_the_cut_lies() -> None:
    model = residual()
    # Before the head: pooled vectors.
    assert cut_at(model, "none").shapes == ((4,),) and cut_model(model).last == "head_pool"
    # Before a block: one tensor.
    cut = cut_at(model, "block_2")
    assert cut.shapes == ((8, 8, 4),) and cut.frozen_layers == 5
    # Within a block two tensors would cross; an operation earlier it is one.
    cut = cut_at(model, "block_2_b")
    assert cut.shapes == ((8, 8, 4),) and "block_2_a" in {layer.name for layer in cut.tail.layers}
    assert {weight.path for weight in cut.tail.trainable_weights} == {weight.path for weight in model.trainable_weights}
    # Nothing with weights before it, or nothing to train: no cut.
    assert cut_at(model, "all") is None
    model.trainable = False
    assert cut_model(model) is None


def test_the_heads_dropout_is_trained_with_and_the_trunks_is_not() -> None:
    vector = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="block_1")(vector)
    x = keras.layers.Dropout(0.5, name="head_dropout")(keras.layers.GlobalAveragePooling2D(name="head_pool")(x))
    model = keras.Model(vector, keras.layers.Dense(3, name="head_probabilities")(x), name="own")
    cut = cut_at(model, "none")
    assert cut.last == "head_pool" and "head_dropout" in {layer.name for layer in cut.tail.layers}
    # Drop-connect between frozen layers: off in the trunk, as often as one trains.
    model = residual(dropout=0.5, head_dropout=0.0)
    cut = cut_at(model, "none")
    images = np.random.default_rng(0).random((4, 8, 8, 3)).astype("float32") * 255
    calm = outputs(model(images, training=False))[0]
    np.testing.assert_allclose(outputs(cut.joined(images, training=True))[0], calm, rtol=1e-6)
    assert not np.allclose(outputs(model(images, training=True))[0], calm)  # what `fit` on the whole would do


def test_batch_normalization_that_only_has_statistics_to_move_is_no_part_of_a_trunk() -> None:
    pixels = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="conv")(pixels)
    bare = keras.layers.BatchNormalization(scale=False, center=False, name="bare_BN")
    model = keras.Model(pixels, build_head(bare(x), 3), name="own")
    model.get_layer("conv").trainable = False
    assert cut_model(model).last == "conv"
    bare.trainable = False
    assert cut_model(model).last == "head_pool"


def test_convnexts_last_fifteen_layers_take_one_tensor() -> None:
    model = build_classifier("convnext_tiny", 3, image_size=32, weights="none")
    cut = cut_at(model, "15")
    assert cut.shapes == ((1, 1, 768),)  # the residual branch and the convolution beside it would be two
    assert "convnext_tiny_stage_3_block_1_depthwise_conv" in {layer.name for layer in cut.tail.layers}


def test_what_the_tail_learned_is_saved_with_the_whole(tmp_path: Path) -> None:
    model = residual()
    cut = cut_at(model, "block_2")
    cut.tail.compile(optimizer=keras.optimizers.SGD(0.1), loss="categorical_crossentropy")
    images = np.random.default_rng(0).random((4, 8, 8, 3)).astype("float32") * 255
    cut.tail.train_on_batch(cut.trunk(images, training=False), np.eye(3, dtype="float32")[[0, 1, 2, 0]])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    want = outputs(cut.tail(cut.trunk(images, training=False), training=False))[0]
    np.testing.assert_allclose(outputs(loaded(images, training=False))[0], want, rtol=1e-6)
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in model.layers]

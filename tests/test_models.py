"""Builders: flat graphs, preprocessing, freezing, exact counts, weights."""

from pathlib import Path

import keras
import numpy as np
import pytest

from tfvision.errors import UsageError
from tfvision.models.backbones.table import BACKBONES, default_image_size
from tfvision.models.classifier import build_classifier
from tfvision.models.freezing import backbone_layers, count_parameters, trains_batch_norm, unfreeze
from tfvision.models.heads.heads import HEAD
from tfvision.models.weights_location import find_weights


def pixels(count: int = 3, side: int = 64) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3)).astype(np.uint8)


def stock(name: str, side: int) -> keras.Model:
    facts = BACKBONES[name]
    builder = getattr(keras.applications, facts.builder)
    return builder(include_top=False, weights=None, input_shape=(side, side, 3), **facts.options)


def test_exact_counts_of_vgg16_with_two_open_blocks() -> None:
    model = build_classifier("vgg16", 9, image_size=64, weights="none", head_units=(256,), head_dropout=0.5)
    unfreeze(model, "block4,block5")
    assert count_parameters(model) == (14_848_329, 13_112_841, 1_735_488)
    unfreeze(model, "block5")
    assert count_parameters(model).trainable == 13_112_841 - 5_899_776


def test_block_1_is_not_block_16() -> None:
    model = build_classifier("mobilenet_v2", 3, image_size=32, weights="none")
    unfreeze(model, "block_1")
    opened = [layer.name for layer in backbone_layers(model) if layer.trainable]
    assert opened and all(name.startswith("block_1_") for name in opened)


@pytest.fixture(scope="module")
def vgg16() -> keras.Model:
    """For tests that only set what is trainable."""
    return build_classifier("vgg16", 3, image_size=32, weights="none", head_units=(8,))


@pytest.fixture(scope="module")
def resnet50() -> keras.Model:
    """For tests that only set what is trainable."""
    return build_classifier("resnet50", 3, image_size=32, weights="none")


@pytest.mark.parametrize(
    ("what", "count"), [("none", 0), ("all", 18), ("5", 5), ("50%", 9), ("block5", 4), ("block5_conv3", 1)]
)
def test_unfreeze_counts_the_backbone_without_the_head(what: str, count: int, vgg16: keras.Model) -> None:
    model = vgg16
    unfreeze(model, what)
    layers = backbone_layers(model)
    assert sum(layer.trainable for layer in layers) == count
    if what in ("5", "50%"):
        assert all(layer.trainable for layer in layers[-count:])
    assert all(layer.trainable for layer in model.layers if layer.name.startswith(HEAD))


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("block6", "did you mean block5"),
        ("999", "only 18 layers"),
        ("101%", "at most 100%"),
        ("", "names no layer"),
        ("head_probabilities", "names no layer"),
    ],
)
def test_unfreeze_refuses_what_is_not_there(what: str, message: str, vgg16: keras.Model) -> None:
    with pytest.raises(UsageError, match=message):
        unfreeze(vgg16, what)


def test_batch_norm_of_the_backbone_stays_frozen_unless_asked() -> None:
    model = build_classifier("mobilenet_025", 3, image_size=32, weights="none")
    assert trains_batch_norm(model)
    unfreeze(model, "all")
    assert not trains_batch_norm(model)
    assert all(layer.trainable for layer in backbone_layers(model) if "bn" not in layer.name)
    unfreeze(model, "all", batch_norm=True)
    assert trains_batch_norm(model)


def test_small_images_are_enlarged_inside_the_model() -> None:
    model = build_classifier("small_cnn", 3, image_size=32, input_size=16, weights="none")
    assert model.input_shape == (None, 16, 16, 3)
    assert model.get_layer("conv1").output.shape[1:3] == (32, 32)
    enlarged = keras.Model(model.input, model.get_layer("enlarge").output)(pixels(2, 16))
    np.testing.assert_allclose(enlarged, keras.ops.image.resize(pixels(2, 16).astype("float32"), (32, 32)), atol=1e-3)
    with pytest.raises(UsageError, match="only enlarges"):
        build_classifier("small_cnn", 3, image_size=16, input_size=32, weights="none")


@pytest.mark.parametrize(("classes", "shape"), [(2, (None, 1)), (3, (None, 3))])
def test_outputs_are_probabilities(classes: int, shape: tuple) -> None:
    model = build_classifier(
        "small_cnn",
        classes,
        image_size=16,
        weights="none",
        head_units=(6, 5),
        head_dropout=(0.1, 0.2),
        head_batch_norm=True,
    )
    assert model.output_shape == shape
    assert [layer.name for layer in model.layers if layer.name.startswith(HEAD)] == [
        "head_pool", "head_dense_1", "head_bn_1", "head_relu_1", "head_dropout_1",
        "head_dense_2", "head_bn_2", "head_relu_2", "head_dropout_2", "head_probabilities",
    ]  # fmt: skip
    found = np.asarray(model(pixels(4, 16)))
    assert np.all((found >= 0) & (found <= 1))
    if classes > 2:
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {"head_dropout": 1.0},
        {"head_units": (8,), "head_dropout": (0.1, 0.2)},
        {"head_units": (0,)},
        {"head_pooling": "mean"},
        {"head_units": (8,), "head_activation": "rellu"},
        {"num_classes": 1},
    ],
)
def test_bad_heads_are_refused(options: dict) -> None:
    with pytest.raises(UsageError):
        build_classifier("small_cnn", **{"num_classes": 3, "image_size": 16, "weights": "none", **options})


CONVNEXT_LAST_15 = [
    *(
        f"convnext_base_stage_3_block_1_{name}"
        for name in ("layernorm", "pointwise_conv_1", "gelu", "pointwise_conv_2", "layer_scale", "identity")
    ),
    *(
        f"convnext_base_stage_3_block_2_{name}"
        for name in (
            *("depthwise_conv", "layernorm", "pointwise_conv_1"),
            *("gelu", "pointwise_conv_2", "layer_scale", "identity"),
        )
    ),
    "layer_normalization",
]


@pytest.mark.slow
def test_the_last_15_layers_of_convnext_base_are_those_of_the_application_with_its_pooling() -> None:
    model = build_classifier(
        "convnext_base",
        8,
        image_size=96,
        weights="none",
        head_units=(512, 256, 128),
        head_batch_norm=True,
        head_dropout=(0.5, 0.4, 0.3),
    )
    unfreeze(model, "15")
    assert count_parameters(model) == (88_260_104, 17_538_696, 70_721_408)
    assert [layer.name for layer in backbone_layers(model) if layer.trainable] == CONVNEXT_LAST_15
    unfreeze(model, "2")  # the normalization and the pooling before it
    assert [layer.name for layer in backbone_layers(model) if layer.trainable] == ["layer_normalization"]


def test_the_cnn_of_the_craters_is_exact() -> None:
    model = build_classifier(
        "small_cnn",
        2,
        image_size=48,
        channels=1,
        weights="none",
        backbone_options={"filters": (16, 32), "kernel_size": 3, "padding": "valid", "pools": (3, 2)},
        head_pooling="flatten",
        head_units=(8,),
        head_dropout=0.5,
    )
    assert model.input_shape == (None, 48, 48, 1) and model.output_shape == (None, 1)
    sides = {name: model.get_layer(name).output.shape[1] for name in ("conv1", "pool1", "conv2", "pool2")}
    assert list(sides.values()) == [46, 15, 13, 6]
    counts = {layer.name: layer.count_params() for layer in model.layers if layer.count_params()}
    assert counts == {"conv1": 160, "conv2": 4_640, "head_dense_1": 9_224, "head_probabilities": 9}
    assert model.get_layer("head_pool").output.shape[1] == 1152 and model.count_params() == 14_033


def test_the_cnn_of_the_cactus_keeps_its_layers() -> None:
    model = build_classifier("small_cnn", 2, image_size=32, weights="none")
    assert [layer.name for layer in backbone_layers(model)] == ["conv1", "conv2", "pool"]
    assert sum(layer.count_params() for layer in backbone_layers(model)) == 53_696


@pytest.mark.parametrize(
    ("side", "options", "message"),
    [
        (8, {"pools": (3, 4)}, "pooling 2 needs 4 px and gets 2"),
        (8, {"padding": "valid", "kernel_size": 9}, "convolution 1 needs 9 px"),
        (32, {"pools": (2,)}, "1 sizes for 2 convolutions"),
    ],
)
def test_small_cnn_refuses_images_too_small_for_its_pools(side: int, options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build_classifier("small_cnn", 3, image_size=side, weights="none", backbone_options=options)


@pytest.mark.parametrize(
    ("what", "opened"),
    [("conv5_block3", "conv5_block3_"), ("conv5_block3_1_conv", "conv5_block3_1_conv"), ("conv5", "conv5_")],
)
def test_unfreeze_takes_layers_and_blocks_below_the_stages(what: str, opened: str, resnet50: keras.Model) -> None:
    unfreeze(resnet50, what, batch_norm=True)
    names = [layer.name for layer in backbone_layers(resnet50) if layer.trainable]
    assert names and all(name.startswith(opened) for name in names)


def test_unknown_backbones_get_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean mobilenet_v2"):
        build_classifier("mobilnet_v2", 3)


def test_weights_from_a_file_arrive_unchanged_and_freeze_the_backbone(tmp_path: Path) -> None:
    reference = stock("mobilenet_025", 96)
    reference.set_weights([w + 0.01 for w in reference.get_weights()])
    reference.save_weights(tmp_path / "stand_in.weights.h5")
    model = build_classifier(
        "mobilenet_025", 3, image_size=96, input_size=64, weights=str(tmp_path / "stand_in.weights.h5")
    )
    features = keras.Model(model.input, model.get_layer(f"{HEAD}pool").input)
    for found, expected in zip(features.get_weights(), reference.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert count_parameters(model).trainable == 256 * 3 + 3
    assert not trains_batch_norm(model)


def test_weights_that_do_not_fit_are_refused_in_a_line(tmp_path: Path) -> None:
    stock("mobilenet_025", 96).save_weights(tmp_path / "other.weights.h5")
    (tmp_path / "damaged.weights.h5").write_bytes(b"nothing")
    for name, reason in (("other", "does not fit mobilenet_075"), ("damaged", "is damaged or no weights file")):
        with pytest.raises(UsageError, match=reason) as error:
            build_classifier("mobilenet_075", 3, image_size=64, weights=str(tmp_path / f"{name}.weights.h5"))
        assert "\n" not in str(error.value)
    with pytest.raises(UsageError, match="no weights file"):
        build_classifier("mobilenet_075", 3, image_size=64, weights=str(tmp_path / "none.weights.h5"))


def test_a_file_is_found_by_its_name_alone_where_weights_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "mine.weights.h5").write_bytes(b"")
    monkeypatch.setenv("TFVISION_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.chdir(tmp_path)
    assert find_weights("vgg16", "mine.weights.h5") == tmp_path / "weights" / "mine.weights.h5"
    with pytest.raises(UsageError, match="no weights file elsewhere/mine"):
        find_weights("vgg16", "elsewhere/mine.weights.h5")
    (tmp_path / "mine.weights.h5").write_bytes(b"")
    assert find_weights("vgg16", "mine.weights.h5") == Path("mine.weights.h5")


def test_imagenet_without_a_network_says_which_file_goes_where(monkeypatch: pytest.MonkeyPatch) -> None:
    build = keras.applications.VGG16

    def offline(*, weights: str | None, **options: object) -> keras.Model:
        if weights == "imagenet":
            raise Exception("URL fetch failure")
        return build(weights=weights, **options)

    monkeypatch.setattr(keras.applications, "VGG16", offline)
    with pytest.raises(UsageError) as error:
        build_classifier("vgg16", 3, image_size=32)
    message = str(error.value)
    assert "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5" in message
    assert "models" in message and "--weights none" in message and "\n" not in message


def test_imagenet_is_found_in_a_folder_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stock("mobilenet_025", 96).save_weights(tmp_path / "mobilenet_v1_0.25_224_notop.weights.h5")
    monkeypatch.setenv("TFVISION_WEIGHTS", str(tmp_path))
    assert count_parameters(build_classifier("mobilenet_025", 3, image_size=96)).trainable == 256 * 3 + 3


@pytest.mark.parametrize(
    ("name", "side", "size"),
    [
        ("mobilenet_v2", 64, 96),
        ("mobilenet_v2", 130, 160),
        ("vgg16", 4000, 224),
        ("small_cnn", 32, 32),
        ("small_cnn", 500, 64),
        ("small_cnn", 6, 8),
    ],
)
def test_default_image_size(name: str, side: int, size: int) -> None:
    assert default_image_size(name, side) == size

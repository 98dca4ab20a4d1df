"""Weights from files and earlier runs; files that are damaged or made to harm."""

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from tfvision.data.options import SplitOptions
from tfvision.data.pixels.resize import Resize
from tfvision.data.sources.arrays.arrays import images_from_arrays
from tfvision.errors import TfvisionError, UsageError
from tfvision.experiment.building import suit_images, suited_model
from tfvision.experiment.preparation import prepare_images
from tfvision.experiment.resolving import resolve_options
from tfvision.models.backbones.table import BACKBONES
from tfvision.models.classifier import build_classifier, is_pretrained
from tfvision.models.freezing import backbone_layers, count_parameters
from tfvision.models.model_file import ModelFacts, save_model
from tfvision.models.options import SmallCnnOptions
from tfvision.models.weights import load_backbone_weights
from tfvision.models.weights_file import check_weights_file
from tfvision.models.weights_location import find_weights
from tfvision.training.config import TrainConfig

SMALL = {"image_size": 16, "weights": "none", "backbone_options": {"filters": (4, 4), "kernel_size": 3}}


def facts(backbone: str, side: int = 16) -> ModelFacts:
    return ModelFacts(("a", "b", "c"), Resize(side, side), backbone)


def saved_run(folder: Path, backbone: str = "small_cnn", **options: object) -> keras.Model:
    """Save a model of three classes as a run would, and return it."""
    model = build_classifier(backbone, 3, **{**SMALL, **options})
    save_model(model, folder / "model.keras", facts(backbone))
    return model


@pytest.mark.parametrize(("name", "as_folder"), [("mobilenet_v3_small", True), ("resnet18", False)])
def test_a_run_gives_its_backbone_to_other_classes_and_another_head(name: str, as_folder: bool, tmp_path: Path) -> None:
    old = build_classifier(name, 3, image_size=32, input_size=16, weights="none", head_units=(5,))
    old.set_weights([w + np.float32(0.01) for w in old.get_weights()])
    save_model(old, tmp_path / "model.keras", facts(name))
    weights = str(tmp_path if as_folder else tmp_path / "model.keras")
    new = build_classifier(name, 2, image_size=64, weights=weights, head_pooling="max", head_dropout=0.0)
    for layer in backbone_layers(new):
        for found, expected in zip(layer.get_weights(), old.get_layer(layer.name).get_weights(), strict=True):
            np.testing.assert_array_equal(found, expected)
    assert is_pretrained(new)
    assert count_parameters(new).trainable == new.get_layer("head_probabilities").count_params()
    assert find_weights(name, weights) == tmp_path / "model.keras"


def test_a_run_of_another_backbone_or_of_other_layers_is_refused(tmp_path: Path) -> None:
    saved_run(tmp_path)
    with pytest.raises(UsageError, match="is a small_cnn, expected a vgg16; use --backbone small_cnn"):
        build_classifier("vgg16", 3, image_size=32, weights=str(tmp_path))
    for filters in ((4, 4, 4), (4,)):
        with pytest.raises(UsageError, match="has 3 layers before its head"):
            build_classifier(
                "small_cnn", 3, image_size=16, weights=str(tmp_path), backbone_options={"filters": filters}
            )
    with pytest.raises(UsageError, match="does not fit small_cnn"):
        build_classifier("small_cnn", 3, image_size=16, weights=str(tmp_path), backbone_options={"filters": (4, 8)})
    with pytest.raises(UsageError, match=r"no weights file .*model\.keras"):
        build_classifier("small_cnn", 3, image_size=16, weights=str(tmp_path / ".."))


@pytest.mark.parametrize("channels", [1, 3])
def test_gray_images_take_the_channels_of_the_run_that_gives_weights(channels: int, tmp_path: Path) -> None:
    saved_run(tmp_path, channels=channels)
    images = images_from_arrays(
        np.arange(6, dtype=np.uint8)[:, None, None] + np.zeros((6, 16, 16), np.uint8), [0, 1] * 3
    )
    config = resolve_options(
        TrainConfig(backbone="small_cnn", weights=str(tmp_path), small_cnn=SmallCnnOptions([4, 4], 3))
    )
    data = prepare_images(images, replace(config, split=SplitOptions(validation=0.34, test=0.34)))
    assert data.is_gray and suit_images(config, data).channels == channels
    assert suit_images(replace(config, weights="none"), data).channels == 1
    assert suit_images(replace(config, channels=3), data).channels == 3
    suited_model(suit_images(config, data), data)  # loads the weights


def test_a_keras_file_that_tfvision_did_not_save_is_refused(tmp_path: Path) -> None:
    build_classifier("small_cnn", 3, **SMALL).save(tmp_path / "model.keras")
    with pytest.raises(TfvisionError, match="does not say its class names") as error:
        build_classifier("small_cnn", 3, image_size=16, weights=str(tmp_path))
    assert "\n" not in str(error.value)


@pytest.fixture(scope="module")
def convnext() -> tuple[keras.Model, keras.Model, np.ndarray, np.ndarray]:
    """The application's ConvNeXt and ours; pixels, and what the application's makes of them."""
    stock = keras.applications.ConvNeXtTiny(include_top=False, weights=None, input_shape=(32, 32, 3))
    generator = np.random.default_rng(0)
    stock.set_weights([w + 0.1 * (w.ndim == 1) * generator.random(w.shape, "float32") for w in stock.get_weights()])
    model = build_classifier("convnext_tiny", 3, image_size=32, weights="none")
    pixels = np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3)).astype(np.float32)
    expected = np.asarray(stock(pixels, training=False))
    return stock, keras.Model(model.input, model.get_layer("head_pool").input), pixels, expected


@pytest.mark.parametrize("file", ["stock.weights.h5", "stock.h5", "own.weights.h5"])
def test_convnext_loads_files_of_both_formats_and_its_own(convnext: tuple, file: str, tmp_path: Path) -> None:
    stock, ours, pixels, expected = convnext
    kernels = [layer for layer in ours.layers if isinstance(layer, keras.layers.DepthwiseConv2D)]
    assert len(kernels) == 18 and not any(getattr(layer, "groups", 1) > 1 for layer in ours.layers)
    path = tmp_path / file
    if file == "own.weights.h5":
        stock.save_weights(tmp_path / "first.weights.h5")
        load_backbone_weights(ours, "convnext_tiny", str(tmp_path / "first.weights.h5"))
        ours.save_weights(path)
    elif file == "stock.h5":
        stock.save(path)  # the old format, which the official files have
    else:
        stock.save_weights(path)
    for layer in kernels:
        layer.set_weights([np.zeros_like(w) for w in layer.get_weights()])
    load_backbone_weights(ours, "convnext_tiny", str(path))
    np.testing.assert_allclose(ours(pixels, training=False), expected, atol=1e-4 * np.abs(expected).max())


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _noise(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(5000))


def _huge(path: Path) -> None:
    with h5py.File(path, "a") as file:
        _replace(file, lambda group, name: group.create_dataset(name, (2**38,), "f4", chunks=(1024,)))


def _link(path: Path) -> None:
    other = path.with_name("other.h5")
    path.rename(other)
    with h5py.File(path, "w") as file:
        file["layers"] = h5py.ExternalLink(other.name, "/layers")


def _outside(path: Path) -> None:
    path.with_name("secret").write_bytes(bytes(4096))
    with h5py.File(path, "a") as file:
        _replace(
            file,
            lambda group, name: group.create_dataset(
                name, (4,), "f4", external=[(str(path.with_name("secret")), 0, 16)]
            ),
        )


def _replace(file: h5py.File, create: Callable[[h5py.Group, str], object]) -> None:
    group = file["layers/conv2d/vars"]
    del group["1"]
    create(group, "1")


@pytest.mark.parametrize("harm", [_cut, _noise, _huge, _link, _outside], ids=lambda harm: harm.__name__)
@pytest.mark.parametrize("archived", [False, True], ids=["h5", "keras"])
def test_harmful_files_are_refused_in_a_line(harm: Callable[[Path], None], archived: bool, tmp_path: Path) -> None:
    saved_run(tmp_path)
    path, weights = tmp_path / "model.keras", tmp_path / "model.weights.h5"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    weights.write_bytes(members["model.weights.h5"])
    harm(weights)
    if archived:
        members["model.weights.h5"] = weights.read_bytes()
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    with pytest.raises(UsageError, match="is damaged or no weights file") as error:
        build_classifier("small_cnn", 3, **{**SMALL, "weights": str(path if archived else weights)})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("damage", ["cut", "empty", "bomb", "facts", "layers"])
def test_damaged_archives_are_refused_in_a_line(damage: str, tmp_path: Path) -> None:
    saved_run(tmp_path)
    path = tmp_path / "model.keras"
    if damage == "cut":
        _cut(path)
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        members |= {
            "bomb": {"more": bytes(64 * 2**20)},
            "facts": {"tfvision.json": b"[1, 2]"},
            "layers": {"config.json": b'{"config": {"layers": 7}}'},
        }[damage]
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    with pytest.raises(TfvisionError) as error:
        build_classifier("small_cnn", 3, **{**SMALL, "weights": str(path)})
    assert "\n" not in str(error.value) and str(path) in str(error.value)


def test_a_lambda_in_an_archive_is_never_run(tmp_path: Path) -> None:
    harmed = tmp_path / "harmed"

    def harm(x: object) -> object:
        import pathlib

        pathlib.Path(str(harmed)).touch()
        return x

    model = build_classifier("small_cnn", 3, **SMALL)
    features = keras.layers.Lambda(harm, output_shape=lambda shape: shape, name="head_lambda")(model.output)
    save_model(keras.Model(model.input, features, name="small_cnn"), tmp_path / "model.keras", facts("small_cnn"))
    harmed.unlink(missing_ok=True)
    build_classifier("small_cnn", 3, **{**SMALL, "weights": str(tmp_path)})  # its head is not even looked at
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        config = json.loads(archive.read("config.json"))
        members = {name: archive.read(name) for name in archive.namelist()}
    config["config"]["layers"][-1]["name"] = "conv9"
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(UsageError, match="does not fit small_cnn"):
        build_classifier("small_cnn", 3, **{**SMALL, "weights": str(tmp_path)})
    assert not harmed.exists()


def test_files_of_every_kind_of_keras_pass_the_check(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)])
    for name in ("a.weights.h5", "a.h5", "a.keras"):
        (model.save_weights if "weights" in name else model.save)(tmp_path / name)
        check_weights_file(tmp_path / name)


def test_every_backbone_says_where_its_weights_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFVISION_WEIGHTS", str(tmp_path))
    for name, backbone in BACKBONES.items():
        for file in backbone.weights:
            (tmp_path / file).touch()
            assert find_weights(name, "imagenet") == tmp_path / file
            (tmp_path / file).unlink()

"""Backbones of KerasHub: presets saved here, of which nothing is downloaded."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import small_config, write_tree

from tfvision.cli import main
from tfvision.data.augmentation.options import Augmentation
from tfvision.data.pixels.resize import Resize
from tfvision.errors import DataError, UsageError
from tfvision.experiment.existing import _name
from tfvision.experiment.train import train_from_config
from tfvision.export.checked import export_run
from tfvision.models.backbones.graph import copied, copy_onto
from tfvision.models.backbones.hub_graph import _deepest, load_hub_weights
from tfvision.models.backbones.table import backbone_facts, default_image_size
from tfvision.models.classifier import build_classifier, build_localizer, computing_in
from tfvision.models.cut import cut_model
from tfvision.models.freezing import backbone_layers, numbered_stages, trains_batch_norm, unfreeze
from tfvision.models.model_file import ModelFacts, load_model, save_model
from tfvision.models.options import HeadOptions
from tfvision.runs.folder import Run
from tfvision.training.options import Phase

keras_hub = pytest.importorskip("keras_hub")

SIDE = 32
SLOW_VIT = pytest.param("vit", marks=pytest.mark.slow)
# No round numbers, and another for each channel: nothing else scales so.
SCALE, OFFSET = [1 / 50, 1 / 60, 1 / 70], [-0.4, -0.5, -0.6]


def resnet(block_type: str = "basic_block", **options: object) -> keras.Model:
    return keras_hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 64],
        stackwise_num_blocks=[1, 1],
        stackwise_num_strides=[1, 2],
        block_type=block_type,
        **options,
    )


def resnet_v2() -> keras.Model:
    return resnet("bottleneck_block", use_pre_activation=True)


def vit(**options: object) -> keras.Model:
    sizes = {"patch_size": 8, "num_layers": 2, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 12, "dropout_rate": 0.1}
    return keras_hub.models.ViTBackbone(image_shape=(SIDE, SIDE, 3), **{**sizes, **options})


def deit() -> keras.Model:
    """Whose layers do not say how they were made: it stays whole."""
    return keras_hub.models.DeiTBackbone(
        image_shape=(SIDE, SIDE, 3), patch_size=8, num_layers=1, num_heads=2, hidden_dim=8, intermediate_dim=12
    )


def dinov2() -> keras.Model:
    """With registers, and positions that are interpolated."""
    return keras_hub.models.DINOV2Backbone(
        image_shape=(SIDE, SIDE, 3),
        patch_size=8,
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=12,
        num_register_tokens=2,
        position_embedding_shape=(SIDE, SIDE),
    )


def hgnet_v2() -> keras.Model:
    """With an output of each stage."""
    return keras_hub.models.HGNetV2Backbone(
        depths=[1, 1],
        embedding_size=8,
        hidden_sizes=[12, 16],
        stem_channels=[3, 4, 8],
        hidden_act="relu",
        use_learnable_affine_block=False,
        stackwise_stage_filters=[(8, 4, 12, 1, 1, 3), (12, 4, 10, 1, 1, 3)],
        apply_downsample=[False, True],
        use_lightweight_conv_block=[False, False],
        image_shape=(SIDE, SIDE, 3),
    )


def efficientnet() -> keras.Model:
    """A class that takes no image size."""
    return keras_hub.models.EfficientNetBackbone(
        width_coefficient=1.0,
        depth_coefficient=1.0,
        stackwise_kernel_sizes=[3, 3],
        stackwise_num_repeats=[1, 1],
        stackwise_input_filters=[8, 8],
        stackwise_output_filters=[8, 16],
        stackwise_expansion_ratios=[1, 2],
        stackwise_strides=[1, 2],
        stackwise_squeeze_and_excite_ratios=[0.0, 0.0],
        stackwise_block_types=["v1", "v1"],
        min_depth=None,
        include_initial_padding=True,
        use_depth_divisor_as_min_depth=True,
        cap_round_filter_decrease=True,
        stem_conv_padding="valid",
        batch_norm_momentum=0.9,
        batch_norm_epsilon=1e-3,
        activation="relu6",
        projection_activation=None,
    )


KINDS = {kind.__name__: kind for kind in (resnet, resnet_v2, vit, deit, dinov2, hgnet_v2, efficientnet)}


def saved(folder: Path, backbone: keras.Model, *, converter: bool = True) -> str:
    """Save a preset with weights that no layer begins with, and return its name."""
    generator = np.random.default_rng(1)
    backbone.set_weights([w + 0.1 * generator.random(w.shape, "float32") for w in backbone.get_weights()])
    backbone.save_to_preset(str(folder))
    if converter:
        keras_hub.layers.ImageConverter(image_size=(SIDE, SIDE), scale=SCALE, offset=OFFSET).save_to_preset(str(folder))
    return f"hub/{folder}"


@pytest.fixture(scope="module")
def presets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Names of presets by kind."""
    folder = tmp_path_factory.mktemp("presets")
    return {name: saved(folder / name, kind()) for name, kind in KINDS.items()}


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3)).astype(np.uint8)


def features(model: keras.Model) -> keras.Model:
    return keras.Model(model.input, model.get_layer("head_pool").input)


def scaled(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype("float32") * np.array(SCALE, "float32") + np.array(OFFSET, "float32")


@pytest.mark.parametrize("kind", KINDS)
def test_features_are_those_of_kerashub_on_its_own_scaling(
    kind: str, presets: dict[str, str], pixels: np.ndarray, tmp_path: Path
) -> None:
    folder = presets[kind].removeprefix("hub/")
    stock = keras_hub.models.Backbone.from_preset(folder)
    converter = keras_hub.layers.ImageConverter.from_preset(folder)
    np.testing.assert_allclose(np.asarray(converter(pixels)), scaled(pixels), rtol=1e-5)
    given = scaled(pixels)
    expected = stock({"images": given} if kind == "dinov2" else given, training=False)
    expected = np.asarray(expected["stage2"] if kind == "hgnet_v2" else expected)
    model = build_classifier(presets[kind], 3, image_size=SIDE)
    found = np.asarray(features(model)(pixels, training=False))
    if expected.ndim == 3:
        # Row by row, with what stands before the patches left out.
        patches = expected[:, {"vit": 1, "deit": 2, "dinov2": 3}[kind] :]
        expected = np.stack([[[image[4 * y + x] for x in range(4)] for y in range(4)] for image in patches])
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
    # The file loads in safe mode, and of stock layers where all are taken apart.
    model.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(pixels), model(pixels), atol=1e-6)
    foreign = [each.name for each in model.operations if not type(each).__module__.startswith("keras.")]
    assert bool(foreign) == (kind in ("deit", "dinov2", "hgnet_v2"))


@pytest.mark.parametrize("kind", ["resnet", SLOW_VIT])
def test_gray_and_small_images_see_the_same_network(kind: str, presets: dict[str, str], pixels: np.ndarray) -> None:
    gray = build_classifier(presets[kind], 3, image_size=SIDE, input_size=16, channels=1)
    colour = build_classifier(presets[kind], 3, image_size=SIDE, input_size=16)
    small = pixels[:, :16, :16, :1]
    np.testing.assert_allclose(features(gray)(small), features(colour)(small.repeat(3, axis=-1)), atol=1e-5)
    with computing_in("mixed_bfloat16"):
        model = build_classifier(presets[kind], 3, image_size=SIDE)
    assert model.get_layer("preprocess").compute_dtype == "float32"
    assert model.get_layer("head_pool").compute_dtype == features(model).output.dtype == "bfloat16"


def test_sizes_suit_the_preset(presets: dict[str, str]) -> None:
    assert backbone_facts(presets["resnet"]).sizes == (SIDE,)
    assert default_image_size(presets["vit"], 500) == default_image_size(presets["vit"], 8) == SIDE
    build_classifier(presets["resnet"], 3, image_size=64)
    with pytest.raises(UsageError, match=r"trained at 32 px.* set --image-size 32"):
        build_classifier(presets["vit"], 3, image_size=64)
    assert features(build_classifier(presets["vit"], 3, image_size=64, weights="none")).output.shape[1:3] == (8, 8)
    with pytest.raises(UsageError, match="divisible by patch size 8"):
        build_classifier(presets["vit"], 3, image_size=36, weights="none")
    assert features(build_classifier(presets["dinov2"], 3, image_size=64)).output.shape[1:3] == (8, 8)


@pytest.mark.parametrize(
    ("kind", "stages", "what", "opened"),
    [
        ("resnet", ["conv1", "pool1", "stack0", "stack1"], "stack1", "stack1_"),
        ("resnet_v2", ["conv1", "pool1", "stack0", "stack1"], "stack1_block0_3", "stack1_block0_3_"),
        ("vit", ["stem", "transformer_block_1", "transformer_block_2"], "transformer_block_1", "transformer_block_1_"),
        ("vit", ["stem", "transformer_block_1", "transformer_block_2"], "5", ("transformer_block_2_mlp", "ln")),
    ],
)
def test_unfreezing_and_the_cut(
    kind: str, stages: list[str], what: str, opened: str, presets: dict[str, str], pixels: np.ndarray
) -> None:
    model = build_classifier(presets[kind], 3, image_size=SIDE, head_units=(4,))
    layers = backbone_layers(model)
    assert list(numbered_stages([layer.name for layer in layers])) == stages
    assert not any(layer.trainable for layer in layers)
    assert cut_model(model).last == "head_pool"
    unfreeze(model, what)
    names = [layer.name for layer in layers if layer.trainable]
    assert names and all(name.startswith(opened) for name in names)
    assert len(names) == int(what) if what.isdigit() else True
    assert not trains_batch_norm(model)
    cut = cut_model(model)
    assert cut is not None and cut.frozen_layers > 3
    trunk = cut.trunk(pixels, training=False)
    np.testing.assert_allclose(cut.tail(trunk, training=False), model(pixels, training=False), atol=1e-6)
    with pytest.raises(UsageError, match=f"did you mean {stages[-1]}"):
        unfreeze(model, stages[-1].replace("ck", "k"))


def test_what_stays_whole_is_one_layer(presets: dict[str, str], pixels: np.ndarray) -> None:
    model = build_classifier(presets["deit"], 3, image_size=SIDE)
    assert len(backbone_layers(model)) == 1 and cut_model(model).last == "head_pool"
    unfreeze(model, "all")
    assert cut_model(model) is None and all(weight.trainable for weight in backbone_layers(model)[0].weights)


def test_a_class_that_takes_no_image_size_is_taken_apart_all_the_same(presets: dict[str, str]) -> None:
    model = build_classifier(presets["efficientnet"], 3, image_size=SIDE)
    assert len(backbone_layers(model)) > 10 and "block1a_dwconv" in {layer.name for layer in model.layers}
    unfreeze(model, "3")
    assert not backbone_layers(model)[0].trainable and any(layer.trainable for layer in backbone_layers(model))
    assert cut_model(model) is not None


def test_of_what_stays_whole_the_deepest_output_is_taken(
    presets: dict[str, str], pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart = build_classifier(presets["hgnet_v2"], 3, image_size=SIDE)

    def refuse(*_: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr("tfvision.models.backbones.hub_graph.copy_onto", refuse)
    whole = build_classifier(presets["hgnet_v2"], 3, image_size=SIDE)
    assert (len(backbone_layers(apart)), len(backbone_layers(whole))) == (2, 1)
    np.testing.assert_allclose(features(whole)(pixels), features(apart)(pixels), rtol=1e-5, atol=1e-6)


def test_batch_normalization_in_a_layer_that_stays_whole() -> None:
    inside = keras.Input((8, 8, 3))
    x = keras.layers.BatchNormalization(name="bn")(keras.layers.Conv2D(4, 3, name="conv")(inside))
    pixels = keras.Input((8, 8, 3))
    model = keras.Model(pixels, keras.Model(inside, x, name="whole")(pixels))
    unfreeze(model, "all")
    whole = model.get_layer("whole")
    assert whole.get_layer("conv").trainable and not whole.get_layer("bn").trainable and not trains_batch_norm(model)
    unfreeze(model, "all", batch_norm=True)
    assert trains_batch_norm(model)


def several_outputs() -> keras.Model:
    """Three levels, the deepest of them neither first, last nor widest; a split whose parts are used apart."""
    pixels = keras.Input((8, 8, 4))
    left, right = keras.ops.split(pixels, 2, axis=-1)
    shallow = keras.layers.Conv2D(9, 3, padding="same", name="shallow")(left)
    deep = keras.layers.Conv2D(5, 3, strides=4, name="deep")(keras.ops.concatenate([right, shallow], axis=-1))
    middle = keras.layers.Conv2D(7, 3, strides=2, name="middle")(right)
    return keras.Model(pixels, {"P3": shallow, "P5": deep, "P4": middle})


def test_the_deepest_of_several_outputs_is_taken() -> None:
    model = several_outputs()
    assert _deepest("hub/x", model.output) is model.output["P5"]
    assert _deepest("hub/x", list(model.output.values())) is model.output["P5"]
    flat = keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(model.output["P4"]))
    assert _deepest("hub/x", [flat, model.output["P3"]]) is model.output["P3"]  # a vector is no map
    with pytest.raises(UsageError, match="no feature maps"):
        _deepest("hub/x", flat)


def test_copies_take_the_right_output_of_an_operation() -> None:
    model = several_outputs()
    pixels = keras.Input((8, 8, 4))
    twin = keras.Model(pixels, copy_onto(model, pixels, copied))
    twin.set_weights(model.get_weights())
    images = np.random.default_rng(0).random((2, 8, 8, 4)).astype("float32")
    expected, found = model(images), twin(images)
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5)
    shared = keras.layers.Dense(4)
    with pytest.raises(ValueError, match="called several times"):
        copy_onto(keras.Model(pixels, shared(shared(pixels))), pixels, copied)


@pytest.mark.parametrize(("kind", "other"), [("resnet", "vit"), pytest.param("vit", "resnet", marks=pytest.mark.slow)])
def test_weights_of_files_and_runs(
    kind: str, other: str, presets: dict[str, str], pixels: np.ndarray, tmp_path: Path
) -> None:
    name = presets[kind]
    own = build_classifier(name, 3, image_size=SIDE)
    expected = np.asarray(features(own)(pixels))
    save_model(own, tmp_path / "model.keras", ModelFacts(("a", "b", "c"), Resize(SIDE, SIDE), name))
    features(own).save_weights(tmp_path / "own.weights.h5")
    for weights in (tmp_path, tmp_path / "own.weights.h5", Path(name.removeprefix("hub/"), "model.weights.h5")):
        model = build_classifier(name, 2, image_size=SIDE, weights=str(weights), head_pooling="max")
        np.testing.assert_allclose(features(model)(pixels), expected, rtol=1e-5, atol=1e-6)
    scratch = build_classifier(name, 3, image_size=SIDE, weights="none")
    assert not np.allclose(features(scratch)(pixels), expected, atol=1e-2)
    assert all(layer.trainable for layer in backbone_layers(scratch))
    with pytest.raises(UsageError, match="does not fit"):
        build_classifier(name, 3, image_size=SIDE, weights=f"{presets[other].removeprefix('hub/')}/model.weights.h5")
    with pytest.raises(UsageError, match=f"is a hub/.*{kind}, expected a hub/.*{other}"):
        build_classifier(presets[other], 3, image_size=SIDE, weights=str(tmp_path))


def test_a_vit_without_class_token_and_biases(tmp_path: Path, pixels: np.ndarray) -> None:
    name = saved(tmp_path / "bare", vit(use_class_token=False, use_patch_bias=False, num_layers=1))
    model = build_classifier(name, 3, image_size=SIDE)
    stock = keras_hub.models.Backbone.from_preset(name[4:])
    np.testing.assert_allclose(
        features(model)(pixels), np.asarray(stock(scaled(pixels))).reshape(2, 4, 4, 8), atol=1e-5
    )
    load_hub_weights(features(model), name, backbone_facts(name))


def trained(data: Path, output: Path, backbone: str) -> Run:
    """Train a head for one epoch on stored features."""
    phases = [Phase(epochs=1, learning_rate=1e-3, unfreeze="none", views="exact")]
    options = {"backbone": backbone, "weights": "imagenet", "head": HeadOptions(), "augment": Augmentation()}
    return train_from_config(small_config(data, output, phases=phases, **options))


@pytest.mark.slow
@pytest.mark.usefixtures("without_pictures")
@pytest.mark.parametrize("kind", ["resnet", "vit"])
def test_from_images_to_a_saved_model(kind: str, presets: dict[str, str], tmp_path: Path) -> None:
    data = write_tree(tmp_path / "data", 10)
    run = trained(data, tmp_path / "run", presets[kind])
    assert run.config.backbone == run.facts.backbone == presets[kind] and run.config.image_size == SIDE
    assert train_from_config(run.config, resume=run.folder).folder == run.folder
    version, agreement = export_run(run, tmp_path / "saved")
    assert (version / "saved_model.pb").is_file() and agreement.difference < 1e-5
    assert main(["predict", str(run.folder), str(data), "--output", str(tmp_path / "answers.csv")]) == 0
    assert len((tmp_path / "answers.csv").read_text().splitlines()) == 31


@pytest.mark.slow
@pytest.mark.usefixtures("without_pictures")
def test_a_vit_trains_on_features_computed_once(presets: dict[str, str], tmp_path: Path) -> None:
    run = trained(write_tree(tmp_path / "data", 10), tmp_path / "run", presets["vit"])
    assert "features computed once" in (run.folder / "summary.txt").read_text()
    assert len(run.predictions.ids) == 6


@pytest.mark.slow
@pytest.mark.usefixtures("without_pictures")
def test_a_vit_stands_beside_a_resnet_in_the_tables_of_attacks_and_of_textures(
    presets: dict[str, str], tmp_path: Path
) -> None:
    data = write_tree(tmp_path / "data", 10)
    runs = [str(trained(data, tmp_path / kind, presets[kind]).folder) for kind in ("vit", "resnet")]
    words = ["--method", "pgd,transfer", "--epsilon", "64", "--steps", "5", "--sanity", "false", "--output"]
    assert main(["attack", *runs, *words, str(tmp_path / "attack.json")]) == 0
    attacked = json.loads((tmp_path / "attack.json").read_text())
    (pgd,) = (row for row in attacked["attacks"] if row["attack"] == "pgd")
    assert pgd["robust"] < attacked["clean"] and pgd["gradients"] > 0  # through attention as through convolutions
    assert np.shape(attacked["transfer"][0]["matrix"]) == (2, 2)
    assert main(["texture", *runs, "--output", str(tmp_path)]) == 0
    rows = json.loads((tmp_path / "texture.json").read_text())["scores"]
    unchanged = {row["run"]: row["accuracy"] for row in rows if row["change"] == "unchanged"}
    assert unchanged == {run: Run(Path(run)).metrics["test"]["accuracy"] for run in runs}


@pytest.mark.parametrize(("kind", "head"), [("resnet", "spatial"), ("vit", "grid"), ("deit", "grid")])
def test_boxes_are_found_on_maps(kind: str, head: str, presets: dict[str, str], pixels: np.ndarray) -> None:
    model = build_localizer(presets[kind], 3, image_size=SIDE, box_head=head, box_grid=2)
    answer = model(pixels)
    assert answer["box"].shape == (2, 4) and answer["probabilities"].shape == (2, 3)
    model.compile("sgd", {"box": "mse", "probabilities": "categorical_crossentropy"}, run_eagerly=True)
    loss = model.train_on_batch(pixels, {"box": np.zeros((2, 4)), "probabilities": np.eye(3)[:2]})
    assert np.isfinite(np.asarray(loss)).all()


def test_from_python_the_preset_is_remembered(presets: dict[str, str]) -> None:
    assert _name(build_classifier(presets["resnet"], 3, image_size=SIDE)) == presets["resnet"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hub/resnet_18_imagnet", "did you mean resnet_18_imagenet"),
        ("hub/bert_base_en", "is a BertBackbone; expected a backbone of images"),
        ("hub/clip_vit_base_patch32", "is a CLIPBackbone; expected a backbone of images"),
        ("hub//nowhere", "holds no config.json"),
        ("hub/./nowhere", "holds no config.json"),
    ],
)
def test_presets_that_cannot_be(name: str, message: str, capsys: pytest.CaptureFixture) -> None:
    assert main(["train", "--data", "nowhere", "--backbone", name]) == 2
    error = capsys.readouterr().err.strip()
    assert message in error and len(error.splitlines()) == 1


def test_a_network_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    import kagglehub

    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError("a\nlong story")

    monkeypatch.setattr(kagglehub, "model_download", refuse)
    for weights in ("imagenet", "none"):
        with pytest.raises(UsageError, match=r"could not be downloaded \(ConnectionError\)") as error:
            build_classifier("hub/resnet_18_imagenet", 3, image_size=SIDE, weights=weights)
        assert "\n" not in str(error.value)


def test_incomplete_presets(tmp_path: Path) -> None:
    name = saved(tmp_path / "bare", resnet(), converter=False)
    with pytest.raises(UsageError, match=r"has no image_converter\.json"):
        backbone_facts(name)
    keras_hub.layers.ImageConverter(scale=1 / 255).save_to_preset(str(tmp_path / "bare"))
    (tmp_path / "bare" / "model.weights.h5").unlink()
    with pytest.raises(UsageError, match=r"has no model\.weights\.h5.* --weights none"):
        build_classifier(name, 3, image_size=SIDE)
    assert build_classifier(name, 3, image_size=SIDE, weights="none").get_layer("preprocess").scale == 1 / 255
    (tmp_path / "bare" / "config.json").write_text("{")
    with pytest.raises(UsageError, match="cannot be built"):
        backbone_facts(name)


def test_without_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, presets: dict[str, str], tmp_path: Path
) -> None:
    model = build_classifier(presets["deit"], 3, image_size=SIDE)
    model.save(tmp_path / "model.keras")
    find = "importlib.util.find_spec"
    monkeypatch.setattr(find, lambda name, *_: None if name == "keras_hub" else pytest.fail(name))
    assert main(["train", "--data", "nowhere", "--backbone", "hub/resnet_18_imagenet"]) == 2
    error = capsys.readouterr().err.strip()
    assert "needs keras-hub" in error and "pip install 'tfvision[hub]'" in error and len(error.splitlines()) == 1
    monkeypatch.setattr(keras.saving, "load_model", _unknown)
    with pytest.raises(UsageError, match=r"has layers of KerasHub and needs keras-hub"):
        load_model(tmp_path / "model.keras")
    monkeypatch.undo()
    monkeypatch.setattr(keras.saving, "load_model", _unknown)
    with pytest.raises(DataError, match="no Keras model"):
        load_model(tmp_path / "model.keras")


def _unknown(*_: object, **__: object) -> None:
    raise TypeError("Could not locate class 'DeiTBackbone' of module keras_hub.src.models")


@pytest.mark.slow
def test_a_vit_loads_with_plain_keras(presets: dict[str, str], tmp_path: Path) -> None:
    build_classifier(presets["vit"], 3, image_size=SIDE).save(tmp_path / "model.keras")
    code = f"import sys, keras; keras.saving.load_model({str(tmp_path / 'model.keras')!r})\n"
    code += "assert not {'tfvision', 'keras_hub'} & sys.modules.keys()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("without_pictures")
def test_folds_and_searches(presets: dict[str, str], colours: Path, tmp_path: Path) -> None:
    arguments = ["--data", str(colours), "--backbone", presets["resnet"], "--epochs", "1", "--unfreeze", "none"]
    both = [*arguments[:3], f"{presets['resnet']},{presets['vit']}", *arguments[4:]]
    assert main(["crossval", "--folds", "2", *both, "--output", str(tmp_path / "folds")]) == 0
    assert len(list(tmp_path.glob("folds/*/fold_*/model.keras"))) == 4  # a folder each, for all slashes in their names
    recipe = tmp_path / "search.yaml"
    recipe.write_text("head: {dropout: {float: [0.1, 0.5]}}\nsearch: {algorithm: random, trials: 2}\n")
    output = tmp_path / "found"
    assert main(["search", "--config", str(recipe), *arguments, "--output", str(output)]) == 0
    assert (output / "best.yaml").is_file()

"""Every family of backbones: its facts, its function, its stages, from building to export."""

import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pytest
from keras.src.utils import file_utils

from tfvision.data.pixels.resize import Resize
from tfvision.errors import UsageError
from tfvision.models.backbones.build import BUILDERS
from tfvision.models.backbones.families import Backbone
from tfvision.models.backbones.stock import build_stock
from tfvision.models.backbones.table import BACKBONES
from tfvision.models.classifier import build_classifier, computing_in
from tfvision.models.freezing import backbone_layers, count_parameters, stage_layers, unfreeze
from tfvision.models.model_file import ModelFacts
from tfvision.models.weights import load_backbone_weights

# The smallest of each family, at the smallest size it accepts.
SMALLEST = {
    "small_cnn": None,
    "vgg16": keras.applications.vgg16,
    "resnet18": None,
    "resnet50": keras.applications.resnet,
    "resnet50_v2": keras.applications.resnet_v2,
    "mobilenet_025": keras.applications.mobilenet,
    "mobilenet_v2_035": keras.applications.mobilenet_v2,
    "mobilenet_v3_small": keras.applications.mobilenet_v3,
    "efficientnet_b0": keras.applications.efficientnet,
    "efficientnet_v2_b0": keras.applications.efficientnet_v2,
    "convnext_tiny": keras.applications.convnext,
    "densenet121": keras.applications.densenet,
    "inception_v3": keras.applications.inception_v3,
    "xception": keras.applications.xception,
    "nasnet_mobile": keras.applications.nasnet,
}


@dataclass(frozen=True)
class Built:
    """One model that all tests of its family share."""

    name: str
    facts: Backbone
    model: keras.Model
    pixels: np.ndarray

    @property
    def features(self) -> keras.Model:
        return keras.Model(self.model.input, self.model.get_layer("head_pool").input)


@pytest.fixture(scope="module", params=SMALLEST)
def built(request: pytest.FixtureRequest) -> Iterator[Built]:
    facts = BACKBONES[request.param]
    model = build_classifier(request.param, 3, image_size=facts.minimum, weights="none")
    shape = (2, facts.minimum, facts.minimum, 3)
    yield Built(request.param, facts, model, np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8))
    keras.utils.clear_session()


def stock_pretrained(facts: Backbone, monkeypatch: pytest.MonkeyPatch) -> keras.Model:
    """Let keras.applications build what it builds for ImageNet weights, with weights of our own in their place."""
    keras.utils.clear_session()
    asked: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(file_utils, "get_file", lambda *names, **options: asked.append(names[0]))
        patch.setattr(keras.Model, "load_weights", lambda model, path: None)
        builder = getattr(keras.applications, facts.builder)
        shape = (facts.minimum, facts.minimum, 3)
        model = builder(include_top=False, weights="imagenet", input_shape=shape, **facts.options)
    assert asked == [facts.weights[0]]
    generator = np.random.default_rng(1)
    # Weights that are no initial ones: zero biases and unit statistics would hide a wrong order.
    model.set_weights([w + 0.1 * (w.ndim == 1) * generator.random(w.shape, "float32") for w in model.get_weights()])
    return model


@pytest.mark.filterwarnings("ignore:.*input_shape:UserWarning")
def test_family_equals_the_pretrained_application_on_its_own_preprocessing(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = built.features
    assert features.count_params() == built.facts.parameters
    if SMALLEST[built.name] is None:
        return
    reference = stock_pretrained(built.facts, monkeypatch)
    assert [layer.name for layer in backbone_layers(features)] == [layer.name for layer in reference.layers[1:]]
    # No model within the model, but for the stems that ConvNeXt itself builds as Sequential.
    nested = [layer.name for layer in features.layers if isinstance(layer, keras.Model)]
    assert nested == [layer.name for layer in reference.layers if isinstance(layer, keras.Model)]
    reference.save_weights(tmp_path / "stock.weights.h5")
    reference.load_weights(tmp_path / "stock.weights.h5")  # a Normalization takes them over only when loaded
    load_backbone_weights(features, built.name, str(tmp_path / "stock.weights.h5"))
    preprocessed = SMALLEST[built.name].preprocess_input(built.pixels.astype("float32"))
    expected = np.asarray(reference(preprocessed, training=False))
    assert np.isfinite(expected).all() and np.abs(expected).max() > 0
    found = features(built.pixels, training=False)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_stages_divide_the_layers_with_weights(built: Built) -> None:
    layers = backbone_layers(built.model)
    stages = stage_layers([layer.name for layer in layers], built.facts)
    assert tuple(stages) == built.facts.stages
    divided = [name for names in stages.values() for name in names]
    assert len(set(divided)) == len(divided)
    assert {layer.name for layer in layers if layer.weights} <= set(divided)
    for stage, names in stages.items():
        assert any(built.model.get_layer(name).weights for name in names), stage
    if built.facts.family == "NASNet":  # layers of a cell carry its number at the end of their names
        cells = [(stage.split("_")[-1], name) for stage, names in stages.items() for name in names if stage != "stem"]
        assert all(name.endswith(f"_{cell}") for cell, name in cells if built.model.get_layer(name).weights)


def test_family_opens_partly_and_trains(built: Built) -> None:
    model, last = built.model, built.facts.stages[-1]
    unfreeze(model, last, batch_norm=True)
    opened = {layer.name for layer in backbone_layers(model) if layer.trainable}
    before = {layer.name: layer.get_weights() for layer in backbone_layers(model)}
    model.compile("adam", "sparse_categorical_crossentropy", run_eagerly=True)
    assert np.isfinite(model.train_on_batch(built.pixels, np.array([0, 2])))
    changed = {
        layer.name
        for layer in backbone_layers(model)
        if any((a != b).any() for a, b in zip(before[layer.name], layer.get_weights(), strict=True))
    }
    assert changed and changed <= opened


def test_family_saves_loads_and_exports(built: Built, tmp_path: Path) -> None:
    """What is exported is the model as it was loaded, so that one comparison of answers serves file and export."""
    import tensorflow as tf

    from tfvision.export.savedmodel import model_endpoints, write_saved_model

    built.model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in built.model.layers]
    assert all(map(np.array_equal, loaded.get_weights(), built.model.get_weights()))
    side = built.facts.minimum
    facts = ModelFacts(("a", "b", "c"), Resize(side, side), built.name)
    folder = write_saved_model(model_endpoints(loaded, facts), facts, tmp_path)
    answer = tf.saved_model.load(str(folder)).signatures["serving_default"](images=tf.constant(built.pixels))
    np.testing.assert_allclose(answer["probabilities"], built.model(built.pixels, training=False), atol=1e-5)


@pytest.fixture(scope="module")
def inception_resnet() -> keras.Model:
    """Slow to build, so built once."""
    return build_classifier("inception_resnet_v2", 3, image_size=75, channels=1, weights="none")


@pytest.mark.parametrize("name", ["mobilenet_v3_large", pytest.param("inception_resnet_v2", marks=pytest.mark.slow)])
def test_stages_that_differ_within_a_family(name: str, request: pytest.FixtureRequest) -> None:
    facts = BACKBONES[name]
    if name == "inception_resnet_v2":
        model = request.getfixturevalue("inception_resnet")
    else:
        model = build_classifier(name, 3, image_size=32, weights="none")
    layers = backbone_layers(model)
    stages = stage_layers([layer.name for layer in layers], facts)
    assert tuple(stages) == facts.stages
    assert {layer.name for layer in layers if layer.weights} <= {name for names in stages.values() for name in names}
    assert all(any(model.get_layer(layer).weights for layer in names) for names in stages.values())
    assert count_parameters(model).total == facts.parameters + 3 * layers[-1].output.shape[-1] + 3


@pytest.mark.parametrize("name", BACKBONES)
def test_facts_of_every_backbone(name: str) -> None:
    facts = BACKBONES[name]
    assert facts.builder in BUILDERS or hasattr(keras.applications, facts.builder), (
        "its builder needs a row in BUILDERS"
    )
    assert facts.preprocessing in ("caffe", "tf", "torch", "scale", "none")
    assert len(set(facts.stages)) == len(facts.stages) > 1
    assert set(facts.ends) <= set(facts.stages)
    assert facts.minimum <= facts.sizes[0] and list(facts.sizes) == sorted(set(facts.sizes))


def test_every_family_is_built_here() -> None:
    missing = {facts.family for facts in BACKBONES.values()} - {BACKBONES[name].family for name in SMALLEST}
    assert missing == set(), "add the smallest of each to SMALLEST"


def test_every_application_is_there() -> None:
    builders = {name for name in dir(keras.applications) if name[0].isupper()}
    assert builders == {facts.builder for facts in BACKBONES.values()} - set(BUILDERS)
    assert len({(facts.builder, *facts.options.items()) for facts in BACKBONES.values()}) == len(BACKBONES)


def test_builders_share_one_signature_and_each_row_serves_a_backbone() -> None:
    named = {name for facts in BACKBONES.values() for name in (facts.builder, facts.family)}
    assert set(BUILDERS) <= {*named, "hub"}
    signatures = {tuple(inspect.signature(build).parameters) for build in (*BUILDERS.values(), build_stock)}
    assert signatures == {("name", "pixels", "facts", "options")}


def test_a_further_family_is_an_entry_and_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(name: str, pixels: keras.KerasTensor, facts: Backbone, options: dict) -> keras.KerasTensor:
        return keras.layers.Conv2D(options["filters"], 3, name=f"{name}_only")(pixels)

    monkeypatch.setitem(BACKBONES, "mine", Backbone("Mine", "mine", "scale", 140, ("only",), "mine_", {}, (32,), 8))
    monkeypatch.setitem(BUILDERS, "Mine", build)
    model = build_classifier("mine", 3, image_size=32, weights="none", backbone_options={"filters": 5})
    assert list(stage_layers([layer.name for layer in backbone_layers(model)], BACKBONES["mine"])) == ["only"]
    assert model.get_layer("mine_only").output.shape == (None, 30, 30, 5)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("vgg19", "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"),
        ("resnet101_v2", "resnet101v2_weights_tf_dim_ordering_tf_kernels_notop.h5"),
        ("mobilenet_075", "mobilenet_7_5_224_tf_no_top.h5"),
        ("mobilenet_v2_130", "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.3_224_no_top.h5"),
        ("mobilenet_v3_large", "weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5"),
        ("efficientnet_b7", "efficientnetb7_notop.h5"),
        ("efficientnet_v2_s", "efficientnetv2-s_notop.h5"),
        ("convnext_xlarge", "convnext_xlarge_notop.h5"),
        ("densenet201", "densenet201_weights_tf_dim_ordering_tf_kernels_notop.h5"),
        ("inception_resnet_v2", "inception_resnet_v2_weights_tf_dim_ordering_tf_kernels_notop.h5"),
        ("xception", "xception_weights_tf_dim_ordering_tf_kernels_notop.h5"),
        ("nasnet_large", "nasnet_large_no_top.h5"),
    ],
)
def test_imagenet_files_are_called_as_keras_downloads_them(name: str, file: str) -> None:
    assert BACKBONES[name].weights[0] == file


def test_resnet18_pads_as_torchvision_does() -> None:
    model = build_classifier("resnet18", 3, image_size=64, weights="none")
    assert model.get_layer("conv1_conv").output.shape[1:] == (32, 32, 64)
    assert model.get_layer("pool1_pool").output.shape[1:] == (16, 16, 64)
    assert model.get_layer("conv5_block2_out").output.shape[1:] == (2, 2, 512)
    trained = count_parameters(model).trainable - (512 * 3 + 3)
    assert trained == 11_689_512 - 513_000  # torchvision's resnet18, without its 1000 classes
    with pytest.raises(UsageError, match="no ImageNet weights"):
        build_classifier("resnet18", 3, image_size=64)


@pytest.mark.parametrize("name", ["vgg16", "resnet18", "mobilenet_025"])
def test_gray_images_are_seen_three_times(name: str) -> None:
    gray = build_classifier(name, 3, image_size=32, input_size=16, channels=1, weights="none")
    colour = build_classifier(name, 3, image_size=32, input_size=16, weights="none")
    assert gray.input_shape == (None, 16, 16, 1)
    assert [layer.name for layer in backbone_layers(gray)] == [layer.name for layer in backbone_layers(colour)]
    colour.set_weights(gray.get_weights())
    pixels = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 1)).astype(np.uint8)
    np.testing.assert_allclose(gray(pixels), colour(pixels.repeat(3, axis=-1)), atol=1e-6)


def test_channels_are_one_or_three() -> None:
    with pytest.raises(UsageError, match=r"1 channel \(gray\) or 3"):
        build_classifier("small_cnn", 3, image_size=32, channels=4, weights="none")


@pytest.mark.parametrize("name", ["efficientnet_b0", "efficientnet_v2_b0", "mobilenet_v3_small", "convnext_tiny"])
def test_pixels_are_scaled_in_float32_under_a_mixed_policy(name: str) -> None:
    """bfloat16 has 8 bits: of 256 values of a pixel many would be one."""
    pixels = (np.arange(1024) % 256).astype(np.uint8).reshape(1, 32, 32, 1).repeat(3, axis=-1)
    with computing_in("mixed_bfloat16"):
        model = build_classifier(name, 3, image_size=32, weights="none")
    layers = [each for each in model.layers if isinstance(each, (keras.layers.Rescaling, keras.layers.Normalization))]
    assert {layer.compute_dtype for layer in layers} == {"float32"}
    scaled = np.asarray(keras.Model(model.input, layers[-1].output)(pixels))
    assert scaled.dtype == np.float32 and [len(np.unique(scaled[..., k])) for k in range(3)] == [256] * 3
    assert model.get_layer("head_probabilities").input.dtype == "bfloat16"


def test_names_are_those_of_a_fresh_process_however_many_were_built() -> None:
    pixels = keras.Input((8, 8, 3))
    keras.layers.Add()([pixels, keras.layers.Conv2D(3, 1)(pixels)])
    model = build_classifier("xception", 3, image_size=71, weights="none")
    for name, count in (("conv2d", 4), ("add", 12)):
        found = [operation.name for operation in model.operations if re.fullmatch(rf"{name}(_\d+)?", operation.name)]
        assert found == [name, *(f"{name}_{number}" for number in range(1, count))]


@pytest.mark.slow
def test_saved_models_load_with_plain_keras(inception_resnet: keras.Model, small_run: Path, tmp_path: Path) -> None:
    """A run's without a warning. LayerScale and CustomScaleLayer are no public layers of Keras, which finds them all the same."""
    scale = inception_resnet.get_layer("custom_scale_layer")
    inputs = [keras.Input((8, 8, 3)), keras.Input((8, 8, 3))]
    keras.Model(inputs, type(scale).from_config(scale.get_config())(inputs)).save(tmp_path / "scale.keras")
    options = {"convnext_tiny": {"channels": 1}, "vgg16": {"input_size": 16}, "efficientnet_b0": {}}
    for name, more in options.items():
        model = build_classifier(name, 3, image_size=32, weights="none", head_units=(8,), **more)
        model.save(tmp_path / f"{name}.keras")
        pixels = np.random.default_rng(0).integers(0, 256, (2, *model.input_shape[1:])).astype(np.float32)
        np.savez(tmp_path / f"{name}.npz", pixels=pixels, expected=model(pixels, training=False))
    script = (
        "import sys, warnings, keras, numpy as np\n"
        "with warnings.catch_warnings():\n"
        "    warnings.simplefilter('error')\n"
        "    assert keras.saving.load_model(sys.argv[1]).output_shape == (None, 3)\n"
        f"for name in {list(options)}:\n"
        "    data = np.load(name + '.npz')\n"
        "    found = keras.saving.load_model(name + '.keras')(data['pixels'], training=False)\n"
        "    np.testing.assert_allclose(found, data['expected'], atol=1e-5)\n"
        "keras.saving.load_model('scale.keras')\n"
        "assert 'tfvision' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script, str(small_run / "model.keras")], cwd=tmp_path, check=True)

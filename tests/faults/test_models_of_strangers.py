"""Models of strangers: what would run code, reach beyond the model or fill the memory is refused before it is loaded."""

import importlib
import inspect
import io
import json
import math
import shutil
import socket
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tfvision.cli import main
from tfvision.ensembles.members import read_member
from tfvision.errors import DataError, UsageError
from tfvision.models import weights_reading
from tfvision.models.combination import Combination
from tfvision.models.keras_names import CLASSES, FUNCTIONS
from tfvision.models.model_config import parse_config, refusing_more_weights, without_compiling
from tfvision.models.model_file import load_model, read_facts
from tfvision.models.weights_file import check_weights_file
from tfvision.prediction import saved_model_file
from tfvision.prediction.saved_model_file import refuse_programs
from tfvision.prediction.stored import load_predictor
from tfvision.runs.ensemble import EnsembleFile, StoredMember, write_ensemble
from tfvision.system import digests


@pytest.fixture(scope="module")
def exported(small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SavedModel of our own."""
    from tfvision.export.savedmodel import model_endpoints, publish, write_saved_model
    from tfvision.runs.folder import open_run

    run, folder = open_run(small_run), tmp_path_factory.mktemp("exported")
    return publish(write_saved_model(model_endpoints(run.model(), run.facts), run.facts, folder), folder)


def test_our_own_export_is_loaded(exported: Path) -> None:
    refuse_programs(exported, "ours")
    assert load_predictor(exported).facts.class_names == ("blue", "green", "red")


# -- SavedModels, changed in their protocol buffer. In turn: graph, library and objects of the one in the file.


def _node(nodes: Any, operation: str) -> Any:
    nodes.add(name="evil", op=operation)
    return nodes[-1]


def _in_saver(graph: Any) -> Any:
    return next(f for f in graph.library.function if f.signature.name.startswith("__inference__traced_save"))


def _calling_saver(graph: Any) -> None:
    caller = next(f for f in graph.library.function if f is not _in_saver(graph) and "serving" in f.signature.name)
    node = _node(caller.node_def, "StatefulPartitionedCall")
    node.attr["f"].func.name = _in_saver(graph).signature.name


def _named_like_a_saver(graph: Any) -> None:
    function = graph.library.function.add()
    function.signature.name = "__inference__traced_save_evil"
    _node(function.node_def, "SaveV2")
    caller = next(f for f in graph.library.function if "serving" in f.signature.name)
    _node(caller.node_def, "PartitionedCall").attr["f"].func.name = function.signature.name


def _uncalled(graph: Any) -> None:
    function = graph.library.function.add()
    function.signature.name = "__inference_hidden_1"
    _node(function.node_def, "EagerPyFunc")


PROGRAMS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "in the graph": (lambda meta: _node(meta.graph_def.node, "WriteFile"), "the operation WriteFile"),
    "in a function": (lambda meta: _node(meta.graph_def.library.function[0].node_def, "ReadFile"), "operation ReadFile"),
    "not called": (lambda meta: _uncalled(meta.graph_def), "the operation EagerPyFunc"),
    "saving called by others": (lambda meta: _calling_saver(meta.graph_def), "a function for saving that is called by others"),
    "named like saving": (lambda meta: _named_like_a_saver(meta.graph_def), "a function for saving that is called by others"),
    "more in saving": (lambda meta: _node(_in_saver(meta.graph_def).node_def, "WriteFile"), "the operation WriteFile"),
    "saving by an object": (
        lambda meta: meta.object_graph_def.nodes[0].children.add(
            node_id=0, local_name=_in_saver(meta.graph_def).signature.name
        ),
        "a function for saving that is called by others",
    ),
    "data from files": (lambda meta: _node(meta.graph_def.node, "TextLineDataset"), "the operation TextLineDataset"),
    "an operation of tomorrow": (lambda meta: _node(meta.graph_def.node, "Examples>Run"), "the operation Examples>Run"),
    "a network": (lambda meta: _node(meta.graph_def.node, "RpcCall"), "the operation RpcCall"),
    "assets": (lambda meta: meta.asset_file_def.add(filename="../../../etc/passwd"), "assets, files that the graph reads"),
    "a class": (
        lambda meta: setattr(meta.object_graph_def.nodes[0], "registered_name", "Evil>Class"),
        "an object Evil>Class",
    ),
    "a kind of object": (
        lambda meta: meta.object_graph_def.nodes.add().user_object.MergeFrom(
            type(meta.object_graph_def.nodes[0].user_object)(identifier="_tf_keras_layer")
        ),
        "an object _tf_keras_layer",
    ),
    "no objects": (lambda meta: meta.ClearField("object_graph_def"), "no objects, as only TensorFlow 1 wrote it"),
}  # fmt: skip


@pytest.mark.parametrize("case", PROGRAMS)
def test_a_saved_model_that_does_more_than_to_compute_is_refused(case: str, exported: Path, tmp_path: Path) -> None:
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    change, words = PROGRAMS[case]
    model = SavedModel.FromString((exported / "saved_model.pb").read_bytes())
    change(model.meta_graphs[0])
    (tmp_path / "saved_model.pb").write_bytes(model.SerializeToString())
    with pytest.raises(DataError, match=words) as error:
        refuse_programs(tmp_path, "evil")
    assert "--trust" in str(error.value) and "\n" not in str(error.value)


def test_graphs_in_several_pieces_count_together(exported: Path, tmp_path: Path) -> None:
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    more = SavedModel()
    _node(more.meta_graphs.add().graph_def.node, "WriteFile")
    # Two messages one after the other are one to a protocol buffer.
    (tmp_path / "saved_model.pb").write_bytes((exported / "saved_model.pb").read_bytes() + more.SerializeToString())
    with pytest.raises(DataError, match="WriteFile"):
        refuse_programs(tmp_path, "evil")


@pytest.mark.parametrize("other", ["saved_model.pbtxt", "saved_model.cpb"])
def test_other_files_of_a_saved_model_are_not_read(other: str, exported: Path, tmp_path: Path) -> None:
    shutil.copy(exported / "saved_model.pb", tmp_path)
    (tmp_path / other).write_bytes(b"")
    with pytest.raises(DataError, match=f"holds {other}"):
        refuse_programs(tmp_path, "evil")


@pytest.mark.parametrize("names", [("big", "big"), ("big", "./big"), ("../big",), ("/etc/passwd",)])
def test_a_list_of_digests_has_each_file_read_once(
    names: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "_digest_of", lambda path: pytest.fail(f"{path} is read"))
    (tmp_path / "big").write_bytes(b"x")
    (tmp_path / "digests.txt").write_text("".join(f"{'0' * 32} {name}\n" for name in names))
    assert "twice, or one that is elsewhere" in digests.first_changed(tmp_path, tmp_path / "digests.txt")


def test_a_saved_model_has_one_graph(exported: Path, tmp_path: Path) -> None:
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    model = SavedModel.FromString((exported / "saved_model.pb").read_bytes())
    model.meta_graphs.append(model.meta_graphs[0])
    (tmp_path / "saved_model.pb").write_bytes(model.SerializeToString())
    with pytest.raises(DataError, match="several graphs"):
        refuse_programs(tmp_path, "evil")


@pytest.mark.parametrize(
    "content", [b"", b"\x12", b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x13\x14", b"PK"]
)
def test_a_damaged_saved_model_is_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        refuse_programs(tmp_path, "damaged")


def test_a_file_of_countless_fields_is_refused_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved_model_file, "_MOST_FIELDS", 1000)
    (tmp_path / "saved_model.pb").write_bytes(b"\0" * 10_000)
    with pytest.raises(DataError, match="more than 1,000 fields"):
        refuse_programs(tmp_path, "endless")


def test_a_program_runs_only_if_it_is_trusted(
    exported: Path, colours: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    import tensorflow as tf

    mark, evil = tmp_path / "written", tmp_path / "evil"

    class Evil(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8, name="images")])
        def serve(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
            def body(step: tf.Tensor) -> tf.Tensor:
                tf.io.write_file(str(mark), "x")
                return step + 1

            tf.while_loop(lambda step: step < 1, body, [tf.constant(0)])
            return {"probabilities": tf.fill((tf.shape(images)[0], 3), 1 / 3)}

    tf.saved_model.save(Evil(), str(evil), signatures={"serving_default": Evil().serve})
    shutil.copytree(exported / "assets.extra", evil / "assets.extra", ignore=shutil.ignore_patterns("digests.txt"))
    image = str(next(colours.glob("*/*.png")))
    assert main(["predict", str(evil), image]) == 3
    assert "the operation WriteFile" in capsys.readouterr().err and not mark.exists()
    assert main(["evaluate", str(evil), "--data", str(colours)]) == 3 and not mark.exists()
    assert main(["predict", str(evil), image, "--trust"]) == 0
    assert mark.read_text() == "x"


@pytest.mark.slow
def test_exports_of_every_family_only_compute() -> None:
    """Every family of backbones, every kernel and mode of resizing, a decision, one channel and boxes."""
    import keras
    import tensorflow as tf

    from tfvision.data.pixels.resize import KERNELS, MODES, Resize
    from tfvision.export.savedmodel import model_endpoints
    from tfvision.models.backbones.table import BACKBONES
    from tfvision.models.classifier import build_classifier
    from tfvision.models.decision import Decision
    from tfvision.models.model_file import ModelFacts
    from tfvision.prediction.operations import HARMLESS

    families = {facts.family: name for name, facts in sorted(BACKBONES.items(), key=lambda item: -item[1].parameters)}
    assert len(families) > 10
    cases: list[tuple[str, dict[str, Any]]] = [
        *((name, {}) for name in families.values()),
        *(("small_cnn", {"kernel": kernel, "mode": mode}) for kernel, mode in zip(KERNELS, [*MODES] * 3, strict=False)),
        ("small_cnn", {"channels": 1}),
    ]
    for name, options in cases:
        keras.utils.clear_session()
        side = BACKBONES[name].minimum
        model = build_classifier(name, 3, image_size=side, weights="none", channels=options.get("channels", 3))
        facts = ModelFacts(
            ("a", "b", "c"), Resize(side, side, **options), name, decision=Decision(1.5, (0.1, 0.2, 0.3))
        )
        module, signatures = model_endpoints(model, facts)
        # Encoded images are prepared alike for all models, and tracing that takes seconds.
        asked = signatures.values() if options else [signatures["serving_default"]]
        graphs = [function.get_concrete_function().graph.as_graph_def() for function in asked]
        nodes = [n for g in graphs for part in (g.node, *(f.node_def for f in g.library.function)) for n in part]
        assert nodes and isinstance(module, tf.Module)
        assert {node.op for node in nodes if not node.op.startswith("__")} <= {each.decode() for each in HARMLESS}, name


# -- Model files of Keras.


def _layer(name: str, module: str = "keras.layers", registered: str | None = None, **config: Any) -> dict[str, Any]:
    return {
        "module": module,
        "class_name": name,
        "config": {"name": "evil", **config},
        "registered_name": registered,
        "name": "evil",
    }


def _function(name: str, module: str, registered: str | None = None) -> dict[str, Any]:
    return {"class_name": "function", "module": module, "config": name, "registered_name": registered or name}


def _array(dtype: str) -> dict[str, Any]:
    return {"class_name": "__numpy__", "config": {"value": [1.0], "dtype": dtype}}


_OUTPUT = {"class_name": "__keras_tensor__", "config": {"shape": [1], "dtype": "int32", "keras_history": ["a", 0, 0]}}


def _called(node: Any = None) -> dict[str, Any]:
    return {**_layer("Flatten"), "inbound_nodes": [{} if node is None else node]}


CONFIGS: dict[str, tuple[Any, str]] = {
    "lambda": (
        _layer("Lambda", function={"class_name": "__lambda__", "config": {"code": "4wE="}}),
        "has a Lambda layer",
    ),
    "lambda without module": ({"class_name": "Lambda", "config": {}}, "has a Lambda layer"),
    "in a wrapper": (_layer("TimeDistributed", layer=_layer("Lambda", function="x")), "has a Lambda layer"),
    "os.system": (_layer("system", "os", command="true"), "asks for os.system, which is no layer of Keras"),
    "a function": ({"module": "os", "class_name": "function", "config": "system"}, "asks for os.system"),
    "an activation": (_layer("Dense", activation=_layer("function", "subprocess")), "asks for subprocess"),
    "a download": (_layer("get_file", "keras.utils", origin="http://localhost/"), "asks for keras.utils.get_file"),
    "settings of Keras": (_layer("enable_unsafe_deserialization", "keras.config"), "asks for keras.config"),
    "inside Keras": (_layer("DiskIOStore", "keras.src.saving.saving_lib"), "asks for keras.src.saving"),
    "torch": (_layer("TorchModuleWrapper", module_={"x": 1}), "has a TorchModuleWrapper layer"),
    "another SavedModel": (_layer("TFSMLayer", filepath="/tmp/evil"), "has a TFSMLayer layer"),
    "a file": (_layer("StringLookup", vocabulary="/etc/passwd"), "reads a file, '/etc/passwd'"),
    "no module": (_layer("x", 7), "which is no layer of Keras"),  # type: ignore[arg-type]
    "registered": ({**_layer("Run", "evil.module"), "registered_name": "evil>Run"}, "asks for evil.module.Run"),
    "control characters": (_layer("\x1b[2J", "os"), r"asks for os.\\x1b\[2J"),
    "a name of names": (
        _layer("layers.Lambda", "keras", function=_function("ops.square", "keras")),
        "has a Lambda layer",
    ),
    "writing": (
        _layer("Activation", activation=_function("visualization.plot_image_gallery", "keras")),
        "asks for keras.visualization.plot_image_gallery",
    ),
    "unsafe": (_function("config.enable_unsafe_deserialization", "keras"), "asks for keras.config.enable"),
    "names of a backbone": (
        _layer("Activation", activation=_function("decode_predictions", "keras.applications.vgg16")),
        "asks for keras.applications.vgg16.decode_predictions",
    ),
    "a backbone": (_layer("MobileNetV2", "keras.applications"), "asks for keras.applications.MobileNetV2"),
    "a metric": (_layer("MeanIoU", "keras.metrics", num_classes=25_000), "asks for keras.metrics.MeanIoU"),
    "a function as a class": (_layer("deserialize", "keras.layers"), "asks for keras.layers.deserialize"),
    "a function by another name": (_function("relu", "keras.activations", "get"), "asks for keras.activations.relu"),
    "without module": ({"class_name": "Dense", "config": {"units": 3}}, "asks for None.Dense"),
    "names that are no text": ({"class_name": ["Dense"], "module": {}, "config": []}, "which is no layer of Keras"),
    "a function that is no text": (_function(["relu"], "keras.activations"), "which is no layer of Keras"),  # type: ignore[arg-type]
    "a type": (
        {"class_name": "__typespec__", "spec_name": "x", "module": "os", "config": []},
        "asks for os.__typespec__",
    ),
    "a text of gigabytes": (_array("U100000000"), "has an array of U100000000, expected numbers"),
    "an array in each number": (_array("(10000,10000)f4"), "has an array of"),
    "a tensor of no numbers": ({**_array(["f4"]), "class_name": "__tensor__"}, "has an array of"),  # type: ignore[arg-type]
    "state": (_layer("GRU", units=3, stateful=True), "that is stateful"),
    "a tokenizer of KerasHub": (
        _layer("BytePairTokenizer", "keras_hub.src.models.resnet", registered="keras_hub>BytePairTokenizer"),
        "asks for keras_hub.src.models.resnet.BytePairTokenizer",
    ),
    "one name for another": (
        _layer("ResNetBackbone", "keras_hub.src.models.resnet", registered="keras_hub>BytePairTokenizer"),
        "asks for keras_hub",
    ),
    "what KerasHub uploads with": (_function("keras_hub>upload_preset", "keras_hub.src.models"), "asks for keras_hub"),
    "an argument that seems to be of the training": (
        _called({"args": [_OUTPUT], "kwargs": {"compile_config": _layer("system", "os")}}),
        "asks for os.system",
    ),
    "called on nothing": (_called(), "called without an output of another"),
    "called on numbers": (_called({"args": [_array("float32")], "kwargs": {}}), "called without an output of another"),
    "called on a slice": (
        _called({"args": [{"class_name": "__slice__", "config": {"start": _OUTPUT}}, _array("float32")], "kwargs": {}}),
        "called without an output of another",
    ),
    "called at first on nothing": (_called([]), "called without an output of another"),
    "called on what is no list": ({**_called(), "inbound_nodes": 7}, "called without an output of another"),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_a_configuration_may_name_layers_of_keras_alone(case: str) -> None:
    layer, words = CONFIGS[case]
    whole = {"class_name": "Functional", "module": "keras.src.models.functional", "config": {"layers": [layer]}}
    with pytest.raises(ValueError, match=words):
        parse_config(json.dumps(whole), "config.json")


@pytest.mark.parametrize("text", ["[" * 500 + "]" * 500, "[" * 100_000, '{"a":' * 200 + "1" + "}" * 200])
def test_deep_configurations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="nests lists deeper"):
        parse_config(text, "config.json")


def test_what_the_user_registered_may_be_named() -> None:
    import keras

    @keras.saving.register_keras_serializable("strangers")
    class Own(keras.layers.Layer):
        pass

    parse_config(json.dumps(keras.saving.serialize_keras_object(Own())), "config.json")


def test_what_the_user_registered_lends_its_name_to_nothing_else() -> None:
    import keras

    @keras.saving.register_keras_serializable("strangers")
    def own(values: Any) -> Any:
        return values

    parse_config(json.dumps(keras.saving.serialize_keras_object(own)), "config.json")
    with pytest.raises(ValueError, match=r"asks for os\.system"):
        parse_config(json.dumps(_function("system", "os", "strangers>own")), "config.json")


def test_what_a_library_registered_is_not_the_users() -> None:
    """KerasHub registers all that it exports, such as what uploads a preset."""
    import keras

    def upload(uri: str) -> None:
        pass

    upload.__module__ = "keras_hub.src.utils.preset_utils"
    with keras.saving.custom_object_scope({"keras_hub>upload": upload}), pytest.raises(ValueError, match="asks for"):
        parse_config(json.dumps(_function("keras_hub>upload", "keras_hub.src.utils.preset_utils")), "config.json")


def test_the_listed_names_are_those_of_keras() -> None:
    import keras
    from keras.src.saving.keras_saveable import KerasSaveable

    kinds = (KerasSaveable, keras.Initializer, keras.regularizers.Regularizer, keras.constraints.Constraint)
    kinds += (keras.DTypePolicy, keras.dtype_policies.DTypePolicyMap, keras.quantizers.QuantizationConfig)
    kinds += (keras.Quantizer, keras.random.SeedGenerator)
    for module, names in CLASSES.items():
        for name in names:
            assert issubclass(getattr(importlib.import_module(module), name), kinds), (module, name)
    for module, names in FUNCTIONS.items():
        found = [keras.activations, keras.losses] if module == "builtins" else [importlib.import_module(module)]
        for name in names:
            assert any(inspect.isfunction(getattr(each, name, None)) for each in found), (module, name)
    # What a next Keras adds is refused until somebody has looked whether it only computes.
    assert not CLASSES["keras.layers"] & {
        *("FlaxLayer", "JaxLayer", "Lambda", "TFSMLayer", "TorchModuleWrapper"),
        *("Hashing", "HashedCrossing", "IntegerLookup", "StringLookup", "TextVectorization"),
    }


def test_models_of_all_kinds_of_parts_are_loaded(small_run: Path, tmp_path: Path) -> None:
    import keras

    from tfvision.models.model_file import save_model

    layers, ops = keras.layers, keras.ops
    inner = keras.Sequential([layers.Input((4, 4, 8)), layers.Conv2D(4, 1, activation="gelu"), layers.Flatten()])
    # How it was trained is not loaded, and may be anything.
    inner.compile("adam", keras.losses.Huber(), metrics=[keras.metrics.MeanSquaredError(), "mae"])
    image = layers.Input((16, 16, 3))
    x = layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 2.0, 3.0])(layers.Rescaling(1 / 255)(image))
    x = layers.RandomFlip("horizontal", seed=3)(x)
    x = layers.Conv2D(
        8,
        3,
        strides=2,
        padding="same",
        activation=layers.LeakyReLU(0.1),
        kernel_initializer=keras.initializers.HeNormal(seed=keras.random.SeedGenerator(1)),
        kernel_regularizer=keras.regularizers.L1L2(1e-4, 1e-4),
        kernel_constraint=keras.constraints.MaxNorm(2.0),
        bias_regularizer="l2",
    )(x)
    x = layers.Activation(keras.activations.silu)(ops.square(x) + ops.relu(x[:, ::-1, ..., :]) * np.float32(0.5))
    x = layers.Activation(keras.ops.tanh)(layers.BatchNormalization()(layers.AveragePooling2D(2)(x)))
    rows = layers.TimeDistributed(layers.Bidirectional(layers.GRU(2, return_sequences=True, activation="tanh")))(x)
    rows = layers.MultiHeadAttention(2, 3)(*[ops.reshape(rows, (-1, 16, 4))] * 2)
    x = layers.Concatenate()([inner(x), layers.Flatten()(rows), ops.mean(x, axis=(1, 2))])
    probabilities = layers.Dense(3, "softmax", dtype=keras.DTypePolicy("mixed_float16"))(x)
    model = keras.Model(image, layers.Activation("linear", dtype="float32")(probabilities))
    save_model(model, tmp_path / "kinds.keras", read_facts(small_run / "model.keras"))
    loaded, images = load_model(tmp_path / "kinds.keras"), np.random.default_rng(0).random((2, 16, 16, 3)) * 255
    np.testing.assert_array_equal(loaded(images), model(images))
    save_model(loaded, tmp_path / "again.keras", read_facts(small_run / "model.keras"))
    np.testing.assert_array_equal(load_model(tmp_path / "again.keras")(images), model(images))


@pytest.mark.slow
def test_stock_backbones_of_every_family_are_loaded() -> None:
    import keras

    for name in (
        *("ConvNeXtTiny", "DenseNet121", "EfficientNetB0", "EfficientNetV2B0", "InceptionResNetV2", "InceptionV3"),
        *(
            "MobileNet",
            "MobileNetV2",
            "MobileNetV3Small",
            "NASNetMobile",
            "ResNet50",
            "ResNet50V2",
            "VGG16",
            "Xception",
        ),
    ):
        keras.utils.clear_session()
        model = getattr(keras.applications, name)(weights=None)
        values = parse_config(json.dumps(keras.saving.serialize_keras_object(model)), name)
        with refusing_more_weights(sum(math.prod(weight.shape) for weight in model.weights)), without_compiling():
            assert len(keras.saving.deserialize_keras_object(values).layers) == len(model.layers)


def changed(model: Path, path: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """Write a model file whose configuration is changed."""
    with zipfile.ZipFile(model) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                config = json.loads(content)
                change(config["config"]["layers"])
                content = json.dumps(config).encode()
            new.writestr(name, content)
    return path


def _set(kind: str, **settings: Any) -> Callable[[Any], None]:
    def change(layers: Any) -> None:
        next(layer for layer in layers if layer["class_name"] == kind)["config"].update(settings)

    return change


def _inner_metric(layers: Any) -> None:
    metric = _layer("MeanIoU", "keras.metrics", num_classes=25_000)
    inner = _layer("Sequential", "keras", layers=[_layer("InputLayer", batch_shape=[None, 4])])
    layers.append({**inner, "inbound_nodes": [], "compile_config": {"optimizer": "sgd", "metrics": [metric]}})


def test_how_an_inner_model_was_trained_is_not_made(
    small_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    monkeypatch.setattr(keras.metrics.MeanIoU, "__init__", lambda *_, **__: pytest.fail("made"))
    load_model(changed(small_run / "model.keras", tmp_path / "model.keras", _inner_metric))


GIGANTIC = {
    "units": (_set("Dense", units=10**9), "its layers ask for"),
    "many units": (_set("Dense", units=60_000), "its layers ask for"),
    "filters": (_set("Conv2D", filters=10**9), "its layers ask for"),
    "a kernel": (_set("Conv2D", kernel_size=[10**5, 10**5], padding="same"), "its layers ask for"),
}


@pytest.mark.parametrize("case", GIGANTIC)
def test_a_gigantic_layer_is_refused_before_it_is_made(case: str, small_run: Path, tmp_path: Path) -> None:
    change, words = GIGANTIC[case]
    path = changed(small_run / "model.keras", tmp_path / "model.keras", change)
    with pytest.raises(DataError, match=words) as error:
        load_model(path)
    assert "\n" not in str(error.value)


def test_a_layer_that_enlarges_an_image_without_end_is_refused(small_run: Path, tmp_path: Path) -> None:
    import keras

    from tfvision.models.model_file import save_model

    image = keras.Input((16, 16, 3))
    wide = keras.layers.GlobalAveragePooling2D()(keras.layers.UpSampling2D(10_000)(image))
    save_model(keras.Model(image, wide), tmp_path / "wide.keras", read_facts(small_run / "model.keras"))
    with pytest.raises(DataError, match="makes 76,800,000,000 numbers of each image"):
        load_model(tmp_path / "wide.keras")


def test_weights_are_counted_and_then_left_alone() -> None:
    import keras

    with pytest.raises(ValueError, match="ask for"), refusing_more_weights(10):
        keras.layers.Dense(1000).build((None, 1000))
    keras.layers.Dense(200).build((None, 200))


def test_metrics_and_repeated_numbers_count_as_weights() -> None:
    import keras

    with pytest.raises(ValueError, match="ask for"), refusing_more_weights(10):
        keras.metrics.MeanIoU(200)
    with pytest.raises(ValueError, match="ask for"), refusing_more_weights(10):
        keras.layers.Normalization((1, 2), mean=0.0, variance=1.0).build((None, 200, 200))
    with refusing_more_weights(10):
        keras.layers.Normalization(mean=[0.0] * 20_000, variance=[1.0] * 20_000).build((None, 20_000))


def test_outputs_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    from tfvision.models import model_config

    monkeypatch.setattr(model_config, "_MOST_TENSORS", 100)
    image = keras.Input((1000,))
    with pytest.raises(ValueError, match="more than 100 outputs"), refusing_more_weights(10):
        keras.ops.split(image, 1000, axis=1)


def _member(name: str) -> Callable[[zipfile.ZipFile], None]:
    return lambda archive: archive.writestr(name, b"x")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../outside", "leads out of the archive"),
        ("/outside", "leads out of the archive"),
        ("assets/../../outside", "leads out of the archive"),
        ("..\\outside", "leads out of the archive"),
        ("config.json", "twice"),
        ("model.weights.h5", "twice"),
    ],
)
def test_names_that_lead_out_of_an_archive_are_refused(name: str, words: str, small_run: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(small_run / "model.keras", tmp_path / "model.keras"))
    with zipfile.ZipFile(path, "a") as archive:
        _member(name)(archive)
    with pytest.raises(DataError, match=words):
        load_model(path)
    assert not (tmp_path.parent / "outside").exists()


def test_weights_elsewhere_are_refused(small_run: Path, tmp_path: Path) -> None:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file["layers/dense/vars/0"] = h5py.ExternalLink("/etc/hostname", "/")
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(small_run / "model.keras") as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, stream.getvalue() if name == "model.weights.h5" else old.read(name))
    with pytest.raises(DataError, match="is a link to another place"):
        load_model(path)


def test_an_array_with_many_names_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name takes some bytes of the file, and the array with its attributes may take a second."""
    looked: list[object] = []
    monkeypatch.setattr(weights_reading, "_read_attributes", looked.append)
    path = tmp_path / "names.weights.h5"
    with h5py.File(path, "w") as file:
        file["a"] = np.zeros(4, np.float32)
        for number in range(50):
            file[f"group/{number}"] = file["a"]
    assert list(weights_reading.check_hdf5(str(path), None)) == [({"values": 4}, b"")]
    assert len(looked) == 3  # the array, the group, the file itself
    monkeypatch.setattr(weights_reading, "_MOST_LINKS", 50)
    with pytest.raises(ValueError, match="more than 50 arrays and groups"):
        list(weights_reading.check_hdf5(str(path), None))


def test_weights_as_numpy_arrays_are_refused(small_run: Path, tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.savez(stream, evil=np.array([object()], dtype=object))
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(small_run / "model.keras") as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            is_weights = name == "model.weights.h5"
            new.writestr(
                "model.weights.npz" if is_weights else name, stream.getvalue() if is_weights else old.read(name)
            )
    with pytest.raises(DataError, match="damaged"):
        load_model(path)


def test_a_refused_file_is_one_line_of_ours(
    small_run: Path, colours: Path, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    path = changed(
        small_run / "model.keras", tmp_path / "model.keras", lambda layers: layers.append(CONFIGS["lambda"][0])
    )
    assert main(["predict", str(path), str(next(colours.glob("*/*.png")))]) == 3
    said = capfd.readouterr()
    assert said.err.count("\n") == 1 and "has a Lambda layer, which runs code that is no part of Keras" in said.err


def test_names_that_are_no_text_are_refused(small_run: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(small_run / "model.keras") as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, content.replace(b'"blue"', b'"\\ud800"') if name == "tfvision.json" else content)
    with pytest.raises(DataError, match="a name is not UTF-8 text"):
        load_predictor(path)


@pytest.mark.parametrize("sides", [(10**6, 10**6), (10**9, 1)])
def test_a_gigantic_size_of_images_is_refused(sides: tuple[int, int], small_run: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(small_run / "model.keras") as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "tfvision.json":
                facts = json.loads(content)
                facts["resize"] |= dict(zip(("height", "width"), sides, strict=True))
                content = json.dumps(facts).encode()
            new.writestr(name, content)
    with pytest.raises(DataError, match=r"resize to .* px, more than 100,000,000 in all"):
        load_predictor(path)


# -- Ensembles, each a file of names.


def _ensemble(folder: Path, model: Path, *members: str) -> Path:
    folder.mkdir()
    stored = tuple(StoredMember(each) for each in members)
    write_ensemble(folder, EnsembleFile(read_facts(model), stored, Combination.equal("mean", len(stored))))
    return folder


def test_an_ensemble_of_ensembles_is_refused(small_run: Path, tmp_path: Path) -> None:
    """Twenty of them, each naming the next twice, would ask for a million models; and one may name itself."""
    model = Path(shutil.copy(small_run / "model.keras", tmp_path))
    inner = _ensemble(tmp_path / "inner", model, "../model.keras", str(small_run))
    load_predictor(inner)
    for name, member in (("outer", "../inner"), ("itself", ".")):
        with pytest.raises(DataError, match="is an ensemble; expected different models") as error:
            load_predictor(_ensemble(tmp_path / name, model, str(small_run), member))
        assert "\n" not in str(error.value)
    with pytest.raises(DataError, match=r"model\.keras is named twice"):
        load_predictor(_ensemble(tmp_path / "twice", model, "../model.keras", "../inner/../model.keras"))
    with pytest.raises(UsageError, match="is an ensemble; name its members instead"):
        read_member(inner)


# -- Weights kept on this machine.


def test_damaged_weights_that_were_kept_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tfvision.models.classifier import build_classifier

    monkeypatch.setenv("TFVISION_WEIGHTS", str(tmp_path))
    path = tmp_path / "mobilenet_2_5_128_tf_no_top.h5"
    from tfvision.models.backbones.table import BACKBONES

    path = tmp_path / BACKBONES["mobilenet_025"].weights[0]
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros(100_000, np.float32)
    whole = path.read_bytes()
    for content in (whole[:1000], whole):  # cut short, and of something else
        path.write_bytes(content)
        with pytest.raises(UsageError, match=path.name) as error:
            build_classifier("mobilenet_025", 3, image_size=32)
        assert "\n" not in str(error.value) and "remove it, and it is downloaded again" in str(error.value)


def test_without_a_network_the_folder_for_the_weights_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    from tfvision.models.classifier import build_classifier

    def no_network(*_: object, **__: object) -> None:
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(
        UsageError, match=r"are not on this machine and could not be downloaded; put .*\.h5 into"
    ) as error:
        build_classifier("mobilenet_025", 3, image_size=32)
    assert "\n" not in str(error.value) and not list(tmp_path.rglob("*.h5"))


@pytest.mark.slow
def test_presets_of_strangers(tmp_path: Path) -> None:
    """KerasHub's presets: a configuration that names what is no layer, asks for terabytes, or leads elsewhere."""
    keras_hub = pytest.importorskip("keras_hub")
    from tfvision.models.backbones import hub_presets
    from tfvision.models.backbones.hub_presets import hub_facts
    from tfvision.models.classifier import build_classifier

    good = tmp_path / "good"
    backbone = keras_hub.models.ResNetBackbone(
        [64], [1], [64], [1], [1], block_type="basic_block", image_shape=(32, 32, 3)
    )
    backbone.save_to_preset(str(good))
    keras_hub.layers.ResNetImageConverter(image_size=(32, 32), scale=1 / 255).save_to_preset(str(good))
    assert hub_facts(f"hub/{good}").builder == "hub"
    build_classifier(f"hub/{good}", 3, image_size=32)
    config = json.loads((good / "config.json").read_text())
    for name, change, words in (
        ("code", {"module": "os", "class_name": "system", "registered_name": None}, "asks for os.system"),
        ("deep", {"config": json.loads("[" * 150 + "]" * 150)}, "nests lists deeper"),
        ("large", {"config": {**config["config"], "input_conv_filters": [10**6]}}, "ask for"),
        ("trained", {"compile_config": {"optimizer": "sgd"}}, "says how a model is trained"),
        ("upload", {"config": {**config["config"], "x": _function("keras_hub>upload_preset", "os")}}, "asks for os"),
        ("tokens", {"class_name": "BytePairTokenizer", "registered_name": None}, "asks for keras_hub"),
        ("renamed", {"registered_name": "keras_hub>BytePairTokenizer"}, "asks for keras_hub"),
    ):
        folder = Path(shutil.copytree(good, tmp_path / name))
        (folder / "config.json").write_text(json.dumps({**config, **change}))
        with pytest.raises(UsageError, match=words) as error:
            build_classifier(f"hub/{folder}", 3, image_size=32)
        assert "\n" not in str(error.value)
    converter = Path(shutil.copytree(good, tmp_path / "converter"))
    (converter / "image_converter.json").write_text(json.dumps({"module": "os", "class_name": "system", "config": {}}))
    with pytest.raises(UsageError, match=r"image_converter\.json asks for os\.system"):
        hub_facts(f"hub/{converter}")
    # As for an address, of which nothing lies in a folder before.
    with pytest.raises(UsageError, match=r"image_converter\.json asks for os\.system"):
        hub_presets._facts(f"hub/{converter}", 0)
    other = Path(shutil.copytree(good, tmp_path / "other"))
    (other / "config.json").write_text(json.dumps({"model_type": "resnet", "architecture": "resnet18"}))
    with pytest.raises(UsageError, match=r"config\.json names no class of KerasHub"):
        hub_facts(f"hub/{other}")
    shards = Path(shutil.copytree(good, tmp_path / "shards"))
    (shards / "model.weights.h5").rename(tmp_path / "elsewhere.h5")
    (shards / "model.weights.json").write_text(json.dumps({"weight_map": {"/x": "../elsewhere.h5"}}))
    with pytest.raises(UsageError, match="leads out of the folder"):
        build_classifier(f"hub/{shards}", 3, image_size=32)


@pytest.mark.slow
def test_gigantic_models_take_neither_memory_nor_time(small_run: Path, tmp_path: Path) -> None:
    paths = [
        changed(small_run / "model.keras", tmp_path / f"{number}.keras", change)
        for number, (change, _) in enumerate(GIGANTIC.values())
    ]
    script = textwrap.dedent("""
        import resource, sys, time
        from pathlib import Path
        from tfvision.errors import DataError
        from tfvision.models.model_file import load_model
        import keras
        before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
        for path in sys.argv[1:]:
            try:
                load_model(Path(path))
            except DataError:
                continue
            raise SystemExit("loaded")
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, time.monotonic() - start)
    """)
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, paths)], capture_output=True, text=True, timeout=300, check=True
    )
    kilobytes, seconds = map(float, done.stdout.split()[-2:])
    assert kilobytes < 2**20 and seconds < 10 * len(paths)


def test_a_weights_file_says_how_much_it_holds(small_run: Path) -> None:
    assert check_weights_file(small_run / "model.keras") > 1000

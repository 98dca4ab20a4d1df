"""What comes with models: configurations, model files, presets, SavedModels and checkpoints."""

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from functools import cache, partial
from pathlib import Path

import h5py
import numpy as np

from targets.containers import with_checksums
from targets.target import Target
from tfvision.config.options import from_dict
from tfvision.config.yaml import load_yaml, to_yaml
from tfvision.data.pixels.resize import Resize
from tfvision.errors import UsageError
from tfvision.models.backbones.hub_presets import _refuse_code, _shards
from tfvision.models.decision import Decision
from tfvision.models.model_file import ModelFacts, check_model_file, read_facts
from tfvision.models.weights_file import check_weights_file, input_channels, operation_names
from tfvision.prediction.saved_model_file import refuse_programs
from tfvision.training.checkpoints import Checkpoint, Checkpoints, PhaseState
from tfvision.training.config import TrainConfig
from tfvision.training.phases import resolve_phases

FACTS = ModelFacts(("cat", "dog"), Resize(8, 8), "small_cnn", decision=Decision(1.5, (0.1, -0.1)))
_LAYERS = [
    {"class_name": "InputLayer", "module": "keras.layers", "name": "a", "config": {"batch_shape": [None, 8, 8, 3]}},
    {"class_name": "Dense", "module": "keras.layers", "name": "b", "config": {"units": 2, "activation": "relu"}},
]
_MODEL = "keras.src.models.functional"
_CONFIG = {"class_name": "Functional", "module": _MODEL, "config": {"layers": _LAYERS}, "registered_name": None}


def _read_options(data: bytes, folder: Path) -> None:
    path = folder / "config.yaml"
    path.write_bytes(data)
    config = from_dict(TrainConfig, load_yaml(path))
    resolve_phases(config, pretrained=True, linear_head=True)
    to_yaml(config)


def _options() -> Iterator[bytes]:
    yield to_yaml(TrainConfig()).encode()
    yield b"data: a\nphases:\n  - {epochs: 3, learning_rate: 1e-3, unfreeze: all}\naugment: {rotation: 10}\n"
    yield b"a: &a [1, 2]\nb: *a\nc: !!python/object:os.system {}\n"
    yield b"seed: 2001-99-01\n? [1]\n: {<<: *a}\nname: |\n  text\n \t'\"\\ud800"


def _read_model(data: bytes, folder: Path) -> None:
    path = folder / "model.keras"
    path.write_bytes(data)
    check_model_file(path)
    read_facts(path)
    check_weights_file(path)
    operation_names(path)
    input_channels(path)


def _read_config(data: bytes, folder: Path) -> None:
    path = folder / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", data)
    check_model_file(path)
    operation_names(path)
    input_channels(path)


@cache
def _weights() -> bytes:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file.create_dataset("layers/b/vars/0", data=np.ones((3, 2), np.float32))
    return stream.getvalue()


def _models() -> Iterator[bytes]:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", method) as archive:
            archive.writestr("config.json", json.dumps(_CONFIG))
            archive.writestr("model.weights.h5", _weights())
            archive.writestr("tfvision.json", FACTS.to_json())
        yield stream.getvalue()


def _configs() -> Iterator[bytes]:
    yield json.dumps(_CONFIG).encode()
    yield json.dumps({**_CONFIG, "module": "os", "class_name": "system"}).encode()
    yield json.dumps({"config": {"layers": [{"class_name": "Lambda", "config": {"function": ["abc"]}}]}}).encode()
    yield b"[" * 300


def _read_preset(data: bytes, folder: Path) -> None:
    for name, read in (
        ("image_converter.json", partial(_refuse_code, "hub/./preset", folder)),
        ("model.weights.json", partial(_shards, folder / "model.weights.json")),
    ):
        (folder / name).write_bytes(data)
        with suppress(UsageError):
            read()
    (folder / "config.json").write_bytes(data)
    _refuse_code("hub/./preset", folder)


def _presets() -> Iterator[bytes]:
    yield from _configs()
    yield json.dumps({"weight_map": {"a": "model_0.weights.h5", "b": ["model_1.weights.h5", "../c"]}}).encode()
    resnet = {"module": "keras_hub.src.models.resnet", "class_name": "ResNetBackbone", "config": {}}
    yield json.dumps({**resnet, "registered_name": "keras_hub>ResNetBackbone"}).encode()


def _read_weights(data: bytes, folder: Path) -> None:
    path = folder / "model.weights.h5"
    path.write_bytes(data)
    assert check_weights_file(path) >= 0


def _read_saved_model(data: bytes, folder: Path) -> None:
    (folder / "saved_model.pb").write_bytes(data)
    refuse_programs(folder, "model")


def _field(number: int, content: bytes) -> bytes:
    """A field of a protocol buffer that has a length, below 128 bytes."""
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content


def _saved_models() -> Iterator[bytes]:
    for operation, kind in ((b"MatMul", b"_generic_user_object"), (b"WriteFile", b"evil")):
        node = _field(1, b"a") + _field(2, operation)
        function = _field(1, _field(1, b"__inference__traced_save_1")) + _field(3, node)
        graph = _field(1, node) + _field(2, _field(1, function))
        objects = _field(1, _field(4, _field(1, kind)) + bytes([8, 1, 0x15, 1, 2, 3, 4]))
        yield b"\x08\x01" + _field(2, _field(2, graph) + _field(7, objects))


def _read_checkpoint(data: bytes, folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    path = folder / "00001.npz"
    path.write_bytes(data)
    found = Checkpoints(folder).newest()
    assert (found is None) == path.with_suffix(".damaged").exists() != path.exists()
    if found:
        assert all(isinstance(value, np.ndarray) for value in (*found.variables, *found.optimizer, *found.best))


def _checkpoints() -> Iterator[bytes]:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        rows = [{"epoch": 1, "phase": "only", "val_loss": 0.5}]
        values = [np.arange(6, dtype=np.float32).reshape(2, 3), np.array(3, np.int64)]
        Checkpoints(Path(folder))._write(Checkpoint(PhaseState(0, 1), rows, "digest", values, values[1:], []))
        yield Path(folder, "00001.npz").read_bytes()


TARGETS = {
    "yaml": Target(_read_options, _options),
    "keras_config": Target(_read_config, _configs),
    "keras": Target(_read_model, _models, mend=with_checksums),
    "preset": Target(_read_preset, _presets),
    "weights": Target(_read_weights, lambda: iter([_weights(), _weights()[:900]])),
    "saved_model": Target(_read_saved_model, _saved_models),
    "checkpoint": Target(_read_checkpoint, _checkpoints, mend=with_checksums),
}

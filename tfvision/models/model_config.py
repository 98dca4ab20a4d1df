"""What the configuration of a model file would make, looked at before Keras makes it.

A `.keras` file and a KerasHub preset name the classes and functions that loading calls. Only layers of Keras and what
they are made of are allowed, besides what the user has registered with Keras: no other module, no Python code, no layer
that wraps another library, and no file that a layer would read.
"""

import json
import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tfvision.errors import printable

LARGEST_CONFIG = 16 * 2**20  # bytes; that of the largest backbone has 2 MiB

_DEEPEST = 100  # levels of lists and mappings; those of our own models reach 20
_MOST = 100_000  # classes and functions; the largest backbone has some 6,000

_UNSAVED = 10_000  # numbers that a model may have besides its weights

_PACKAGES = ("keras", "keras_hub", "keras_cv")
# Below `keras`; its others, such as `keras.utils` and `keras.saving`, download, unpack and read files.
_PARTS = frozenset({
    *("layers", "models", "ops", "activations", "initializers", "regularizers", "constraints", "losses", "metrics"),
    *("optimizers", "dtype_policies", "random", "quantizers", "backend", "applications"),
})  # fmt: skip
# Layers that run what is no layer of Keras: Python code, other libraries, another SavedModel.
_FOREIGN = frozenset({"Lambda", "__lambda__", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer"})
_FILES = ("vocabulary", "vocab", "filepath", "file_path", "merges", "proto")  # settings by which layers read files


def parse_config(text: bytes | str, what: str) -> Any:
    """Parse a configuration, and refuse what it may not make.

    Args:
        text: The JSON.
        what: How to call it in an error.

    Returns:
        The values.

    Raises:
        ValueError: It is no JSON, too large or too deep, or names what is no layer; the message says what.
    """
    if len(text) > LARGEST_CONFIG:
        raise ValueError(f"{what} has {len(text):,} bytes, more than {LARGEST_CONFIG:,}")
    try:
        values = json.loads(text)
    except RecursionError:
        raise ValueError(f"{what} nests lists deeper than {_DEEPEST} levels") from None
    count = 0
    for each in _mappings(values, what):
        count += "class_name" in each or "module" in each
        if count > _MOST:
            raise ValueError(f"{what} names more than {_MOST:,} classes")
        if problem := _problem(each):
            raise ValueError(f"{what} {problem}")
    return values


@contextmanager
def refusing_more_weights(values: int) -> Iterator[None]:
    """Refuse to make more weights than a file holds: a line of its configuration may ask for terabytes.

    Keras makes all weights before it reads the first, so they are counted where layers ask for them.

    Args:
        values: The numbers in the file.

    Yields:
        Nothing; inside the `with` block layers that ask for more raise a `ValueError`.
    """
    import keras

    add_weight, asked = keras.layers.Layer.add_weight, 0

    def counting(layer: Any, shape: Any = None, *args: Any, **options: Any) -> Any:
        nonlocal asked
        asked += math.prod(side or 1 for side in shape) if isinstance(shape, (tuple, list)) else shape or 1
        if asked > values + _UNSAVED:
            raise ValueError(f"its layers ask for {asked:,} weights up to {layer.name!r}, and it holds {values:,}")
        return add_weight(layer, shape, *args, **options)

    keras.layers.Layer.add_weight = counting
    try:
        yield
    finally:
        keras.layers.Layer.add_weight = add_weight


def _mappings(values: Any, what: str) -> Iterator[Mapping[str, Any]]:
    """Yield every mapping in some values, without those of the training, which is not loaded."""
    pending = [(values, 0)]
    while pending:
        value, depth = pending.pop()
        if depth > _DEEPEST:
            raise ValueError(f"{what} nests lists deeper than {_DEEPEST} levels")
        if isinstance(value, dict):
            yield value
            pending += [(each, depth + 1) for key, each in value.items() if key != "compile_config"]
        elif isinstance(value, list):
            pending += [(each, depth + 1) for each in value if isinstance(each, (dict, list))]


def _problem(entry: Mapping[str, Any]) -> str:
    """Say why an entry may not be made; "" if it may."""
    name, module, registered = (entry.get(key) for key in ("class_name", "module", "registered_name"))
    if name in _FOREIGN:
        return f"has a {name} layer, which runs code that is no part of Keras; expected layers of Keras alone"
    settings = entry.get("config")
    if "class_name" in entry and isinstance(settings, dict):
        for setting in _FILES:
            if isinstance(settings.get(setting), str) and settings[setting]:
                return f"has a {printable(str(name))} layer that reads a file, {printable(settings[setting])!r}"
    if module is None or _is_registered(registered) or (name == "function" and _is_registered(settings)):
        return ""
    if not isinstance(module, str) or not _is_of_keras(module):
        shown = f"{module}.{settings if name == 'function' else name}"
        return f"asks for {printable(shown)[:100]}, which is no layer of Keras and would run code; expected layers of Keras"
    return ""


def _is_of_keras(module: str) -> bool:
    """Tell whether a module holds what models are made of; functions of Keras have `builtins` for one."""
    package, *rest = module.split(".")
    if module == "builtins" or package in _PACKAGES[1:]:
        return True
    if package != _PACKAGES[0]:
        return False
    rest = rest[1:] if rest[:1] == ["src"] else rest
    return not rest or rest[0] in _PARTS


def _is_registered(name: object) -> bool:
    """Tell whether the user has registered a class or function with Keras, which then is imported."""
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(name, str) and keras.saving.get_registered_object(name) is not None

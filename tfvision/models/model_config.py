"""What the configuration of a model file would make, looked at before Keras makes it.

A `.keras` file and a KerasHub preset name the classes and functions that loading calls. Only those listed in
`keras_names`, classes of KerasHub, and what the user has registered with Keras are allowed: no other module, no Python
code, no layer that wraps another library, and no file that a layer would read.
"""

import json
import math
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tfvision.errors import printable
from tfvision.models.keras_names import CLASSES, FUNCTIONS, GRAPH_MODULES, NUMBERS

LARGEST_CONFIG = 16 * 2**20  # bytes; that of the largest backbone has 2 MiB

_DEEPEST = 100  # levels of lists and mappings; those of our own models reach 20
_MOST = 100_000  # classes and functions; the largest backbone has some 6,000

_UNSAVED = 10_000  # numbers that a model may have besides its weights
_MOST_TENSORS = 100_000  # outputs of layers while a model is made, of 1 KB each; NASNetLarge has 2,300

# Layers that run what is no layer of Keras: Python code, other libraries, another SavedModel.
_FOREIGN = frozenset({"Lambda", "__lambda__", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer"})
_FILES = ("vocabulary", "vocab", "filepath", "file_path", "merges", "proto")  # settings by which layers read files

_VALUES = ("__bytes__", "__ellipsis__", "__keras_tensor__", "__slice__")  # that Keras writes like classes

# KerasHub registers its functions too, such as `keras_hub>upload_preset`: only classes that make models, and this one.
_HUB = re.compile(r"keras_(hub|nlp)\.src\.(layers|models)(\.\w+)*")
_HUB_CLASS = re.compile(r"(?!\w*(Tokenizer|Sampler))[A-Z]\w*")  # tokenizers read files
_HUB_FUNCTIONS = frozenset({"keras_hub>gelu_approximate", "keras_nlp>gelu_approximate"})
_LIBRARIES = frozenset({"keras", "keras_cv", "keras_hub", "keras_nlp", "tensorflow", "tensorflow_text"})


def parse_config(text: bytes | str, what: str, *, compiled: bool = True) -> Any:
    """Parse a configuration, and refuse what it may not make.

    Args:
        text: The JSON.
        what: How to call it in an error.
        compiled: How models in it were trained may stand there, and is not looked at: load it `without_compiling`.

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
    for each in _mappings(values, what, compiled):
        count += "class_name" in each
        if not compiled and each.get("compile_config"):
            raise ValueError(f"{what} says how a model is trained, which would be made as well; expected layers alone")
        if count > _MOST:
            raise ValueError(f"{what} names more than {_MOST:,} classes")
        if problem := _problem(each):
            raise ValueError(f"{what} {problem}")
    return values


@contextmanager
def refusing_more_weights(values: int) -> Iterator[None]:
    """Refuse to make more weights than a file holds: a line of its configuration may ask for terabytes.

    Keras makes all weights before it reads the first, so they are counted where they are made, those of metrics too. So
    are the outputs of layers, which hold no numbers yet: one line may ask for a billion.

    Args:
        values: The numbers in the file.

    Yields:
        Nothing; inside the `with` block layers that ask for more raise a `ValueError`.
    """
    import keras

    make, build, asked = keras.Variable.__init__, keras.layers.Normalization.build, 0
    make_tensor, tensors = keras.KerasTensor.__init__, 0

    def count(shape: Any) -> None:
        nonlocal asked
        asked += math.prod(side or 1 for side in shape) if isinstance(shape, (tuple, list)) else shape or 1
        if asked > values + _UNSAVED:
            raise ValueError(f"its layers ask for {asked:,} weights, and it holds {values:,}")

    def making(variable: Any, initializer: Any, shape: Any = None, *args: Any, **options: Any) -> None:
        count(shape)
        make(variable, initializer, shape, *args, **options)

    def building(layer: Any, input_shape: Any) -> None:
        """Numbers in the configuration are no weights, but are repeated up to the size of the input."""
        if layer.input_mean is not None and input_shape:
            size = math.prod(input_shape[axis] or 1 for axis in layer.axis)
            count(max(0, 2 * size - keras.ops.size(layer.input_mean) - keras.ops.size(layer.input_variance)))
        build(layer, input_shape)

    def making_tensor(tensor: Any, *args: Any, **options: Any) -> None:
        nonlocal tensors
        tensors += 1
        if tensors > _MOST_TENSORS:
            raise ValueError(f"its layers have more than {_MOST_TENSORS:,} outputs")
        make_tensor(tensor, *args, **options)

    keras.Variable.__init__, keras.layers.Normalization.build = making, building
    keras.KerasTensor.__init__ = making_tensor
    try:
        yield
    finally:
        keras.Variable.__init__, keras.layers.Normalization.build = make, build
        keras.KerasTensor.__init__ = make_tensor


@contextmanager
def without_compiling() -> Iterator[None]:
    """Leave alone how models were trained: `compile=False` does so for the outermost, and not for those within it.

    Yields:
        Nothing; inside the `with` block no model is compiled as its configuration says.
    """
    import keras

    compile_from_config = keras.Model.compile_from_config
    keras.Model.compile_from_config = lambda *_: None
    try:
        yield
    finally:
        keras.Model.compile_from_config = compile_from_config


def _mappings(values: Any, what: str, compiled: bool) -> Iterator[Mapping[str, Any]]:
    """Yield every mapping in some values; without those of the training, if these are not made."""
    pending = [(values, 0)]
    while pending:
        value, depth = pending.pop()
        if depth > _DEEPEST:
            raise ValueError(f"{what} nests lists deeper than {_DEEPEST} levels")
        if isinstance(value, dict):
            yield value
            # Elsewhere, as among the arguments of a call, Keras makes of the key what it makes of any other.
            skipped = "compile_config" if compiled and "class_name" in value and "config" in value else None
            pending += [(each, depth + 1) for key, each in value.items() if key != skipped]
        elif isinstance(value, list):
            pending += [(each, depth + 1) for each in value if isinstance(each, (dict, list))]


def _problem(entry: Mapping[str, Any]) -> str:
    """Say why an entry may not be made; "" if it may."""
    nodes = entry.get("inbound_nodes") or []
    if not all(map(_is_of_outputs, nodes if isinstance(nodes, list) else [nodes])):
        return "has a layer that is called without an output of another, and would compute while it is loaded"
    if "class_name" not in entry:
        return ""
    name, module, settings = (entry.get(key) for key in ("class_name", "module", "config"))
    # Keras takes a name with dots, such as `layers.Lambda` of `keras`, as well.
    if (last := str(name).rpartition(".")[2]) in _FOREIGN:
        return f"has a {last} layer, which runs code that is no part of Keras; expected layers of Keras alone"
    if isinstance(settings, dict):
        for setting in _FILES:
            if isinstance(settings.get(setting), str) and settings[setting]:
                return f"has a {printable(str(name))} layer that reads a file, {printable(settings[setting])!r}"
        if settings.get("stateful"):
            return f"has a {printable(str(name))} layer that is stateful: it would answer by the images before"
    if name in ("__numpy__", "__tensor__"):
        dtype = settings.get("dtype") if isinstance(settings, dict) else None
        return "" if str(dtype) in NUMBERS else f"has an array of {printable(str(dtype))[:100]}, expected numbers"
    if not (_is_function(entry) if name == "function" else _is_class(entry)):
        shown = f"{module}.{settings if name == 'function' else name}"
        return f"asks for {printable(shown)[:100]}, which is no layer of Keras and would run code; expected layers of Keras"
    return ""


def _is_of_outputs(node: Any) -> bool:
    """Tell whether a layer is called on outputs of other layers: else Keras computes at once, and of any size."""
    if isinstance(node, list):  # as Keras 2 wrote it: a list of layers
        return bool(node)
    pending = [node.get(key) for key in ("args", "kwargs")] if isinstance(node, dict) else []
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            pending += value
        elif isinstance(value, dict):
            if value.get("class_name") == "__keras_tensor__":
                return True
            # Within a slice or an object, Keras would not find it.
            pending += () if "class_name" in value else value.values()
    return False


def _is_class(entry: Mapping[str, Any]) -> bool:
    """Tell whether an entry names a class that only computes, or one that the user has registered."""
    name, module = entry.get("class_name"), entry.get("module")
    registered = entry.get("registered_name", name)  # which Keras looks for first
    if _is_registered(registered):
        return True
    if not isinstance(name, str) or not isinstance(module, str):
        return name in _VALUES
    if _HUB.fullmatch(module):
        return bool(_HUB_CLASS.fullmatch(name)) and registered in (None, name, f"keras_hub>{name}", f"keras_nlp>{name}")
    if registered not in (None, name):
        return False
    return name in CLASSES.get(module, ()) or bool(GRAPH_MODULES.fullmatch(module) and re.fullmatch(r"[A-Z]\w*", name))


def _is_function(entry: Mapping[str, Any]) -> bool:
    """Tell whether an entry names a function that only computes, or one that the user has registered."""
    name, module = entry.get("config"), entry.get("module")
    if _is_registered(name):
        return True
    if not isinstance(name, str) or not isinstance(module, str):
        return False
    if name in _HUB_FUNCTIONS:
        return True
    return name in FUNCTIONS.get(module, ()) and entry.get("registered_name") in (None, name, "function")


def _is_registered(name: object) -> bool:
    """Tell whether the user has registered a class or function with Keras; libraries do so too, with what does more."""
    keras = sys.modules.get("keras")
    found = keras.saving.get_registered_object(name) if keras is not None and isinstance(name, str) else None
    return found is not None and found.__module__.partition(".")[0] not in _LIBRARIES

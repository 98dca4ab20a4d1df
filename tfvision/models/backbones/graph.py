"""Copies of functional graphs, for architectures in which some layers are replaced."""

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


def copy_onto(
    model: "keras.Model", pixels: "keras.KerasTensor", copy: Callable[["keras.Operation"], Callable[..., Any]]
) -> Any:
    """Rebuild a functional model's operations, one by one, on top of another tensor.

    `keras.models.clone_model` returns a model with an input of its own, which could only be nested; this keeps one flat
    graph. Calls are read from the graph itself, since not every layer can be serialized.

    Args:
        model: A functional model of one input.
        pixels: The tensor that replaces the model's input.
        copy: Returns what is called in place of an operation, such as `copied`; called once for each call of it.

    Returns:
        The new output, in the structure of the model's own: a tensor, or several.

    Raises:
        ValueError: An operation with weights is called several times; its copies would not share them.
    """
    import keras

    made = {id(tensor): pixels for tensor in model.inputs}
    calls = [node for depth in sorted(model._nodes_by_depth, reverse=True) for node in model._nodes_by_depth[depth]]
    called: set[str] = set()
    for node in calls:
        if node.is_input:
            continue
        operation = node.operation
        if operation.name in called and getattr(operation, "weights", None):
            raise ValueError(f"{operation.name} is called several times")
        called.add(operation.name)
        arguments, keywords = keras.tree.map_structure(
            lambda value: made.get(id(value), value), (list(node.arguments.args), dict(node.arguments.kwargs))
        )
        outputs = keras.tree.flatten(copy(operation)(*arguments, **keywords))
        made.update({id(tensor): output for tensor, output in zip(node.output_tensors, outputs, strict=True)})
    return keras.tree.map_structure(lambda tensor: made[id(tensor)], model.output)


def copied(operation: "keras.Operation", name: str | None = None) -> "keras.Operation":
    """Return an operation of the same class and configuration, with weights of its own.

    Layers that scale pixels compute in float32 even under a mixed policy: bfloat16 would round the pixels.

    Args:
        operation: The operation to copy.
        name: Name of the copy; default that of the operation.

    Returns:
        The copy.
    """
    import keras

    config = operation.get_config()
    if isinstance(operation, (keras.layers.Rescaling, keras.layers.Normalization)):
        config["dtype"] = "float32"
    copy = type(operation).from_config(config)
    if name:
        copy.name = name
    return copy


def number_from_zero(model: "keras.Model") -> None:
    """Give unnamed operations the names of a fresh process: `conv2d`, `conv2d_1`, in the order they were made.

    Keras keeps counting through a process, which would leave stages, freezing and weights by name to chance.
    """
    for name, unnamed in find_unnamed(model.operations).items():
        for place, (_, operation) in enumerate(sorted(unnamed, key=lambda each: each[0])):
            operation.name = f"{name}_{place}" if place else name


def find_unnamed(operations: "Iterable[keras.Operation]") -> "dict[str, list[tuple[int, keras.Operation]]]":
    """Return the operations that Keras named after their class, each with its number, by name without the number."""
    unnamed: dict[str, list[tuple[int, keras.Operation]]] = {}
    for operation in operations:
        match = re.fullmatch(r"(.*?)(?:_(\d+))?", operation.name)
        assert match, "every part of the pattern is optional"
        name, number = match.groups()
        if name.replace("_", "") == type(operation).__name__.lower():
            unnamed.setdefault(name, []).append((int(number or 0), operation))
    return unnamed

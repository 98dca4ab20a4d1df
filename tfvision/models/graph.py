"""Copies of functional graphs, for architectures that need another layer here and there."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


def copy_onto(
    model: "keras.Model", pixels: "keras.KerasTensor", copy: Callable[["keras.Operation"], Callable[..., Any]]
) -> "keras.KerasTensor":
    """Build a functional model's operations anew, one by one, behind another tensor.

    `keras.models.clone_model` gives a model with an input of its own, which could only be nested; this keeps one flat
    graph. The order and the arguments of calls are read from the model's configuration, as loading reads them.

    Args:
        model: A functional model of one input, whose operations are each called once.
        pixels: The tensor to take the place of the model's input.
        copy: Gives what is called in place of an operation, such as `copied`.

    Returns:
        The tensor in place of the model's output.
    """
    operations = {operation.name: operation for operation in model.operations}
    made: dict[str, keras.KerasTensor] = {}
    for entry in model.get_config()["layers"]:
        if not entry["inbound_nodes"]:
            made[entry["name"]] = pixels
            continue
        (call,) = entry["inbound_nodes"]
        arguments, keywords = _with_tensors([call["args"], call["kwargs"]], made)
        made[entry["name"]] = copy(operations[entry["name"]])(*arguments, **keywords)
    return made[entry["name"]]


def copied(operation: "keras.Operation") -> "keras.Operation":
    """Return an operation of the same class, name and configuration, with weights of its own.

    What scales pixels computes in float32 also where a mixed policy computes in 16 bits: bfloat16 would round them.
    """
    import keras

    config = operation.get_config()
    if isinstance(operation, (keras.layers.Rescaling, keras.layers.Normalization)):
        config["dtype"] = "float32"
    return type(operation).from_config(config)


def _with_tensors(value: Any, made: dict[str, Any]) -> Any:
    """Replace the tensors that a configuration names by those made of the same operation."""
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        return made[value["config"]["keras_history"][0]]
    if isinstance(value, dict):
        return {key: _with_tensors(each, made) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_tensors(each, made) for each in value]
    return value

"""YAML: plain values are read, anything else is refused by name, and options are written with their help lines."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard, get_args, get_origin, get_type_hints

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tfvision.config.options import help_line
from tfvision.errors import UsageError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def load_yaml(path: Path | str) -> dict[str, Any]:
    """Read a YAML file into a dictionary; YAML 1.2, plain values only.

    Args:
        path: The file, in UTF-8.

    Returns:
        The keys and values; empty for an empty file.

    Raises:
        UsageError: The file is missing, is not YAML, or has a tag such as `!!python/object`.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"cannot read the configuration {path}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}"
        ) from None
    return parse_yaml(text, str(path))


def parse_yaml(text: str, name: str) -> dict[str, Any]:
    """Parse YAML 1.2 of plain values into a dictionary.

    Args:
        text: The YAML.
        name: What to call it in an error.

    Returns:
        The keys and values; empty for an empty text.

    Raises:
        UsageError: It is not YAML, or has a tag such as `!!python/object`.
    """
    try:
        values = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        line = getattr(error, "problem_mark", None)
        place = f" in line {line.line + 1}" if line else ""
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        raise UsageError(f"{name} is not plain YAML{place}: {problem}") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{name} is not plain YAML: {error}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UsageError(f"{name}: expected `key: value` lines, got {type(values).__name__}")
    return values


def to_yaml(config: DataclassInstance, *, comments: bool = False) -> str:
    """Write a dataclass as YAML, in the order of its fields.

    Args:
        config: An instance of a dataclass of options.
        comments: Whether to write the help line of each option above it, as a comment.

    Returns:
        The text of the file.
    """
    return "".join(_yaml_lines(config, 0, comments))


def dump_yaml(values: dict[str, Any]) -> str:
    """Write nested plain values as YAML."""
    stream = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style, yaml.width = False, 10_000
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # ruamel.yaml declares it as None
    yaml.dump(values, stream)
    return stream.getvalue()


def _dump(value: object) -> str:
    if value is None or isinstance(value, int):
        return json.dumps(value)  # the same text; ruamel.yaml takes a millisecond for each, and most options are these
    if _is_instance(value):
        value = dataclasses.asdict(value)
    elif isinstance(value, list):
        value = [dataclasses.asdict(item) if _is_instance(item) else item for item in value]
    stream = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style, yaml.width = True, 10_000
    yaml.dump({"value": value}, stream)
    return stream.getvalue().strip()[len("{value: ") : -1]


def _is_instance(value: object) -> TypeGuard[DataclassInstance]:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _yaml_lines(config: DataclassInstance, depth: int, comments: bool) -> Iterator[str]:
    indent = "  " * depth
    hints = get_type_hints(type(config))
    for item in dataclasses.fields(config):
        value = getattr(config, item.name)
        if comments:
            yield f"{indent}# {help_line(item)}\n"
            yield from _template(hints[item.name], indent)
        if _is_instance(value):
            yield f"{indent}{item.name}:\n"
            yield from _yaml_lines(value, depth + 1, comments)
        elif isinstance(value, list) and value and dataclasses.is_dataclass(value[0]):
            yield f"{indent}{item.name}:\n"
            for entry in value:
                lines = list(_yaml_lines(entry, depth + 2, False))
                yield f"{indent}  - " + lines[0].lstrip()
                yield from lines[1:]
        else:
            yield f"{indent}{item.name}: {_dump(value)}\n"


def _template(hint: Any, indent: str) -> Iterator[str]:
    """Yield a comment for each key of an entry if the option is a list of dataclasses."""
    for kind in get_args(hint):
        for entry in get_args(kind) if get_origin(kind) is list else ():
            if dataclasses.is_dataclass(entry):
                for item in dataclasses.fields(entry):
                    yield f"{indent}#   {item.name}: {_dump(item.default)}  ({help_line(item)})\n"

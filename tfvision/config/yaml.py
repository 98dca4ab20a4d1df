"""YAML: plain values are read, anything else is refused by name, and options are written with their help lines."""

from __future__ import annotations

import dataclasses
import io
import json
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard, get_args, get_origin, get_type_hints

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from tfvision.config.options import help_line
from tfvision.errors import DamagedError, UsageError, worded
from tfvision.system.files import read_written

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

MOST_BYTES = 1 << 17  # of a file of options; the parser takes some seconds for as many
_MOST_DEEP = 30
_MOST_NODES = 100_000
_MOST_NUMBER = 1 << 64
_NO_TEXT = frozenset(["\0", *map(chr, range(0xD800, 0xE000))])  # escapes such as "\ud800" make them
_TOO_DEEP = f"it is nested more than {_MOST_DEEP} deep"


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
        with open(path, "rb") as file:
            text = file.read(MOST_BYTES + 1).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"cannot read the configuration {path}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}"
        ) from None
    return parse_yaml(text, str(path))


def load_written_yaml(path: Path | str) -> dict[str, Any]:
    """Read a YAML file that tfvision wrote.

    Args:
        path: The file.

    Returns:
        The keys and values.

    Raises:
        DataError: It is missing or damaged.
    """
    try:
        return parse_yaml(read_written(path), str(path))
    except UsageError as error:
        raise DamagedError(path, str(error).removeprefix(f"{path} ")) from None


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
        values = plain_values(text)
    except YAMLError as error:
        line = getattr(error, "problem_mark", None)
        place = f" in line {line.line + 1}" if line else ""
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        raise UsageError(f"{name} is not plain YAML{place}: {problem}") from None
    except ValueError as error:
        raise UsageError(f"{name} is not plain YAML: {error}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UsageError(f"{name}: expected `key: value` lines, got {type(values).__name__}")
    return values


def plain_values(text: str) -> Any:
    """Read a YAML text, of which an alias may repeat a part, but not without end.

    Args:
        text: YAML 1.2.

    Returns:
        Plain values.

    Raises:
        YAMLError: It is not YAML, or has a tag.
        ValueError: It is longer, deeper, wider or has larger numbers than any options.
    """
    if len(text) > MOST_BYTES:
        raise ValueError(f"it is longer than {MOST_BYTES:,} bytes, too long for options")
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _BoundedConstructor
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that an anchor is named anew, which YAML allows
            values = yaml.load(text)
        _refuse_huge(values, set())
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except (ArithmeticError, AttributeError, IndexError, KeyError, TypeError) as error:  # a date of no calendar, a key
        raise ValueError(f"a value of it cannot be read ({type(error).__name__})") from None
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


class _BoundedConstructor(SafeConstructor):
    """Makes values of nodes, once it is known that they are not endless."""

    def construct_document(self, node: Node) -> Any:
        _refuse_endless(node)
        return super().construct_document(node)


def _refuse_endless(root: Node) -> None:
    """Refuse what unfolds into more values than any options have, before it is unfolded.

    A node that aliases name is counted wherever it is named: nine lines of nine aliases each are 400 million values.
    """
    sizes: dict[int, int] = {}
    above: set[int] = set()

    def size(node: Node) -> int:
        if id(node) in sizes:
            return sizes[id(node)]
        if id(node) in above:
            raise ValueError("an alias of it names what it is a part of")
        if len(above) >= _MOST_DEEP:
            raise ValueError(_TOO_DEEP)
        above.add(id(node))
        inner: Iterable[Node] = node.value if isinstance(node, SequenceNode) else ()
        if isinstance(node, MappingNode):
            inner = (one for pair in node.value for one in pair)
        total = 1
        for one in inner:
            total += size(one)
            if total > _MOST_NODES:
                raise ValueError(f"it unfolds into more than {_MOST_NODES:,} values, too many for options")
        above.remove(id(node))
        sizes[id(node)] = total
        return total

    size(root)


def _refuse_huge(value: Any, seen: set[int]) -> None:
    """Refuse whole numbers that no option has and Python takes minutes to write out, and text that no file can hold."""
    if isinstance(value, int) and abs(value) >= _MOST_NUMBER:
        raise ValueError("it has a whole number of more than 64 bits")
    if isinstance(value, str) and any(mark in _NO_TEXT for mark in value):
        raise ValueError(f"{worded(value)} has a character that no text file has")
    if isinstance(value, (dict, list)) and id(value) not in seen:
        seen.add(id(value))
        for one in [*value, *value.values()] if isinstance(value, dict) else value:
            _refuse_huge(one, seen)

"""Dataclasses to and from YAML, and to flags, with errors that name the key and its nearest neighbour.

argparse and ruamel.yaml do the parsing. What stands here is the check of a value against a field's type,
in words a user understands: "phases[0].epochs: expected an integer, got 'ten'".
"""

import argparse
import dataclasses
import io
import shlex
import types
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tfvision.errors import UsageError, nearest

Config = TypeVar("Config")

# Options that are asked for by their plain name too: `--label-column`, `--on-bad`, `--group-duplicates`, `--mixup`.
_PLAIN = ("source.", "split.group_duplicates", "augment.augmix", "augment.mixup", "augment.cutmix")
_WORDS = {
    int: "an integer",
    float: "a number",
    bool: "true or false",
    str: "a word",
    dict: "keys and values",
    type(None): "null",
}


def from_dict(kind: type[Config], values: dict[str, Any], where: str = "") -> Config:
    """Build the dataclass `kind` from nested dictionaries.

    Args:
        kind: A dataclass of options.
        values: Keys as in YAML (underscores); keys left out keep their default.
        where: Path of `values` in the file, for messages.

    Raises:
        UsageError: An unknown key (the nearest known one is named) or a value of another type.
    """
    if not isinstance(values, dict):
        raise UsageError(f"{where or 'the configuration'}: expected keys and values, got {values!r}")
    hints = get_type_hints(kind)
    for key in values:
        if key not in hints:
            raise UsageError(
                f"unknown key {_join(where, str(key))!r}{nearest(key, hints)}; `--print_config` lists all keys"
            )
    return kind(**{key: check(hints[key], value, _join(where, key)) for key, value in values.items()})


def check(kind: Any, value: Any, where: str) -> Any:
    """Return `value` as the type `kind`, or raise a UsageError that names `where` it stands."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _check_union(get_args(kind), value, where)
    if origin is Literal:
        if value in get_args(kind):
            return value
        raise UsageError(
            f"{where}: expected one of {', '.join(get_args(kind))}, got {value!r}{nearest(value, get_args(kind))}"
        )
    if origin is list:
        if not isinstance(value, (list, tuple)):
            raise UsageError(f"{where}: expected a list, got {value!r}")
        return [check(get_args(kind)[0], item, f"{where}[{i}]") for i, item in enumerate(value)]
    if dataclasses.is_dataclass(kind):
        return value if isinstance(value, kind) else from_dict(kind, value, where)
    return _check_scalar(kind, value, where)


def load_yaml(path: Path | str) -> dict[str, Any]:
    """Read a YAML file into a dictionary; YAML 1.2, plain values only.

    Raises:
        UsageError: The file is missing, is no YAML, or carries a tag such as `!!python/object`.
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

    Raises:
        UsageError: It is no YAML, or carries a tag such as `!!python/object`.
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


def to_yaml(config: Any, *, comments: bool = False) -> str:
    """Write a dataclass as YAML in the order of its fields, with the help lines as comments if asked."""
    return "".join(_yaml_lines(config, 0, comments))


def dump_yaml(values: dict[str, Any]) -> str:
    """Write nested plain values as YAML."""
    stream = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style, yaml.width, yaml.sort_base_mapping_type_on_output = False, 10_000, False
    yaml.dump(values, stream)
    return stream.getvalue()


def add_flags(
    parser: argparse.ArgumentParser,
    kind: type,
    common: Sequence[str],
    *,
    only: Collection[str] | None = None,
    title: str = "most used",
) -> None:
    """Add one flag for every option of `kind` to `parser`.

    Args:
        parser: Where the flags go; values arrive under the dotted key, only if given.
        kind: A dataclass of options.
        common: The keys listed first in `--help`.
        only: The keys that get a flag; default all.
        title: Above the keys listed first.
    """
    first = parser.add_argument_group(title)
    rest = parser.add_argument_group("all other options (the keys of the YAML file)")
    for key, hint, item in sorted(leaves(kind), key=lambda leaf: leaf[0] not in common):
        if only is not None and key not in only:
            continue
        group = first if key in common else rest
        default = item.default if item.default is not dataclasses.MISSING else item.default_factory()
        text = f"{item.metadata['help']} (default {_dump(default)})".replace("%", "%%")
        group.add_argument(*_flag_names(key), dest=key, default=argparse.SUPPRESS, metavar=_metavar(hint), help=text)


def flags_to_dict(kind: type, given: dict[str, str]) -> dict[str, Any]:
    """Turn the texts of flags (`{"head.units": "[256]"}`) into nested dictionaries of typed values."""
    nested: dict[str, Any] = {}
    for key, hint, _ in leaves(kind):
        if key in given:
            flag = f"--{key.replace('_', '-')}"
            *sections, name = key.split(".")
            target = nested
            for section in sections:
                target = target.setdefault(section, {})
            target[name] = check(hint, _parse_flag(given[key], hint), flag)
    return nested


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Return `base` with the values of `over` laid over it, section by section."""
    merged = dict(base)
    for key, value in over.items():
        merged[key] = (
            merge(merged[key], value) if isinstance(value, dict) and isinstance(merged.get(key), dict) else value
        )
    return merged


def flatten(config: Any) -> dict[str, Any]:
    """Return the options of a dataclass by dotted key, items of lists of dataclasses as `phases[0].epochs`."""
    flat: dict[str, Any] = {}
    for item in dataclasses.fields(config):
        value = getattr(config, item.name)
        sections = {item.name: value} if dataclasses.is_dataclass(value) else {}
        if isinstance(value, list) and value and dataclasses.is_dataclass(value[0]):
            sections = {f"{item.name}[{number}]": entry for number, entry in enumerate(value)}
        for name, section in sections.items():
            flat |= {f"{name}.{key}": leaf for key, leaf in flatten(section).items()}
        if not sections:
            flat[item.name] = value
    return flat


def leaves(kind: type, prefix: str = "") -> Iterator[tuple[str, Any, dataclasses.Field]]:
    """Yield (dotted key, type, field) of every option of `kind` that is no section."""
    hints = get_type_hints(kind)
    for item in dataclasses.fields(kind):
        if dataclasses.is_dataclass(hints[item.name]):
            yield from leaves(hints[item.name], f"{prefix}{item.name}.")
        else:
            yield f"{prefix}{item.name}", hints[item.name], item


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line, with the nearest flag or verb, raised as UsageError."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, allow_abbrev=False, **kwargs)

    def error(self, message: str) -> NoReturn:
        known = list(self._option_string_actions)
        if message.startswith("unrecognized arguments:"):
            word = message.split(": ", 1)[1].split(" ")[0].split("=")[0]
            raise UsageError(f"unknown argument {word}{nearest(word, known)}; see `{self.prog} --help`")
        if "invalid choice" in message:
            word, choices = message.split("invalid choice: ")[1].split("(choose from", 1)
            names = [name.strip(" '\")") for name in choices.split(",")]
            raise UsageError(
                f"unknown {word.strip()}{nearest(word.strip(chr(39) + ' '), names)}; known are {', '.join(names)}"
            )
        raise UsageError(f"{message}; see `{self.prog} --help`")

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        # Subparsers hand unknown words up to the root, whose flags are others: ask the verb's parser instead.
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            getattr(parsed, "parser", self).error(f"unrecognized arguments: {shlex.join(unknown)}")
        return parsed


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _check_union(kinds: Sequence[Any], value: Any, where: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    kinds = [kind for kind in kinds if kind is not type(None)]
    for kind in kinds:
        try:
            return check(kind, value, where)
        except UsageError as error:
            if len(kinds) == 1:
                raise
            last = error
    if isinstance(value, (list, dict)):
        raise last
    raise UsageError(f"{where}: expected {' or '.join(_WORDS.get(kind, 'a list') for kind in kinds)}, got {value!r}")


def _check_scalar(kind: type, value: Any, where: str) -> Any:
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if kind is str and isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    if kind is str and isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ",".join(value)
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise UsageError(f"{where}: expected {_WORDS[kind]}, got {value!r}")


def _parse_flag(text: str, hint: Any) -> Any:
    kinds = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    if text == "null" and type(None) in kinds:
        return None
    if str in kinds or get_origin(hint) is Literal:
        return text
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError:
        return text


def _flag_names(key: str) -> list[str]:
    name = key.replace("_", "-")
    return [f"--{name}", f"--{name.split('.')[1]}"] if key.startswith(_PLAIN) else [f"--{name}"]


def _metavar(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return "{" + ",".join(get_args(hint)) + "}"
    kinds = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    if any(get_origin(kind) is list for kind in kinds):
        return "[...]"
    return {int: "N", float: "X", bool: "{true,false}"}.get(kinds[0], "TEXT")


def _dump(value: Any) -> str:
    if dataclasses.is_dataclass(value):
        value = dataclasses.asdict(value)
    elif isinstance(value, list):
        value = [dataclasses.asdict(item) if dataclasses.is_dataclass(item) else item for item in value]
    stream = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style, yaml.width = True, 10_000
    yaml.dump({"value": value}, stream)
    return stream.getvalue().strip()[len("{value: ") : -1]


def _yaml_lines(config: Any, depth: int, comments: bool) -> Iterator[str]:
    indent = "  " * depth
    hints = get_type_hints(type(config))
    for item in dataclasses.fields(config):
        value = getattr(config, item.name)
        if comments:
            yield f"{indent}# {item.metadata['help']}\n"
            yield from _template(hints[item.name], indent)
        if dataclasses.is_dataclass(value):
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
    """Yield a comment for each key of the entries, where an option is a list of dataclasses."""
    for kind in get_args(hint):
        for entry in get_args(kind) if get_origin(kind) is list else ():
            if dataclasses.is_dataclass(entry):
                for item in dataclasses.fields(entry):
                    yield f"{indent}#   {item.name}: {_dump(item.default)}  ({item.metadata['help']})\n"

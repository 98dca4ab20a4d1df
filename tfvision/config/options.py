"""Options: a dataclass field each, checked against its type and its bounds in words a user understands."""

import dataclasses
import math
import os
import types
from collections.abc import Iterator, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from tfvision.config.bounds import Bounds
from tfvision.errors import UsageError, nearest, worded

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


Config = TypeVar("Config", bound="DataclassInstance")

_WORDS = {
    int: "an integer",
    float: "a number",
    bool: "true or false",
    str: "a word",
    dict: "keys and values",
    type(None): "null",
}


def option(
    default: Any,
    help: str,
    *,
    between: tuple[float, float] | None = None,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
    nonempty: bool = False,
    word: str | None = None,
) -> Any:
    """Declare a dataclass field with its default, its one line of help and the numbers it takes.

    Bounds hold for a number and for each number of a list; None is always taken. The dataclass calls `check_bounds`.

    Args:
        default: The value, or what makes it.
        help: Without the bounds, which `help_line` adds.
        between: The lowest and the highest number.
        at_least: The lowest number, where there is no highest or it is excluded.
        above: The end that every number lies above.
        at_most: The highest number, beside `above`.
        below: The end that every number lies below, beside `at_least` or `above`.
        nonempty: Whether an empty list is refused.
        word: A word that is taken in place of a number.

    Returns:
        A dataclass field.
    """
    if between is None and at_least is None and above is None and (at_most is not None or below is not None):
        raise ValueError("an upper bound needs a lower one beside it")
    low, high = between or (at_least if above is None else above, at_most if below is None else below)
    bounds = None
    if low is not None:
        bounds = Bounds(low, math.inf if high is None else high, above is not None, below is not None)
    metadata = {"help": help, "bounds": bounds, "nonempty": nonempty, "word": word}
    if isinstance(default, (list, dict)) or callable(default):
        factory = default if callable(default) else lambda: type(default)(default)
        return field(default_factory=factory, metadata=metadata)
    return field(default=default, metadata=metadata)


def help_line(item: dataclasses.Field[Any]) -> str:
    """Return the help of an option with its bounds."""
    bounds = item.metadata["bounds"]
    return item.metadata["help"] if bounds is None else f"{item.metadata['help']}; {bounds}"


def check_bounds(options: Any, section: str = "") -> None:
    """Refuse a value outside the bounds of its option; to be called by `__post_init__`.

    Args:
        options: A dataclass of options. Sections in it are left out: they check themselves.
        section: Where it stands in the configuration, for messages.

    Raises:
        UsageError: With the option's name, what it takes and what it was given.
    """
    for item in dataclasses.fields(options):
        _check_item(item, getattr(options, item.name), _join(section, item.name))


def from_dict(kind: type[Config], values: dict[str, Any], where: str = "") -> Config:
    """Build the dataclass `kind` from nested dictionaries.

    Args:
        kind: A dataclass of options.
        values: Keys as in YAML (underscores); keys left out keep their default.
        where: Path of `values` in the file, for messages.

    Returns:
        The options, each as its type.

    Raises:
        UsageError: An unknown key (the nearest known one is named), a value of another type or outside its bounds.
    """
    if not isinstance(values, dict):
        raise UsageError(f"{where or 'the configuration'}: expected keys and values, got {worded(values)}")
    values = getattr(kind, "understood", dict)(values)  # other words for its options, if it has a list of them
    hints, items = get_type_hints(kind), {item.name: item for item in dataclasses.fields(kind)}
    for key in values:
        if key not in hints:
            raise UsageError(
                f"unknown key {worded(_join(where, str(key)))}{nearest(key, hints)}; `--print_config` lists all keys"
            )
    # Bounds are checked here too: only here is it known that a phase is phases[2].
    return kind(**{key: check_option(items[key], hints[key], values[key], _join(where, key)) for key in values})


def check_option(item: dataclasses.Field[Any], kind: Any, value: Any, where: str) -> Any:
    """Return `value` as the type `kind` and within the bounds of the option `item`.

    Args:
        item: The option's field.
        kind: Its type.
        value: What was given.
        where: Path of the value in the file, or the flag, for messages.

    Returns:
        The value, as its type.

    Raises:
        UsageError: With `where`, what was expected and what was given.
    """
    value = check(kind, value, where)
    _check_item(item, value, where)
    return value


def check(kind: Any, value: Any, where: str) -> Any:
    """Return `value` as the type `kind`.

    Args:
        kind: A type as it stands in an annotation: a union, a Literal, a list, a dataclass or a plain type.
        value: What was given.
        where: Path of the value in the file, or the flag, for messages.

    Returns:
        The value, as its type.

    Raises:
        UsageError: With `where`, what was expected and what was given.
    """
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _check_union(get_args(kind), value, where)
    if origin is Literal:
        if value in get_args(kind):
            return value
        raise UsageError(
            f"{where}: expected one of {', '.join(get_args(kind))}, got {worded(value)}{nearest(value, get_args(kind))}"
        )
    if origin is list:
        if not isinstance(value, (list, tuple)):
            raise UsageError(f"{where}: expected a list, got {worded(value)}")
        return [check(get_args(kind)[0], item, f"{where}[{i}]") for i, item in enumerate(value)]
    if origin is dict:
        return _check_scalar(dict, value, where)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        # One that was made in Python may hold anything: its fields are checked as those of a file.
        return from_dict(kind, vars(value) if isinstance(value, kind) else value, where)
    return _check_scalar(kind, value, where)


def leaves(kind: type, prefix: str = "") -> Iterator[tuple[str, Any, dataclasses.Field[Any]]]:
    """Yield the options of a dataclass that are not sections, and those in its sections.

    Args:
        kind: A dataclass of options.
        prefix: What stands before each key.

    Yields:
        Dotted key, type and field.
    """
    hints = get_type_hints(kind)
    for item in dataclasses.fields(kind):
        if dataclasses.is_dataclass(hints[item.name]):
            yield from leaves(hints[item.name], f"{prefix}{item.name}.")
        else:
            yield f"{prefix}{item.name}", hints[item.name], item


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
    raise UsageError(f"{where}: expected {' or '.join(map(_in_words, kinds))}, got {worded(value)}")


def _in_words(kind: Any) -> str:
    return " or ".join(get_args(kind)) if get_origin(kind) is Literal else _WORDS.get(kind, "a list")


def _check_scalar(kind: type, value: Any, where: str) -> Any:
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if kind is str and isinstance(value, (int, float, os.PathLike)) and not isinstance(value, bool):
        return str(value)
    if kind is str and isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ",".join(value)
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise UsageError(f"{where}: expected {_WORDS[kind]}, got {worded(value)}")


def _check_item(item: dataclasses.Field[Any], value: Any, where: str) -> None:
    bounds = item.metadata["bounds"]
    if isinstance(value, (list, tuple)):
        if item.metadata["nonempty"] and not value:
            raise UsageError(f"{where}: expected a list of one or more, got []; leave it out for the default")
        numbers = {f"{where}[{place}]": number for place, number in enumerate(value)}
    else:
        numbers = {} if value is None or value == item.metadata["word"] else {where: value}
    for name, number in numbers.items():
        if bounds is not None and number not in bounds:
            expected = f"a number {bounds}" if str(bounds).startswith("from") else str(bounds)
            raise UsageError(f"{name}: expected {expected}, got {worded(number)}")

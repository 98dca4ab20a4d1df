"""The space of a search: a configuration in which some values are ranges."""

import copy
import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Union, get_args, get_origin, get_type_hints

from tfvision.config.options import from_dict
from tfvision.errors import UsageError, nearest, worded
from tfvision.search.ranges import Range, is_range, parse_range
from tfvision.training.config import TrainConfig

# Sections whose lists hold a value for each layer: how many there are may be searched as `layers`.
LAYERS = "layers"
_LAYERED: dict[str | int, tuple[str, str]] = {"head": ("units", "dropout"), "small_cnn": ("filters", "pools")}
# What all trials share: images are read and split once, and a search has one seed and one folder.
_SHARED = ("data", "limit", "on_small", "seed", "output", "track", "tensorboard", "source", "split", "task", "pseudo")


@dataclass(frozen=True)
class Space:
    """A configuration with ranges.

    Attributes:
        fixed: Nested options; where a range stands, whatever stands there is replaced.
        ranges: One for each option that is searched; a parent stands before those that depend on it.
        lists: Paths of the lists that are as long as there are layers, each with the key of the range of layers.
    """

    fixed: dict[str, Any]
    ranges: tuple[Range, ...]
    lists: dict[tuple[str | int, ...], str] = field(default_factory=dict)

    def options(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the nested options of one trial, every range replaced by a value.

        Args:
            values: The value of each range by its key, but for those that their parent rules out.

        Returns:
            Nested options, as in YAML.
        """
        options = copy.deepcopy(self.fixed)
        for each in self.ranges:
            if each.path and each.key in values:
                _put(options, each.path, values[each.key])
        for path, layers in self.lists.items():
            # A head without hidden layers still has its one dropout.
            count = max(values[layers], 1) if path[-1] == "dropout" else values[layers]
            _put(options, path, _get(options, path)[:count])
        return options

    def config(self, values: Mapping[str, Any]) -> TrainConfig:
        """Return the configuration of one trial.

        Args:
            values: See `options`.

        Returns:
            The configuration, checked as one from a file is.

        Raises:
            UsageError: A value that its option does not take, or options that do not go together.
        """
        return from_dict(TrainConfig, self.options(values))

    def corners(self) -> Iterator[dict[str, Any]]:
        """Yield values with which each range takes each of its extremes once, the others their first value."""
        first = {each.key: each.extremes[0] for each in self.ranges}
        yield self.active(first)
        for each in self.ranges:
            for value in each.extremes[1:] if not each.parent else each.extremes:
                corner = {**first, each.key: value}
                if each.parent:
                    corner[each.parent] = each.when[0]
                yield self.active(corner)

    def active(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values without those that their parent rules out."""
        return {e.key: values[e.key] for e in self.ranges if not e.parent or values[e.parent] in e.when}


def parse_space(options: dict[str, Any]) -> Space:
    """Find the ranges in the nested options of a configuration.

    Args:
        options: As in YAML, with ranges in place of values.

    Returns:
        What is fixed and what is searched.

    Raises:
        UsageError: An unknown key or range (the nearest known is named), a range of what all trials share, or values
            that the option does not take.
    """
    finder = _Finder()
    fixed = finder.section(TrainConfig, options, ())
    space = Space(fixed, tuple(finder.ranges), finder.lists)
    for each in space.ranges:
        if each.path and each.path[0] in _SHARED:
            raise UsageError(f"{each.key}: all trials share it, so it cannot be searched; give it one value")
    for corner in space.corners():
        space.config(corner)
    return space


def overlay(options: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested options with some replaced.

    Args:
        options: Nested options; not changed.
        changes: Values by the option's name, such as `small_cnn.kernel_size` or `phases[0].epochs`.

    Returns:
        New nested options.

    Raises:
        UsageError: A key that leads nowhere.
    """
    options = copy.deepcopy(options)
    for key, value in changes.items():
        if not re.fullmatch(r"\w+(\[\d+\])?(\.\w+(\[\d+\])?)*", str(key)):
            raise UsageError(f"{worded(key)} is no option; expected a name such as head.dropout or phases[0].epochs")
        path = tuple(int(part) if part.isdigit() else part for part in re.findall(r"\w+", key))
        try:
            _put(options, path, value)
        except (IndexError, TypeError, KeyError):
            raise UsageError(f"{key}: the configuration has no such entry; write it into the file first") from None
    return options


class _Finder:
    """Walks through options and takes the ranges out."""

    def __init__(self) -> None:
        self.ranges: list[Range] = []
        self.lists: dict[tuple[str | int, ...], str] = {}

    def section(self, kind: Any, values: Any, path: tuple[str | int, ...]) -> dict[str, Any]:
        if not isinstance(values, dict):
            raise UsageError(f"{_key(path)}: expected keys and values, got {worded(values)}")
        hints = get_type_hints(kind)
        layered = _LAYERED.get(path[0], ()) if len(path) == 1 else ()
        known = [*hints, LAYERS] if layered else list(hints)
        for name in values:
            if name not in known:
                where = _key((*path, str(name)))
                raise UsageError(
                    f"unknown key {worded(where)}{nearest(str(name), known)}; `--print_config` lists all keys"
                )
        values = dict(values)
        layers = self.layers(values.pop(LAYERS, None), path, values) if layered else None
        return {
            name: self.each_layer(hints[name], value, (*path, name), layers)
            if layers and name in layered
            else self.value(hints[name], value, (*path, name))
            for name, value in values.items()
        }

    def value(self, hint: Any, value: Any, path: tuple[str | int, ...]) -> Any:
        """Return a value without the ranges in it, which are added to `ranges`."""
        if dataclasses.is_dataclass(hint):
            return self.section(hint, value, path)
        item = _item(hint)
        if isinstance(value, list) and item:
            walk = self.section if dataclasses.is_dataclass(item) else self.value
            return [walk(item, entry, (*path, number)) for number, entry in enumerate(value)]
        if not is_range(value):
            return value
        if item and not dataclasses.is_dataclass(item) and not _takes_number(hint) and not _offers_lists(value):
            return [self.value(item, value, (*path, 0))]  # numbers for a list: it has one layer
        found = parse_range(value, _key(path), path, hint)
        self.ranges.append(found)
        return found.extremes[0]

    def layers(self, value: Any, path: tuple[str | int, ...], section: dict[str, Any]) -> Range | int | None:
        """Return how many layers a section has: a number, or a range, which is added to `ranges`."""
        if value is None:
            return None
        key, main = _key((*path, LAYERS)), _LAYERED[path[0]][0]
        if main not in section:
            raise UsageError(f"{key} needs {_key((*path, main))} beside it: a number or a range, drawn for each layer")
        if not is_range(value):
            value = {"choice": [value]}
        found = parse_range(value, key, (), int)
        if not found.values or min(found.values) < 0:
            raise UsageError(f"{key}: expected numbers of layers such as {{int: [1, 3]}}, got {worded(value)}")
        if len(found.values) == 1:
            if not found.values[0]:
                raise UsageError(f"{key}: expected 1 or more, or a range; no layers are {_key((*path, main))}: []")
            return found.values[0]
        self.ranges.append(found)
        return found

    def each_layer(self, hint: Any, value: Any, path: tuple[str | int, ...], layers: Range | int) -> Any:
        """Return a list of one value or range for each layer, so far as one is given for all."""
        item = _item(hint)
        if value is None or (not isinstance(value, list) and _takes_number(hint)):
            return self.value(hint, value, path)  # one dropout, before the output
        if isinstance(value, list) and len(value) != 1:
            raise UsageError(
                f"{_key(path)}: with layers expected one value or range for all of them, got {worded(value)}"
            )
        one = value[0] if isinstance(value, list) else value
        counts = layers.values if isinstance(layers, Range) else (layers,)
        before = len(self.ranges)
        least = 1 if path[-1] == "dropout" else 0
        found = [self.value(item, one, (*path, number)) for number in range(max(*counts, least))]
        if isinstance(layers, Range):
            self.lists[path] = layers.key
            for place in range(before, len(self.ranges)):
                number = self.ranges[place].path[-1]
                when = tuple(count for count in counts if max(count, least) > number)
                if len(when) < len(counts):
                    self.ranges[place] = replace(self.ranges[place], parent=layers.key, when=when)
        return found


def _item(hint: Any) -> Any:
    """Return the type of the entries where an option may be a list, else None."""
    kinds = get_args(hint) if get_origin(hint) is Union or type(hint).__name__ == "UnionType" else (hint,)
    return next((get_args(kind)[0] for kind in kinds if get_origin(kind) is list), None)


def _takes_number(hint: Any) -> bool:
    """Tell whether an option that may be a list may also be one number."""
    return any(kind in (int, float) for kind in get_args(hint)) if get_origin(hint) is not list else False


def _offers_lists(value: dict[str, Any]) -> bool:
    choices = value.get("choice")
    return isinstance(choices, list) and any(choice is None or isinstance(choice, list) for choice in choices)


def _key(path: tuple[str | int, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def _get(options: Any, path: tuple[str | int, ...]) -> Any:
    for part in path:
        options = options[part]
    return options


def _put(options: dict[str, Any], path: tuple[str | int, ...], value: Any) -> None:
    *before, last = path
    place: Any = options
    for number, part in enumerate(before):
        if isinstance(part, str) and isinstance(place, dict) and place.get(part) is None:
            if isinstance(path[number + 1], int):
                raise KeyError(part)
            place[part] = {}
        place = place[part]
    place[last] = value

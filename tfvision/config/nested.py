"""Nested options: laid over one another, flattened to dotted keys, and made plain."""

import dataclasses
import os
from collections.abc import Callable, Mapping
from typing import Any


def to_plain(value: Any) -> Any:
    """Return options that were given in Python as a file would give them: mappings, lists and texts.

    Args:
        value: A dataclass, a path, a list or mapping of such, or a plain value.

    Returns:
        New plain values.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = vars(value)
    if isinstance(value, Mapping):
        return {key: to_plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(one) for one in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def merge(
    base: dict[str, Any], over: Mapping[str, Any], *, is_value: Callable[[Any], bool] = lambda value: False
) -> dict[str, Any]:
    """Return nested options with others laid over them, section by section.

    Args:
        base: Nested options; not changed.
        over: What replaces them; a section replaces only the keys that it has.
        is_value: Tells a mapping that is one value, and is replaced whole, from a section.

    Returns:
        New nested options.
    """
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        are_sections = isinstance(value, dict) and isinstance(old, dict) and not (is_value(value) or is_value(old))
        merged[key] = merge(merged[key], value, is_value=is_value) if are_sections else value
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


def flatten_mapping(
    options: Mapping[str, Any], *, is_value: Callable[[Any], bool] = lambda value: False
) -> dict[str, Any]:
    """Return the values of nested mappings by dotted key; a list is one value.

    Args:
        options: Nested mappings.
        is_value: Tells a mapping that is one value from a section.

    Returns:
        Values by dotted key.
    """
    flat: dict[str, Any] = {}
    for name, value in options.items():
        if isinstance(value, Mapping) and not is_value(value):
            flat |= {f"{name}.{key}": leaf for key, leaf in flatten_mapping(value, is_value=is_value).items()}
        else:
            flat[str(name)] = value
    return flat

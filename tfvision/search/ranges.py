"""Ranges: what stands in a configuration where a fixed value would, to be searched."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tfvision.config.options import check
from tfvision.errors import UsageError, nearest, worded

KINDS = ("float", "int", "choice", "boolean")

_OPTIONS = ("step", "log")
_DIGITS = 6  # of a drawn number: enough for any option, and 0.30000000000000004 becomes 0.3


@dataclass(frozen=True)
class Range:
    """The values that one option may take.

    Attributes:
        key: The option, as `head.dropout`, `head.units[1]` or `phases[0].learning_rate`.
        path: The same as keys and indexes.
        kind: `float`, `int` or `choice`.
        bounds: Lowest and highest value of a `float` or `int`, both included.
        step: Between two values; the factor between them with `log`. None where every value may be drawn.
        log: Whether small values are as likely as large ones.
        choices: The values of a `choice`.
        parent: Key of the range that decides whether this one counts at all, or "".
        when: The values of the parent with which it does.
    """

    key: str
    path: tuple[str | int, ...]
    kind: str
    bounds: tuple[float, float] | None = None
    step: float | None = None
    log: bool = False
    choices: tuple[Any, ...] = ()
    parent: str = ""
    when: tuple[Any, ...] = ()

    @property
    def values(self) -> tuple[Any, ...]:
        """All values, the lowest or first one first; empty where they cannot be counted."""
        if self.kind == "choice":
            return self.choices
        if self.step is None:
            return ()
        low, high = self._ends()
        if self.log:
            count = math.floor(math.log(high / low, self.step) + 1e-8) + 1
            return tuple(self.clean(low * self.step**number) for number in range(count))
        count = math.floor((high - low) / self.step + 1e-8) + 1
        return tuple(self.clean(low + number * self.step) for number in range(count))

    @property
    def extremes(self) -> tuple[Any, ...]:
        """The values that have to be valid for all of them to be."""
        return self.choices or tuple(self.clean(end) for end in self._ends())

    def clean(self, value: float) -> Any:
        """Return a number as it is written into a configuration: of few digits, within the bounds."""
        low, high = self._ends()
        value = min(max(float(f"{value:.{_DIGITS}g}"), low), high)
        return round(value) if self.kind == "int" else float(value)

    def _ends(self) -> tuple[float, float]:
        assert self.bounds is not None, f"{self.key} is a choice"
        return self.bounds


def names_range(value: Any) -> bool:
    """Tell a range, `{float: [0.1, 0.7]}`, from a section of options."""
    return isinstance(value, Mapping) and any(kind in value for kind in KINDS)


def is_range(value: Any) -> bool:
    """Tell whether a value of a configuration is meant as a range: no option takes a mapping as its value."""
    return isinstance(value, dict)


def parse_range(value: dict[str, Any], key: str, path: tuple[str | int, ...], hint: Any) -> Range:
    """Read `{float: [0.1, 0.7]}`, `{int: [1, 4]}`, `{choice: [128, 256]}` or `{boolean: true}`.

    Args:
        value: The mapping, with `step` and `log` beside a float or int.
        key: Where it stands, for messages.
        path: The same as keys and indexes.
        hint: Type of the option; every value must be of it.

    Returns:
        The range, checked.

    Raises:
        UsageError: Another kind of range (the nearest is named), or values that the option does not take.
    """
    kinds = [name for name in value if name in KINDS]
    for name in value:
        if name not in (*KINDS, *_OPTIONS):
            known = f"expected a range: one of {', '.join(KINDS)}, with step and log"
            raise UsageError(f"{key}: unknown {worded(str(name))}{nearest(str(name), (*KINDS, *_OPTIONS))}; {known}")
    if len(kinds) != 1:
        raise UsageError(f"{key}: expected a range with one of {', '.join(KINDS)}, got {worded(value)}")
    (kind,) = kinds
    if kind in ("choice", "boolean"):
        if len(value) > 1:
            raise UsageError(f"{key}: step and log belong to float and int, not to {kind}")
        choices = [False, True] if kind == "boolean" else value[kind]
        return Range(key, path, "choice", choices=_choices(choices, key, hint))
    return _numbers(kind, value, key, path, hint)


def _choices(values: Any, key: str, hint: Any) -> tuple[Any, ...]:
    if not isinstance(values, list) or not values:
        raise UsageError(f"{key}: choice needs a list of values, got {worded(values)}")
    checked = [check(hint, value, f"{key}: choice[{number}]") for number, value in enumerate(values)]
    if len({repr(value) for value in checked}) < len(checked):
        raise UsageError(f"{key}: choice names a value twice: {worded(values)}")
    return tuple(checked)


def _numbers(kind: str, value: dict[str, Any], key: str, path: tuple[str | int, ...], hint: Any) -> Range:
    number = int if kind == "int" else float
    bounds, log = value[kind], check(bool, value.get("log", False), f"{key}: log")
    if not isinstance(bounds, list) or len(bounds) != 2:
        raise UsageError(f"{key}: {kind} needs its lowest and highest value, such as [1, 4], got {worded(bounds)}")
    low, high = (check(number, bound, f"{key}: {kind}[{place}]") for place, bound in enumerate(bounds))
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UsageError(f"{key}: {kind} needs its lowest value first and a higher one second, got {worded(bounds)}")
    if log and low <= 0:
        raise UsageError(f"{key}: with log the lowest value must be more than 0, got {worded(bounds)}")
    for place, bound in enumerate((low, high)):
        check(hint, bound, f"{key}: {kind}[{place}]")
    step = value.get("step")
    if step is None:
        step = 1 if kind == "int" and not log else None
    else:
        step = check(number, step, f"{key}: step")
        if not step > (1 if log else 0):
            raise UsageError(f"{key}: step must be more than {'1, as values are multiplied by it' if log else '0'}")
    return Range(key, path, kind, bounds=(low, high), step=step, log=log)

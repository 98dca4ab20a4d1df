"""Bounds: every declared one is kept, by value, by range of a search, and in Python."""

import dataclasses
import math
from collections.abc import Iterator
from operator import attrgetter
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from tfvision.audit.options import AuditConfig
from tfvision.config.bounds import Bounds
from tfvision.config.options import check_bounds, from_dict, leaves, option
from tfvision.errors import UsageError
from tfvision.search.settings import SearchOptions, Stage
from tfvision.search.space import parse_space
from tfvision.training.config import TrainConfig
from tfvision.training.options import Phase

# Each kind of options: of which configuration it is a part, and under which name.
ROOTS = {
    TrainConfig: (TrainConfig, "", ""),
    AuditConfig: (AuditConfig, "", ""),
    SearchOptions: (SearchOptions, "search", ""),
    Phase: (TrainConfig, "", "phases"),
    Stage: (SearchOptions, "search", "stages"),
}
# What has to stand beside an option for its bound to be taken.
BESIDE: dict[str, dict[str, Any]] = {
    "split.folds": {"split.fold": 1},
    "split.fold": {"split.folds": 2},
    "small_cnn.pools": {"small_cnn.filters": [8]},
}


@dataclasses.dataclass(frozen=True)
class Case:
    """An option with bounds: `key` of the options `kind`."""

    kind: type
    key: str
    hint: Any
    field: dataclasses.Field

    @property
    def bounds(self) -> Bounds:
        return self.field.metadata["bounds"]

    @property
    def kinds(self) -> set[Any]:
        """The types that its value may have, those of the items of a list among them."""
        kinds = {self.hint, *get_args(self.hint)}
        return kinds | {item for kind in kinds for item in get_args(kind)}

    @property
    def name(self) -> str:
        """What a message calls the option, the second phase or stage standing for all."""
        _, where, entries = ROOTS[self.kind]
        return ".".join(part for part in (where, f"{entries}[1]" if entries else "", self.key) if part)

    def listed(self, value: float) -> Any:
        """Return a number as the option takes it."""
        kinds = (self.hint,) if get_origin(self.hint) is list else (self.hint, *get_args(self.hint))
        return value if {int, float} & set(kinds) else [value]

    def read(self, value: Any) -> Any:
        """Return the options of this kind that are read with the value in them."""
        root, where, entries = ROOTS[self.kind]
        options = nest({self.key: value, **BESIDE.get(self.key, {})})
        if not entries:
            return from_dict(root, options, where)
        return getattr(from_dict(root, {entries: [{}, options]}, where), entries)[1]

    def outside(self) -> list[float]:
        """Return the numbers next to each end, those that are just too low or too high."""
        low, high = self.bounds.low, self.bounds.high
        whole = float not in self.kinds
        below = low if self.bounds.open_low else low - 1 if whole else math.nextafter(low, -math.inf)
        beyond = high if self.bounds.open_high else high + 1 if whole else math.nextafter(high, math.inf)
        return [below, *([] if high == math.inf else [beyond]), *([] if whole else [math.inf, math.nan])]

    def closed_ends(self) -> list[float]:
        ends = ((self.bounds.low, self.bounds.open_low), (self.bounds.high, self.bounds.open_high))
        return [end for end, is_open in ends if not is_open and end != math.inf]


def nest(values: dict[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for key, value in values.items():
        *sections, name = key.split(".")
        target = nested
        for section in sections:
            target = target.setdefault(section, {})
        target[name] = value
    return nested


def dataclasses_of(kind: type) -> Iterator[type]:
    yield kind
    for hint in get_type_hints(kind).values():
        if dataclasses.is_dataclass(hint):
            yield from dataclasses_of(hint)


LEAVES = [Case(kind, key, hint, field) for kind in ROOTS for key, hint, field in leaves(kind)]
CASES = [case for case in LEAVES if case.bounds]
SEARCHED = [case for case in CASES if case.kind is TrainConfig and not case.key.startswith(("split.", "pseudo."))]
SEARCHED = [case for case in SEARCHED if case.key not in ("seed", "limit")]
MADE = [
    (kind, field.name)
    for kind in dict.fromkeys(kind for root in ROOTS for kind in dataclasses_of(root))
    for field in dataclasses.fields(kind)
    if field.metadata["bounds"]
]
every_option = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind.__name__}.{case.key}")


def test_every_number_has_bounds() -> None:
    assert {case.key for case in LEAVES if {int, float} & case.kinds and not case.bounds} == {"channels"}  # 1 or 3


@every_option
def test_a_number_outside_is_refused_by_its_name(case: Case) -> None:
    for value in case.outside():
        with pytest.raises(UsageError) as error:
            case.read(case.listed(value))
        assert str(error.value).startswith((f"{case.name}: ", f"{case.name}[0]: ")) and "\n" not in str(error.value)
        assert f"{case.bounds}, got {value!r}" in str(error.value)


@pytest.mark.parametrize(
    ("case", "end"),
    [(case, end) for case in CASES for end in case.closed_ends()],
    ids=lambda part: f"{part.kind.__name__}.{part.key}" if isinstance(part, Case) else str(part),
)
def test_ends_that_are_no_open_ones_are_taken(case: Case, end: float) -> None:
    assert attrgetter(case.key)(case.read(case.listed(end))) == case.listed(end)


@every_option
def test_the_default_lies_within(case: Case) -> None:
    default = case.field.default if case.field.default is not dataclasses.MISSING else case.field.default_factory()
    assert default is None or all(
        value in case.bounds for value in (default if isinstance(default, list) else [default])
    )


@pytest.mark.parametrize(("kind", "name"), MADE, ids=lambda part: getattr(part, "__name__", part))
def test_options_made_in_python_are_checked(kind: type, name: str) -> None:
    with pytest.raises(UsageError, match=rf"(^|\.){name}: expected .*, got 'many'$"):
        kind(**{name: "many"})


@pytest.mark.parametrize("case", SEARCHED, ids=lambda case: case.key)
def test_a_search_refuses_ranges_that_leave_the_bounds(case: Case) -> None:
    low, high = case.bounds.low, case.bounds.high
    name, inner, far = ("int", 1, 1) if float not in case.kinds else ("float", 0.001, 0.01)
    below = low if case.bounds.open_low else low - far
    pairs = [(below, low + inner)]
    if high != math.inf:
        pairs.append((high - inner, high if case.bounds.open_high else high + far))
    for pair in pairs:
        for values in ({name: list(pair)}, {"choice": [case.listed(value) for value in pair]}):
            with pytest.raises(UsageError, match=case.key.replace(".", r"\.")) as error:
                parse_space(nest({case.key: values, **BESIDE.get(case.key, {})}))
            assert str(case.bounds) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ({"between": (0, 180)}, "a number from 0 to 180"),
        ({"at_least": 0, "below": 1}, "a number from 0 to under 1"),
        ({"above": 0, "at_most": 1}, "more than 0, at most 1"),
        ({"above": 0, "below": 1}, "more than 0, under 1"),
        ({"above": 0}, "more than 0"),
        ({"at_least": 2}, "2 or more"),
    ],
)
def test_messages(bounds: dict[str, Any], words: str) -> None:
    made = dataclasses.make_dataclass("Made", [("x", Any, option(None, "help", **bounds))])
    check_bounds(made(), "made")
    with pytest.raises(UsageError, match=rf"^made\.x: expected {words}, got -1$"):
        check_bounds(made(-1), "made")
    with pytest.raises(UsageError, match=rf"^made\.x\[0\]: expected {words}, got -1$"):
        check_bounds(made([-1]), "made")


def test_empty_lists_are_refused_where_one_is_needed() -> None:
    for kind, options in ((TrainConfig, {"small_cnn": {"filters": []}}), (SearchOptions, {"stages": []})):
        with pytest.raises(UsageError, match=r"expected a list of one or more, got \[\]; leave it out"):
            from_dict(kind, options)

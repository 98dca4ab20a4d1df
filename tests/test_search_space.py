"""Ranges in a configuration: what is drawn from them is valid, and what is wrong is refused by its key."""

import dataclasses
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfvision.errors import UsageError
from tfvision.search.messages import describe_range
from tfvision.search.plan import parse_search
from tfvision.search.space import Space, overlay, parse_space

NUMBERS = st.sampled_from([0.0, 1e-5, 0.1, 0.5, 0.9])
RANGES = {
    "head.dropout": st.one_of(
        st.tuples(NUMBERS, NUMBERS).filter(lambda pair: pair[0] < pair[1]).map(lambda pair: {"float": list(pair)}),
        st.sampled_from([{"float": [0.1, 0.7], "step": 0.2}, {"choice": [0.1, 0.5]}, [{"float": [0.1, 0.5]}], 0.3]),
    ),
    "head.units": st.sampled_from([{"choice": [64, 128]}, {"int": [8, 64], "step": 8}, [16], {"choice": [32]}]),
    "head.layers": st.sampled_from([1, 2, {"int": [1, 3]}, {"choice": [0, 2]}, {"int": [0, 1]}]),
    "head.batch_norm": st.sampled_from([True, {"boolean": True}]),
    "head.activation": st.sampled_from(["relu", {"choice": ["relu", "gelu"]}]),
    "small_cnn.filters": st.sampled_from([[8, 8], {"choice": [[8], [8, 16]]}, [{"int": [4, 8]}, 8]]),
    "small_cnn.kernel_size": st.sampled_from([3, {"choice": [3, 5]}, {"int": [1, 9], "step": 2}]),
    "learning_rate": st.sampled_from([1e-3, {"float": [1e-5, 1e-1], "log": True}, {"choice": [1e-3, 1e-2]}]),
    "batch_size": st.sampled_from([32, {"choice": [32, 64]}, {"int": [8, 128], "log": True, "step": 2}]),
    "optimizer": st.sampled_from(["adam", {"choice": ["adam", "lion"]}]),
    "weight_decay": st.sampled_from([0, {"float": [1e-6, 1e-2], "log": True}, {"choice": [0, 1e-4]}]),
    "unfreeze": st.sampled_from(["all", {"choice": ["none", 15, "30%"]}]),
    "clip_norm": st.sampled_from([None, {"choice": [None, 1.0]}]),
}


def draw(space: Space, generator: random.Random) -> dict[str, object]:
    values = {
        each.key: generator.choice(each.values) if each.values else each.clean(generator.uniform(*each.bounds))
        for each in space.ranges
    }
    return space.active(values)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.fixed_dictionaries({}, optional=RANGES), st.integers(0, 2**16))
def test_what_is_drawn_is_a_configuration(options: dict, seed: int) -> None:
    if "head.layers" in options:
        options.setdefault("head.units", {"choice": [8, 16]})
    elif not isinstance(options.get("head.units"), (dict, type(None))):
        options["head.units"] = [8]
    if "head.layers" not in options and isinstance(options.get("head.dropout"), list):
        del options["head.dropout"]
    space = parse_space(overlay({}, options))
    generator = random.Random(seed)
    for _ in range(5):
        values = draw(space, generator)
        config = space.config(values)
        layers = values.get("head.layers", options.get("head.layers"))
        if isinstance(layers, int):
            assert len(config.head.units) == layers
            assert not isinstance(config.head.dropout, list) or len(config.head.dropout) == max(1, layers)
        for each in space.ranges:
            if each.bounds and each.key in values:
                assert each.bounds[0] <= values[each.key] <= each.bounds[1]


GARBAGE = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 9), st.floats(), st.sampled_from(["float", "x", "adam"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["float", "int", "choice", "boolean", "step", "log", "flaot"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.dictionaries(st.sampled_from([*RANGES, "phases", "head", "search", "hed.units"]), GARBAGE, max_size=3))
def test_anything_is_taken_or_refused_with_one_line(options: dict) -> None:
    try:
        search = parse_search(overlay({"weights": "none", "backbone": "small_cnn"}, options))
        space = search.space(0, search.base)
        for corner in space.corners():
            search.train_config(space.config(corner))
    except UsageError as error:
        assert str(error) and "\n" not in str(error)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"head.dropout": {"flaot": [0.1, 0.7]}}, r"head\.dropout: unknown 'flaot' \(did you mean float\?\)"),
        ({"hed.dropout": {"float": [0.1, 0.7]}}, r"'hed' \(did you mean head\?\)"),
        ({"head.dropuot": {"float": [0.1, 0.7]}}, r"'head\.dropuot' \(did you mean dropout\?\)"),
        ({"head.dropout": {"float": [0.1, "a"]}}, r"head\.dropout: float\[1\]: expected a number, got 'a'"),
        ({"head.dropout": {"float": [0.7, 0.1]}}, r"head\.dropout: float needs its lowest value first"),
        ({"head.dropout": {"float": [0.1, 0.7], "stpe": 1}}, r"did you mean step"),
        ({"head.batch_norm": {"choice": [True, 3]}}, r"head\.batch_norm: choice\[1\]: expected true or false"),
        ({"batch_size": {"float": [8, 16]}}, r"batch_size: float\[0\]: expected an integer"),
        ({"learning_rate": {"float": [0, 1], "log": True}}, r"learning_rate: with log the lowest value"),
        ({"weight_decay": {"float": [0.1, 3]}}, r"weight_decay: expected a number from 0 to under 1, got 3"),
        ({"learning_rate": {"float": [-1, 1]}}, r"learning_rate: expected more than 0"),
        ({"optimizer": {"choice": ["adam", "lino"]}}, r"optimizer: choice\[1\].*did you mean lion"),
        ({"seed": {"int": [1, 3]}}, r"seed: all trials share it"),
        ({"split.test": {"float": [0.1, 0.2]}}, r"split\.test: all trials share it"),
        ({"head.layers": {"int": [1, 3]}}, r"head\.layers needs head\.units"),
        ({"head.layers": {"int": [1, 3]}, "head.units": [4, 8]}, r"head\.units: with layers expected one"),
        ({"backbone": {"choice": ["small_cnn", "vgg61"]}}, r"vgg61.*did you mean vgg1"),
        ({"epochs": 3, "search.algorithm": "gird", "batch_size": {"choice": [1, 2]}}, r"did you mean grid"),
        ({"search.algorithm": "grid", "learning_rate": {"float": [0.1, 1]}}, r"learning_rate: a grid needs a step"),
        ({"search.objective": "f1", "batch_size": {"choice": [1, 2]}}, r"search\.objective: expected one of val_f1"),
        ({"search.trials": 0, "batch_size": {"choice": [1, 2]}}, r"search\.trials: expected 1 or more"),
        ({"epochs": 1, "search.algorithm": "hyperband", "batch_size": {"choice": [1, 2]}}, r"hyperband needs 3 epochs"),
        ({"batch_size": 8}, r"the configuration holds no range"),
        (
            {"batch_size": {"choice": [1, 2]}, "search.stages": [{"ranges": {"ema": {"float": [0, 0.9]}}}]},
            r"batch_size: a search with stages",
        ),
        ({"search.stages": [{"ranges": {"phases[1].epochs": {"int": [1, 2]}}}]}, r"no such entry"),
        ({"label_smoothing": {"float": [0, 0.2]}}, r"label_smoothing: val_loss is another measure.*objective val_f1"),
        (
            {"task": "localize", "search.objective": "val_loss", "box.beta": {"float": [0.1, 1]}},
            r"box\.beta: val_loss is another measure.*objective val_iou",
        ),
        ({"search.stages": [{"range": {}}]}, r"'search\.stages\[0\]\.range' \(did you mean ranges\?\)"),
    ],
)
def test_what_is_wrong_is_refused_by_its_key(options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_search(overlay({"weights": "none", "backbone": "small_cnn"}, options))


def test_units_are_drawn_for_each_layer() -> None:
    space = parse_space({"head": {"layers": {"int": [0, 2]}, "units": {"choice": [64, 128]}, "dropout": [0.3]}})
    assert [each.key for each in space.ranges] == ["head.layers", "head.units[0]", "head.units[1]"]
    assert [each.when for each in space.ranges] == [(), (1, 2), (2,)]
    two = space.config({"head.layers": 2, "head.units[0]": 128, "head.units[1]": 64})
    assert (two.head.units, two.head.dropout) == ([128, 64], [0.3, 0.3])
    none = space.config({"head.layers": 0})
    assert (none.head.units, none.head.dropout) == ([], [0.3])


def test_numbers_for_a_list_are_one_layer() -> None:
    space = parse_space({"head": {"units": {"choice": [64, 128]}}})
    assert space.config({"head.units[0]": 128}).head.units == [128]
    space = parse_space({"head": {"units": {"choice": [[], [64, 32]]}}})
    assert space.config({"head.units": [64, 32]}).head.units == [64, 32]


def test_steps_are_written_without_dust() -> None:
    (steps,) = parse_space({"head": {"dropout": {"float": [0.1, 0.7], "step": 0.2}}}).ranges
    assert steps.values == (0.1, 0.3, 0.5, 0.7)
    (powers,) = parse_space({"learning_rate": {"float": [1e-4, 1e-1], "log": True, "step": 10}}).ranges
    assert powers.values == (1e-4, 1e-3, 1e-2, 1e-1)


def test_a_choice_of_many_values_is_described_by_all_of_them() -> None:
    (found,) = parse_space({"batch_size": {"choice": list(range(1, 15))}}).ranges
    assert describe_range(found) == "batch_size: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14"


def test_epochs_are_scaled_in_every_phase() -> None:
    options = {
        "weights": "none",
        "backbone": "small_cnn",
        "batch_size": {"choice": [8, 16]},
        "phases": [{"epochs": 40, "schedule": "cosine", "warmup": 8}, {"epochs": 3}],
        "search": {"epochs_scale": 0.1},
    }
    phases = parse_search(options).first_config().phases
    assert [(phase.epochs, round(phase.warmup, 6)) for phase in phases] == [(4, 0.8), (1, 0.0)]
    assert [dataclasses.replace(phase, epochs=1, warmup=0.0).schedule for phase in phases] == ["cosine", "constant"]

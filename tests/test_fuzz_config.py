"""Whatever stands in a configuration or on the command line: it is taken, or refused in our own words."""

import contextlib
import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfvision.cli import build_parser
from tfvision.cli.train import train_config
from tfvision.config.nested import flatten
from tfvision.config.options import from_dict, leaves
from tfvision.config.yaml import parse_yaml, to_yaml
from tfvision.errors import UsageError
from tfvision.training.config import TrainConfig
from tfvision.training.options import Phase
from tfvision.training.phases import resolve_phases

KEYS = [key for key, _, _ in leaves(TrainConfig)]
PHASE_KEYS = [field.name for field in dataclasses.fields(Phase)]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["all", "cosine", "1e-3"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(PHASE_KEYS), inner, max_size=3),
    max_leaves=6,
)
QUIET = settings(max_examples=120, deadline=None, derandomize=True)


def nested(values: dict[str, object]) -> dict[str, object]:
    tree: dict[str, object] = {}
    for key, value in values.items():
        *sections, name = key.split(".")
        target = tree
        for section in sections:
            target = target.setdefault(section, {})
        target[name] = value
    return tree


@QUIET
@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4))
def test_values_are_taken_or_refused_with_one_line(values: dict[str, object]) -> None:
    try:
        config = from_dict(TrainConfig, nested(values))
        resolve_phases(config, pretrained=True, linear_head=True)
    except UsageError as error:
        assert str(error) and "\n" not in str(error)
        return
    # What is taken can be written and read again without a change; NaN alone is unequal to itself.
    again = from_dict(TrainConfig, parse_yaml(to_yaml(config), "again"))
    assert repr(flatten(again)) == repr(flatten(config))


@QUIET
@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from([*KEYS, ":", " ", "\n", "- ", "{", "]", "&a", "*a", "1"]), max_size=12).map("".join)
)
def test_text_is_yaml_or_refused(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert isinstance(from_dict(TrainConfig, parse_yaml(text, "config.yaml")), TrainConfig)


@pytest.mark.slow
@QUIET
@given(st.lists(st.sampled_from([f"--{key.replace('_', '-')}" for key in KEYS]) | st.text(max_size=8), max_size=6))
def test_flags_are_taken_or_refused(words: list[str]) -> None:
    if {"-h", "--help", "--version"} & set(words):
        return
    with contextlib.suppress(UsageError):
        assert isinstance(train_config(build_parser().parse_args(["train", *words])), TrainConfig)

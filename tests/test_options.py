"""Options: YAML, flags, and the one line that a wrong one gets."""

import argparse
from pathlib import Path

import pytest

from tfvision.config.flags import Parser, add_flags, flags_to_dict
from tfvision.config.nested import flatten, flatten_mapping, merge
from tfvision.config.options import from_dict
from tfvision.config.yaml import load_yaml, to_yaml
from tfvision.errors import UsageError
from tfvision.training.config import TrainConfig
from tfvision.training.options import Phase


def parse(*words: str) -> dict:
    parser = Parser(prog="tfvision train")
    add_flags(parser, TrainConfig, ())
    return flags_to_dict(TrainConfig, vars(parser.parse_args(words)))


def test_yaml_returns_what_was_written(tmp_path: Path) -> None:
    config = from_dict(
        TrainConfig,
        {
            "unfreeze": 15,
            "head": {"units": [3, 4], "dropout": [0.1, 0.2]},
            "phases": [{"epochs": 2}, {"learning_rate": 1}],
        },
    )
    (tmp_path / "c.yaml").write_text(to_yaml(config, comments=True))
    assert from_dict(TrainConfig, load_yaml(tmp_path / "c.yaml")) == config
    assert config.unfreeze == "15" and config.phases[1] == Phase(learning_rate=1.0)


def test_every_option_has_a_help_line_in_the_yaml() -> None:
    lines = to_yaml(TrainConfig(), comments=True).splitlines()
    keys = [number for number, line in enumerate(lines) if not line.strip().startswith("#")]
    assert len(keys) > 40
    assert all(lines[number - 1].strip().startswith("#") for number in keys)
    # The keys of a phase too, though no phase is listed.
    assert any(line.startswith("#   schedule: constant  (") for line in lines)


def test_numbers_like_1e_3_are_numbers(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("learning_rate: 1e-3\n")
    assert load_yaml(tmp_path / "c.yaml") == {"learning_rate": 0.001}


def test_flags_have_dashes_and_beat_the_file() -> None:
    flags = parse("--image-size", "96", "--head.units=[256, 128]", "--label-column", "kind", "--unfreeze", "30%")
    assert flags == {
        "image_size": 96,
        "unfreeze": "30%",
        "head": {"units": [256, 128]},
        "source": {"label_column": "kind"},
    }
    config = from_dict(TrainConfig, merge({"image_size": 64, "head": {"dropout": 0.5}}, flags))
    assert (config.image_size, config.head.units, config.head.dropout) == (96, [256, 128], 0.5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"backbon": "x"}, "unknown key 'backbon' (did you mean backbone?)"),
        ({"head": {"unit": [1]}}, "unknown key 'head.unit' (did you mean units?)"),
        ({"phases": [{"epocs": 3}]}, "unknown key 'phases[0].epocs' (did you mean epochs?)"),
        ({"phases": [{"epochs": "ten"}]}, "phases[0].epochs: expected an integer, got 'ten'"),
        ({"image_size": "big"}, "image_size: expected an integer, got 'big'"),
        ({"seed": True}, "seed: expected an integer, got True"),
        ({"head": {"dropout": "x"}}, "head.dropout: expected a number or a list, got 'x'"),
        ({"balance": "oversampl"}, "did you mean oversample?"),
        ({"augment": {"horizontal_flip": 1}}, "augment.horizontal_flip: expected true or false, got 1"),
        ({"phases": 3}, "phases: expected a list, got 3"),
        ({"split": 3}, "split: expected keys and values, got 3"),
    ],
)
def test_wrong_values_are_refused_by_name(values: dict, message: str) -> None:
    with pytest.raises(UsageError) as error:
        from_dict(TrainConfig, values)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data: !!python/object/apply:os.system [ls]\n", "line 1"),
        ("data: [1,\n", "not plain YAML"),
        ("- a\n", "expected `key: value` lines"),
        ("a: 1\na: 2\n", "not plain YAML"),
    ],
)
def test_yaml_that_is_no_plain_mapping_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(UsageError, match=message) as error:
        load_yaml(tmp_path / "c.yaml")
    assert "\n" not in str(error.value)


def test_missing_yaml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read the configuration"):
        load_yaml(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--bakcbone", "x"], "unknown argument --bakcbone (did you mean --backbone?)"),
        (["--image-size", "x"], "--image-size: expected an integer, got 'x'"),
        (["--augment.rotation", "fast"], "--augment.rotation: expected a number, got 'fast'"),
        (["--optimizer", "adma"], "did you mean adam?"),
        (["--seed"], "expected one argument"),
    ],
)
def test_wrong_flags_are_refused_by_name(words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(*words)
    assert message in str(error.value)


def test_a_wrong_verb_gets_the_nearest() -> None:
    parser = Parser(prog="tfvision")
    parser.add_subparsers(required=True, metavar="VERB").add_parser("train")
    with pytest.raises(UsageError, match="did you mean train"):
        parser.parse_args(["trian"])
    assert isinstance(parser, argparse.ArgumentParser)


def test_channels_and_given_parts() -> None:
    config = from_dict(TrainConfig, parse("--channels", "1", "--split.given", "ignore"))
    assert config.channels == 1 and config.split.given == "ignore"
    assert TrainConfig().channels is None and TrainConfig().split.given == "keep"
    with pytest.raises(UsageError, match="channels: expected 1 or 3, got 4"):
        from_dict(TrainConfig, parse("--channels", "4"))


def test_nested_values_by_dotted_key() -> None:
    nested = {
        "seed": 1,
        "head": {"units": [8], "dropout": {"float": [0, 0.5]}},
        "search": {},
        "phases": [{"epochs": 2}],
    }
    assert flatten_mapping(nested) == {
        "seed": 1,
        "head.units": [8],
        "head.dropout.float": [0, 0.5],
        "phases": [{"epochs": 2}],
    }
    config = flatten(TrainConfig(phases=[Phase(epochs=2)]))
    assert (config["head.units"], config["phases[0].epochs"]) == ([], 2) and "phases" not in config

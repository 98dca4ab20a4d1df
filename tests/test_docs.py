"""What the pages promise: commands parse, Python runs or compiles, configurations load, flags and recipes exist."""

import argparse
import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pages import DOCS, PAGES, ROOT, Block, all_blocks, commands, read_blocks

from tfvision.audit.options import AuditConfig
from tfvision.cli import build_parser
from tfvision.cli.train import train_config
from tfvision.config.flags import flags_to_dict
from tfvision.config.options import from_dict, leaves
from tfvision.config.yaml import parse_yaml
from tfvision.ensembles.recipe import parse_recipe
from tfvision.search.plan import parse_search
from tfvision.training.config import TrainConfig
from tfvision.training.options import PseudoLabelOptions

COMMANDS = [line for page in PAGES for line in commands(page) if line.startswith("tfvision ")]
assert len(COMMANDS) > 60, "the pages have lost their commands"

PYTHON = all_blocks("python")
YAML = all_blocks("yaml")
# The flags of these verbs are options, whose values are checked when they are read.
OPTIONS = {
    "audit": AuditConfig,
    "train": TrainConfig,
    "crossval": TrainConfig,
    "learning-curve": TrainConfig,
    "search": TrainConfig,
    "pseudo-label": PseudoLabelOptions,
}
# How to run, on which no result depends: these are flags but no options.
RUNNING = {"dry-run", "device", "quiet", "debug", "config", "seeds"}


def _load_train(values: dict[str, Any]) -> object:
    return from_dict(TrainConfig, values)


READERS = {
    "train.yaml": _load_train,
    "audit.yaml": lambda values: from_dict(AuditConfig, values),
    "search.yaml": parse_search,
    "ensemble.yaml": lambda values: parse_recipe(values, "ensemble.yaml", {"weights": "none"}, {}),
}


@cache  # it takes a good part of a second to build, and there are many commands
def _parser() -> argparse.ArgumentParser:
    return build_parser()


def _verbs() -> dict[str, argparse.ArgumentParser]:
    (verbs,) = (each for each in _parser()._actions if isinstance(each, argparse._SubParsersAction))
    for verb in verbs.choices.values():
        verb.fill()
    return verbs.choices


@pytest.mark.parametrize("command", dict.fromkeys(COMMANDS))
def test_every_command_is_one_the_parser_takes(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    verb, *words = shlex.split(command)[1:]
    args = _parser().parse_args([verb, *words])
    if verb in OPTIONS:
        from_dict(OPTIONS[verb], flags_to_dict(OPTIONS[verb], vars(args)))
    if verb in ("train", "crossval", "learning-curve") and not getattr(args, "resume", None):
        assert train_config(args).data != "digits" or "--data" not in words


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: block.page)
def test_every_piece_of_python_compiles(block: Block) -> None:
    compile(block.text, block.page, "exec")


@pytest.mark.slow
def test_the_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The notebook's run, and on it what two other pages do with a run folder."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for cell in read_blocks(DOCS / "notebook.md", "python"):
        exec(compile(cell.text, cell.page, "exec"), names)
    assert set(names["parts"]) == {"train", "validation", "test"}
    assert (tmp_path / "runs/notebook/report.html").is_file()
    (printed,) = re.findall(r"^(0\.\d+) \[", capsys.readouterr().out, re.MULTILINE)
    assert float(printed) > 0.8
    assert (tmp_path / "runs/own/model.keras").is_file() and (tmp_path / "runs/own/history.csv").is_file()

    (check,) = read_blocks(DOCS / "honest-scores.md", "python")
    names = {}
    exec(compile(check.text, check.page, "exec"), names)
    assert names["torn_copies"]("runs/notebook/splits.csv") == []

    (loading,) = read_blocks(DOCS / "run-folder.md", "python")
    exec(compile(loading.text.replace("runs/earth", "runs/notebook"), loading.page, "exec"), names)
    assert names["probabilities"].shape == (1, 10)


@pytest.mark.parametrize("block", YAML, ids=lambda block: f"{block.page}: {block.title}")
def test_every_configuration_loads(block: Block) -> None:
    """Its title says for which verb it is."""
    READERS[block.title](parse_yaml(block.text, block.page))


def test_every_flag_in_the_table_of_train_exists() -> None:
    known = {flag.removeprefix("--") for flag in _verbs()["train"]._option_string_actions}
    table = [line for line in (DOCS / "verbs/train.md").read_text().splitlines() if line.startswith("| `--")]
    flags = {flag for line in table for flag in re.findall(r"`--([a-z.-]+)", line.split("|")[1])}
    assert len(flags) > 10
    assert flags <= known
    options = {key.split(".")[-1].replace("_", "-") for key, _, _ in leaves(TrainConfig)}
    assert {flag.split(".")[-1] for flag in flags} - RUNNING <= options
    _parser().parse_args(["train", "--device", "cpu", "--quiet", "--debug", "--dry-run"])
    _parser().parse_args(["train", "--augmix", "3", "--mixup", "0.2", "--cutmix", "1.0", "--on-bad", "skip"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_flag_in_the_text_is_one_of_some_verb(page: Path) -> None:
    known = {flag for verb in _verbs().values() for flag in verb._option_string_actions}
    assert len(known) > 100
    told = page.read_text("utf-8").split("\n## Errors")[0]  # below stand messages, wrong flags among them
    prose = re.sub(r"^```.*?^```$", "", told, flags=re.DOTALL | re.MULTILINE)
    codes = re.findall(r"`([^`\n]+)`", prose)
    ours = [code for code in codes if not re.match(r"\S+\.py\s|python\s", code)]  # scripts have flags of their own
    flags = {flag for code in ours for flag in re.findall(r"(?<!\S)--[a-z][a-z_.-]*[a-z]", code)}
    assert not flags - known


def test_every_verb_has_a_page_with_three_of_its_commands() -> None:
    verbs = set(_verbs())
    pages = {path.stem: path for path in (DOCS / "verbs").glob("*.md")}
    pages |= {"cache": pages["cache-and-list"], "list": pages.pop("cache-and-list")}
    assert set(pages) == verbs, "each verb has a page, docs/verbs/VERB.md"
    for verb, page in pages.items():
        assert sum(line.split()[1] == verb for line in commands(page)) >= (3 if page.stem == verb else 2), verb


def test_the_pages_name_every_recipe() -> None:
    recipes = {path.name for path in (ROOT / "configs").glob("*.yaml")}
    assert recipes
    assert set(re.findall(r"configs/(\w+\.yaml)", (DOCS / "recipes.md").read_text())) == recipes
    readme = (ROOT / "README.md").read_text()
    assert not [name for name in recipes if f"`{name.removesuffix('.yaml')}`" not in readme]


def test_the_pages_show_the_figures_that_the_recipes_state() -> None:
    """A figure with an interval on the page of recipes stands in a header of configs/, up to the digits shown."""
    headers = "".join(path.read_text() for path in (ROOT / "configs").glob("*.yaml"))
    shown = re.findall(r"\d\.\d{4} \[\d\.\d{4}, \d\.\d{4}\]", (DOCS / "recipes.md").read_text())
    assert len(shown) > 15
    assert not [figure for figure in shown if figure not in headers]


@pytest.mark.parametrize("page", ["architecture.md", "how-to-add.md"])
def test_every_module_they_name_exists(page: str) -> None:
    text = (DOCS / page).read_text()
    paths = set(re.findall(r"`(?:tfvision/)?((?:\w+/)*\w+\.py|(?:\w+/)+)`", text)) - {"docs/", "configs/", "tfvision/"}
    assert paths
    missing = {
        path for path in paths if not (ROOT / path).exists() and not list((ROOT / "tfvision").rglob(path.rstrip("/")))
    }
    assert missing == set()

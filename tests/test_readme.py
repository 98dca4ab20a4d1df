"""What the README promises: its first command reaches its score, its test line is what CI calls, its links exist."""

import json
import re
import shlex
from pathlib import Path

import pytest
from pages import README, ROOT, commands

from tfvision.cli import build_parser, main
from tfvision.cli.train import train_config

COMMANDS = commands(README)
TFVISION = [line for line in COMMANDS if line.startswith("tfvision ")]
assert TFVISION, "the README has no commands"


@pytest.mark.slow
def test_the_main_job_reaches_its_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first command without its installation: train the embedded default, export it."""
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(tmp_path)
    steps = [shlex.split(step) for step in COMMANDS[0].split(" && ")]
    assert [step[0] for step in steps] == ["python3.11", *[".venv/bin/pip", ".venv/bin/tfvision", ".venv/bin/tfvision"]]
    for step in steps[2:]:
        assert main(step[1:]) == 0
    metrics = json.loads((tmp_path / "runs/digits/metrics.json").read_text())
    assert metrics["test"]["accuracy"] >= 0.97
    assert (tmp_path / "runs/digits/report.html").stat().st_size > 100_000
    assert (tmp_path / "saved_models/digits/1/saved_model.pb").is_file()


@pytest.mark.parametrize("command", TFVISION)
def test_every_command_is_one_the_parser_takes(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    args = build_parser().parse_args(shlex.split(command)[1:])
    if args.verb.__name__ == "train" and not args.resume:
        assert train_config(args).data in ("eurosat.zip", "audit/clean.csv")


def test_ci_calls_the_test_line_of_the_readme() -> None:
    assert COMMANDS[1] in (ROOT / ".ci" / "run").read_text().splitlines()


def test_the_first_page_has_the_same_two_lines() -> None:
    assert commands(ROOT / "docs/index.md") == COMMANDS[:2]


def test_its_links_lead_somewhere() -> None:
    text = README.read_text("utf-8")
    links = [*re.findall(r"\]\(([^)#]+)", text), *re.findall(r'src="([^"]+)"', text)]
    assert len(links) > 20
    assert not [link for link in links if not (ROOT / link).is_file()]


def test_it_can_be_read_in_one_go() -> None:
    assert len(README.read_text("utf-8").splitlines()) <= 170

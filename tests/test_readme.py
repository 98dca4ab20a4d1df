"""What the README promises: its commands run, its Python runs, its test line is what CI calls."""

import json
import re
import shlex
from pathlib import Path

import pytest

from tfvision.cli import build_parser, main
from tfvision.cli.train import train_config
from tfvision.config.flags import _flag_names
from tfvision.config.options import leaves
from tfvision.training.config import TrainConfig

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
COMMANDS = [line for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]


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


def test_the_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})
    assert (tmp_path / "runs/notebook/report.html").is_file()
    assert float(capsys.readouterr().out.splitlines()[-1].split()[0]) > 0.8


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("tfvision ")])
def test_every_command_is_one_the_parser_takes(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    args = build_parser().parse_args(shlex.split(command)[1:])
    if args.verb.__name__ == "train" and not args.resume:
        assert train_config(args).data in ("eurosat.zip", "audit/clean.csv")


def test_every_flag_in_the_table_exists() -> None:
    known = {name.removeprefix("--") for key, _, _ in leaves(TrainConfig) for name in _flag_names(key)}
    table = [line for line in README.splitlines() if line.startswith("| `--")]
    flags = {flag for line in table for flag in re.findall(r"`--([a-z.-]+)", line.split("|")[1])}
    assert len(flags) > 10
    running = {"dry-run", "device", "quiet", "debug"}  # how to run; no result depends on them, so they are no options
    assert flags - running <= known
    build_parser().parse_args(["train", "--device", "cpu", "--quiet", "--debug", "--dry-run"])
    build_parser().parse_args(["train", "--augmix", "3", "--mixup", "0.2", "--cutmix", "1.0", "--on-bad", "skip"])


def test_ci_calls_the_test_line_of_the_readme() -> None:
    assert COMMANDS[1] in (ROOT / ".ci" / "run").read_text().splitlines()


def test_the_table_names_every_recipe() -> None:
    recipes = {path.name for path in (ROOT / "configs").glob("*.yaml")}
    named = set(re.findall(r"configs/(\w+\.yaml)", README))
    assert named == recipes

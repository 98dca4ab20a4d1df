"""Searches: stages, replay after a kill, failed trials, damaged logs, and what is left in the folder."""

import csv
import dataclasses
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from conftest import CLASSES, small_config, write_tree

from tfvision.cli import main
from tfvision.config.yaml import load_yaml
from tfvision.errors import DataError, RunError
from tfvision.search.best_models import BestModels
from tfvision.search.importance import importances
from tfvision.search.log import Trial, TrialLog
from tfvision.search.messages import short_names
from tfvision.search.plan import epochs_of, parse_search
from tfvision.search.plots import heat_map
from tfvision.search.results import trial_table
from tfvision.search.stages import Outcome, SearchLoop, Trained, rank_trials
from tfvision.training.config import TrainConfig

BASE = {"weights": "none", "backbone": "small_cnn", "epochs": 9, "monitor": "val_f1"}
RATE = {"learning_rate": {"float": [1e-4, 1e-1], "log": True}}
SPACES = {
    "random": {**BASE, **RATE, "head": {"layers": {"int": [1, 3]}, "units": {"choice": [8, 16]}}},
    "grid": {**BASE, "batch_size": {"choice": [16, 32, 64]}, "optimizer": {"choice": ["adam", "lion"]}},
    "hyperband": {**BASE, **RATE},
    "bayesian": {**BASE, **RATE},
}
TRIALS = {"random": 9, "grid": None, "hyperband": None, "bayesian": 6}


class Fake:
    """Stands for the training: a score that depends on nothing but the configuration."""

    def __init__(self, *, die_at: int = 0, fails: tuple[int, ...] = (), error: Exception | None = None) -> None:
        self.die_at, self.fails, self.error = die_at, fails, error or RunError("the loss became NaN")
        self.configs: list[TrainConfig] = []

    def __call__(self, config: TrainConfig) -> Trained:
        self.configs.append(config)
        if len(self.configs) == self.die_at:
            raise KeyboardInterrupt
        if len(self.configs) in self.fails:
            raise self.error
        score = zlib.crc32(repr(config).encode()) / 2**32
        text = f"{score}"
        return Trained({"val_f1": score, "val_loss": 1 - score}, epochs_of(config), lambda path: path.write_text(text))


def run(options: dict, folder: Path, fake: Fake, keep: int = 2) -> Outcome:
    return SearchLoop(
        parse_search(options),
        objective="val_f1",
        seed=3,
        log=TrialLog(folder / "trials"),
        models=BestModels(folder / "models", keep, lambda trials: rank_trials(trials, "val_f1")),
        run_trial=fake,
    ).run()


def essence(outcome: Outcome) -> list[Trial]:
    return [dataclasses.replace(trial, seconds=0.0) for trial in outcome.trials]


def models(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (folder / "models").iterdir()}


@pytest.mark.parametrize("algorithm", SPACES)
def test_a_killed_search_ends_as_one_that_nobody_killed(algorithm: str, tmp_path: Path) -> None:
    options = {**SPACES[algorithm], "search": {"algorithm": algorithm, "trials": TRIALS[algorithm]}}
    whole = Fake(fails=(2,))
    reference = run(options, tmp_path / "whole", whole)
    count = len(reference.trials)
    assert count == {"random": 9, "grid": 6, "hyperband": 21, "bayesian": 6}[algorithm]
    assert len({json.dumps(trial.values) + str(trial.budget) for trial in reference.trials}) == count
    killed, trained = tmp_path / "killed", 0
    # The Gaussian process begins at trial 5; the last one is asked for after one that was not proposed again.
    for die_at in (3, max(1, count // 2), 2) if algorithm != "bayesian" else (6,):
        fake = Fake(die_at=die_at, fails=(2,) if trained == 0 else ())
        with pytest.raises(KeyboardInterrupt):
            run(options, killed, fake)
        trained += len(fake.configs) - 1
    rest = Fake()
    outcome = run(options, killed, rest)
    assert trained + len(rest.configs) == count
    assert essence(outcome) == essence(reference)
    assert outcome.config == reference.config
    assert models(killed) == models(tmp_path / "whole") and len(models(killed)) == 2


def test_a_truncated_trial_is_computed_again(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    options = {**SPACES["random"], "search": {"algorithm": "random", "trials": 6}}
    reference = run(options, tmp_path, Fake())
    files = sorted((tmp_path / "trials").glob("*.json"))
    files[1].write_text(files[1].read_text()[:40])
    files[3].write_text("[]")
    files[4].write_bytes(b"")
    again = Fake()
    assert essence(run(options, tmp_path, again)) == essence(reference)
    assert len(again.configs) == 3
    assert capsys.readouterr().out.count("is damaged") == 3
    assert [path.name for path in sorted((tmp_path / "trials").glob("*.json"))] == [path.name for path in files]


def test_a_trial_that_would_not_be_run_now_is_not_believed(tmp_path: Path) -> None:
    options = {**SPACES["random"], "search": {"algorithm": "random", "trials": 6}}
    reference = run(options, tmp_path, Fake())
    file = sorted((tmp_path / "trials").glob("*.json"))[3]
    other = json.loads(file.read_text())
    (tmp_path / "trials" / ".digests").unlink()
    file.write_text(
        json.dumps({**other, "values": {**other["values"], "learning_rate": 0.5}, "scores": {"val_f1": 2.0}})
    )
    again = Fake()
    assert essence(run(options, tmp_path, again)) == essence(reference)
    assert len(again.configs) == 3  # it, and those that followed from it


def test_a_lost_model_of_the_best_is_trained_again(tmp_path: Path) -> None:
    options = {**SPACES["random"], "search": {"algorithm": "random", "trials": 6}}
    run(options, tmp_path, Fake())
    before = models(tmp_path)
    (tmp_path / "models" / min(before)).unlink()
    again = Fake()
    run(options, tmp_path, again)
    assert len(again.configs) == 1 and models(tmp_path) == before


def test_a_finished_search_takes_more_trials(tmp_path: Path) -> None:
    options = {**SPACES["random"], "search": {"algorithm": "random", "trials": 4}}
    few = essence(run(options, tmp_path, Fake()))
    options["search"]["trials"] = 7
    more = Fake()
    assert essence(run(options, tmp_path, more))[:4] == few and len(more.configs) == 3
    options["search"]["trials"] = 5
    assert len(run(options, tmp_path, Fake()).trials) == len(list((tmp_path / "trials").glob("*.json"))) == 5


def test_each_stage_fixes_what_the_one_before_it_found(tmp_path: Path) -> None:
    stages = [
        {
            "name": "a",
            "ranges": {"small_cnn.kernel_size": {"choice": [3, 5, 7]}, "head.dropout": {"choice": [0.1, 0.5]}},
        },
        {"name": "b", "ranges": {"learning_rate": {"choice": [1e-2, 1e-3]}, "batch_size": {"choice": [32, 64]}}},
        {"name": "c", "ranges": {"weight_decay": {"choice": [1e-3, 1e-4, 1e-5]}}},
    ]
    fake = Fake()
    outcome = run({**BASE, "batch_size": 64, "search": {"algorithm": "grid", "stages": stages}}, tmp_path, fake)
    assert [trial.stage for trial in outcome.trials] == [0] * 6 + [1] * 4 + [2] * 3
    best = [max((t for t in outcome.trials if t.stage == s), key=lambda t: t.scores["val_f1"]) for s in range(3)]
    for place, config in enumerate(fake.configs):
        stage = [t for t in outcome.trials if t.same_as is None][place].stage
        if stage >= 1:
            assert config.small_cnn.kernel_size == best[0].values["small_cnn.kernel_size"]
            assert config.head.dropout == best[0].values["head.dropout"]
        if stage == 2:
            assert config.batch_size == best[1].values["batch_size"]
    assert outcome.best == max(outcome.trials, key=lambda trial: (trial.scores["val_f1"], -trial.number))
    # Stage b holds the winner of stage a again (rate 1e-3 is the default, batches of 64 are given).
    (same,) = [trial for trial in outcome.trials if trial.same_as]
    assert (
        same.same_as == best[0].number and same.scores == best[0].scores and same.reason == f"as trial {same.same_as}"
    )
    assert len(fake.configs) == 12


def test_hyperband_trains_bad_trials_for_fewer_epochs(tmp_path: Path) -> None:
    fake = Fake()
    options = {**SPACES["hyperband"], "search": {"algorithm": "hyperband"}}
    trials = run(options, tmp_path, fake).trials
    assert {trial.epochs for trial in trials} == {1, 3, 9}
    assert [epochs_of(config) for config in fake.configs] == [trial.epochs for trial in trials]
    first = [trial for trial in trials if trial.epochs == 1]
    again = [trial for trial in trials if trial.epochs == 3 and trial.values in [one.values for one in first]]
    chosen = [one for one in first if one.values in [trial.values for trial in again]]
    left = [one.scores["val_f1"] for one in first if one not in chosen]
    assert len(chosen) == 3 and min(one.scores["val_f1"] for one in chosen) > max(left)
    assert sum(trial.epochs for trial in trials) < 9 * len(trials) / 2


def test_failed_trials_are_recorded_and_shown(tmp_path: Path) -> None:
    options = {**SPACES["grid"], "search": {"algorithm": "grid"}}
    fake = Fake(fails=(1, 4), error=ValueError("Negative dimension\nsize"))
    outcome = run(options, tmp_path, fake)
    failed = [trial for trial in outcome.trials if trial.status == "failed"]
    assert [trial.number for trial in failed] == [1, 4] and len(outcome.trials) == 6
    assert failed[0].reason == "ValueError: Negative dimension size" and not failed[0].scores
    rows = list(csv.DictReader(trial_table(outcome.trials, ["grid"]).splitlines()))
    assert [row["status"] for row in rows].count("failed") == 2
    assert rows[0]["reason"] == failed[0].reason and rows[0]["val_f1"] == ""
    assert float(rows[1]["val_f1"]) == pytest.approx(outcome.trials[1].scores["val_f1"], abs=1e-5)


def test_a_search_in_which_all_failed_fails(tmp_path: Path) -> None:
    options = {**SPACES["grid"], "search": {"algorithm": "grid"}}
    with pytest.raises(RunError, match="all 6 trials of grid failed, the first as the loss became NaN"):
        run(options, tmp_path, Fake(fails=tuple(range(1, 7))))
    assert len(list((tmp_path / "trials").glob("*.json"))) == 6


def test_damaged_images_end_the_search(tmp_path: Path) -> None:
    options = {**SPACES["grid"], "search": {"algorithm": "grid"}}
    with pytest.raises(DataError, match="unreadable"):
        run(options, tmp_path, Fake(fails=(2,), error=DataError("a.png is unreadable")))


def grid_trials() -> list[Trial]:
    trials = []
    for kernel in (3, 5, 7):
        for rate in (0.5, 0.1):
            score = kernel / 10 + rate / 100
            values = {"small_cnn.kernel_size": kernel, "head.dropout": rate}
            trials.append(Trial(len(trials) + 1, 0, values, None, "completed", scores={"val_f1": score}))
    trials[3] = Trial(4, 0, trials[3].values, None, "failed", "NaN")
    return trials


def test_heat_map_holds_every_trial_in_its_cell() -> None:
    heat = heat_map(grid_trials(), "val_f1", {})
    assert heat.keys == ("small_cnn.kernel_size", "head.dropout")
    assert (heat.rows, heat.columns) == ([3, 5, 7], [0.1, 0.5])
    np.testing.assert_allclose(heat.cells, [[0.301, 0.305], [np.nan, 0.505], [0.701, 0.705]])
    assert heat.tried.all()


def test_heat_map_of_more_than_two_options_is_the_best_over_the_others() -> None:
    trials = [
        Trial(
            t.number,
            0,
            {**t.values, "optimizer": name},
            None,
            t.status,
            "",
            {k: v + bonus for k, v in t.scores.items()},
        )
        for name, bonus in (("adam", 0.0), ("lion", 0.1))
        for t in grid_trials()
    ]
    heat = heat_map(trials, "val_f1", {"small_cnn.kernel_size": 0.9, "head.dropout": 0.1})
    assert heat.others == ["optimizer"] and heat.cells[0, 0] == pytest.approx(0.401)
    assert heat_map(trials[:1], "val_f1", {}) is None


def test_importance_finds_what_decides() -> None:
    trials = [
        Trial(n + 1, 0, {"a": a, "b": b}, None, "completed", scores={"val_f1": a + 0.01 * (b == "x")})
        for n, (a, b) in enumerate((a, b) for a in (1, 2, 3, 4) for b in ("x", "y"))
    ]
    shares = importances(trials, "val_f1")
    assert next(iter(shares)) == "a" and shares["a"] > 0.9 and sum(shares.values()) == pytest.approx(1)
    assert importances(trials[:7], "val_f1") == {}


def test_names_are_short_where_that_is_clear() -> None:
    assert short_names(["head.dropout", "phases[0].epochs", "phases[1].epochs"]) == {
        "head.dropout": "dropout",
        "phases[0].epochs": "phases[0].epochs",
        "phases[1].epochs": "phases[1].epochs",
    }


def test_a_new_head_on_the_last_backbone_is_as_a_new_model(colours: Path, tmp_path: Path) -> None:
    from tfvision.experiment.building import suit_images, suited_model
    from tfvision.experiment.in_memory import SharedBackbone
    from tfvision.experiment.preparation import read_images
    from tfvision.system.device import set_seed

    config, data = read_images(small_config(colours, tmp_path))
    config = suit_images(config, data)
    backbones = SharedBackbone(data)

    def build(backbone=None):
        set_seed(config.seed)
        return suited_model(config, data, backbone() if backbone else None)

    first = build(lambda: backbones.of(config))
    first.set_weights([value + 1 for value in first.get_weights()])
    again = build(lambda: backbones.of(config))
    assert again.layers[1] is first.layers[1]
    fresh = build()
    assert len(fresh.variables) == len(again.variables) > len(fresh.weights)  # the seed of dropout is among them
    for one, other in zip(fresh.variables, again.variables, strict=True):
        np.testing.assert_array_equal(one, other)


SEARCH = """
backbone: small_cnn
weights: none
image_size: 16
batch_size: 8
epochs: 4
monitor: val_f1
head: {pooling: flatten, units: {choice: [4, 8]}, dropout: {float: [0.1, 0.5]}}
small_cnn: {filters: [4], padding: valid, kernel_size: {choice: [3, 17]}}
search: {algorithm: random, trials: 4, epochs_scale: 0.5}
"""


@pytest.mark.slow
def test_the_winner_trains_as_its_trial_did(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """The real thing: a search, gone on with after its last trial was lost, and `train` on what it found."""
    data, folder, config = write_tree(tmp_path / "data", 10, CLASSES), tmp_path / "search", tmp_path / "s.yaml"
    config.write_text(SEARCH)
    words = ["search", "--config", str(config), "--data", str(data), "--seed", "4", "--output", str(folder)]
    assert main([*words, "--dry-run"]) == 0 and not folder.exists()
    assert main(words) == 0
    printed = capsys.readouterr()
    assert printed.out.count("\ntrial ") == 4 and "report:" in printed.out and not printed.err
    rows = list(csv.DictReader((folder / "trials.csv").read_text().splitlines()))
    failed = [row for row in rows if row["small_cnn.kernel_size"] == "17"]
    assert failed and all(row["status"] == "failed" and "too small" in row["reason"] for row in failed)
    assert {path.name for path in folder.iterdir()} == {
        *("best.yaml", "environment.json", "models", "plots", "report.html", "search.yaml", "splits.csv", "trials"),
        *("trials.csv", ".digests"),
    }
    assert {path.name for path in (folder / "plots").iterdir()} >= {"best_so_far.svg"}
    page = (folder / "report.html").read_text()
    assert "too small" in page and "data:image/svg+xml" in page and "best.yaml" in page

    done = [row for row in rows if row["status"] == "completed"]
    best = max(done, key=lambda row: (float(row["val_f1"]), -int(row["trial"])))
    assert [path.name for path in (folder / "models").iterdir()] == [f"trial_{int(best['trial']):04}.keras"]
    (folder / "trials" / f"{int(best['trial']):04}.json").write_text("{")
    assert main(["search", "--resume", str(folder)]) == 0
    again = list(csv.DictReader((folder / "trials.csv").read_text().splitlines()))
    assert [{**row, "seconds": ""} for row in again] == [{**row, "seconds": ""} for row in rows]
    assert main(["search", "--resume", str(folder), "--batch-size", "4"]) == 2
    assert "batch_size: 8 -> 4" in capsys.readouterr().err

    assert main(["train", "--config", str(folder / "best.yaml"), "--output", str(tmp_path / "run")]) == 0
    history = list(csv.DictReader((tmp_path / "run" / "history.csv").read_text().splitlines()))
    assert len(history) == 2
    kept = max(history, key=lambda row: float(row["val_f1"]))
    assert {name: kept[name] for name in ("loss", "val_loss", "val_f1")} == {
        name: best[name] for name in ("loss", "val_loss", "val_f1")
    }


def test_a_search_is_no_training_and_is_said_so(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    config = tmp_path / "s.yaml"
    config.write_text(SEARCH)
    assert main(["train", "--config", str(config)]) == 2
    assert "run it with `tfvision search --config" in capsys.readouterr().err
    assert main(["search"]) == 2 and "needs --config" in capsys.readouterr().err
    assert main(["search", "--resume", str(tmp_path)]) == 3 and "holds no search" in capsys.readouterr().err
    assert load_yaml(config)["search"]["trials"] == 4

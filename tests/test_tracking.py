"""Trackers: what they get of a run folder, in which order, and that their failures cost nothing but a line."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import small_config
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

import tfvision
from tfvision.cli import main
from tfvision.errors import DataError, RunError, UsageError
from tfvision.experiment.train import train_from_config
from tfvision.system.locks import locked
from tfvision.tracking import beside, trackers
from tfvision.tracking.folder import read_content, runs_in
from tfvision.tracking.trackers import TRACKERS, tracker_names
from tfvision.training.options import Phase

# Stand-ins that write down each call; what MISBEHAVE holds is run before each.
MLFLOW = {
    "__init__": """
import json, os, pathlib, types
from mlflow.exceptions import MlflowException
_LOG = pathlib.Path({log!r})
def _said(*call):
    text = pathlib.Path({misbehave!r})
    exec(text.read_text() if text.exists() else "")
    with _LOG.open("a") as file: file.write(json.dumps(call) + "\\n")
def _calls(): return [json.loads(line) for line in _LOG.read_text().splitlines()] if _LOG.exists() else []
class MlflowClient:
    def __init__(self, tracking_uri): self.uri = tracking_uri
    def get_experiment_by_name(self, name): return None
    def create_experiment(self, name): _said("experiment", name, self.uri); return "1"
    def create_run(self, experiment, run_name, tags):
        _said("run", run_name, tags); return types.SimpleNamespace(info=types.SimpleNamespace(run_id="r1"))
    def get_run(self, run):
        if not any(call[0] == "run" for call in _calls()): raise MlflowException("no such run")
        return types.SimpleNamespace(info=types.SimpleNamespace(lifecycle_stage="active"))
    def update_run(self, run, status): _said("status", status)
    def set_terminated(self, run, status): _said("status", status)
    def log_batch(self, run, metrics=(), params=(), tags=()):
        assert len(params) <= 100 and len(metrics) <= 1000
        _said("batch", [[m.key, m.value, m.step] for m in metrics], [[p.key, p.value] for p in params])
    def log_artifact(self, run, path, place=""):
        assert pathlib.Path(path).is_file(); _said("file", pathlib.Path(path).name, place)
""",
    "exceptions": "class MlflowException(Exception): pass",
    "entities": """
class Metric:
    def __init__(self, key, value, timestamp, step): self.key, self.value, self.step = key, value, step
class Param:
    def __init__(self, key, value): self.key, self.value = key, value
RunTag = Param
""",
}
WANDB = {
    "__init__": """
import json, pathlib, types
_LOG = pathlib.Path({log!r})
def _said(*call):
    text = pathlib.Path({misbehave!r})
    exec(text.read_text() if text.exists() else "")
    with _LOG.open("a") as file: file.write(json.dumps(call) + "\\n")
api = types.SimpleNamespace(api_key=None)
Settings = dict
class Image:
    def __init__(self, path): assert pathlib.Path(path).read_bytes().startswith(b"\\x89PNG")
class Artifact:
    def __init__(self, name, type): self.name, self.type, self.files = name, type, []
    def add_file(self, path, name=None): assert pathlib.Path(path).is_file(); self.files.append(name or pathlib.Path(path).name)
class Run:
    offline, resumed = True, False
    dir = "wandb/offline-run-1/files"
    summary = types.SimpleNamespace(update=lambda scores: _said("summary", scores))
    def log(self, values, step=None): _said("log", {{k: v if isinstance(v, (int, float, str)) else "picture" for k, v in values.items()}}, step)
    def log_artifact(self, one): _said("artifact", one.name, one.type, sorted(one.files))
    def finish(self, exit_code): _said("finish", exit_code)
def init(**options): _said("init", {{k: options[k] for k in ("project", "id", "name", "group", "mode", "config")}}); return Run()
"""
}


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Callable[[], list[Any]]]]:
    """Put a stand-in for a tracker's package in its place; what it returns reads the calls so far."""
    monkeypatch.chdir(tmp_path)
    for variable in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "WANDB_MODE", "WANDB_PROJECT", "WANDB_API_KEY"):
        monkeypatch.delenv(variable, raising=False)

    def write(name: str) -> Callable[[], list[Any]]:
        log, misbehave = tmp_path / f"{name}.log", tmp_path / "misbehave.py"
        package = tmp_path / "packages" / name
        package.mkdir(parents=True)
        for module, text in {"mlflow": MLFLOW, "wandb": WANDB}[name].items():
            filled = text.format(log=str(log), misbehave=str(misbehave)) if module == "__init__" else text
            (package / f"{module}.py").write_text(filled)
        (tmp_path / "packages" / "sqlalchemy.py").write_text("")
        monkeypatch.syspath_prepend(tmp_path / "packages")
        _forget()
        return lambda: [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    yield write
    _forget()


def _forget() -> None:
    ours = ("tfvision.tracking.to_mlflow", "tfvision.tracking.to_wandb")
    for module in [name for name in sys.modules if name.split(".")[0] in ("mlflow", "wandb") or name in ours]:
        del sys.modules[module]


def unfinished(run: Path, folder: Path, epochs: int) -> Path:
    """Return a copy of a run as it was after so many epochs."""
    shutil.copytree(run, folder)
    for name in ("metrics.json", "report.html", "predictions.csv", "mistakes.csv"):
        (folder / name).unlink(missing_ok=True)
    lines = (folder / "history.csv").read_text().splitlines(keepends=True)
    (folder / ".digests").unlink(missing_ok=True)
    (folder / "history.csv").write_text("".join(lines[: epochs + 1]))
    return folder


# ---- what is read


def test_a_run_as_trackers_take_it(small_run: Path) -> None:
    content = read_content(small_run)
    run = tfvision.open_run(small_run)
    assert content.finished and content.name == small_run.name and content.group == ""
    assert content.options["phases.0.schedule"] == "cosine" and content.options["augment.vertical_flip"] is True
    assert content.options["head.units"] == "[8]" and content.options["image_size"] == 16
    assert [row["epoch"] for row in content.rows] == [1, 2, 3, 4, 5, 6] and content.rows[0]["phase"] == "train"
    test = run.metrics["test"]
    assert content.scores["test/accuracy"] == test["accuracy"]
    low, high = test["ci95"]["accuracy"]
    assert (content.scores["test/accuracy_low"], content.scores["test/accuracy_high"]) == (low, high)
    assert content.scores["test/n"] == test["n"] and "validation/log_loss" in content.scores
    assert not [name for name, value in content.scores.items() if not np.isfinite(value)]
    assert {"config.yaml", "report.html", "predictions.csv"} <= {path.name for path in content.tables()}


def test_an_unfinished_run_has_no_scores(small_run: Path, tmp_path: Path) -> None:
    content = read_content(unfinished(small_run, tmp_path / "run", 2))
    assert not content.finished and content.scores == {} and len(content.rows) == 2


def test_runs_of_a_folder(small_run: Path, tmp_path: Path) -> None:
    for number in (10, 2, 1):
        shutil.copytree(small_run, tmp_path / "seeds" / f"seed_{number}")
    (tmp_path / "seeds" / "plots").mkdir()
    found = runs_in(tmp_path / "seeds")
    assert [path.name for path in found] == ["seed_1", "seed_2", "seed_10"]
    assert (read_content(found[0]).name, read_content(found[0]).group) == ("seeds/seed_1", "seeds")
    assert runs_in(found[0]) == [found[0]]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no run"):
        runs_in(tmp_path / "empty")
    # Several classifiers: the folder has a configuration of its own.
    shutil.copytree(small_run, tmp_path / "several" / "svm")
    for name in ("config.yaml", "comparison.csv"):
        (tmp_path / "several" / name).write_text("")
    assert runs_in(tmp_path / "several") == [tmp_path / "several" / "svm"]


def test_names_of_trackers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda name: object())
    assert tracker_names(None) == tracker_names("") == ()
    assert tracker_names("wandb, mlflow,wandb") == ("wandb", "mlflow") == tracker_names(["wandb", "mlflow"])
    with pytest.raises(UsageError, match="did you mean mlflow"):
        tracker_names("mlfow")
    monkeypatch.setattr(trackers, "find_spec", lambda name: None if name == "sqlalchemy" else object())
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(UsageError, match="mlflow-skinny"):
        tracker_names("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server:5000")
    assert tracker_names("mlflow") == ("mlflow",)


@pytest.mark.parametrize("name", TRACKERS)
def test_one_that_is_missing_is_refused_before_anything_is_read(
    name: str, colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda package: None)
    monkeypatch.setattr("tfvision.experiment.train.load_tensorflow", lambda: pytest.fail("TensorFlow was loaded"))
    words = ["train", "--data", str(colours), "--backbone", "small_cnn", "--weights", "none", "--track", name]
    assert main([*words, "--output", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and f"{name} is not installed; run `pip install" in said
    assert not (tmp_path / "run").exists()


# ---- TensorBoard


def read_events(folder: Path) -> EventAccumulator:
    return EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()


def test_tensorboard_shows_options_epochs_scores_and_pictures(small_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(small_run, tmp_path / "run")
    (sent,) = tfvision.track(run, "tensorboard")
    assert sent.finished and str(run / "tensorboard") in sent.where
    events = read_events(run / "tensorboard")
    rows = read_content(run).rows
    losses = [(each.step, float(each.tensor_proto.float_val[0])) for each in events.Tensors("val_loss")]
    assert losses == [(row["epoch"], pytest.approx(row["val_loss"], rel=1e-6)) for row in rows]
    metrics = tfvision.open_run(run).metrics["test"]
    (low,) = events.Tensors("test/accuracy_low")
    assert low.tensor_proto.float_val[0] == pytest.approx(metrics["ci95"]["accuracy"][0]) and low.step == 6
    assert set(events.PluginTagToContent("hparams")) == {"_hparams_/session_start_info"}
    pictures = set(events.PluginTagToContent("images"))
    assert {"pictures/confusion_matrix", "pictures/learning_curves", "pictures/class_samples"} <= pictures
    width, height, png = events.Tensors("pictures/confusion_matrix")[0].tensor_proto.string_val
    assert png.startswith(b"\x89PNG") and int(width) > 100 and int(height) > 100
    assert b"| backbone | small_cnn |" in events.Tensors("options")[0].tensor_proto.string_val[0]

    count = len(list((run / "tensorboard").iterdir()))
    tfvision.track(run, "tensorboard")
    assert len(list((run / "tensorboard").iterdir())) == count  # nothing is sent twice


def test_a_running_run_and_then_the_rest(small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    run = unfinished(small_run, tmp_path / "run", 2)
    assert main(["track", str(run)]) == 0
    assert "unfinished: scores, pictures and model are yet to come" in capsys.readouterr().out
    assert [each.step for each in read_events(run / "tensorboard").Tensors("loss")] == [1, 2]
    shutil.copytree(small_run, run, dirs_exist_ok=True)
    assert main(["track", str(run)]) == 0
    assert "unfinished" not in capsys.readouterr().out
    events = read_events(run / "tensorboard")
    assert [each.step for each in events.Tensors("loss")] == [1, 2, 3, 4, 5, 6] and events.Tensors("test/accuracy")


def test_the_writer_needs_no_tensorflow(small_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(small_run, tmp_path / "run")
    code = "import sys, tfvision\ntfvision.track(sys.argv[1])\nassert not {'tensorflow', 'keras'} & sys.modules.keys()"
    done = subprocess.run([sys.executable, "-c", code, str(run)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# ---- MLflow and Weights & Biases, by stand-ins


def test_mlflow_gets_all_of_it(stand_in, small_run: Path, tmp_path: Path) -> None:
    calls = stand_in("mlflow")
    run = shutil.copytree(small_run, tmp_path / "run")
    (sent,) = tfvision.track(run, "mlflow")
    assert "mlflow ui --backend-store-uri sqlite:///" in sent.where and sent.where.endswith("/mlflow.db`")
    said = calls()
    assert said[0][:2] == ["experiment", "tfvision"] and said[0][2] == f"sqlite:///{tmp_path}/mlflow.db"
    assert said[1][:2] == ["run", "run"] and "tfvision.version.keras" in said[1][2]
    params = dict(pair for call in said if call[0] == "batch" for pair in call[2])
    assert params["backbone"] == "small_cnn" and params["phases.0.epochs"] == "6" and len(params) > 100
    metrics = [tuple(each) for call in said if call[0] == "batch" for each in call[1]]
    assert [step for name, _, step in metrics if name == "val_loss"] == [1, 2, 3, 4, 5, 6]
    assert ("test/accuracy", read_content(run).scores["test/accuracy"], 6) in metrics
    files = {(call[1], call[2]) for call in said if call[0] == "file"}
    assert {("model.keras", "model"), ("report.html", ""), ("confusion_matrix.svg", "plots")} <= files
    assert said[-1] == ["status", "FINISHED"]


def test_mlflow_is_gone_on_with_and_begun_again_where_the_run_is_gone(
    stand_in, small_run: Path, tmp_path: Path
) -> None:
    calls = stand_in("mlflow")
    run = unfinished(small_run, tmp_path / "run", 4)
    assert not tfvision.track(run, "mlflow")[0].finished
    assert calls()[-1] == ["status", "KILLED"]
    shutil.copytree(small_run, run, dirs_exist_ok=True)
    tfvision.track(run, "mlflow")
    losses = [each[2] for call in calls() if call[0] == "batch" for each in call[1] if each[0] == "loss"]
    assert losses == [1, 2, 3, 4, 5, 6] and ["status", "RUNNING"] in calls() and calls()[-1] == ["status", "FINISHED"]
    before = len(calls())
    tfvision.track(run, "mlflow")
    assert [call[0] for call in calls()[before:]] == ["status", "status"]  # opened and closed, nothing sent

    (tmp_path / "mlflow.log").unlink()  # somebody deleted the run there
    tfvision.track(run, "mlflow")
    losses = [each[2] for call in calls() if call[0] == "batch" for each in call[1] if each[0] == "loss"]
    assert losses == [1, 2, 3, 4, 5, 6]


def test_what_was_decided_later_is_sent_too(stand_in, small_run: Path, tmp_path: Path) -> None:
    calls = stand_in("mlflow")
    run = shutil.copytree(small_run, tmp_path / "run")
    tfvision.track(run, "mlflow")
    before = len(calls())
    (run / "decision.json").write_text("{}")
    tfvision.track(run, "mlflow")
    assert ["file", "decision.json", ""] in calls()[before:]


def test_wandb_gets_all_of_it_offline_where_no_key_is_known(stand_in, small_run: Path, tmp_path: Path) -> None:
    calls = stand_in("wandb")
    run = shutil.copytree(small_run, tmp_path / "seeds" / "seed_3")
    (sent,) = tfvision.track(run, "wandb")
    assert "offline; send it on with `wandb sync wandb/offline-run-1`" in sent.where
    said = calls()
    begun = said[0][1]
    assert (begun["mode"], begun["project"], begun["name"], begun["group"]) == (
        "offline",
        "tfvision",
        "seeds/seed_3",
        "seeds",
    )
    assert begun["config"]["backbone"] == "small_cnn"
    steps = [call[2] for call in said if call[0] == "log" and "val_loss" in call[1]]
    assert steps == [1, 2, 3, 4, 5, 6]
    (summary,) = [call[1] for call in said if call[0] == "summary"]
    assert summary["test/accuracy_low"] == read_content(run).scores["test/accuracy_low"]
    assert any(call[0] == "log" and "pictures/confusion_matrix" in call[1] for call in said)
    artifacts = {call[2]: (call[1], call[3]) for call in said if call[0] == "artifact"}
    assert artifacts["model"] == ("seeds-seed_3-model", ["model.keras"]) and "plots/roc.svg" in artifacts["results"][1]
    assert said[-1] == ["finish", 0]

    # An offline run cannot be added to: a new folder holds all of it, under the same name.
    before = len(said)
    tfvision.track(run, "wandb")
    again = calls()[before:]
    assert (
        again[0][1]["id"] == begun["id"]
        and [call[2] for call in again if call[0] == "log" and "loss" in call[1]] == steps
    )


def test_several_runs_and_trackers_and_one_that_fails(
    stand_in, small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    calls = stand_in("mlflow")
    for seed in (1, 2):
        shutil.copytree(small_run, tmp_path / "seeds" / f"seed_{seed}")
    (tmp_path / "misbehave.py").write_text("if call[:2] == ('run', 'seeds/seed_1'): raise OSError('disk full')")
    with pytest.raises(
        RunError, match=r"1 of 4 not sent .*seed_1 to mlflow: OSError: disk full.*track .*seeds --to mlflow,tensorboard"
    ):
        tfvision.track(tmp_path / "seeds", ["mlflow", "tensorboard"])
    assert "not sent: " in capsys.readouterr().out and calls()[-1] == ["status", "FINISHED"]
    (tmp_path / "misbehave.py").unlink()
    assert len(tfvision.track(tmp_path / "seeds", "mlflow,tensorboard")) == 4


def test_one_process_at_a_time_sends_a_run(small_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(small_run, tmp_path / "run")
    busy = pytest.raises(UsageError, match="being sent to tensorboard by another process")
    with locked(run / "tracking" / ".tensorboard.lock", lambda: None), busy:
        tfvision.track(run)
    with pytest.raises(UsageError, match="expected one or several of tensorboard, mlflow, wandb"):
        tfvision.track(run, [])


# ---- beside a training


ONE = [Phase(name="a", epochs=2, learning_rate=1e-2)]


@pytest.mark.usefixtures("without_pictures")
def test_a_training_is_followed(stand_in, colours: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    calls = stand_in("mlflow")
    run = train_from_config(small_config(colours, tmp_path / "run", phases=ONE, track="mlflow,tensorboard"))
    said = capsys.readouterr().out
    assert "mlflow: run r1; look at it" in said and "tensorboard: look at it with `tensorboard --logdir" in said
    losses = [each[2] for call in calls() if call[0] == "batch" for each in call[1] if each[0] == "loss"]
    assert losses == [1, 2] and calls()[-1][0] == "status"
    assert [each.step for each in read_events(run.folder / "tensorboard").Tensors("val_loss")] == [1, 2]
    # Trackers change no result, so that a run is resumed with others.
    (run.folder / "report.html").unlink()
    again = train_from_config(small_config(colours, run.folder, phases=ONE, track=None), resume=run.folder)
    assert again.folder == run.folder


@pytest.mark.usefixtures("without_pictures")
@pytest.mark.parametrize(
    ("misbehave", "said"),
    [
        ("raise OSError('no route to host')", "mlflow: OSError: no route to host"),
        pytest.param(
            "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "mlflow: exit status -11", marks=pytest.mark.slow
        ),
        pytest.param(
            "import time; time.sleep(600)", "mlflow: did not take everything within 2 s", marks=pytest.mark.slow
        ),
    ],
    ids=["raises", "crashes", "hangs"],
)
def test_a_tracker_that_fails_costs_a_line(
    stand_in,
    misbehave: str,
    said: str,
    colours: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    calls = stand_in("mlflow")
    monkeypatch.setattr(beside, "_MOST_SECONDS", 2.0)
    (tmp_path / "misbehave.py").write_text(misbehave)
    run = train_from_config(small_config(colours, tmp_path / "run", phases=ONE, track="mlflow"))
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("mlflow: ")]
    assert len(lines) == 1 and lines[0].startswith(said)
    assert lines[0].endswith(f"is sent by `tfvision track {run.folder} --to mlflow`")
    assert run.metrics["test"]["accuracy"] >= 0 and (run.folder / "model.keras").is_file() and calls() == []
    (tmp_path / "misbehave.py").unlink()
    (sent,) = tfvision.track(run.folder, "mlflow")
    assert sent.finished and [call for call in calls() if call[0] == "file" and call[1] == "model.keras"]


def test_the_last_epochs_of_a_killed_training_are_sent(stand_in, small_run: Path, tmp_path: Path) -> None:
    """The process beside it sees its standard input end, as it does when a training is killed."""
    calls = stand_in("mlflow")
    run = unfinished(small_run, tmp_path / "run", 1)
    with beside.tracked(run, ["mlflow"]):
        _wait_for(lambda: any(call[0] == "batch" and call[1] for call in calls()))
        shutil.copy(small_run / "history.csv", run / "history.csv")
        _wait_for(lambda: sum(call[0] == "batch" and bool(call[1]) for call in calls()) == 2)  # while it is trained
    assert calls()[-1] == ["status", "KILLED"]
    losses = [each[2] for call in calls() if call[0] == "batch" for each in call[1] if each[0] == "loss"]
    assert losses == [1, 2, 3, 4, 5, 6]


def _wait_for(holds: Callable[[], bool], seconds: float = 60) -> None:
    since = time.monotonic()
    while not holds():
        assert time.monotonic() - since < seconds, "it did not happen"
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.usefixtures("without_pictures")
def test_shallow_classifiers_are_followed_each(
    stand_in, colours: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    calls = stand_in("mlflow")
    words = ["train", "--data", str(colours), "--backbone", "small_cnn", "--weights", "none", "--track", "mlflow"]
    assert main([*words, "--classifier", "knn,logistic_regression", "--output", str(tmp_path / "run")]) == 0
    assert [call[1] for call in calls() if call[0] == "run"] == ["knn", "logistic_regression"]
    assert sum(call == ["status", "FINISHED"] for call in calls()) == 2

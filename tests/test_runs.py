"""The run folder: what is in it, how it is opened, and that figures follow from predictions."""

import csv
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import h5py
import keras
import numpy as np
import pytest
from conftest import small_config

from tfvision.config.options import from_dict
from tfvision.config.yaml import load_yaml
from tfvision.data.sources.open import open_images
from tfvision.errors import DataError, RunError, UsageError
from tfvision.evaluation.metrics import compute_metrics
from tfvision.evaluation.parts import compute_part
from tfvision.evaluation.predictions import Predictions, read_predictions
from tfvision.experiment.class_pictures import plot_classes
from tfvision.experiment.mistake_maps import look_of
from tfvision.experiment.train import train_from_config
from tfvision.models.model_file import read_facts
from tfvision.prediction.stored import load_predictor
from tfvision.runs.folder import create_run, open_run
from tfvision.system.files import remove_leftovers, write_text
from tfvision.training.config import TrainConfig

FILES = {
    "config.yaml", "splits.csv", "history.csv", "model.keras", "summary.txt", "predictions.csv", "metrics.json",
    "report.html", "environment.json", "plots", "data.json", "MODEL_CARD.md", ".digests",
}  # fmt: skip
PLOTS = {
    "learning_curves",
    "confusion_matrix",
    "precision_recall",
    "roc",
    "calibration",
    "class_samples",
    "augmented_samples",
}
SCORES = {
    "n", "accuracy", "balanced_accuracy", "precision_macro", "recall_macro", "f1_macro", "precision_weighted",
    "recall_weighted", "f1_weighted", "log_loss", "brier", "expected_calibration_error", "roc_auc",
    "average_precision", "ci95", "per_class", "confusion_matrix",
}  # fmt: skip


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_the_folder_holds_every_file_and_nothing_half_written(small_run: Path) -> None:
    mistakes = {"mistakes.csv"} if (small_run / "plots/worst_mistakes.png").is_file() else set()
    assert {entry.name for entry in small_run.iterdir()} == FILES | mistakes
    assert {path.stem for path in (small_run / "plots").iterdir()} - {"worst_mistakes", "mistakes"} == PLOTS


def test_figures_follow_from_the_predictions_file(small_run: Path) -> None:
    metrics = json.loads((small_run / "metrics.json").read_text())
    assert set(metrics) == {"validation", "test"}
    predictions, facts = read_predictions(small_run / "predictions.csv"), open_run(small_run).facts
    for part, scores in metrics.items():
        assert scores.keys() >= SCORES
        assert scores == json.loads(json.dumps(compute_part(predictions.part(part), facts)))
    splits = {row["id"]: row["part"] for row in rows(small_run / "splits.csv")}
    assert {name: part for name, part in splits.items() if part != "train"} == dict(
        zip(predictions.ids, predictions.parts, strict=True)
    )


def test_the_model_file_gives_the_predictions_of_the_file(small_run: Path, colours: Path) -> None:
    run = open_run(small_run)
    images = open_images(colours)
    predictions = read_predictions(small_run / "predictions.csv")
    chosen = [images.ids.index(name) for name in predictions.ids]
    found = load_predictor(small_run).probabilities(images.select(chosen))
    np.testing.assert_allclose(found, predictions.probabilities, atol=1e-6)
    assert run.facts.class_names == ("blue", "green", "red")
    # The best epoch of the history is the one whose weights were kept.
    best = min(rows(small_run / "history.csv"), key=lambda row: float(row["val_loss"]))
    assert run.metrics["validation"]["log_loss"] == pytest.approx(float(best["val_loss"]), rel=1e-3)


def test_history_has_a_row_an_epoch_with_train_and_validation_scores(small_run: Path) -> None:
    history = rows(small_run / "history.csv")
    assert [row["epoch"] for row in history] == list("123456")
    wanted = "epoch phase learning_rate loss accuracy f1 val_loss val_accuracy val_f1 seconds images_per_second"
    assert list(history[0]) == wanted.split()
    assert float(history[0]["learning_rate"]) == pytest.approx(1e-2, rel=0.05)  # the mean over the epoch, of a cosine


@pytest.mark.usefixtures("without_pictures")
def test_the_config_of_a_run_repeats_it(small_run: Path, tmp_path: Path) -> None:
    config = from_dict(TrainConfig, load_yaml(small_run / "config.yaml"))
    config.output = str(tmp_path / "again")
    again = train_from_config(config)
    assert (again.folder / "predictions.csv").read_bytes() == (small_run / "predictions.csv").read_bytes()
    assert (again.folder / "splits.csv").read_bytes() == (small_run / "splits.csv").read_bytes()


@pytest.mark.usefixtures("without_pictures")
def test_the_splits_of_a_run_can_be_given_to_another(small_run: Path, colours: Path, tmp_path: Path) -> None:
    config = small_config(colours, tmp_path / "run", seed=9)
    config.split.file = str(small_run / "splits.csv")
    run = train_from_config(config)
    assert rows(run.folder / "splits.csv") == rows(small_run / "splits.csv")


def test_an_existing_folder_is_refused_before_any_work(colours: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("keep")
    with pytest.raises(UsageError, match="exists already"):
        train_from_config(small_config(colours, tmp_path / "run"))
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["mine.txt"]


def test_opening_what_is_no_run_says_so(tmp_path: Path, small_run: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        open_run(tmp_path / "none")
    with pytest.raises(DataError, match=r"has no model\.keras"):
        open_run(tmp_path)
    (tmp_path / "model.keras").write_bytes((small_run / "model.keras").read_bytes()[:5000])
    with pytest.raises(DataError, match="damaged"):
        open_run(tmp_path).model()
    with pytest.raises(DataError, match="damaged"):
        read_facts(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(DataError, match="class names"):
        read_facts(tmp_path / "other.keras")


def rewritten(run: Path, folder: Path, member: str, content: bytes) -> Path:
    """Copy the model of a run with other content in one member."""
    path = folder / "model.keras"
    with zipfile.ZipFile(run / "model.keras") as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, content if name == member else old.read(name))
    return path


RESIZE = {"height": 16, "width": 16}
FACTS = {"class_names": ["a", "b"], "resize": RESIZE, "backbone": "small_cnn"}


@pytest.mark.parametrize(
    "facts",
    [
        [1, 2],
        "text",
        {**FACTS, "class_names": 3},
        {**FACTS, "class_names": [1, 2]},
        {**FACTS, "class_names": []},
        {**FACTS, "resize": [16, 16]},
        {**FACTS, "resize": {**RESIZE, "height": "16"}},
        {**FACTS, "resize": {**RESIZE, "kernel": ["area"]}},
        {**FACTS, "backbone": None},
        {"class_names": ["a", "b"]},
    ],
)
def test_facts_of_wrong_types_are_refused_in_a_line(facts: object, small_run: Path, tmp_path: Path) -> None:
    path = rewritten(small_run, tmp_path, "tfvision.json", json.dumps(facts).encode())
    with pytest.raises(DataError, match="does not say its class names") as error:
        read_facts(path)
    assert "\n" not in str(error.value)


def test_huge_facts_are_refused_before_they_are_read(small_run: Path, tmp_path: Path) -> None:
    path = rewritten(small_run, tmp_path, "tfvision.json", b" " * (4 * 2**20 + 1))
    with pytest.raises(DataError, match="declares 4,194,305 bytes"):
        read_facts(path)


def test_a_model_that_declares_far_more_than_it_holds_is_never_loaded(small_run: Path, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "bomb.h5", "w") as file:
        # 2 GiB that are never written: zeros on paper, all of them in memory once Keras reads the layer.
        file.create_dataset("layers/dense/vars/0", (2**15, 2**14), "f4", chunks=(64, 2**14), compression="gzip")
    path = rewritten(small_run, tmp_path, "model.weights.h5", (tmp_path / "bomb.h5").read_bytes())
    with pytest.raises(DataError, match="declares 2,147,483,648 bytes"):
        load_predictor(path)


def test_a_model_with_other_outputs_than_class_names_is_refused(small_run: Path, tmp_path: Path) -> None:
    path = rewritten(small_run, tmp_path, "tfvision.json", json.dumps(FACTS).encode())
    with pytest.raises(DataError, match=r"outputs of shape \(None, 3\) and names 2 classes"):
        load_predictor(path)


def test_a_write_that_fails_leaves_the_old_file_and_no_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_text(tmp_path / "a.txt", "old")

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(RunError, match="No space left"):
        write_text(tmp_path / "a.txt", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


@pytest.fixture
def dead() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.skipif(os.name == "nt", reason="processes cannot be asked there")
def test_what_killed_processes_left_goes_when_the_same_is_written_anew(tmp_path: Path, dead: int) -> None:
    alive, own = os.getppid(), os.getpid()
    for name in (f".a.{dead}.txt", f".a.{alive}.txt", f".b.{dead}.txt", ".a.notes.txt"):
        (tmp_path / name).write_text("half")
    write_text(tmp_path / "a.txt", "new")
    for number in (dead, alive, own):
        (tmp_path / f".run.{number}" / "plots").mkdir(parents=True)
    create_run(tmp_path / "run", {"config.yaml": "new"})
    left = {f".a.{alive}.txt", f".b.{dead}.txt", ".a.notes.txt", f".run.{alive}"}
    assert {path.name for path in tmp_path.iterdir()} == {"a.txt", "run", *left}


@pytest.mark.skipif(os.name == "nt", reason="processes cannot be asked there")
def test_leftovers_go_from_a_run_folder_and_nothing_else_does(tmp_path: Path, dead: int) -> None:
    (tmp_path / "checkpoints").mkdir()
    for name in (f".metrics.{dead}.json", f"checkpoints/.00003.{dead}.npz", f".splits.{os.getpid()}.csv"):
        (tmp_path / name).write_text("half")
    kept = {"metrics.json", "checkpoints", "checkpoints/00002.npz", f".model.{os.getppid()}.keras", ".gitignore"}
    for name in kept - {"checkpoints"}:
        (tmp_path / name).write_text("whole")
    remove_leftovers(tmp_path)
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")} == kept


def test_two_classes_have_scores_of_the_positive_one(two_colours: Path, tmp_path: Path) -> None:
    config = small_config(two_colours, tmp_path / "run", balance="class_weights", monitor="val_f1")
    config.source.positive_class = "green"
    run = train_from_config(config)
    assert run.facts.class_names == ("red", "green")
    scores = run.metrics["test"]
    assert scores["positive_class"] == "green"
    assert {"precision", "recall", "f1"} <= scores.keys()
    assert rows(run.folder / "predictions.csv")[0].keys() == {"id", "part", "label", "predicted", "p_red", "p_green"}


def test_a_run_is_opened_anew(small_run: Path, tmp_path: Path) -> None:
    """What a notebook opened before a decision was stored is not what is exported after it."""
    import shutil

    from tfvision.decisions.choose import calibrate

    before = open_run(shutil.copytree(small_run, tmp_path / "run"))
    assert before.facts.decision is None
    calibrate(before)
    assert open_run(before).facts.decision is not None and before.facts.decision is None


def test_the_worst_mistakes_lie_beside_their_pictures(colours: Path, tmp_path: Path) -> None:
    images = open_images(colours)
    for probabilities, count in ((np.tile([0.6, 0.3, 0.1], (60, 1)), 16), (np.eye(3)[images.labels], 0)):
        found = Predictions(images.ids, np.full(60, "test"), images.labels, probabilities, images.class_names)
        scores = compute_metrics(found.labels, probabilities, images.class_names, resamples=10)
        plot_classes(tmp_path / "plots", found, scores, images, "test")
        mistakes = rows(tmp_path / "mistakes.csv") if (tmp_path / "mistakes.csv").is_file() else []
        assert len(mistakes) == len(list((tmp_path / "plots").glob("mistakes/*.png"))) == count
        for row in mistakes:
            assert row["id"].startswith(row["label"]) and (row["predicted"], row["probability"]) == ("blue", "0.6000")
            picture = cv2.cvtColor(cv2.imread(str(tmp_path / row["picture"])), cv2.COLOR_BGR2RGB)
            np.testing.assert_array_equal(picture, images.read(images.ids.index(row["id"])))
            assert Path(row["file"]) == colours / row["id"]


def test_the_worst_mistakes_say_where_the_model_looked(small_run: Path, colours: Path, tmp_path: Path) -> None:
    images, run = open_images(colours), open_run(small_run)
    wrong = np.tile([0.6, 0.3, 0.1], (60, 1))
    found = Predictions(images.ids, np.full(60, "test"), images.labels, wrong, images.class_names)
    scores = compute_metrics(found.labels, wrong, images.class_names, resamples=10)
    plot_classes(tmp_path / "plots", found, scores, images, "test", look_of(run.model(), run.facts))
    mistakes = rows(tmp_path / "mistakes.csv")
    assert [bool(row["looked"]) for row in mistakes] == [True] * 8 + [False] * 8
    looked = cv2.imread(str(tmp_path / mistakes[0]["looked"]))
    height, width = run.facts.resize.height, run.facts.resize.width
    assert looked.shape == (height, width, 3) and looked.std() > 0
    pixels = keras.Input((16, 16, 3))
    flat = keras.Model(pixels, keras.layers.Dense(3, "softmax")(keras.layers.Flatten()(pixels)))
    plot_classes(tmp_path / "plots", found, scores, images, "test", look_of(flat, run.facts))
    # no feature maps: nothing to show
    assert "looked" not in rows(tmp_path / "mistakes.csv")[0]

"""Shallow classifiers: what the libraries fitted is what the model computes, through the whole path and from disk."""

import base64
import csv
import importlib.util
import re
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

import tfvision
from tfvision.cli import main
from tfvision.data.sources.open import open_images
from tfvision.errors import RunError
from tfvision.evaluation.predictions import class_probabilities, read_predictions
from tfvision.experiment.train import train_from_config
from tfvision.export import check
from tfvision.models.classifier import build_classifier
from tfvision.models.heads.shallow_heads import LinearHead, attach_shallow_head, is_stepped
from tfvision.models.options import HeadOptions, SmallCnnOptions
from tfvision.plots import classes as plots
from tfvision.plots import image_grid
from tfvision.prediction.stored import load_predictor
from tfvision.runs.folder import open_run
from tfvision.training.config import TrainConfig
from tfvision.training.logistic import feature_model
from tfvision.training.options import ShallowOptions
from tfvision.training.shallow.calibration import apply_temperature, fit_scale
from tfvision.training.shallow.classifiers import CLASSIFIERS, check_graph, classifier_names, fit_classifier
from tfvision.training.shallow.problem import Candidate, Problem, choose_candidate

KINDS = list(CLASSIFIERS)
STEPPED = ("random_forest", "xgboost", "knn")  # a feature at a threshold may fall to either side
QUICK = ShallowOptions(trees=20, rounds=20)


def blobs(classes: int, per_class: int = 60, width: int = 10, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping clouds of points, so that no classifier is perfect, with unequal scales of the features."""
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(7).normal(0, 1.2, (classes, width))
    labels = np.repeat(np.arange(classes), per_class)
    points = (centres[labels] + generator.normal(0, 1, (len(labels), width))) * np.geomspace(0.1, 10, width) + 3
    return points.astype("float32"), labels


def fit(name: str, classes: int, **changes: object):
    """Fit on blobs; return the fitted classifier, and its part of a model from features to probabilities."""
    train, validation = blobs(classes), blobs(classes, 30, seed=1)
    config = TrainConfig(**{"shallow": QUICK, "seed": 3, **changes})
    fitted, scaling = fit_classifier(name, train, validation, classes, config)
    model = build_classifier(
        "small_cnn", classes, image_size=8, weights="none", backbone_options={"filters": [4, 10], "kernel_size": 3}
    )
    _, tail = attach_shallow_head(model, feature_model(model), fitted.best.head, scaling)
    return fitted, tail, validation


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("name", KINDS)
def test_the_graph_computes_what_the_library_fitted(name: str, classes: int) -> None:
    fitted, tail, (points, labels) = fit(name, classes)
    found = class_probabilities(np.array(tail(points)), classes)
    np.testing.assert_allclose(found, class_probabilities(fitted.best.probabilities, classes), atol=2e-5)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    assert (found > 0).all()
    assert (found.argmax(axis=1) == labels).mean() > 0.8


@pytest.mark.parametrize("name", ["logistic_regression", "svm", "xgboost"])
def test_principal_components_and_class_weights(name: str) -> None:
    fitted, tail, (points, labels) = fit(name, 3, shallow=replace(QUICK, pca=4), balance="class_weights")
    found = np.array(tail(points))
    np.testing.assert_allclose(found, fitted.best.probabilities, atol=2e-5)
    assert (found.argmax(axis=1) == labels).mean() > 0.6


def test_the_temperature_is_the_one_of_least_loss_and_changes_no_answer() -> None:
    """Scores that are three times the true logits are divided by three."""
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, (4000, 3))
    chances = apply_temperature(logits, 1.0)
    labels = (chances.cumsum(axis=1) < generator.random((4000, 1))).sum(axis=1)
    scale = fit_scale(3 * logits, labels)
    assert scale == pytest.approx(1 / 3, rel=0.1)
    assert (apply_temperature(3 * logits, scale).argmax(axis=1) == logits.argmax(axis=1)).all()


@pytest.mark.parametrize("count", [3, 50])
def test_a_clean_separation_of_few_images_is_no_certainty(count: int) -> None:
    """Of n images a class, all right by the same margin, Platt's rule says (n + 1) / (n + 2)."""
    labels = np.repeat([0, 1], count)
    scores = np.where(labels, 1.0, -1.0)[:, None]
    found = apply_temperature(scores, fit_scale(scores, labels))
    assert found[-1, 0] == pytest.approx((count + 1) / (count + 2), abs=1e-4)


def test_equal_accuracies_do_not_end_the_walk_and_the_lower_loss_wins() -> None:
    """Four candidates are all right for the same images and surer each time; the fifth and sixth are wrong."""
    labels = np.array([0, 1])
    problem = Problem(np.zeros((2, 1)), labels, None, np.zeros((2, 1)), labels, 2, QUICK, 0, "val_accuracy")

    def fit(c: float) -> Candidate:
        right = {1: 0.6, 2: 0.7, 3: 0.8, 4: 0.9}.get(c, 0.2)
        return Candidate(LinearHead(np.zeros((1, 1)), np.zeros(1)), np.array([[1 - right], [right]]), {"c": c})

    found = choose_candidate(problem, [1, 2, 3, 4, 5, 6, 7], fit)
    assert found.best.options == {"c": 4} and len(found.tried) == 6


def options(data: Path, output: Path, classifier: str, **changes: object) -> TrainConfig:
    """Options of a run on random features of a small network."""
    values = {
        "data": str(data),
        "output": str(output),
        "backbone": "small_cnn",
        "weights": "none",
        "classifier": classifier,
        "head": HeadOptions(pooling="avg"),
        "small_cnn": SmallCnnOptions(filters=[4, 12], kernel_size=3),
        "shallow": QUICK,
        "image_size": 16,
    }
    return TrainConfig(**{**values, **changes})


@pytest.fixture(scope="module", autouse=True)
def quick_figures() -> Iterator[None]:
    """A dot for every figure: they take most of a run on tiny images, and have tests of their own."""
    dot = base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    )
    with pytest.MonkeyPatch.context() as patch:
        for module in (plots, image_grid):
            patch.setattr(module, "save", lambda figure, path: Path(path).write_bytes(dot))
        yield


@pytest.fixture(scope="module")
def compared(colours: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One command, all classifiers."""
    folder = tmp_path_factory.mktemp("runs") / "all"
    train_from_config(options(colours, folder, ",".join(KINDS)))
    return folder


@pytest.mark.parametrize("name", KINDS)
def test_each_separates_the_colours_and_says_the_same_from_disk(compared: Path, colours: Path, name: str) -> None:
    run = open_run(compared / name)
    assert run.facts.class_names == ("blue", "green", "red")
    assert run.metrics["test"]["accuracy"] == run.metrics["validation"]["accuracy"] == 1
    written = read_predictions(run.folder / "predictions.csv")
    images = open_images(colours)
    found = load_predictor(run.folder).probabilities(images.select([images.ids.index(i) for i in written.ids]))
    np.testing.assert_allclose(found, written.probabilities, atol=1e-5)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    names = {path.name for path in run.folder.iterdir()}
    assert names == {
        "MODEL_CARD.md", "config.yaml", "splits.csv", "model.keras", "summary.txt", "predictions.csv", "metrics.json",
        "report.html", "data.json", "environment.json", "candidates.csv", "plots", ".digests",
    }  # fmt: skip
    page = (run.folder / "report.html").read_text()
    assert f"{name} on features of small_cnn" in page and "Not in this folder" not in page


def test_the_comparison_marks_the_best_by_validation(compared: Path) -> None:
    with open(compared / "comparison.csv", newline="") as file:
        rows = {row["run"]: row for row in csv.DictReader(file)}
    assert list(rows) == KINDS
    losses = {name: open_run(compared / name).metrics["validation"]["log_loss"] for name in KINDS}
    assert [name for name, row in rows.items() if row["best"] == "1"] == [min(losses, key=losses.get)]
    page = (compared / "report.html").read_text()
    assert page.count("data:image/svg+xml;base64,") == len(KINDS) and page.count("best by validation") == 1
    for name, row in rows.items():
        assert float(row["test_accuracy_low"]) <= float(row["test_accuracy"]) <= float(row["test_accuracy_high"])
        assert f'href="{name}/report.html"' in page


def test_a_comparison_is_no_model_but_names_its_runs(compared: Path, capsys: pytest.CaptureFixture) -> None:
    for words in (["predict", compared, compared], ["export", compared], ["evaluate", compared]):
        assert main([str(word) for word in words]) == 3
        message = capsys.readouterr().err
        assert message.count("\n") == 1 and str(compared / "knn") in message


def test_a_comparison_goes_on_with_what_is_missing(compared: Path, colours: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(compared, folder)
    for name in ("report.html", "comparison.csv", "svm/report.html", "svm/model.keras"):
        (folder / name).unlink()
    before = (folder / "knn" / "model.keras").stat().st_mtime_ns
    assert main(["train", "--resume", str(folder)]) == 0
    assert (folder / "knn" / "model.keras").stat().st_mtime_ns == before
    for name in ("comparison.csv", "svm/predictions.csv"):
        assert (folder / name).read_bytes() == (compared / name).read_bytes()


def test_no_model_file_names_anything_of_tfvision(compared: Path) -> None:
    """So plain Keras loads each, as it loads any graph of its own layers and operations."""
    for name in KINDS:
        with zipfile.ZipFile(compared / name / "model.keras") as archive:
            config = archive.read("config.json").decode()
        assert "keras" in config and not re.search("tfvision|sklearn|xgboost|Lambda", config)


@pytest.mark.slow
def test_a_forest_is_exported_like_any_other_model(compared: Path, tmp_path: Path) -> None:
    assert main(["export", str(compared / "random_forest"), "--output", str(tmp_path / "forest")]) == 0


def test_only_where_probabilities_jump_may_a_few_images_differ(
    compared: Path, colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jumping = [name for name in KINDS if is_stepped(open_run(compared / name).model())]
    assert jumping == ["random_forest", "xgboost", "knn"]
    images = open_images(colours).select(range(50))
    expected = np.full((50, 3), 1 / 3)
    for wrong, stepped, fails in ((1, True, False), (1, False, True), (2, True, True)):
        found = expected + 0.1 * (np.arange(50) < wrong)[:, None]
        pixels = {"probabilities": found.tolist(), "class": [0] * 50}
        answers = {"pixels": pixels, "encoded": [None] * 50}
        monkeypatch.setattr(check, "_ask", lambda *_, answers=answers: answers)
        with pytest.raises(RunError, match="differs") if fails else nullcontext():
            check.check_saved_model(tmp_path, images, {"probabilities": expected}, stepped=stepped)


def test_a_graph_that_computes_something_else_is_refused() -> None:
    fitted, tail, (points, _) = fit("xgboost", 4)
    check_graph("xgboost", tail, points, fitted)
    leaves = next(layer for layer in tail.layers if layer.name == "head_leaves")
    leaves.set_weights([2 * leaves.get_weights()[0]])
    with pytest.raises(RunError, match="other probabilities than its library"):
        check_graph("xgboost", tail, points, fitted)


def test_the_config_of_a_run_repeats_it_without_a_search(compared: Path, tmp_path: Path) -> None:
    for name in ("logistic_regression", "knn", "xgboost"):
        first = compared / name
        assert main(["train", "--config", str(first / "config.yaml"), "--output", str(tmp_path / name)]) == 0
        assert (tmp_path / name / "predictions.csv").read_bytes() == (first / "predictions.csv").read_bytes()
        assert len((tmp_path / name / "candidates.csv").read_text().splitlines()) == 2


def test_labels_of_the_test_change_nothing(colours: Path, tmp_path: Path) -> None:
    """Classifiers and everything chosen come from training and validation: other labels of test images, same model."""
    first = train_from_config(options(colours, tmp_path / "a", "linear_svm"))
    data = tmp_path / "data"
    shutil.copytree(colours, data)
    moved = [row for row in first.splits if row["part"] == "test"]
    rows = (first.folder / "splits.csv").read_text().splitlines()
    assert moved
    for row in moved:
        other = "red" if row["label"] != "red" else "blue"
        name = f"{other}/{Path(row['id']).name}"
        shutil.move(data / row["id"], data / name)
        rows = [f"{name},test,{other},{row['hash']}" if line.startswith(row["id"] + ",") else line for line in rows]
    (tmp_path / "splits.csv").write_text("\n".join(rows) + "\n")
    config = options(data, tmp_path / "b", "linear_svm")
    config.split.file = str(tmp_path / "splits.csv")
    second = train_from_config(config)
    assert (first.metrics["test"]["accuracy"], second.metrics["test"]["accuracy"]) == (1, 0)
    assert (first.folder / "candidates.csv").read_bytes() == (second.folder / "candidates.csv").read_bytes()
    for before, after in zip(first.model().get_weights(), second.model().get_weights(), strict=True):
        np.testing.assert_allclose(before, after, atol=1e-6)


def test_two_classes_through_python(two_colours: Path, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    model = tfvision.build_classifier("small_cnn", 2, image_size=16, weights="none")
    run = tfvision.train(
        model, open_images(two_colours), output=tmp_path / "run", classifier="svm", balance="class_weights"
    )
    assert run.metrics["test"]["accuracy"] == 1
    assert run.model().output_shape == (None, 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--classifier", "logistic_regresion"], "did you mean logistic_regression"),
        (["--classifier", "knn,knn"], "given twice"),
        (["--classifier", "knn", "--epochs", "3"], "epochs: means nothing with classifier knn"),
        (["--classifier", "knn", "--augment.rotation", "10"], "augment: means nothing"),
        (["--classifier", "knn", "--head.units", "[8]"], "head.units: means nothing"),
        (["--classifier", "knn", "--balance", "oversample"], "use class_weights"),
        (["--classifier", "knn", "--shallow.pca", "5000"], "shallow.pca: expected at most"),
        (["--shallow.c", "0"], "shallow.c: expected more than 0"),
        (["--shallow.columns", "2"], "shallow.columns: expected more than 0, at most 1"),
    ],
)
def test_usage_errors(
    colours: Path, tmp_path: Path, capsys: pytest.CaptureFixture, words: list[str], message: str
) -> None:
    common = ["--backbone", "small_cnn", "--weights", "none", "--data", str(colours), "--image-size", "16"]
    assert main(["train", *common, "--output", str(tmp_path / "run"), *words]) == 2
    found = capsys.readouterr().err
    assert message in found and found.count("\n") == 1


def test_xgboost_that_is_not_installed_is_said_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "xgboost" else find(name, *rest)
    )
    assert classifier_names("knn") == ["knn"]
    assert main(["train", "--data", str(tmp_path / "none"), "--classifier", "knn,xgboost"]) == 2
    message = capsys.readouterr().err
    assert "tfvision[xgboost]" in message and message.count("\n") == 1


def test_a_hostile_model_file_is_one_line_and_runs_nothing(
    compared: Path, colours: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """A Lambda of Python bytecode in place of the forest, and a file cut in half."""
    folder = tmp_path / "run"
    shutil.copytree(compared / "random_forest", folder)
    path = folder / "model.keras"
    whole = path.read_bytes()
    inputs = keras.Input((16, 16, 3))
    evil = keras.layers.Lambda(lambda x: __import__("pathlib").Path(EVIL).touch() or x[:, 0, 0], output_shape=(3,))
    keras.Model(inputs, evil(inputs)).save(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("tfvision.json", open_run(compared / "random_forest").facts.to_json())
    for content in (path.read_bytes(), whole[: len(whole) // 2], b"cposix\nsystem\n(S'touch evil'\ntR."):
        path.write_bytes(content)
        assert main(["predict", str(folder), str(colours)]) == 3
        message = capsys.readouterr().err
        assert message.count("\n") == 1 and "model.keras" in message
    assert not Path(EVIL).exists()


EVIL = "/tmp/tfvision_evil"

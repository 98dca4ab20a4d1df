"""Folds, and cross-validation on shared features."""

import csv
import json
from importlib import import_module
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import write_tree

from tfvision.cli import main
from tfvision.crossval.crossval import cross_validate
from tfvision.crossval.scores import CrossvalScores, FoldScores
from tfvision.data.images.imageset import ImageSet
from tfvision.data.options import SplitOptions
from tfvision.data.splits.folds import draw_folds
from tfvision.data.splits.split import split_by_fold
from tfvision.errors import DataError, UsageError
from tfvision.models.combination import Combination
from tfvision.runs.folder import open_run
from tfvision.training.config import TrainConfig


def fake(labels: list[int], groups: list[str] | None = None) -> ImageSet:
    ids = tuple(f"{number:03}" for number in range(len(labels)))
    groups = None if groups is None else np.array(groups)
    return ImageSet(ids, ids, np.array(labels), ("a", "b", "c")[: max(labels) + 1], None, groups)


def test_folds_are_stratified_and_do_not_depend_on_the_order() -> None:
    images = fake([0] * 20 + [1] * 10 + [2] * 5)
    hashes = images.ids
    fold = draw_folds(images, hashes, 5, seed=3)
    for k, count in enumerate((4, 2, 1)):
        assert np.bincount(fold[images.labels == k]).tolist() == [count] * 5
    turned = images.select(np.arange(35)[::-1])
    assert np.array_equal(draw_folds(turned, hashes[::-1], 5, seed=3)[::-1], fold)
    assert not np.array_equal(draw_folds(images, hashes, 5, seed=4), fold)


def test_copies_and_groups_stay_in_one_fold() -> None:
    generator = np.random.default_rng(0)
    groups = [f"g{number // 4}" for number in range(60)]
    images = fake(generator.integers(0, 3, 60).tolist(), groups)
    hashes = list(images.ids)
    hashes[0], hashes[59] = "same", "same"  # ties the first group to the last
    fold = draw_folds(images, tuple(hashes), 5, seed=0)
    for group in set(groups):
        assert len(set(fold[images.groups == group].tolist())) == 1
    assert fold[0] == fold[59] and set(fold.tolist()) == set(range(5))


def test_what_makes_no_folds_is_one_line() -> None:
    with pytest.raises(DataError, match=r"b \(3\); use fewer folds"):
        draw_folds(fake([0] * 9 + [1] * 3), fake([0] * 12).ids, 5, seed=0)
    with pytest.raises(DataError, match="2 groups cannot make 3 folds"):
        draw_folds(fake([0, 1] * 6, ["x", "y"] * 6), fake([0] * 12).ids, 3, seed=0)
    with pytest.raises(UsageError, match="belong together"):
        SplitOptions(folds=5)
    with pytest.raises(UsageError, match="got fold 6 of 5"):
        SplitOptions(folds=5, fold=6)
    with pytest.raises(UsageError, match="expected 2 or more"):
        cross_validate(TrainConfig(backbone="small_cnn"), backbones=["small_cnn"], folds=1)
    with pytest.raises(UsageError, match="did you mean small_cnn"):
        cross_validate(TrainConfig(), backbones=["small_cn"], folds=2)


def test_each_image_is_the_test_of_one_fold_and_validation_has_its_share() -> None:
    images = fake([0] * 40 + [1] * 20)
    tested = []
    for number in range(1, 6):
        parts = split_by_fold(images, images.ids, folds=5, fold=number, validation=0.1, seed=0).parts
        assert np.unique(parts, return_counts=True)[1].tolist() == [12, 42, 6]  # test, train, validation
        tested += np.flatnonzero(parts == "test").tolist()
    assert sorted(tested) == list(range(60))


def test_folds_of_few_groups_can_draw_validation_from_those_of_training() -> None:
    images = fake([0, 1] * 60, [f"g{number // 40}" for number in range(120)])
    for number in range(1, 4):
        parts = split_by_fold(
            images, images.ids, folds=3, fold=number, validation=0.1, group_validation=False, seed=0
        ).parts
        assert np.unique(parts, return_counts=True)[1].tolist() == [40, 68, 12]  # test, train, validation
        assert len(set(images.groups[parts == "test"])) == 1
        assert len(set(images.groups[parts == "train"])) == len(set(images.groups[parts == "validation"])) == 2


def test_what_is_held_out_is_the_same_for_each_fold_and_shared_by_none() -> None:
    images = fake([0] * 40 + [1] * 20, [f"g{number // 2}" for number in range(60)])
    drawn = [
        split_by_fold(images, images.ids, folds=4, fold=number, validation=0.1, held_out=0.2, seed=0).parts
        for number in range(1, 5)
    ]
    held_out = drawn[0] == "held_out"
    assert np.bincount(images.labels[held_out]).tolist() == [8, 4]
    assert all(np.array_equal(parts == "held_out", held_out) for parts in drawn)
    assert not set(images.groups[held_out]) & set(images.groups[~held_out])
    assert np.array_equal(np.sum([parts == "test" for parts in drawn], axis=0), ~held_out)
    with pytest.raises(UsageError, match=r"number from 0 to 0.9, got -0\.1"):
        SplitOptions(held_out=-0.1)
    with pytest.raises(UsageError, match="vote on classes, not on boxes"):
        cross_validate(TrainConfig(task="localize", split=SplitOptions(held_out=0.2)), backbones=["vgg16"], folds=2)


def test_votes() -> None:
    """Two of three models prefer the first class; the third is so sure of the second that the mean is its own."""
    probabilities = np.array([[[0.6, 0.4, 0.0]], [[0.5, 0.3, 0.2]], [[0.0, 1.0, 0.0]]])

    def vote_majority(given: np.ndarray) -> np.ndarray:
        return Combination.equal("vote", len(given)).combine(given)

    def vote_mean(given: np.ndarray) -> np.ndarray:
        return Combination.equal("mean", len(given)).combine(given)

    assert vote_majority(probabilities).argmax() == 0 and vote_mean(probabilities).argmax() == 1
    np.testing.assert_allclose(vote_mean(probabilities), [[1.1 / 3, 1.7 / 3, 0.2 / 3]])
    np.testing.assert_allclose(vote_majority(probabilities).sum(axis=1), 1)
    # A vote each: the mean decides, and never against a majority.
    assert vote_majority(np.array([[[0.6, 0.4]], [[0.1, 0.9]]])).argmax() == 1
    sure = np.array([[[0.0, 1.0]], *[[[0.51, 0.49]]] * 2])
    assert vote_majority(sure).argmax() == 0


def test_crossval_audits_first_where_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy under another label stands in no fold; the audit is not repeated when folds are gone on with."""
    data = write_tree(tmp_path / "data", 6)
    first, other = sorted(path for path in data.iterdir() if path.is_dir())[:2]
    copied = next(first.iterdir())
    (other / f"copy{copied.suffix}").write_bytes(copied.read_bytes())
    (tmp_path / "audit.yaml").write_text("weights: none\n")
    seen = []

    def train(config: TrainConfig, resume: Path | None) -> None:
        seen.append(config.data)
        raise UsageError("enough")

    monkeypatch.setattr(import_module("tfvision.experiment.train"), "train_from_config", train)
    words = ["crossval", "--data", str(data), "--audit", str(tmp_path / "audit.yaml"), "--output", str(tmp_path / "cv")]
    assert main(words) == 2
    clean = tmp_path / "cv" / "audit" / "clean.csv"
    assert seen == [str(clean)] and f"{first.name}/{copied.name}" not in clean.read_text()
    before = clean.stat().st_mtime_ns
    assert main([*words, "--resume"]) == 2 and clean.stat().st_mtime_ns == before and len(seen) == 2


def test_spread_is_that_of_a_sample() -> None:
    folds = tuple(
        {name: value for name in ("accuracy", "precision_macro", "recall_macro", "f1_macro", "log_loss")}
        for value in (0.5, 0.7)
    )
    found = FoldScores("vgg16", folds, {"accuracy": 0.6})
    assert found.spread("accuracy") == pytest.approx((0.6, 0.1414214))
    assert "0.6000 ± 0.1414" in CrossvalScores(Path("cv"), (found,)).describe()


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a small CNN, as a file: a backbone that is frozen."""
    from tfvision.models.classifier import build_classifier

    path = tmp_path_factory.mktemp("weights") / "small.weights.h5"
    keras.utils.set_random_seed(0)
    model = build_classifier(
        "small_cnn", 3, image_size=16, weights="none", backbone_options={"filters": [4, 4], "kernel_size": 3}
    )
    keras.Model(model.input, model.get_layer("head_pool").input).save_weights(path)
    return path


@pytest.mark.slow
def test_each_image_passes_the_frozen_part_once(
    frozen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Three folds of a frozen backbone, interrupted and gone on with; all models together saw each image once."""
    from tfvision.models.cut import Cut
    from tfvision.training.features import trunk as features

    monkeypatch.setenv("TFVISION_CACHE", str(tmp_path / "cache"))
    data = write_tree(tmp_path / "data", 9)
    passed: list[int] = []
    real = features.run_batches

    def counted(model: keras.Model, batches: object, **work: object):
        for outputs in real(model, batches, **work):
            passed.append(len(outputs[0]))
            yield outputs

    monkeypatch.setattr(features, "run_batches", counted)
    monkeypatch.setattr(Cut, "joined", property(lambda self: pytest.fail("images went through the whole model")))
    words = ["--data", str(data), "--backbone", "small_cnn", "--weights", str(frozen), "--unfreeze", "none"]
    words += ["--epochs", "2", "--learning-rate", "1e-2", "--augment.horizontal-flip", "false", "--image-size", "16"]
    words += ["--small-cnn.filters", "[4, 4]", "--small-cnn.kernel-size", "3", "--output", str(tmp_path / "cv")]
    words += ["--split.held-out", "0.2"]
    assert main(["crossval", "--folds", "3", *words]) == 0
    assert sum(passed) == 27
    table = list(csv.DictReader((tmp_path / "cv" / "crossval.csv").open()))
    held_out = ["1 on held out", "2 on held out", "3 on held out", "majority vote on held out", "mean vote on held out"]
    assert [row["fold"] for row in table] == ["1", "2", "3", "all", "mean", "std", *held_out]
    accuracies = [float(row["accuracy"]) for row in table]
    assert accuracies[4] == pytest.approx(np.mean(accuracies[:3])) and table[3]["n"] == "21"
    assert json.loads((tmp_path / "cv" / "metrics.json").read_text())["small_cnn"]["out_of_fold"]["n"] == 21
    page = (tmp_path / "cv" / "report.html").read_text()
    assert "over 3 folds" in page and 'href="fold_2/report.html"' in page and "data:image/svg+xml" in page
    # A fold is a run like any other, and its model says what its predictions say.
    run = open_run(tmp_path / "cv" / "fold_2")
    assert run.config.split.fold == 2 and run.config.cache == "float32"
    from tfvision.data.sources.open import open_images
    from tfvision.evaluation.predictions import read_predictions
    from tfvision.prediction.answers import predict_images
    from tfvision.prediction.stored import load_predictor

    told = read_predictions(run.folder / "predictions.csv").part("test")
    images = open_images(data)
    chosen = images.select([images.ids.index(image_id) for image_id in told.ids])
    said = predict_images(load_predictor(run.folder), chosen)
    np.testing.assert_allclose(told.probabilities, said.probabilities, atol=1e-6)
    # What is held out stands in no fold, every model says something of it, and the votes follow from that.
    runs = [open_run(tmp_path / "cv" / f"fold_{number}") for number in (1, 2, 3)]
    alone = [read_predictions(run.folder / "predictions.csv").part("held_out") for run in runs]
    tested = [set(read_predictions(run.folder / "predictions.csv").part("test").ids) for run in runs]
    assert len(alone[0]) == 6 and not set(alone[0].ids) & set.union(*tested) and len(set.union(*tested)) == 21
    votes = read_predictions(tmp_path / "cv" / "held_out.csv")
    assert votes.part("mean").ids == alone[0].ids == votes.part("majority").ids
    mean = np.mean([one.probabilities for one in alone], axis=0)
    np.testing.assert_allclose(votes.part("mean").probabilities, mean, atol=1e-8)
    scores = json.loads((tmp_path / "cv" / "metrics.json").read_text())["small_cnn"]["held_out"]
    assert scores["mean"]["accuracy"] == pytest.approx((mean.argmax(axis=1) == alone[0].labels).mean())
    assert float(table[7]["accuracy"]) == pytest.approx(runs[1].metrics["held_out"]["accuracy"])
    assert "Votes on 6 images" in page
    # Again into the same folder: refused; to go on: nothing is done twice.
    capsys.readouterr()
    assert main(["crossval", "--folds", "3", *words]) == 2 and "exists already" in capsys.readouterr().err
    assert main(["crossval", "--folds", "3", "--resume", *words]) == 0
    assert sum(passed) == 27 and "finished already" in capsys.readouterr().out


def test_several_backbones_make_one_table(small_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tfvision.crossval import crossval as crossval

    monkeypatch.setattr(
        import_module("tfvision.experiment.train"), "train_from_config", lambda config, resume: open_run(small_run)
    )
    names = ["vgg16", "resnet50", "vgg16"]
    found = cross_validate(TrainConfig(output=str(tmp_path / "cv")), backbones=names, folds=2)
    assert [each.backbone for each in found] == ["vgg16", "resnet50"]  # named twice, trained once
    rows = list(csv.DictReader((tmp_path / "cv" / "crossval.csv").open()))
    assert [row["backbone"] for row in rows] == ["vgg16"] * 5 + ["resnet50"] * 5
    assert (tmp_path / "cv" / "resnet50" / "predictions.csv").is_file()
    assert 'href="resnet50/fold_2/report.html"' in (tmp_path / "cv" / "report.html").read_text()
    assert [line.split()[0] for line in found.describe().splitlines()] == ["backbone", "vgg16", "resnet50"]

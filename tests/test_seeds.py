"""The same training for several seeds: which seeds are meant, how scores spread, and seeds compared with seeds."""

import csv
import json
import statistics
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_1samp
from test_models import stock

import tfvision
from tfvision.cli import main
from tfvision.comparison.compare import compare
from tfvision.errors import DataError, UsageError
from tfvision.evaluation.paired import mean_differences
from tfvision.evaluation.predictions import Predictions
from tfvision.runs.folder import open_run
from tfvision.seeds.given import listed, read_seeds


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (3, (7, 8, 9)),
        ("3", (7, 8, 9)),
        ("11-14", (11, 12, 13, 14)),
        ("3,5,8", (3, 5, 8)),
        ("1-3, 9", (1, 2, 3, 9)),
        ([4, 2], (4, 2)),
    ],
)
def test_which_seeds_are_meant(given: object, expected: tuple[int, ...]) -> None:
    assert read_seeds(given, 7) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("1", "from 2 to 1,000 of them, got '1'; one is given as --seed"),
        ([5], "one is given as --seed"),
        ("9-8", "runs backwards"),
        ("1,2,1", "one of them twice"),
        ("a-b", "expected their number"),
        ("-3", "expected their number"),
        (20261128, "from 2 to 1,000"),
        ("4294967295,4294967296", "one above 4,294,967,295"),
    ],
)
def test_seeds_that_are_refused(given: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_seeds(given, 0)


def test_seeds_in_words() -> None:
    assert listed((11, 12, 13)) == "11 to 13" and listed((3, 5, 8)) == "3, 5, 8"


def answers(generator: np.random.Generator, skill: float) -> Predictions:
    labels = np.arange(60) % 3
    scores = generator.normal(size=(60, 3)) + skill * np.eye(3)[labels]
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return Predictions(tuple(map(str, range(60))), np.full(60, "test"), labels, probabilities, ("a", "b", "c"))


def test_the_interval_of_a_mean_difference_is_students() -> None:
    generator = np.random.default_rng(0)
    pairs = [(answers(generator, 1.0), answers(generator, 1.5)) for _ in range(6)]
    found = mean_differences(pairs)["accuracy"]
    accuracies = np.array([[np.mean(one.predicted == one.labels) for one in pair] for pair in pairs])
    change = accuracies[:, 1] - accuracies[:, 0]
    low, high = ttest_1samp(change, 0).confidence_interval(0.95)
    np.testing.assert_allclose([found.first, found.second], accuracies.mean(axis=0))
    np.testing.assert_allclose([found.low, found.high], [low, high])
    np.testing.assert_allclose(found.runs, change)
    assert found.better_runs("accuracy") == (change > 0).sum() and found.better_runs("log_loss") == (change < 0).sum()


@pytest.mark.slow
@pytest.mark.usefixtures("without_pictures")
def test_seeds_are_runs_beside_each_other(colours: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    words = ["train", str(colours), "--backbone", "small_cnn", "--weights", "none", "--epochs", "1", "--seed", "3"]
    folder = tmp_path / "runs"
    assert main([*words, "--seeds", "2", "--output", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "test, 2 seeds" in said and "seeds 3 to 4: each has its own split of the images, with 6 test images" in said
    alone = tmp_path / "alone"
    assert main([*words, "--output", str(alone)]) == 0  # a run of that seed, bit for bit
    assert (alone / "predictions.csv").read_bytes() == (folder / "seed_3" / "predictions.csv").read_bytes()
    # One more seed: those that are finished stay.
    kept = (folder / "seed_3" / "model.keras").stat().st_mtime_ns
    assert main(["train", "--resume", str(folder), "--seeds", "3"]) == 0
    assert (folder / "seed_3" / "model.keras").stat().st_mtime_ns == kept
    with open(folder / "seeds.csv", newline="") as file:
        rows = {row["seed"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["3", "4", "5", "mean", "std"]
    accuracies = [open_run(folder / f"seed_{seed}").metrics["test"]["accuracy"] for seed in (3, 4, 5)]
    stored = json.loads((folder / "metrics.json").read_text())["test"]["scores"]["accuracy"]
    assert stored["mean"] == pytest.approx(statistics.mean(accuracies))
    assert stored["std"] == pytest.approx(statistics.stdev(accuracies))
    page = (folder / "report.html").read_text()
    assert "averaged over 3 seeds" in page and 'href="seed_4/report.html"' in page
    # The folder is no run, and says which ones it holds.
    with pytest.raises(DataError, match=r"holds a run for each of several seeds; name one of them: .*seed_3, "):
        open_run(folder)
    # Seeds are compared with seeds.
    with pytest.raises(UsageError, match="compare like with like"):
        compare(folder, alone)
    assert main([*words[:-2], "--seeds", "4,5,6", "--learning-rate", "0.01", "--output", str(tmp_path / "b")]) == 0
    found = compare(folder, tmp_path / "b")
    assert found.seeds == (4, 5)
    assert "means over 2 seeds (4, 5); the 95 % interval is Student's t" in found.describe()
    assert "of 2 seeds better\n" in found.describe()


def test_what_does_not_go_with_seeds(colours: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one classifier at a time"):
        tfvision.train_seeds(2, data=str(colours), classifier="knn,svm")
    with pytest.raises(UsageError, match="how many, got none"):
        tfvision.train_seeds(data=str(colours))
    with pytest.raises(UsageError, match="resume needs output"):
        tfvision.train_seeds(resume=True)
    with pytest.raises(DataError, match=r"has no seeds\.yaml"):
        tfvision.train_seeds(resume=True, output=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.usefixtures("without_pictures")
def test_seeds_share_the_features_of_the_frozen_part(
    colours: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    stock("mobilenet_025", 32).save_weights(tmp_path / "stand_in.weights.h5")
    words = ["train", str(colours), "--backbone", "mobilenet_025", "--image-size", "32", "--preset", "fast"]
    words += ["--weights", str(tmp_path / "stand_in.weights.h5"), "--seeds", "2", "--output", str(tmp_path / "runs")]
    assert main(words) == 0
    first, second = capsys.readouterr().out.split("seed 1, 2 of 2")
    assert "to be computed once" in first and "to be computed once" not in second

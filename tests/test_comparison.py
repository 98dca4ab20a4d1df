"""Comparing runs: the same images only, matched by id and class, and what is written."""

import csv
import shutil
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import pytest

from tfvision.cli import main
from tfvision.comparison.compare import compare_runs
from tfvision.errors import DataError
from tfvision.evaluation.predictions import Predictions, write_predictions

NAMES = ("a", "b", "c")


def answers(count: int = 60, wrong: int = 12, names: tuple[str, ...] = NAMES, *, seed: int = 0) -> Predictions:
    """Test images of which the first few are answered wrongly."""
    labels = np.arange(count) % len(names)
    said = np.where(np.arange(count) < wrong, (labels + 1) % len(names), labels)
    sure = 0.6 + 0.3 * np.random.default_rng(seed).random((count, 1))
    probabilities = np.eye(len(names))[said] * sure + (1 - sure) / len(names)
    ids = tuple(f"{index}.png" for index in range(count))
    return Predictions(ids, np.full(count, "test"), labels, probabilities, names)


@pytest.fixture
def write(tmp_path: Path):
    def writer(name: str, predictions: Predictions) -> str:
        write_predictions(tmp_path / name, predictions)
        return str(tmp_path / name)

    return writer


def test_a_better_run_is_clearly_better(write, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    paths = [write("poor.csv", answers(wrong=12)), write("good.csv", answers(wrong=2)), write("same.csv", answers())]
    assert main(["compare", *paths, "--output", str(tmp_path / "out")]) == 0
    text = capsys.readouterr().out
    lines = [line.split() for line in text.splitlines()]
    assert [paths[1], "0.9667", "+0.1667"] in [line[:3] for line in lines if line[-1] == "better"]
    assert [paths[2], "0.8000", "+0.0000", "[+0.0000,", "+0.0000]", "the", "same"] in lines
    with open(tmp_path / "out" / "comparison.csv", newline="") as file:
        rows = {(row["run"], row["score"]): row for row in csv.DictReader(file)}
    accuracy = rows[paths[1], "accuracy"]
    assert float(accuracy["difference"]) == pytest.approx(10 / 60, abs=1e-5) and float(accuracy["low"]) > 0.05
    assert (tmp_path / "out" / "comparison.svg").stat().st_size > 5_000


def test_the_order_of_images_and_classes_does_not_matter(write) -> None:
    first, turned = answers(), answers(wrong=5)
    rows, columns = np.random.default_rng(0).permutation(60), [2, 0, 1]
    other = turned.select(rows)
    other = replace(
        other,
        labels=np.argsort(columns)[other.labels],
        probabilities=other.probabilities[:, columns],
        class_names=tuple(NAMES[k] for k in columns),
    )
    plain = compare_runs([write("a.csv", first), write("b.csv", turned)])
    mixed = compare_runs([write("a.csv", first), write("c.csv", other)])
    (one,), (two,) = plain.values(), mixed.values()
    for score in one:
        assert astuple(two[score])[:4] == pytest.approx(astuple(one[score])[:4])


def test_other_test_images_need_the_flag(write, capsys: pytest.CaptureFixture) -> None:
    paths = [write("a.csv", answers(60)), write("b.csv", answers(90))]
    assert main(["compare", *paths]) == 3
    assert "60 and 90, of which all share 60" in capsys.readouterr().err
    (found,) = compare_runs(paths[::-1], common=True).values()
    assert (found["accuracy"].first, found["accuracy"].second) == (48 / 60, 48 / 60)
    assert found["accuracy"].n == 60


def test_the_number_of_images_is_said(write, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    paths = [write("a.csv", answers(60)), write("b.csv", answers(90))]
    assert main(["compare", *paths, "--common", "--output", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "from resampling the same 60 test images" in said and "too few" not in said
    rows = list(csv.DictReader((tmp_path / "out" / "comparison.csv").open()))
    assert rows and all(row["n"] == "60" for row in rows)
    assert main(["compare", *paths, write("c.csv", answers(12)), "--common"]) == 0
    assert "the same 12 test images for both\n12 images are too few to tell runs apart" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (answers(names=("a", "b", "d")), "other classes"),
        (replace(answers(), labels=np.zeros(60, int)), "40 images other labels: 1.png"),
        (replace(answers(), ids=tuple(map(str, range(60)))), "share 0"),
        (replace(answers(), labels=np.full(60, -1)), "no predictions of labelled test images"),
    ],
)
def test_what_cannot_be_compared_is_said(write, other: Predictions, message: str, capsys) -> None:
    assert main(["compare", write("a.csv", answers()), write("b.csv", other)]) == 3
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_one_run_alone_or_twice_is_refused(write, capsys: pytest.CaptureFixture) -> None:
    path = write("a.csv", answers())
    for words in ([path], [path, path]):
        assert main(["compare", *words]) == 2
        assert "two different runs" in capsys.readouterr().err


def test_runs_compare_by_their_decisions_and_contents(small_run: Path, tmp_path: Path) -> None:
    other = shutil.copytree(small_run, tmp_path / "other")
    (found,) = compare_runs([str(small_run), str(other)]).values()
    assert all(one.is_none for one in found.values())
    assert main(["threshold", str(other), "--objective", "f1"]) == 0
    lines = (other / "splits.csv").read_text().splitlines()
    test = next(i for i, line in enumerate(lines) if ",test," in line)
    lines[test] = lines[test].rsplit(",", 1)[0] + ",0000"
    (other / ".digests").unlink()
    (other / "splits.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match="call 1 different images by the same id"):
        compare_runs([str(small_run), str(other)])


def test_evaluate_writes_predictions_to_compare(small_run: Path, colours: Path, tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    assert main(["evaluate", str(small_run), "--data", str(colours), "--predictions", str(path)]) == 0
    with pytest.raises(DataError, match="tested other images"):
        compare_runs([str(small_run), str(path)])
    (found,) = compare_runs([str(small_run), str(path)], common=True).values()
    assert found["accuracy"].is_none and abs(found["log_loss"].value) < 1e-6

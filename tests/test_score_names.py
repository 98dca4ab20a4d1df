"""The table of scores: complete, consistent with options, and the one place where a new score is named."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest

from tfvision.comparison.compare import Comparison, write_comparison
from tfvision.crossval.scores import CrossvalScores, FoldScores
from tfvision.evaluation import box_metrics, scores
from tfvision.evaluation.box_metrics import compute_box_metrics, score_overlaps
from tfvision.evaluation.box_predictions import BoxPredictions
from tfvision.evaluation.metrics import compute_metrics
from tfvision.evaluation.paired import paired_differences
from tfvision.evaluation.predictions import Predictions
from tfvision.evaluation.score_names import (
    COLUMNS,
    LAST_EPOCH,
    MONITORS,
    SCORES,
    Score,
    box_scores,
    brief_scores,
    class_scores,
    column_words,
    compared_scores,
    direction,
    goodness,
    lower_is_better,
)
from tfvision.prediction.tta import describe_gain
from tfvision.report.box_story import box_tables
from tfvision.report.differences import difference_table
from tfvision.report.tables import score_table
from tfvision.search.settings import SearchOptions
from tfvision.training.config import TrainConfig

NAMES = ("a", "b", "c")
NEW = Score(
    "error_rate", "error rate", "share of images whose class is wrong", "classes",
    lower_is_better=True, brief=True, folds=True, compared=10,
)  # fmt: skip


def answers(wrong: int, classes: int = 3) -> Predictions:
    """Sixty images, of which the first few are answered wrongly."""
    labels = np.arange(60) % classes
    said = np.where(np.arange(60) < wrong, (labels + 1) % classes, labels)
    probabilities = 0.7 * np.eye(classes)[said] + 0.3 / classes
    return Predictions(tuple(map(str, range(60))), np.full(60, "test"), labels, probabilities, NAMES[:classes])


def boxes() -> BoxPredictions:
    truth = np.array([[0, 0, 10, 10], [0, 0, 50, 50], [0, 0, 100, 100]], float)
    found = np.array([[0, 0, 10, 10], [0, 0, 50, 40], [0, 0, 100, 60]], float)
    return BoxPredictions(("a", "b", "c"), np.full(3, "test"), np.full((3, 2), 100), found, truth, np.full(3, ""))


def metrics_of(found: Predictions) -> dict:
    return compute_metrics(found.labels, found.probabilities, found.class_names, resamples=20)


@pytest.fixture
def new_score(monkeypatch: pytest.MonkeyPatch) -> None:
    """One row and one formula more."""
    formulas = scores.count_scores

    def with_errors(counts: scores.ClassCounts) -> dict[str, np.ndarray]:
        return {**formulas(counts), NEW.name: 1 - counts.both.sum(axis=1) / counts.true.sum(axis=1)}

    monkeypatch.setitem(SCORES, NEW.name, NEW)
    monkeypatch.setattr(scores, "count_scores", with_errors)


def test_every_formula_has_a_row_and_every_row_a_formula() -> None:
    found = {name for classes in (2, 3) for name in metrics_of(answers(6, classes))}
    rows = {score.name for score in class_scores() if score.of != "costs"}
    assert len(rows) > 10 and rows <= found
    assert found - rows == {"n", "positive_class", "ci95", "per_class", "confusion_matrix", "class_names"}
    assert list(score_overlaps(np.ones(3))) == [score.name for score in box_scores()]
    two = paired_differences(answers(6, 2), answers(3, 2), costs=(1, 5), resamples=20)
    assert list(two) == [score.name for score in compared_scores()]


def test_any_two_answers_can_be_compared_by_the_brief_scores() -> None:
    found = paired_differences(answers(6), answers(3), resamples=20)
    assert len(brief_scores()) > 1 and {score.name for score in brief_scores()} <= set(found)


def test_no_two_scores_share_a_name_or_a_place() -> None:
    assert len({score.label("x") for score in SCORES.values()}) == len(SCORES)
    places = [score.compared for score in compared_scores()]
    assert len(set(places)) == len(places), "two scores have one place: give the new one the next free number"


def test_a_brief_score_without_a_place_is_refused() -> None:
    with pytest.raises(ValueError, match="give it the next place"):
        Score("x", "x", "x", "classes", brief=True)


def test_options_offer_the_monitors_of_the_table() -> None:
    assert set(get_args(get_type_hints(TrainConfig)["monitor"])) == {*MONITORS, LAST_EPOCH}
    offered, _ = get_args(get_type_hints(SearchOptions)["objective"])
    assert set(get_args(offered)) == set(MONITORS)
    assert all(name in SCORES for column in COLUMNS.values() for name in column.scores)


@pytest.mark.parametrize("name", ["loss", "val_loss", "val_box_loss", "log_loss", "brier", "mean_cost"])
def test_lower_is_better(name: str) -> None:
    assert lower_is_better(name) and direction(name) == "lower is better" and goodness(name, 2.0) == -2.0


@pytest.mark.parametrize("name", ["accuracy", "val_accuracy", "val_f1", "val_iou", "iou_50", "mean_iou", "roc_auc"])
def test_higher_is_better(name: str) -> None:
    assert not lower_is_better(name) and direction(name) == "higher is better" and goodness(name, 2.0) == 2.0


def test_words() -> None:
    assert (SCORES["f1"].label("cat"), SCORES["f1"].label(), SCORES["f1_macro"].title()) == (
        "F1 of cat",
        "F1",
        "Macro-F1",
    )
    assert SCORES["precision"].title("{x}") == "Precision of {x}"  # a class may be called anything
    words = [column_words(name) for name in ("val_f1", "val_loss", "iou", "iou_50", "val_class_loss", "top_5")]
    assert words == ["F1", "loss", "mean IoU", "IoU > 0.5", "class loss", "top 5"]


def test_a_new_score_is_in_metrics_and_report(new_score: None) -> None:
    found = metrics_of(answers(6))
    assert found["error_rate"] == pytest.approx(0.1) and found["ci95"]["error_rate"][0] < 0.1
    (row,) = [row for row in score_table({"test": found})["rows"] if row["name"] == "Error rate"]
    assert row["hint"] == NEW.hint and row["cells"][0][0] == "0.1000"


def test_a_new_score_is_compared(new_score: None, tmp_path: Path) -> None:
    first, second = answers(24), answers(3)
    found = paired_differences(first, second, resamples=100)
    text = Comparison("one", {"two": found}).describe()
    assert "error rate (lower is better) one 0.4000 two 0.0500 -0.3500" in " ".join(text.split())
    table, picture = write_comparison(tmp_path, "one", {"two": found})
    with table.open(newline="") as file:
        assert [row["value"] for row in csv.DictReader(file) if row["score"] == "error_rate"] == ["0.05"]
    assert picture.stat().st_size > 5_000
    stored = {"n": 60, "scores": {name: one.to_dict() for name, one in found.items()}}
    (row,) = [row for row in difference_table("test", stored, list(NAMES))["rows"] if row[0] == "Error rate"]
    assert row[1:3] == ("0.4000", "0.0500") and row[-1] == "better"
    assert "  error rate  0.4000 -> 0.0500" in describe_gain(first, second, 2.0, 2)


def test_a_new_score_is_in_cross_validations(new_score: None) -> None:
    folds = tuple(metrics_of(answers(wrong)) for wrong in (6, 12))
    found = FoldScores("small_cnn", folds, metrics_of(answers(9)))
    assert found.names["error_rate"] == "error rate"
    head, line = CrossvalScores(Path("cv"), (found,)).describe().splitlines()
    assert "error rate" in head and "0.1500 ± 0.0707" in line


def test_a_new_score_of_boxes_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    worst = Score("worst_iou", "worst IoU", "of the image with the least overlap", "boxes", folds=True)
    formulas: Callable[[np.ndarray], dict[str, np.ndarray]] = score_overlaps
    monkeypatch.setitem(SCORES, worst.name, worst)
    monkeypatch.setattr(box_metrics, "score_overlaps", lambda ious: {**formulas(ious), worst.name: ious.min(axis=-1)})
    found = compute_box_metrics(boxes(), np.array([[0, 0, 0.5, 0.5]]), resamples=20)
    assert found["worst_iou"] == pytest.approx(0.6) and len(found["ci95"]["worst_iou"]) == 2
    shown = box_tables({"test": found}, "test")
    assert shown["rows"][-1]["name"] == "Worst IoU" and shown["rows"][-1]["cells"][0][0] == "0.600"
    assert FoldScores("small_cnn", (found, found), found).names["worst_iou"] == "worst IoU"

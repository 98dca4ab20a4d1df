"""Metrics of boxes against values by hand, and the file they come from."""

import numpy as np
import pytest

from tfvision.errors import DataError
from tfvision.evaluation.box_metrics import baseline_ious, compute_box_metrics, worst_boxes
from tfvision.evaluation.box_predictions import BoxPredictions, read_box_predictions, write_box_predictions
from tfvision.evaluation.predictions import Predictions

TRUTH = np.array([[0, 0, 10, 10], [0, 0, 50, 50], [0, 0, 100, 100], [0, 0, 20, 100]], float)
FOUND = np.array([[0, 0, 10, 10], [0, 0, 50, 40], [0, 0, 100, 60], [50, 0, 100, 100]], float)  # IoU 1, 0.8, 0.6, 0
TRAINING = np.array([[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]])


def predictions(**changes) -> BoxPredictions:
    values = {
        "ids": ("a", "b", "c", "d"),
        "parts": np.array(["test", "test", "validation", "test"]),
        "sizes": np.full((4, 2), 100),
        "predicted": FOUND,
        "truth": TRUTH,
        "labels": np.array(["cat", "dog", "cat", "dog"]),
    }
    return BoxPredictions(**{**values, **changes})


def test_scores_by_hand():
    scores = compute_box_metrics(predictions(), TRAINING)
    assert scores["n"] == 4
    assert scores["mean_iou"] == pytest.approx(0.6) and scores["median_iou"] == pytest.approx(0.7)
    assert (scores["share_50"], scores["share_75"], scores["share_90"]) == (0.75, 0.5, 0.25)
    assert [(g["name"], g["n"]) for g in scores["by_size"]] == [("small", 1), ("medium", 2), ("large", 1)]
    assert scores["by_size"][1]["mean_iou"] == pytest.approx(0.4)
    assert {g["name"]: g["mean_iou"] for g in scores["per_class"]} == pytest.approx({"cat": 0.8, "dog": 0.4})
    low, high = scores["ci95"]["mean_iou"]
    assert 0 < low < 0.6 < high <= 1
    assert compute_box_metrics(predictions(), TRAINING)["ci95"] == scores["ci95"]


def test_the_interval_is_that_of_the_mean():
    """Of many images it is the mean and 1.96 standard errors on either side."""
    widths = np.random.default_rng(0).uniform(0, 100, 800)
    boxes = np.tile([0, 0, 0, 100.0], (800, 1))
    boxes[:, 2] = widths
    many = predictions(
        ids=tuple(map(str, range(800))), parts=np.full(800, "test"), sizes=np.full((800, 2), 100), predicted=boxes,
        truth=np.tile([0, 0, 100.0, 100], (800, 1)), labels=np.full(800, ""),
    )  # fmt: skip
    scores = compute_box_metrics(many, TRAINING, resamples=2000)
    expected = widths.mean() / 100 + 1.96 * widths.std() / 100 / np.sqrt(800) * np.array([-1, 1])
    np.testing.assert_allclose(scores["ci95"]["mean_iou"], expected, atol=3e-3)
    assert scores["per_class"] == []


def test_baselines_by_hand():
    truth = np.array([[0, 0, 0.5, 0.5], [0.25, 0.25, 0.75, 0.75]])
    found = baseline_ious(truth, TRAINING)
    np.testing.assert_allclose(found["mean_box"], [1 / 7, 1])  # 0.25 to 0.75
    np.testing.assert_allclose(found["centred_box"], [1 / 7, 1])
    np.testing.assert_allclose(found["whole_image"], [0.25, 0.25])
    np.testing.assert_allclose(found["random_box"], [[1, 0], [1 / 7, 1 / 7]])
    scores = compute_box_metrics(predictions(), TRAINING)["baselines"]
    assert scores["whole_image"]["mean_iou"] == pytest.approx(np.mean([0.01, 0.25, 1, 0.2]))
    assert scores["random_box"]["share_50"] == pytest.approx(1 / 8)


def test_the_file_holds_all(tmp_path):
    classes = Predictions(
        ("a", "b", "c", "d"), predictions().parts, np.array([0, 1, 0, 1]), np.full((4, 2), 0.5), ("cat", "dog")
    )
    for given in (predictions(), predictions(classes=classes)):
        write_box_predictions(tmp_path / "p.csv", given)
        found = read_box_predictions(tmp_path / "p.csv")
        assert found.ids == given.ids and found.parts.tolist() == given.parts.tolist()
        for name in ("sizes", "predicted", "truth"):
            np.testing.assert_array_equal(getattr(found, name), getattr(given, name))
        assert (found.classes is None) == (given.classes is None)
    np.testing.assert_array_equal(found.classes.probabilities, classes.probabilities)
    assert found.part("test").classes.labels.tolist() == [0, 1, 1]
    assert found.part("validation").ids == ("c",)


def test_what_is_not_known_is_left_out(tmp_path):
    nothing = np.full((4, 4), np.nan)
    write_box_predictions(tmp_path / "p.csv", predictions(parts=np.full(4, ""), labels=np.full(4, ""), truth=nothing))
    assert (tmp_path / "p.csv").read_text().splitlines()[:2] == [
        "id,width,height,xmin,ymin,xmax,ymax",
        "a,100,100,0,0,10,10",
    ]
    with pytest.raises(DataError, match="use predict"):
        compute_box_metrics(read_box_predictions(tmp_path / "p.csv"), TRAINING)
    (tmp_path / "p.csv").write_text("id,xmin\na,1\n")
    with pytest.raises(DataError, match="cannot read boxes"):
        read_box_predictions(tmp_path / "p.csv")


def test_the_worst_come_first():
    assert worst_boxes(predictions(), 2) == [3, 2]

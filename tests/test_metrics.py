"""Metrics against closed forms first, then against scikit-learn."""

import json

import numpy as np
import pytest
from sklearn import metrics as sk

from tfvision.errors import DataError
from tfvision.evaluation import metrics as metrics_module
from tfvision.evaluation.metrics import bootstrap_scores, compute_metrics, confusion_matrix
from tfvision.evaluation.ranking import ranking_areas, ranking_counts
from tfvision.evaluation.score_names import class_scores, lower_is_better
from tfvision.evaluation.scores import calibration_bins, weighted_scores

# Of any number of classes, in the order of metrics.json: accuracies, macro and weighted, probabilities, rankings.
KEYS = ["n", *(score.name for score in class_scores() if score.of in ("classes", "probabilities", "rankings"))]
BESIDE = {"ci95", "per_class", "confusion_matrix", "class_names"}


def names(count):
    return [f"class {index}" for index in range(count)]


def random_case(count, classes, *, seed=0, tenths=False, label_classes=None):
    """Labels and probabilities that agree more often than by chance; in tenths there are many ties."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(label_classes or classes, size=count)
    raw = rng.gamma(0.7, size=(count, classes)) + np.eye(classes)[labels]
    probabilities = raw / raw.sum(axis=1, keepdims=True)
    if tenths:
        probabilities = np.array([rng.multinomial(10, row) for row in probabilities]) / 10
    return labels, probabilities


CASES = {
    "two classes": random_case(80, 2),
    "two classes with ties": random_case(90, 2, seed=1, tenths=True),
    "five classes": random_case(200, 5, seed=2),
    "four classes with ties": random_case(150, 4, seed=3, tenths=True),
    "classes without images": random_case(60, 6, seed=4, label_classes=4),
}


def sklearn_scores(labels, probabilities, weights=None):
    """The same scores by scikit-learn; undefined areas are left out of the mean."""
    classes = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    expected = {
        "accuracy": sk.accuracy_score(labels, predicted, sample_weight=weights),
        "balanced_accuracy": sk.recall_score(
            labels, predicted, labels=np.unique(labels), average="macro", sample_weight=weights
        ),
        "log_loss": sk.log_loss(labels, probabilities, labels=range(classes), sample_weight=weights),
    }
    for average in ("macro", "weighted"):
        for name, score in [("precision", sk.precision_score), ("recall", sk.recall_score), ("f1", sk.f1_score)]:
            expected[f"{name}_{average}"] = score(
                labels, predicted, average=average, zero_division=0, sample_weight=weights
            )
    columns = [1] if classes == 2 else [index for index in range(classes) if 0 < np.mean(labels == index) < 1]
    for name, score in [("roc_auc", sk.roc_auc_score), ("average_precision", sk.average_precision_score)]:
        areas = [score(labels == index, probabilities[:, index], sample_weight=weights) for index in columns]
        expected[name] = np.mean(areas)
    return expected


# ---- closed forms


def test_perfect_predictions_score_one():
    result = compute_metrics(np.arange(6) % 3, np.eye(3)[np.arange(6) % 3], names(3), resamples=0)
    assert [result[key] for key in KEYS] == [6, *(0.0 if lower_is_better(key) else 1.0 for key in KEYS[1:])]
    assert result["confusion_matrix"] == [[2, 0, 0], [0, 2, 0], [0, 0, 2]]


def test_uniform_probabilities():
    labels = np.array([0, 1, 2, 2])
    result = compute_metrics(labels, np.full((4, 4), 0.25), names(4), resamples=0)
    assert result["accuracy"] == 0.25  # the first of equals
    assert result["log_loss"] == pytest.approx(np.log(4))
    assert result["brier"] == pytest.approx(0.75**2 + 3 * 0.25**2)
    assert result["roc_auc"] == 0.5
    assert result["average_precision"] == pytest.approx(np.mean([1 / 4, 1 / 4, 2 / 4]))
    assert result["expected_calibration_error"] == 0


def test_two_classes_by_hand():
    positive = np.array([0.1, 0.4, 0.35, 0.8])
    result = compute_metrics(np.array([0, 0, 1, 1]), np.stack([1 - positive, positive], 1), ["no", "yes"], resamples=0)
    assert result["positive_class"] == "yes"
    assert (result["precision"], result["recall"], result["f1"]) == (1.0, 0.5, pytest.approx(2 / 3))
    assert result["roc_auc"] == 0.75
    assert result["average_precision"] == pytest.approx((1 + 2 / 3) / 2)
    assert result["brier"] == pytest.approx(np.mean([0.01, 0.16, 0.4225, 0.04]))
    assert result["confusion_matrix"] == [[2, 0], [1, 1]]


def test_log_loss_of_an_impossible_truth_is_finite():
    result = compute_metrics(np.array([0, 1]), np.array([[1.0, 0.0], [1.0, 0.0]]), ["a", "b"], resamples=0)
    assert result["log_loss"] == pytest.approx(-np.log(np.finfo(float).eps) / 2)


def test_calibration_error_by_hand():
    # Four images say 0.8 and three are right; one says 0.6 and is right.
    probabilities = np.array([[0.8, 0.2]] * 4 + [[0.6, 0.4]])
    result = compute_metrics(np.array([0, 0, 0, 1, 0]), probabilities, ["a", "b"], resamples=0)
    assert result["expected_calibration_error"] == pytest.approx((4 * 0.05 + 1 * 0.4) / 5)


def test_calibration_bins_are_closed_above():
    assert calibration_bins(np.array([0.0, 0.01, 1 / 15, 0.07, 0.999, 1.0])).tolist() == [0, 0, 0, 1, 14, 14]


def test_confusion_matrix_has_true_classes_as_rows():
    assert confusion_matrix([0, 0, 2], [1, 1, 0], 3).tolist() == [[0, 2, 0], [0, 0, 0], [1, 0, 0]]


def test_ranking_counts_join_ties():
    hits, misses = ranking_counts(np.array([True, False, True, False]), np.array([0.9, 0.5, 0.5, 0.1]))
    assert (hits.tolist(), misses.tolist()) == ([1, 2, 2], [0, 1, 2])


def test_accuracy_interval_is_near_the_binomial():
    labels = np.zeros(400, int)
    right = np.arange(400) < 360
    probabilities = np.where(right, [[0.9], [0.1]], [[0.1], [0.9]]).T
    low, high = compute_metrics(labels, probabilities, ["a", "b"])["ci95"]["accuracy"]
    half = 1.96 * np.sqrt(0.9 * 0.1 / 400)
    assert (low, high) == (pytest.approx(0.9 - half, abs=0.006), pytest.approx(0.9 + half, abs=0.006))


# ---- the oracle


@pytest.mark.parametrize("case", CASES)
def test_scores_agree_with_scikit_learn(case):
    labels, probabilities = CASES[case]
    result = compute_metrics(labels, probabilities, names(probabilities.shape[1]), resamples=0)
    for name, expected in sklearn_scores(labels, probabilities).items():
        assert result[name] == pytest.approx(expected, abs=1e-12), name
    squares = (probabilities - np.eye(probabilities.shape[1])[labels]) ** 2
    expected = squares[:, 1].mean() if probabilities.shape[1] == 2 else squares.sum(axis=1).mean()
    assert result["brier"] == pytest.approx(expected)
    if probabilities.shape[1] == 2:
        predicted = probabilities.argmax(axis=1)
        assert result["brier"] == pytest.approx(sk.brier_score_loss(labels, probabilities[:, 1]))
        assert result["precision"] == pytest.approx(sk.precision_score(labels, predicted))
        assert result["recall"] == pytest.approx(sk.recall_score(labels, predicted))
        assert result["f1"] == pytest.approx(sk.f1_score(labels, predicted))


@pytest.mark.parametrize("case", CASES)
def test_each_class_agrees_with_scikit_learn(case):
    labels, probabilities = CASES[case]
    classes = probabilities.shape[1]
    rows = compute_metrics(labels, probabilities, names(classes), resamples=0)["per_class"]
    predicted = probabilities.argmax(axis=1)
    table = sk.precision_recall_fscore_support(labels, predicted, labels=range(classes), zero_division=0)
    for row, precision, recall, f1, support in zip(rows, *table, strict=True):
        found = row["precision"], row["recall"], row["f1"], row["support"]
        assert found == pytest.approx((precision, recall, f1, support))
    assert [row["class"] for row in rows] == names(classes)
    for index, row in enumerate(rows):
        if support := row["support"]:
            assert support == (labels == index).sum()
            assert row["roc_auc"] == pytest.approx(sk.roc_auc_score(labels == index, probabilities[:, index]))
        else:
            assert row["roc_auc"] is None
            assert row["average_precision"] is None


@pytest.mark.parametrize("case", CASES)
def test_weighted_scores_agree_with_scikit_learn(case):
    labels, probabilities = CASES[case]
    weights = np.random.default_rng(5).uniform(0.1, 3, size=(len(labels), 3))
    scores = weighted_scores(labels, probabilities, weights)
    for column in range(3):
        for name, expected in sklearn_scores(labels, probabilities, weights[:, column]).items():
            assert scores[name][column] == pytest.approx(expected, abs=1e-12), name


@pytest.mark.parametrize("case", CASES)
def test_a_weight_is_a_repetition(case):
    labels, probabilities = CASES[case]
    weights = np.random.default_rng(6).integers(0, 3, size=(len(labels), 4))
    scores = weighted_scores(labels, probabilities, weights.astype(float))
    for column in range(4):
        rows = np.repeat(np.arange(len(labels)), weights[:, column])
        expected = compute_metrics(labels[rows], probabilities[rows], names(probabilities.shape[1]), resamples=0)
        for name, values in scores.items():
            assert values[column] == pytest.approx(expected[name], abs=1e-12), name


# ---- undefined values, shapes, bootstrap


def test_keys_are_those_of_the_contract():
    result = compute_metrics(*CASES["five classes"], names(5), resamples=20)
    assert set(result) == set(KEYS) | BESIDE
    assert set(result["ci95"]) == set(KEYS) - {"n"}
    two = compute_metrics(*CASES["two classes"], names(2), resamples=20)
    assert set(two) == set(KEYS) | BESIDE | {"positive_class", "precision", "recall", "f1"}
    assert set(two["ci95"]) == set(two) - BESIDE - {"n", "positive_class"}


@pytest.mark.parametrize("classes", [2, 3])
def test_undefined_is_none_and_never_nan(classes):
    probabilities = np.full((5, classes), 1 / classes)
    result = compute_metrics(np.ones(5, int), probabilities, names(classes), resamples=30)
    json.dumps(result, allow_nan=False)
    assert result["roc_auc"] is None
    assert result["ci95"]["average_precision"] is None
    assert result["accuracy"] == 0.0


def test_areas_without_one_side_are_nan():
    areas = ranking_areas(np.array([True, False]), np.array([0.2, 0.7]), np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]))
    np.testing.assert_array_equal(areas, [[np.nan, np.nan, 0.0], [np.nan, np.nan, 0.5]])


def test_unlabelled_images_are_left_out():
    labels, probabilities = CASES["five classes"]
    some = np.append(labels, [-1, -1])
    more = np.concatenate([probabilities, np.full((2, 5), 0.2)])
    expected = compute_metrics(labels, probabilities, names(5), resamples=9)
    assert compute_metrics(some, more, names(5), resamples=9) == expected
    with pytest.raises(DataError, match="none of the images has a label"):
        compute_metrics(np.array([-1]), np.full((1, 2), 0.5), names(2))


def test_wrong_shapes_and_nan_are_refused():
    with pytest.raises(ValueError, match=r"got \(3, 2\)"):
        compute_metrics(np.zeros(3, int), np.zeros((3, 2)), names(3))
    with pytest.raises(ValueError, match="NaN"):
        compute_metrics(np.zeros(3, int), np.full((3, 2), np.nan), names(2))


def test_intervals_come_from_the_seed_and_hold_the_score(monkeypatch):
    labels, probabilities = CASES["five classes"]
    result = compute_metrics(labels, probabilities, names(5), seed=3)
    assert result == compute_metrics(labels, probabilities, names(5), seed=3)
    assert result["ci95"] != compute_metrics(labels, probabilities, names(5), seed=4)["ci95"]
    for name in set(result["ci95"]) - {"expected_calibration_error"}:
        low, high = result["ci95"][name]
        assert low < result[name] < high
    monkeypatch.setattr(metrics_module, "_CHUNK", 7 * len(labels))
    chunked = compute_metrics(labels, probabilities, names(5), seed=3)["ci95"]
    for name, interval in chunked.items():
        assert result["ci95"][name] == pytest.approx(interval)


def test_each_resample_draws_as_many_images_as_there_are_and_each_as_often(monkeypatch):
    seen = []
    monkeypatch.setattr(metrics_module, "weighted_scores", lambda *args: seen.append(args[2]) or {"x": args[2].sum(0)})
    bootstrap_scores(np.zeros(50, int), np.zeros((50, 2)), 400, 0)
    weights = np.concatenate(seen, axis=1)
    assert weights.shape == (50, 400)
    np.testing.assert_array_equal(weights.sum(axis=0), 50)
    np.testing.assert_allclose(weights.mean(axis=1), 1, atol=0.25)  # five standard deviations

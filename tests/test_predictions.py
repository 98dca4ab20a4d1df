"""Predictions: the file and back, and the mistakes worth a look."""

from dataclasses import replace

import numpy as np
import pytest

from tfvision.errors import DataError
from tfvision.evaluation.mistakes import worst_mistakes
from tfvision.evaluation.predictions import (
    Predictions,
    class_probabilities,
    read_predictions,
    write_predictions,
    write_unlabelled,
)

NAMES = ("plain", 'with "quotes", comma', "zwölf")


def example(probabilities=((0.5, 0.3, 0.2), (0.1, 0.2, 0.7), (0.25, 0.5, 0.25)), labels=(0, 1, -1), names=NAMES):
    count = len(labels)
    ids = tuple(f"folder, one/{index}.jpg" for index in range(count))
    parts = np.array(["validation", "test", "test"][:count])
    return Predictions(ids, parts, np.array(labels), np.array(probabilities), names)


def test_one_sigmoid_unit_becomes_two_classes():
    np.testing.assert_array_equal(class_probabilities(np.array([[0.25], [1.0]]), 2), [[0.75, 0.25], [0.0, 1.0]])


def test_one_column_a_class_passes_through_as_float64():
    outputs = np.array([[0.1, 0.2, 0.7]], np.float32)
    result = class_probabilities(outputs, 3)
    assert result.dtype == np.float64
    np.testing.assert_array_equal(result, outputs.astype(np.float64))


@pytest.mark.parametrize("shape", [(4, 1), (4, 2), (4,)])
def test_outputs_of_another_width_are_refused(shape):
    with pytest.raises(ValueError, match="cannot tell 3 classes apart"):
        class_probabilities(np.zeros(shape), 3)


def test_predicted_and_part():
    predictions = example()
    assert predictions.predicted.tolist() == [0, 2, 1]
    assert predictions.predicted.dtype == np.int64
    test = predictions.part("test")
    assert (len(test), test.ids, test.labels.tolist()) == (2, predictions.ids[1:], [1, -1])
    assert len(predictions.part("train")) == 0


def test_joined_predictions_stay_decided():
    plain, decided = example(), replace(example(), decided=np.array([2, 2, 2]))
    assert plain.joined(plain).decided is None
    assert plain.joined(decided).predicted.tolist() == [0, 2, 1, 2, 2, 2]
    assert decided.joined(plain).predicted.tolist() == [2, 2, 2, 0, 2, 1]


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="3 class names"):
        example(probabilities=((0.5, 0.5),) * 3)


def test_the_file_and_back(tmp_path):
    path = tmp_path / "predictions.csv"
    write_predictions(path, example())
    assert path.read_text("utf-8").splitlines()[1] == '"folder, one/0.jpg",validation,plain,plain,0.5,0.3,0.2'
    back = read_predictions(path)
    assert (back.ids, back.class_names) == (example().ids, NAMES)
    np.testing.assert_array_equal(back.parts, example().parts)
    np.testing.assert_array_equal(back.labels, example().labels)
    np.testing.assert_array_equal(back.probabilities, example().probabilities)
    assert [entry.name for entry in tmp_path.iterdir()] == ["predictions.csv"]


def test_float32_survives_the_file_unchanged(tmp_path):
    raw = np.random.default_rng(0).dirichlet(np.ones(3), size=3).astype(np.float32)
    write_predictions(tmp_path / "p.csv", example(probabilities=raw))
    np.testing.assert_array_equal(read_predictions(tmp_path / "p.csv").probabilities.astype(np.float32), raw)


def test_predicted_is_the_largest_of_the_written_digits(tmp_path):
    # The second is larger by less than nine digits can say: the written values are equal, and the first wins.
    close = np.array([[0.5 - 1e-12, 0.5 + 1e-12]])
    predictions = example(probabilities=close, labels=(1,), names=("a", "b"))
    assert predictions.predicted.tolist() == [1]
    write_predictions(tmp_path / "p.csv", predictions)
    assert (tmp_path / "p.csv").read_text().splitlines()[1].endswith(",b,a,0.5,0.5")
    assert read_predictions(tmp_path / "p.csv").predicted.tolist() == [0]


def test_unlabelled_images(tmp_path):
    path = tmp_path / "p.csv"
    write_unlabelled(path, example())
    assert path.read_text("utf-8").splitlines()[1] == '"folder, one/0.jpg",plain,0.5,0.3,0.2'
    back = read_predictions(path)
    assert (back.labels.tolist(), back.parts.tolist()) == ([-1] * 3, [""] * 3)


def test_no_images_at_all(tmp_path):
    empty = Predictions((), np.array([]), np.array([]), np.zeros((0, 2)), ("a", "b"))
    write_predictions(tmp_path / "p.csv", empty)
    back = read_predictions(tmp_path / "p.csv")
    assert (len(back), back.class_names, back.probabilities.shape) == (0, ("a", "b"), (0, 2))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is damaged: it is empty"),
        ("name,p_a,p_b\nx,1,0\n", "expected id and one p_<class>"),
        ("id,label\nx,a\n", "expected id and one p_<class>"),
        ("id,label,p_a,p_b\nx,c,1,0\n", "'c' in row 2, which is none of the classes a, b"),
        ("id,label,p_a,p_b\nx,a,1,zero\n", "not a number"),
        ("id,label,p_a,p_b\nx,a,1,0\ny,a,1\n", "row 3 has 3 cells; expected 4"),
    ],
)
def test_broken_files_are_refused(tmp_path, text, message):
    path = tmp_path / "p.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_predictions(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"cannot read .*No such file"):
        read_predictions(tmp_path / "none.csv")


def test_worst_mistakes_are_the_most_confident():
    probabilities = [[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7], [0.05, 0.95]]
    labels = np.array([0, 1, 0, 0, -1])
    predictions = Predictions(tuple("abcde"), np.array(["test"] * 5), labels, np.array(probabilities), ("no", "yes"))
    assert worst_mistakes(predictions) == [2, 3, 1]
    assert worst_mistakes(predictions, k=1) == [2]
    assert worst_mistakes(predictions.part("train")) == []


def test_the_predicted_class_comes_first_even_where_a_threshold_chose_it() -> None:
    found = Predictions(("x",), np.array([""]), np.array([-1]), np.array([[0.7, 0.3]]), ("no", "yes"), np.array([1]))
    assert found.lines() == ["x  yes  0.3000"] and found.lines(2) == ["x  yes  0.3000  no  0.7000"]
    assert found.records() == [{"id": "x", "predicted": "yes", "probabilities": {"yes": 0.3, "no": 0.7}}]

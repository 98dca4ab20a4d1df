"""Class weights and oversampling against what they must add up to."""

import numpy as np
import pytest

from tfvision.data.batches.balance import class_weights, image_weights, oversample


def test_class_weights_are_balanced():
    labels = np.array([0] * 6 + [1] * 3 + [2])
    weights = class_weights(labels, 3)
    assert weights == pytest.approx({0: 10 / 18, 1: 10 / 9, 2: 10 / 3})
    assert sum(weights[k] for k in labels) == pytest.approx(len(labels))


def test_images_weigh_as_their_class():
    labels = np.array([2, 0, 0, 1, 0, 0, 1, 0, 1, 0])
    np.testing.assert_array_equal(image_weights(labels, 3), [class_weights(labels, 3)[k] for k in labels.tolist()])
    assert image_weights(labels, 3).sum() == pytest.approx(len(labels))


def test_absent_class_weighs_one():
    assert class_weights(np.array([0, 0]), 2) == {0: 0.5, 1: 1.0}


def test_oversampling_makes_classes_equal():
    labels = np.array([0] * 10 + [1] * 4 + [2])
    plan = oversample(labels, seed=5)
    assert np.bincount(labels[plan[:, 0]]).tolist() == [10, 10, 10]
    np.testing.assert_array_equal(plan[:15], [[i, 0] for i in range(15)])
    assert len({tuple(row) for row in plan}) == len(plan)
    assert plan[15:, 1].min() == 1
    times = np.bincount(plan[:, 0])
    assert times[:10].tolist() == [1] * 10 and sorted(times[10:14]) == [2, 2, 3, 3] and times[14] == 10


def test_oversampling_follows_the_seed():
    labels = np.array([0] * 40 + [1] * 30)
    np.testing.assert_array_equal(oversample(labels, 1), oversample(labels, 1))
    assert (oversample(labels, 1) != oversample(labels, 2)).any()


def test_equal_classes_need_no_copies():
    assert oversample(np.array([0, 1, 2, 2, 1, 0]), 0)[:, 1].max() == 0

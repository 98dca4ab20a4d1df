"""Losses of boxes against closed forms, and metrics against NumPy."""

import keras
import numpy as np
import pytest

from tfvision.data.boxes.geometry import box_ious
from tfvision.errors import UsageError
from tfvision.training.box_losses import build_box_loss, build_box_metrics, giou, iou

TRUE = np.array([[0.2, 0.2, 0.6, 0.6]], np.float32)


def loss(kind, found, beta=0.1):
    return float(build_box_loss(kind, beta=beta)(TRUE, np.array([found], np.float32)))


def test_smooth_l1_by_hand():
    # 0.05 lies below beta: 0.5 * 0.05^2 / 0.1; 0.3 above: 0.3 - 0.05.
    found = [0.25, 0.2, 0.6, 0.9]
    assert loss("smooth_l1", found) == pytest.approx((0.0125 + 0.25) / 4, rel=1e-5)
    assert loss("smooth_l1", found, beta=1.0) == pytest.approx((0.5 * 0.05**2 + 0.5 * 0.3**2) / 4, rel=1e-5)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([0.2, 0.2, 0.6, 0.6], 1.0),
        ([0.4, 0.2, 0.8, 0.6], 1 / 3),  # side by side: the hull is the union
        ([0.6, 0.2, 1.0, 0.6], 0.0),
        ([0.8, 0.2, 1.0, 0.6], -(0.32 - 0.24) / 0.32),  # apart: the gap is what counts
    ],
)
def test_giou_by_hand(found, expected):
    assert 1 - loss("giou", found) == pytest.approx(expected, abs=1e-5)


def test_the_sum_is_the_sum():
    found = [0.3, 0.1, 0.5, 0.9]
    assert loss("smooth_l1+giou", found) == pytest.approx(loss("smooth_l1", found) + loss("giou", found), rel=1e-5)
    with pytest.raises(UsageError, match="unknown box loss"):
        build_box_loss("l2")


def test_metrics_agree_with_numpy_and_heed_weights():
    generator = np.random.default_rng(0)
    true, found = (np.sort(generator.random((64, 2, 2)), axis=1).reshape(-1, 4).astype(np.float32) for _ in range(2))
    found[:32] = true[:32] + generator.normal(0, 0.02, (32, 4))
    expected = box_ious(true, found)
    np.testing.assert_allclose(iou(true, keras.ops.convert_to_tensor(found)), expected, atol=1e-5)
    weights = (np.arange(64) % 2).astype(np.float32)
    mean, above = build_box_metrics()
    for metric in (mean, above):
        metric.update_state(true, found, sample_weight=weights)
    assert float(mean.result()) == pytest.approx(expected[1::2].mean(), abs=1e-5)
    assert float(above.result()) == pytest.approx((expected[1::2] > 0.5).mean(), abs=1e-5)


def test_an_inverted_box_is_finite_and_led_back():
    """Gradient steps on GIoU turn an inverted, distant box into the true one."""
    import tensorflow as tf

    box = tf.Variable([[0.95, 0.9, 0.8, 0.7]])

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(1 - giou(TRUE, box)) + tf.reduce_sum(tf.abs(box - TRUE))
        gradient = tape.gradient(value, box)
        box.assign_sub(0.005 * gradient)
        return gradient

    assert all(np.isfinite(step()).all() for _ in range(400))
    assert box_ious(TRUE[0], box.numpy()[0]) > 0.9

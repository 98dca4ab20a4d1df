"""Attacks against what is known in closed form on linear models, and the logits that they see."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfvision.data.options import ResizeOptions
from tfvision.data.pixels.resize import KERNELS, MODES, Resize, resize_images
from tfvision.data.pixels.smooth_resize import resize_smoothly
from tfvision.errors import UsageError
from tfvision.models.classifier import build_classifier
from tfvision.models.decision import Decision
from tfvision.robustness.attack_options import AttackOptions, parse_budgets
from tfvision.robustness.attack_scores import binomial_interval
from tfvision.robustness.attacks.autopgd import auto_pgd, check_points
from tfvision.robustness.attacks.carlini import carlini_wagner
from tfvision.robustness.attacks.descent import fast_gradient_sign, projected_gradient
from tfvision.robustness.attacks.effort import Effort
from tfvision.robustness.attacks.geometry import l2_norm, project, random_start
from tfvision.robustness.attacks.losses import climb, log_odds, logits_ratio, margin
from tfvision.robustness.attacks.patch import fit_patch, place_patch
from tfvision.robustness.attacks.square import square_attack, square_shares
from tfvision.robustness.attacks.table import ALL, ATTACKS, METHODS, parse_methods
from tfvision.robustness.logits import recover_logits, shift_logits

SIDE, VALUES = 6, 6 * 6 * 3
SEED = tf.constant((0, 1))
GENERATOR = np.random.default_rng(0)
KERNEL = GENERATOR.normal(size=(VALUES, 2)).astype(np.float32) / 10
IMAGES = tf.constant(GENERATOR.uniform(60, 190, (80, SIDE, SIDE, 3)).astype(np.float32))


def linear(pixels: tf.Tensor) -> tf.Tensor:
    """Two logits that are linear in the pixels."""
    return tf.matmul(tf.reshape(pixels - 127.5, (-1, VALUES)), KERNEL)


LABELS = tf.argmax(linear(IMAGES), 1, output_type=tf.int32)
# Where the second logit grows fastest against the first, and how far the hyperplane is.
NORMAL = (KERNEL[:, 1] - KERNEL[:, 0]).reshape(SIDE, SIDE, 3)
LEADS = np.abs(np.diff(linear(IMAGES).numpy(), axis=1)[:, 0])
AWAY = np.where(LABELS.numpy() == 0, 1, -1)[:, None, None, None] * NORMAL


def right(images: tf.Tensor) -> np.ndarray:
    return linear(images).numpy().argmax(1) == LABELS.numpy()


def run(attack, *given, **options):
    """Compile an attack and run it, as the verb does."""
    specs = [
        tf.TensorSpec((None, *each.shape[1:]) if each.shape.rank > 1 else each.shape, each.dtype) for each in given
    ]
    specs[1] = tf.TensorSpec((None,), tf.int32)
    return tf.function(lambda *batch: attack(linear, *batch, **options), input_signature=specs, autograph=False)(*given)


def test_fgsm_goes_to_the_corner() -> None:
    found = run(fast_gradient_sign, IMAGES, LABELS, tf.constant(2.0))
    np.testing.assert_allclose(found.images, IMAGES + 2 * np.sign(AWAY), atol=1e-4)
    along = run(fast_gradient_sign, IMAGES, LABELS, tf.constant(20.0), norm="l2")
    np.testing.assert_allclose(along.images, IMAGES + 20 * AWAY / np.linalg.norm(NORMAL), atol=1e-3)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_pgd_misleads_exactly_where_the_hyperplane_is_near_enough(norm: str) -> None:
    reach = np.abs(NORMAL).sum() if norm == "linf" else np.linalg.norm(NORMAL)
    epsilon = float(np.median(LEADS / reach))
    found = run(projected_gradient, IMAGES, LABELS, tf.constant(epsilon), SEED, norm=norm, steps=40)
    near, far = 0.97 * epsilon * reach > LEADS, 1.001 * epsilon * reach < LEADS
    assert not right(found.images)[near].any() and right(found.images)[far].all()
    assert near.sum() > 20 and far.sum() > 20
    change = (found.images - IMAGES).numpy()
    size = np.abs(change).max((1, 2, 3)) if norm == "linf" else np.sqrt(np.square(change).sum((1, 2, 3)))
    assert size.max() <= epsilon + 1e-3


def test_projection_is_the_nearest_point_of_the_ball() -> None:
    moved = IMAGES + tf.constant(GENERATOR.normal(size=IMAGES.shape).astype(np.float32))
    found = project(moved, IMAGES, tf.constant(3.0), "l2")
    np.testing.assert_allclose(l2_norm(found - IMAGES)[:, 0, 0, 0], 3.0, atol=1e-4)
    change, kept = (moved - IMAGES).numpy(), (found - IMAGES).numpy()
    np.testing.assert_allclose(
        kept, 3 * change / np.linalg.norm(change.reshape(80, -1), axis=1)[:, None, None, None], atol=1e-4
    )
    inside = IMAGES + 0.01
    np.testing.assert_allclose(project(inside, IMAGES, tf.constant(3.0), "l2"), inside, atol=1e-4)
    assert float(tf.reduce_max(project(IMAGES + 500, IMAGES, tf.constant(400.0), "linf"))) == 255


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_starts_lie_in_the_ball(norm: str) -> None:
    change = (random_start(IMAGES, tf.constant(4.0), norm, SEED) - IMAGES).numpy()
    size = np.abs(change).max() if norm == "linf" else np.sqrt(np.square(change).sum((1, 2, 3))).max()
    assert 2 < size <= 4.0001


def test_restarts_and_early_stop_take_what_they_say() -> None:
    hopeless = tf.constant(1e-3)
    assert int(run(projected_gradient, IMAGES, LABELS, hopeless, SEED, steps=5).gradients) == 5 * 80
    assert int(run(projected_gradient, IMAGES, LABELS, hopeless, SEED, steps=5, restarts=3).gradients) == 15 * 80
    easy = run(projected_gradient, IMAGES, LABELS, tf.constant(60.0), SEED, steps=5)
    full = run(projected_gradient, IMAGES, LABELS, tf.constant(60.0), SEED, steps=5, early_stop=False)
    assert int(easy.gradients) < 4 * 80 < int(full.gradients) == 5 * 80
    assert not right(easy.images).any() and not right(full.images).any()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_auto_pgd_finds_what_can_be_found(norm: str) -> None:
    reach = np.abs(NORMAL).sum() if norm == "linf" else np.linalg.norm(NORMAL)
    epsilon = float(np.median(LEADS / reach))
    for losses in ((log_odds,), (logits_ratio,)):
        found = run(auto_pgd, IMAGES, LABELS, tf.constant(epsilon), SEED, norm=norm, steps=30, losses=losses)
        assert not right(found.images)[0.97 * epsilon * reach > LEADS].any()
        change = (found.images - IMAGES).numpy()
        size = np.abs(change).max() if norm == "linf" else np.sqrt(np.square(change).sum((1, 2, 3))).max()
        assert size <= epsilon + 1e-3


def test_auto_pgd_checks_at_the_points_of_the_paper() -> None:
    """Croce and Hein: p_1 = 0.22, p_(j+1) = p_j + max(p_j - p_(j-1) - 0.03, 0.06)."""
    places = [number + 1 for number, due in enumerate(check_points(100)) if due]
    assert places[:9] == [22, 41, 57, 70, 80, 87, 93, 99, *places[8:9]]
    assert check_points(1) == [1]


def test_carlini_and_wagner_find_the_distance_to_the_hyperplane() -> None:
    specs = [tf.TensorSpec((None, SIDE, SIDE, 3)), tf.TensorSpec((None,), tf.int32)]
    attack = tf.function(lambda *batch: carlini_wagner(linear, *batch, steps=150, rounds=8), input_signature=specs)
    found = attack(IMAGES, LABELS)
    assert not right(found.images).any()
    ratio = l2_norm(found.images - IMAGES).numpy().ravel() / (LEADS / np.linalg.norm(NORMAL))
    assert ratio.min() > 0.999 and np.percentile(ratio, 95) < 1.01  # the last few lie within a gray level of the border
    wrong = carlini_wagner(linear, IMAGES[:4], 1 - LABELS[:4], steps=2, rounds=1)
    np.testing.assert_array_equal(wrong.images, IMAGES[:4])


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_square_stays_within_its_budget_and_needs_no_gradient(norm: str) -> None:
    reach = np.abs(NORMAL).sum() if norm == "linf" else np.linalg.norm(NORMAL)
    epsilon = tf.constant(float(np.median(LEADS / reach)) * 3, tf.float32)

    found = run(square_attack, IMAGES, LABELS, epsilon, SEED, norm=norm, queries=150)
    change = (found.images - IMAGES).numpy()
    size = np.abs(change).max() if norm == "linf" else np.sqrt(np.square(change).sum((1, 2, 3))).max()
    assert size <= float(epsilon) + 1e-3
    assert right(found.images).mean() < 0.5 < right(run(fast_gradient_sign, IMAGES, LABELS, epsilon / 30).images).mean()
    assert int(found.gradients) == 0 and 80 < int(found.passes) < 150 * 80
    assert square_shares(100)[0] == 0.8 and square_shares(100)[-1] == pytest.approx(0.8 / 2**9)


def test_losses_have_the_values_of_their_definitions() -> None:
    logits, labels = tf.constant([[2.0, 1.0, -1.0, 0.0], [0.0, 3.0, 1.0, 2.0]]), tf.constant([0, 2])
    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    np.testing.assert_allclose(tf.nn.softplus(log_odds(logits, labels)), entropy, atol=1e-5)
    np.testing.assert_allclose(margin(logits, labels), [-1, 2])
    np.testing.assert_allclose(logits_ratio(logits, labels), [-1 / 2, 2 / 2], atol=1e-5)
    np.testing.assert_allclose(logits_ratio(logits[:, :2], tf.constant([0, 0])), [-1, 3], atol=1e-5)


def test_the_gradient_does_not_vanish_where_the_model_is_sure() -> None:
    def sure(pixels: tf.Tensor) -> tf.Tensor:
        return 1000 * linear(pixels)

    _, _, gradient = climb(sure, log_odds, IMAGES, LABELS)
    np.testing.assert_allclose(gradient, 1000 * AWAY, rtol=1e-4, atol=1e-3)
    with tf.GradientTape() as tape:
        tape.watch(IMAGES)
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(LABELS, sure(IMAGES))
    assert float(tf.reduce_max(tf.abs(tape.gradient(loss, IMAGES)))) < 1e-20  # of the cross-entropy nothing is left


def test_a_patch_misleads_where_random_colours_do_not() -> None:
    def greenness(pixels: tf.Tensor) -> tf.Tensor:
        green = tf.reduce_mean(pixels[..., 1] - pixels[..., 0], (1, 2)) / 10
        return tf.stack([-green, green], 1)

    greenish = np.array((0, 8, 0), np.float32)
    images = tf.constant(GENERATOR.uniform(100, 150, (60, 12, 12, 3)).astype(np.float32)) + greenish
    labels = tf.ones(60, tf.int32)
    patch = tf.function(lambda *given: fit_patch(greenness, *given, side=5, area=0.15, steps=30))(images, labels, SEED)
    laid = place_patch(images, patch, SEED + 7, area=0.15)
    drawn = place_patch(images, tf.random.stateless_uniform((5, 5, 3), SEED, 0.0, 255.0), SEED + 7, area=0.15)
    wrong = [float(tf.reduce_mean(tf.cast(greenness(each)[:, 0] > 0, tf.float32))) for each in (laid, drawn)]
    assert wrong[0] > 0.95 and wrong[1] < 0.3
    covered = np.any(np.abs(place_patch(images, patch * 0 + 255, SEED, area=0.15) - images) > 1, axis=-1).mean()
    assert 0.1 < covered < 0.3


@pytest.mark.parametrize("kernel, mode, channels", itertools.product(KERNELS, MODES, (1, 3)))
def test_the_smooth_resize_is_the_one_resize_without_rounding(kernel: str, mode: str, channels: int) -> None:
    resize = Resize(10, 8, kernel, True, mode, channels)
    smooth = tf.function(
        lambda images: resize_smoothly(images, resize), input_signature=[tf.TensorSpec((None, None, None, 3))]
    )
    for sides in ((17, 21), (6, 5), (10, 8)):
        pixels = GENERATOR.integers(0, 256, (2, *sides, 3), np.uint8)
        images = tf.constant(pixels, tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(images)
            found = smooth(images)
        assert np.abs(found.numpy() - resize_images(pixels, resize).numpy()).max() < 1.1
        assert float(tf.reduce_max(tf.abs(tape.gradient(found, images)))) > 0


def trained_batch_norm(model: keras.Model) -> keras.Model:
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shapes = [weight.shape for weight in layer.get_weights()]
            layer.set_weights([GENERATOR.uniform(0.5, 1.5, shape) for shape in shapes])
    return model


def norm_first(classes: int) -> keras.Model:
    """Batch normalization where it can be folded into nothing, beside one where it can."""
    from keras import layers

    pixels = keras.Input((32, 32, 3))
    x = layers.Conv2D(4, 3, activation="relu")(layers.BatchNormalization()(pixels))
    branch = layers.BatchNormalization()(x)
    x = layers.Conv2D(4, 1, use_bias=True)(layers.Activation("relu")(branch))
    x = layers.Add()([layers.BatchNormalization()(x), branch])
    x = layers.BatchNormalization()(layers.Dense(6)(layers.GlobalAveragePooling2D()(x)))
    return keras.Model(pixels, layers.Dense(classes, activation="softmax")(x))


@pytest.mark.parametrize("backbone, classes", [("mobilenet_v2_035", 3), ("small_cnn", 2), ("norm first", 4)])
def test_logits_of_a_folded_model_are_those_of_the_model(backbone: str, classes: int) -> None:
    if backbone == "norm first":
        model = trained_batch_norm(norm_first(classes))
    else:
        model = trained_batch_norm(build_classifier(backbone, classes, image_size=32, weights="none"))
    pixels = GENERATOR.uniform(0, 255, (3, 32, 32, 3)).astype(np.float32)
    said = model(pixels, training=False).numpy()
    for fold in (True, False):
        recovered = recover_logits(model, fold=fold)
        found = tf.nn.softmax(recovered.model(pixels)).numpy()
        assert recovered.recovered and found.shape == (3, classes)
        np.testing.assert_allclose(found[:, -said.shape[1] :], said, atol=1e-4)
    folded = recover_logits(model).model
    norms = [each for each in folded.layers if isinstance(each, keras.layers.BatchNormalization)]
    assert not norms
    np.testing.assert_allclose(model(pixels, training=False), said)  # the model itself is as it was


def test_logits_where_the_end_is_no_activation() -> None:
    pixels = keras.Input((4, 4, 3))
    vector = keras.layers.Dense(3, activation="softmax")(keras.layers.Flatten()(pixels))
    halved = keras.Model(pixels, keras.layers.Rescaling(1.0)(vector))
    separate = keras.layers.Dense(1)(keras.layers.Flatten()(pixels))
    sigmoid = keras.Model(pixels, keras.layers.Activation("sigmoid")(separate))
    images = GENERATOR.uniform(0, 1, (5, 4, 4, 3)).astype(np.float32)
    found = recover_logits(halved)
    assert not found.recovered
    np.testing.assert_allclose(tf.nn.softmax(found.model(images)), halved(images), atol=1e-5)
    both = recover_logits(sigmoid)
    assert both.recovered
    np.testing.assert_allclose(tf.nn.softmax(both.model(images))[:, 1:], sigmoid(images), atol=1e-5)


def test_layers_called_twice_are_not_folded_into() -> None:
    pixels = keras.Input((4, 4, 3))
    shared = keras.layers.Conv2D(3, 1)
    twice = keras.layers.BatchNormalization()(shared(keras.layers.BatchNormalization()(shared(pixels))))
    model = keras.Model(pixels, keras.layers.Dense(2, activation="softmax")(keras.layers.Flatten()(twice)))
    images = GENERATOR.uniform(0, 1, (5, 4, 4, 3)).astype(np.float32)
    np.testing.assert_allclose(tf.nn.softmax(recover_logits(model).model(images)), model(images), atol=1e-5)


@pytest.mark.parametrize(
    "decision", [None, Decision(2.0), Decision(0.7, (0.0, 1.5, -0.5), "f1"), Decision(1.0, (0.4, 0.0, 0.0), "f1")]
)
def test_the_largest_shifted_logit_is_the_decided_class(decision: Decision | None) -> None:
    logits = GENERATOR.normal(size=(200, 3)).astype(np.float32)
    chosen = decision or Decision()
    expected = chosen.decide(chosen.calibrate(tf.nn.softmax(logits).numpy()))
    np.testing.assert_array_equal(np.argmax(shift_logits(tf.constant(logits), decision), 1), expected)


def test_the_table_and_what_is_parsed() -> None:
    assert parse_methods("pgd, FGSM,pgd") == ["pgd", "fgsm"]
    assert parse_methods("all") == list(ALL) and set(ALL) < set(METHODS) < set(ATTACKS)
    with pytest.raises(UsageError, match=r"unknown attack 'pdg', did you mean pgd|unknown attack 'pdg'"):
        parse_methods("pdg")
    assert parse_budgets("8,0.5,1,1") == [0.5, 1.0, 8.0]
    for wrong in ("0", "1,x", "-1", "inf", ""):
        with pytest.raises(UsageError, match="expected numbers above 0"):
            parse_budgets(wrong)
    with pytest.raises(UsageError, match="steps"):
        AttackOptions(steps=0)
    assert Effort().steps == AttackOptions().steps and ResizeOptions().kernel in KERNELS


def test_intervals_have_a_width_where_none_or_all_are_right() -> None:
    low, high = binomial_interval(0, 100)
    assert low == 0 and high == pytest.approx(0.0370, abs=1e-3)
    assert binomial_interval(50, 100) == pytest.approx((0.4038, 0.5962), abs=1e-3)
    assert binomial_interval(100, 100)[1] == 1

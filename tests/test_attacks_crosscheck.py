"""Attacks against those of other libraries, on a small model of two and of three classes; skipped where these lack."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfvision.robustness.attacks.autopgd import auto_pgd
from tfvision.robustness.attacks.carlini import carlini_wagner
from tfvision.robustness.attacks.descent import projected_gradient
from tfvision.robustness.attacks.losses import log_odds, logits_ratio
from tfvision.robustness.attacks.square import square_attack
from tfvision.robustness.logits import recover_logits

WHY = "needs the extra robustness: pip install 'tfvision[robustness]'"
SIDE, COUNT, STEPS = 8, 64, 12

pytestmark = pytest.mark.slow
SEED = tf.constant((0, 1))


class Case:
    """A network that has learnt noisy patterns, its logits, and images it is right about."""

    def __init__(self, classes: int) -> None:
        generator = np.random.default_rng(classes)
        patterns = generator.uniform(0, 255, (classes, SIDE, SIDE, 3))
        labels = np.arange(600) % classes
        images = np.clip(0.3 * patterns[labels] + 0.7 * generator.uniform(0, 255, (600, SIDE, SIDE, 3)), 0, 255)
        images = images.astype(np.float32)
        keras.utils.set_random_seed(classes)
        units, activation = (1, "sigmoid") if classes == 2 else (classes, "softmax")
        pixels = keras.Input((SIDE, SIDE, 3))
        maps = keras.layers.Conv2D(8, 3, activation="relu")(keras.layers.Rescaling(1 / 127.5, -1)(pixels))
        hidden = keras.layers.Dense(16, activation="relu")(keras.layers.Flatten()(maps))
        model = keras.Model(pixels, keras.layers.Dense(units, activation=activation)(hidden))
        loss = "binary_crossentropy" if classes == 2 else "sparse_categorical_crossentropy"
        model.compile(keras.optimizers.Adam(3e-3), loss)
        model.fit(images, labels, epochs=12, verbose=0)
        self.logits, self.classes = recover_logits(model).model, classes
        right = np.flatnonzero(self.logits(images).numpy().argmax(1) == labels)[:COUNT]
        self.images, self.labels = images[right], labels[right].astype(np.int32)

    def left(self, images: np.ndarray) -> float:
        return float(np.mean(self.logits(np.asarray(images, np.float32)).numpy().argmax(1) == self.labels))

    def craft(self, attack, *given, **options) -> np.ndarray:
        """Compile an attack of ours and run it on the images."""
        call = tf.function(lambda *batch: attack(self.logits, *batch, *given, **options), autograph=False)
        return call(tf.constant(self.images), tf.constant(self.labels)).images.numpy()

    def estimator(self):
        """ART's view of the logits, which have two columns where the model has one unit."""
        from art.estimators.classification import TensorFlowV2Classifier

        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum")
        shape = (SIDE, SIDE, 3)
        return TensorFlowV2Classifier(
            model=self.logits, nb_classes=self.classes, input_shape=shape, loss_object=loss, clip_values=(0, 255)
        )

    @property
    def one_hot(self) -> np.ndarray:
        return np.eye(self.classes, dtype=np.float32)[self.labels]

    def halving(self, norm: str) -> float:
        """Return a budget that leaves about half of the images."""
        low, high = (1.0, 128.0) if norm == "linf" else (10.0, 2000.0)
        given = tf.constant(self.images), tf.constant(self.labels)
        options = {"norm": norm, "steps": STEPS}

        @tf.function(autograph=False)
        def attack(epsilon: tf.Tensor) -> tf.Tensor:
            return projected_gradient(self.logits, *given, epsilon, SEED, **options).images

        while high / low > 1.1:
            middle = (low * high) ** 0.5
            left = self.left(attack(tf.constant(middle, tf.float32)).numpy())
            low, high = (middle, high) if left > 0.5 else (low, middle)
        return middle


@pytest.fixture(scope="module", params=[2, 3], ids=["one unit", "three classes"])
def case(request: pytest.FixtureRequest) -> Case:
    return Case(request.param)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_pgd_is_as_strong_as_that_of_art(case: Case, norm: str) -> None:
    evasion = pytest.importorskip("art.attacks.evasion", reason=WHY)
    epsilon = case.halving(norm)
    ours = case.left(case.craft(projected_gradient, tf.constant(epsilon), SEED, norm=norm, steps=STEPS))
    attack = evasion.ProjectedGradientDescent(
        case.estimator(), norm=np.inf if norm == "linf" else 2, eps=epsilon, eps_step=2.5 * epsilon / STEPS,
        max_iter=STEPS, num_random_init=1, batch_size=COUNT, verbose=False,
    )  # fmt: skip
    theirs = case.left(attack.generate(case.images, case.one_hot))
    assert 0.2 < ours < 0.8
    assert -0.15 <= ours - theirs <= 0.03  # the cross-entropy that theirs climbs vanishes where the model is sure


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_auto_pgd_is_as_strong_as_that_of_art(case: Case, norm: str) -> None:
    evasion = pytest.importorskip("art.attacks.evasion", reason=WHY)
    epsilon = case.halving(norm)
    losses = {"cross_entropy": log_odds} | ({"difference_logits_ratio": logits_ratio} if case.classes > 2 else {})
    for name, loss in losses.items():
        ours = case.left(case.craft(auto_pgd, tf.constant(epsilon), SEED, norm=norm, steps=STEPS, losses=(loss,)))
        attack = evasion.AutoProjectedGradientDescent(
            case.estimator(), norm=np.inf if norm == "linf" else 2, eps=epsilon, eps_step=2 * epsilon, max_iter=STEPS,
            nb_random_init=1, batch_size=COUNT, loss_type=name, verbose=False,
        )  # fmt: skip
        theirs = case.left(attack.generate(case.images, case.one_hot))
        assert 0.2 < ours < 0.8
        assert ours <= theirs + 0.03, name  # theirs may miss what ours finds


def test_square_is_as_strong_as_that_of_art(case: Case) -> None:
    evasion = pytest.importorskip("art.attacks.evasion", reason=WHY)
    epsilon = 1.5 * case.halving("linf")
    ours = case.left(case.craft(square_attack, tf.constant(epsilon), SEED, queries=300))
    attack = evasion.SquareAttack(case.estimator(), eps=epsilon, max_iter=300, batch_size=COUNT, verbose=False)
    theirs = case.left(attack.generate(case.images, case.one_hot))
    assert 0.1 < ours < 0.8
    assert -0.3 <= ours - theirs <= 0.05


def test_carlini_and_wagner_find_as_near_images_as_foolbox(case: Case) -> None:
    foolbox = pytest.importorskip("foolbox", reason=WHY)
    ours = case.craft(carlini_wagner, steps=100, rounds=7)
    model = foolbox.models.TensorFlowModel(lambda images: case.logits(255 * images), bounds=(0, 1))
    attack = foolbox.attacks.L2CarliniWagnerAttack(binary_search_steps=7, steps=100, stepsize=0.01, initial_const=0.01)
    labels = tf.constant(case.labels, tf.int64)  # of the type of its argmax: eagerpy's promotion needs NumPy 1
    theirs, _, success = attack(model, tf.constant(case.images / 255), labels, epsilons=None)
    distances = [np.sqrt(np.square(found - case.images).sum((1, 2, 3))) for found in (ours, 255 * np.asarray(theirs))]
    assert case.left(ours) == 0 and np.asarray(success).all()
    assert np.median(distances[0] / distances[1]) <= 1.02
    assert np.median(distances[0] / distances[1]) >= 0.8

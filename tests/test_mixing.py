"""MixUp and CutMix: pixels and labels by hand, losses against two terms, and where they are refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import small_config

from tfvision.cli import main
from tfvision.config.yaml import parse_yaml
from tfvision.data.augmentation.mixing import batch_generator, cutmix, draw_rectangle, mix_batch, mixup
from tfvision.data.augmentation.options import Augmentation
from tfvision.data.batches.balance import class_weights, weights_of_labels
from tfvision.data.batches.order import Epochs
from tfvision.data.batches.pipeline import evaluation_batches, training_batches
from tfvision.data.images.imageset import ImageSet
from tfvision.data.images.scan import scan
from tfvision.data.pixels.resize import Resize
from tfvision.data.sources.open import open_images
from tfvision.errors import UsageError
from tfvision.experiment.train import train_from_config
from tfvision.system.device import set_seed
from tfvision.training.checkpoints import Checkpoints
from tfvision.training.config import TrainConfig
from tfvision.training.features.feeding import feed_phase
from tfvision.training.fit import fit_phases
from tfvision.training.history import History
from tfvision.training.losses import build_loss, build_metrics
from tfvision.training.mixed_labels import MixedLabelLoss
from tfvision.training.options import Phase, PseudoLabelOptions
from tfvision.training.phases import resolve_phases
from tfvision.training.pseudo_labels import read_pseudo_labels
from tfvision.training.settings import TrainingSettings
from tfvision.training.training import Training
from tfvision.training.views import resolve_views

RESIZE = Resize(16, 16)
NOISE = np.random.default_rng(0).integers(0, 256, (6, 12, 20, 3), dtype=np.uint8)
PARTNERS = np.array([3, 1, 0, 5, 2, 4])  # one of them meets itself
EACH_ITS_OWN = np.eye(6, dtype=np.float32)  # labels that tell who was mixed with whom
CLOSED = Phase(name="head", solver="logistic_regression", epochs=1, unfreeze="none")


def only(**options: object) -> Augmentation:
    return Augmentation(**{"horizontal_flip": False, **options})


# ---- pixels and labels


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 1.0])
def test_mixup_is_the_weighted_sum_of_two_images(share: float) -> None:
    before = NOISE.copy()
    found = mixup(NOISE, PARTNERS, share)
    assert found.dtype == np.uint8 and found.shape == NOISE.shape
    assert np.abs(found - (share * NOISE + (1 - share) * NOISE[PARTNERS])).max() <= 0.501
    np.testing.assert_array_equal(NOISE, before)


def test_cutmix_puts_a_rectangle_of_the_partner_into_the_image() -> None:
    before = NOISE.copy()
    found, share = cutmix(NOISE, PARTNERS, (slice(2, 7), slice(16, 20)))
    inside = np.zeros((12, 20, 1), bool)
    inside[2:7, 16:20] = True
    np.testing.assert_array_equal(found, np.where(inside, NOISE[PARTNERS], NOISE))
    np.testing.assert_array_equal(NOISE, before)
    assert share == pytest.approx(1 - 20 / 240)


@pytest.mark.parametrize("channels", [1, 3])
def test_mixup_labels_say_what_is_in_each_image(channels: int) -> None:
    images = NOISE[..., :channels]
    for step in range(40):
        mixed, labels = mix_batch(images, EACH_ITS_OWN, only(mixup=1.0), batch_generator(0, step))
        assert mixed.dtype == np.uint8 and labels.dtype == np.float32 and labels.shape == (6, 6)
        np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-6)
        assert np.abs(mixed - np.tensordot(labels, images.astype(float), axes=1)).max() <= 0.501


def test_cutmix_labels_are_the_areas_that_are_seen() -> None:
    """Each image has its number as its only value, so what is seen of whom can be counted, cut by the border or not."""
    images, cut = np.broadcast_to(np.arange(6, dtype=np.uint8)[:, None, None, None], (6, 12, 20, 1)), 0
    for step in range(100):
        mixed, labels = mix_batch(images, EACH_ITS_OWN, only(cutmix=1.0), batch_generator(0, step))
        assert mixed.dtype == np.uint8 and labels.dtype == np.float32
        np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-6)
        seen = [np.bincount(image.ravel(), minlength=6) / 240 for image in mixed]
        np.testing.assert_allclose(labels, seen, atol=1e-6)
        cut += int((labels < 1).all(axis=1).any())
    assert cut > 50


def test_the_rectangle_leaves_the_share_where_no_border_cuts_it() -> None:
    generator, whole, smaller, centres = np.random.default_rng(0), 0, 0, []
    for share in generator.random(2000):
        rows, columns = draw_rectangle(40, 60, share, generator)
        assert 0 <= rows.start <= rows.stop <= 40 and 0 <= columns.start <= columns.stop <= 60
        height, width = rows.stop - rows.start, columns.stop - columns.start
        cut = np.sqrt(1 - share)
        if min(rows.start, columns.start) > 0 and rows.stop < 40 and columns.stop < 60:
            assert (height, width) == (round(40 * cut), round(60 * cut))
            assert height * width / 2400 == pytest.approx(1 - share, abs=0.03)
            whole += 1
            centres.append(((rows.start + rows.stop) / 80, (columns.start + columns.stop) / 120))
        else:
            assert height <= round(40 * cut) and width <= round(60 * cut)
            smaller += height < round(40 * cut) or width < round(60 * cut)
    assert whole > 200 and smaller > 1000  # what lies beyond the border is cut off, not moved inside
    assert np.mean(centres, axis=0) == pytest.approx([0.5, 0.5], abs=0.04)
    assert draw_rectangle(40, 60, 0.0, generator)[0].stop > 0


@pytest.mark.parametrize("alpha", [0.2, 1.0, 8.0])
def test_shares_are_beta_of_alpha(alpha: float) -> None:
    """Mean 1/2 and variance 1 / (4 (2 alpha + 1)); 0.2 has most of them near 0 and 1, 8 most near the middle."""
    images, labels = np.zeros((6, 1, 1, 1), np.uint8), EACH_ITS_OWN
    found = [mix_batch(images, labels, only(mixup=alpha), batch_generator(1, step))[1] for step in range(2000)]
    # Who meets itself keeps all; of the others one speaks for its batch.
    shares = np.array([min(np.diag(label)) for label in found])
    assert shares.mean() == pytest.approx(0.5, abs=0.03)
    assert shares.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.12)
    edges = np.mean((shares < 0.1) | (shares > 0.9))
    assert edges == pytest.approx({0.2: 0.65, 1.0: 0.2, 8.0: 0.0}[alpha], abs=0.05)


def test_both_take_turns_with_equal_chance() -> None:
    """CutMix leaves black and white, MixUp makes gray."""
    images = np.concatenate([np.zeros((4, 8, 8, 1), np.uint8), np.full((4, 8, 8, 1), 255, np.uint8)])
    ways = []
    for step in range(500):
        mixed, _ = mix_batch(images, np.eye(8, dtype=np.float32), only(mixup=8.0, cutmix=8.0), batch_generator(0, step))
        ways.append(bool(((mixed > 0) & (mixed < 255)).any()))
    assert np.mean(ways) == pytest.approx(0.5, abs=0.08)


def test_who_meets_whom_is_not_the_order_of_an_epoch() -> None:
    """Both are permutations from the seed and a number; equal ones would pair each image of a batch by its place."""
    for number in range(5):
        order = np.random.default_rng((7, number)).permutation(50)
        assert (batch_generator(7, number).permutation(50) != order).any()


def test_mixing_is_keyed_by_seed_and_step() -> None:
    found = [
        mix_batch(NOISE, EACH_ITS_OWN, only(mixup=1.0), batch_generator(*key))[0].tobytes()
        for key in ((0, 0), (1, 0), (0, 1), (1, 1))
    ]
    assert len(set(found)) == 4


# ---- batches


@pytest.fixture(scope="module")
def images(two_colours: Path) -> ImageSet:
    """36 images, scanned; 12 and 24 of two classes."""
    return scan(open_images(two_colours)).images


def batches(images: ImageSet, augmentation: Augmentation, **options: object) -> list[list[np.ndarray]]:
    given = {"resize": RESIZE, "batch_size": 8, "seed": 5, "epochs": 3, **options}
    found = training_batches(images, augmentation=augmentation, **given)
    return [[part.numpy() for part in batch] for batch in found.dataset]


def same(first: list[list[np.ndarray]], second: list[list[np.ndarray]]) -> bool:
    pairs = zip(first, second, strict=True)
    return all(np.array_equal(a, b) for one, other in pairs for a, b in zip(one, other, strict=True))


BOTH = Augmentation(mixup=0.4, cutmix=1.0, rotation=10.0)


@pytest.mark.parametrize("options", [{}, {"oversample": True}, {"class_weights": {0: 3.0, 1: 0.5}}, {"views": 2}])
def test_batches_are_a_function_of_their_step(images: ImageSet, options: dict) -> None:
    whole = batches(images, BOTH, **options)
    assert same(whole, batches(images, BOTH, **options))
    steps = len(whole) // 3
    assert same(whole[2 * steps :], batches(images, BOTH, first_epoch=2, **options))
    other = batches(images, BOTH, **{**options, "seed": 6})
    assert not any(np.array_equal(one[1], two[1]) for one, two in zip(whole[:3], other[:3], strict=True))


def test_a_batch_is_its_images_mixed_by_the_draws_of_its_step(images: ImageSet) -> None:
    mixing, changed = only(mixup=1.0, vertical_flip=True), only(vertical_flip=True)
    plain, mixed = batches(images, changed, epochs=2), batches(images, mixing, epochs=2)
    for step, (before, after) in enumerate(zip(plain, mixed, strict=True)):
        expected = mix_batch(*before, mixing, batch_generator(5, step))
        np.testing.assert_array_equal(after[0], expected[0])
        np.testing.assert_array_equal(after[1], expected[1])
    assert not same(plain, mixed)


def test_a_copy_is_flipped_before_it_is_mixed(images: ImageSet) -> None:
    """Mixing alone changes no image on its own: copies of oversampling are flipped as if nothing were on."""
    assert only(mixup=1.0, cutmix=1.0).is_empty
    plain, mixed = (batches(images, each, epochs=1, oversample=True) for each in (only(), only(mixup=1e-9)))
    order = Epochs.of(images.labels, batch_size=8, seed=5, oversample=True)
    assert len(order) == 48
    for step, (before, after) in enumerate(zip(plain, mixed, strict=True)):
        np.testing.assert_array_equal(mix_batch(*before, only(mixup=1e-9), batch_generator(5, step))[0], after[0])


def test_the_weight_of_an_image_is_that_of_its_shares(images: ImageSet) -> None:
    weights = {0: 3.0, 1: 0.5}
    _, labels, found = map(np.concatenate, zip(*batches(images, BOTH, class_weights=weights), strict=True))
    np.testing.assert_allclose(found, (1 - labels[:, 0]) * 3.0 + labels[:, 0] * 0.5, rtol=1e-6)
    assert ((labels > 0) & (labels < 1)).any()
    of_three = np.array([[0.25, 0.0, 0.75], [0, 1, 0]], np.float32)
    assert weights_of_labels(of_three, {0: 4.0, 1: 9.0, 2: 2.0}).tolist() == [2.5, 9.0]


# ---- losses and scores


def two_terms(base: keras.losses.Loss, share: np.ndarray, ends: list, weights: dict, p: tf.Tensor) -> tf.Tensor:
    """The mean of share w_a loss(a) + (1 - share) w_b loss(b), each of labels of one class."""
    terms = []
    for part, numbers in zip((share, 1 - share), ends, strict=True):
        labels = np.eye(3, dtype="float32")[numbers] if p.shape[-1] == 3 else numbers[:, None].astype("float32")
        by_class = np.array([weights[k] for k in numbers])
        terms.append(base(labels, p, sample_weight=(part * by_class).astype("float32")))
    return terms[0] + terms[1]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("kind", ["cross_entropy", "focal"])
@pytest.mark.parametrize("num_classes", [2, 3])
def test_the_loss_of_a_mixed_label_is_that_of_both_its_classes(
    num_classes: int, kind: str, smoothing: float, weighted: bool
) -> None:
    """Value and gradient, the latter from logits, where a label that does not add up to 1 has a wrong one."""
    generator = np.random.default_rng(0)
    base = build_loss(num_classes, kind=kind, label_smoothing=smoothing)
    weights = {0: 3.0, 1: 0.5, 2: 1.25} if weighted else dict.fromkeys(range(3), 1.0)
    weights = {k: weights[k] for k in range(num_classes)}
    share = generator.random(7).astype("float32")
    ends = [generator.integers(0, num_classes, 7) for _ in range(2)]
    if num_classes == 2:
        labels, activate = (share * ends[0] + (1 - share) * ends[1])[:, None], keras.activations.sigmoid
    else:
        labels, activate = (
            share[:, None] * np.eye(3)[ends[0]] + (1 - share[:, None]) * np.eye(3)[ends[1]],
            keras.activations.softmax,
        )
    labels = labels.astype("float32")
    loss = MixedLabelLoss(base, weights if weighted else None)
    of_samples = weights_of_labels(labels, weights) if weighted else None
    logits = tf.Variable(generator.normal(0, 2, labels.shape).astype("float32"))

    def value_and_gradient(of: Callable[[tf.Tensor], tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            value = of(activate(logits))
        return value, tape.gradient(value, logits)

    found = value_and_gradient(lambda p: loss(labels, p, sample_weight=of_samples))
    expected = value_and_gradient(lambda p: two_terms(base, share, ends, weights, p))
    np.testing.assert_allclose(found[0], expected[0], rtol=2e-5)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["cross_entropy", "focal"])
@pytest.mark.parametrize("num_classes", [2, 3])
def test_labels_of_one_class_have_the_plain_loss_and_scores(num_classes: int, kind: str) -> None:
    """So what validation says is the same with mixing as without, whatever the class weights are."""
    generator = np.random.default_rng(1)
    numbers = generator.integers(0, num_classes, 40)
    probabilities = generator.dirichlet(np.ones(num_classes), 40).astype("float32")
    labels = np.eye(num_classes, dtype="float32")[numbers]
    if num_classes == 2:
        labels, probabilities = labels[:, 1:], probabilities[:, 1:]
    base = build_loss(num_classes, kind=kind, label_smoothing=0.1)
    mixed = MixedLabelLoss(base, dict(enumerate([3.0, 0.5, 1.25][:num_classes])))
    assert float(mixed(labels, probabilities)) == pytest.approx(float(base(labels, probabilities)), rel=1e-6)
    for plain, own in zip(build_metrics(num_classes), build_metrics(num_classes, mixed=True), strict=True):
        plain.update_state(labels, probabilities)
        own.update_state(labels, probabilities)
        assert plain.name == own.name and float(plain.result()) == pytest.approx(float(own.result()), rel=1e-6)


def test_scores_count_a_mixed_image_by_its_shares() -> None:
    labels = np.array([[0.7, 0.3, 0], [0.2, 0, 0.8], [0, 1, 0]], "float32")
    probabilities = np.array([[0.5, 0.4, 0.1], [0.6, 0.1, 0.3], [0.2, 0.5, 0.3]], "float32")
    accuracy, f1 = build_metrics(3, mixed=True)
    accuracy.update_state(labels, probabilities)
    f1.update_state(labels, probabilities)
    assert float(accuracy.result()) == pytest.approx((0.7 + 0.2 + 1) / 3)
    of_classes = [2 * 0.9 / (2 + 0.9), 2 * 1 / (1 + 1.3), 0]  # twice what both have, by what either has
    assert float(f1.result()) == pytest.approx(np.mean(of_classes), abs=1e-6)
    accuracy, _ = build_metrics(2, mixed=True)
    accuracy.update_state(np.array([[0.7], [0.3], [0.3]]), np.array([[0.9], [0.9], [0.2]]))
    assert float(accuracy.result()) == pytest.approx((0.7 + 0.3 + 0.7) / 3)


# ---- training


def two_blocks(num_classes: int = 2) -> keras.Model:
    """Two blocks and a head without anything random; the first block may be frozen."""
    set_seed(0)
    pixels = x = keras.Input((16, 16, 3), name="pixels")
    x = keras.layers.Rescaling(1 / 255, name="preprocess")(x)
    for number in (1, 2):
        x = keras.layers.Conv2D(4, 3, strides=2, activation="relu", name=f"block_{number}_conv")(x)
    x = keras.layers.GlobalAveragePooling2D(name="head_pool")(x)
    activation, units = ("sigmoid", 1) if num_classes == 2 else ("softmax", num_classes)
    return keras.Model(pixels, keras.layers.Dense(units, activation, name="head_probabilities")(x), name="own")


def training_of(images: ImageSet, model: keras.Model, augmentation: Augmentation, **options: object) -> Training:
    third = np.arange(len(images)) % 3 == 0
    checkpoints = options.pop("checkpoints", None)
    settings = TrainingSettings(RESIZE, augmentation, **{"batch_size": 8, "seed": 5, **options})
    parts = images.select(~third), images.select(third)
    return Training(model, *parts, settings, History("val_loss"), checkpoints=checkpoints)


@pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
def test_training_reports_the_two_term_loss_and_plain_validation(images: ImageSet, loss: str) -> None:
    """A rate of almost 0 leaves the model as it is, so its first epoch can be computed beside it."""
    model, augmentation = two_blocks(), only(mixup=1.0, cutmix=1.0)
    options = {"loss": loss, "label_smoothing": 0.1, "balance": "class_weights"}
    training = training_of(images, model, augmentation, **options)
    fit_phases(training, [Phase(epochs=1, learning_rate=1e-12, views="fresh")])
    (row,) = training.history.rows
    base = build_loss(2, kind=loss, label_smoothing=0.1)
    weights = class_weights(training.train.labels, 2)
    assert weights[0] != weights[1]
    losses, right = [], []
    for pixels, labels in batches(training.train, augmentation, epochs=1):
        p, share = model(pixels), labels[:, 0]
        ends = [np.ones(len(share), int), np.zeros(len(share), int)]
        losses.append(float(two_terms(base, share, ends, weights, p)) * len(share))
        right.append(np.where(p.numpy()[:, 0] > 0.5, share, 1 - share))
    count = len(training.train)
    assert row["loss"] == pytest.approx(sum(losses) / count, rel=1e-5)
    assert row["accuracy"] == pytest.approx(np.concatenate(right).mean(), rel=1e-5)
    (pixels, labels), *rest = evaluation_batches(training.validation, resize=RESIZE, batch_size=100)
    assert not rest and set(labels.numpy().ravel()) == {0.0, 1.0}
    assert row["val_loss"] == pytest.approx(float(base(labels, model(pixels))), rel=1e-5)
    assert row["val_accuracy"] == pytest.approx(np.mean((model(pixels).numpy() > 0.5) == labels.numpy()))


def test_validation_is_never_mixed_and_nothing_is_taken_from_the_store(images: ImageSet) -> None:
    """Also where a phase does not say `fresh` and its first block is frozen."""
    from tfvision.models.freezing import unfreeze

    model = two_blocks()
    unfreeze(model, "block_2")
    training = training_of(images, model, only(mixup=1.0))
    feed = feed_phase(training, Phase(views="exact"), first_epoch=0, epochs=1)
    pixels, labels = next(iter(feed.batches.dataset))
    assert pixels.shape[1:] == (16, 16, 3) and ((labels > 0) & (labels < 1)).numpy().any()
    plain = evaluation_batches(training.validation, resize=RESIZE, batch_size=8)
    assert same([[p.numpy() for p in b] for b in feed.validation], [[p.numpy() for p in b] for b in plain])


class Killed(BaseException):
    """Stands for a kill: nothing of ours catches it."""


@pytest.mark.slow
def test_a_resumed_training_ends_with_the_same_bits(
    images: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    phases = [Phase(epochs=3, learning_rate=1e-2, views="fresh")]

    def fit(checkpoints: Checkpoints | None) -> tuple[list[float], list[np.ndarray]]:
        options = {"balance": "class_weights", "checkpoints": checkpoints}
        training = training_of(images, two_blocks(), BOTH, **options)
        fit_phases(training, phases)
        return [row["loss"] for row in training.history.rows], training.model.get_weights()

    whole, real = fit(None), Checkpoints.save

    def save(self: Checkpoints, model: keras.Model, history: History, *moment: object) -> None:
        real(self, model, history, *moment)
        if len(history.rows) == 1:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", save)
        with pytest.raises(Killed):
            fit(Checkpoints(tmp_path / "checkpoints"))
    again = fit(Checkpoints(tmp_path / "checkpoints"))
    assert again[0] == whole[0]
    assert all(np.array_equal(a, b) for a, b in zip(again[1], whole[1], strict=True))


@pytest.mark.slow
def test_pseudo_labels_are_mixed_as_any_others(colours: Path, tmp_path: Path, without_pictures: None) -> None:
    phases = [
        Phase(epochs=1, learning_rate=1e-2),
        Phase(name="more", epochs=1, learning_rate=1e-3, pseudo_labels=True),
    ]
    pseudo = PseudoLabelOptions(labels=20, thresholds=[0.0, 0.0, 0.0])
    config = small_config(colours, tmp_path / "run", phases=phases, pseudo=pseudo)
    run = train_from_config(replace(config, augment=BOTH, balance="class_weights"))
    assert len(read_pseudo_labels(run.folder / "pseudo_labels.csv")) > 0
    assert [phase.views for phase in run.config.phases] == ["fresh", "fresh"]


# ---- what is chosen, and what is refused


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_images_that_are_mixed_have_fresh_views(name: str) -> None:
    phase, config = Phase(epochs=100, unfreeze="none"), TrainConfig(augment=Augmentation(**{name: 0.2}))
    assert resolve_views([phase], two_blocks(), config)[0].views == "fresh"
    assert resolve_views([phase], two_blocks(), TrainConfig())[0].views == "exact"


@pytest.mark.parametrize("views", ["exact", "3"])
@pytest.mark.parametrize("where", ["phase", "run"])
def test_fixed_views_of_mixed_images_are_refused(views: str, where: str) -> None:
    own, all_phases = (views, None) if where == "phase" else (None, views)
    config = TrainConfig(augment=only(cutmix=1.0), views=all_phases, phases=[CLOSED, Phase(views=own)])
    with pytest.raises(UsageError, match=rf"phases\[1\]\.views: {views} with augment\.cutmix: .*use views: fresh"):
        resolve_phases(config, pretrained=True, linear_head=True)
    for augment in (only(), only(augmix=3.0)):
        resolve_phases(replace(config, augment=augment), pretrained=True, linear_head=True)


def test_the_closed_fit_of_a_run_may_come_first_but_not_alone() -> None:
    config = TrainConfig(augment=Augmentation(mixup=0.2))
    assert resolve_phases(config, pretrained=True, linear_head=True)[0].solver == CLOSED.solver
    with pytest.raises(UsageError, match=r"augment\.mixup: no phase has solver gradient"):
        resolve_phases(replace(config, phases=[CLOSED]), pretrained=True, linear_head=True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--mixup", "0.2", "--classifier", "svm"], "augment: means nothing with classifier svm"),
        (["--cutmix", "1.0", "--classifier", "knn"], "augment: means nothing with classifier knn"),
        (["--mixup", "0.2", "--batch-size", "1"], "batch_size: expected 2 or more"),
        (["--mixup", "0.2", "--task", "localize"], "augment.mixup: shows an object at several places"),
        (["--cutmix", "1.0", "--task", "localize+classify"], "augment.cutmix: shows an object at several places"),
        (["--augmix", "3", "--task", "localize"], "augment.augmix: shows an object at several places"),
        (
            ["--cutmix", "1", "--augment.rand-magnitude", "0.3", "--augment.engine", "keras"],
            "leave the engine at opencv",
        ),
        (["--mixup", "0.2", "--views", "exact"], "use views: fresh"),
        (["--mixup", "a"], "--augment.mixup: expected a number"),
    ],
)
def test_what_cannot_be_right_is_refused_in_a_line(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    shared = ["--data", str(tmp_path), "--backbone", "small_cnn", "--weights", "none"]
    assert main(["train", *shared, *words, "--output", str(tmp_path / "run")]) == 2
    text = capsys.readouterr().err.strip()
    assert message in text and "\n" not in text and not (tmp_path / "run").exists()


def test_boxes_are_not_mixed_by_the_pipeline_either(images: ImageSet) -> None:
    for augmentation in (only(mixup=1.0), only(cutmix=1.0), only(augmix=3.0)):
        with pytest.raises(UsageError, match="shows an object at several places"):
            batches(images, augmentation, task="localize")


def test_flags_have_their_plain_names_too(capsys: pytest.CaptureFixture) -> None:
    words = ["--mixup", "0.2", "--cutmix", "1", "--augmix", "3", "--augmix-width", "4", "--augment.augmix-depth", "2"]
    assert main(["train", *words, "--print_config"]) == 0
    augment = Augmentation(**parse_yaml(capsys.readouterr().out, "printed")["augment"])
    assert augment == Augmentation(mixup=0.2, cutmix=1.0, augmix=3.0, augmix_width=4, augmix_depth=2)
    assert augment.mixing == ("mixup", "cutmix") and Augmentation().mixing == ()

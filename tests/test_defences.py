"""Training with defences: what happens to pixels and labels, against numbers worked out by hand."""

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import small_config

from tfvision.cli import main
from tfvision.data.augmentation.options import Augmentation
from tfvision.data.images.imageset import ImageSet
from tfvision.data.pixels.resize import Resize
from tfvision.data.sources.open import open_images
from tfvision.errors import DataError, UsageError
from tfvision.experiment.train import train_from_config
from tfvision.models.classifier import build_classifier
from tfvision.models.cut import cut_model
from tfvision.models.freezing import unfreeze
from tfvision.models.options import HeadOptions
from tfvision.robustness.defences import Neighbourhood, build_defence, inner_pgd
from tfvision.runs.folder import Run
from tfvision.system.device import set_seed
from tfvision.training.checkpoints import Checkpoints
from tfvision.training.config import TrainConfig, check_task
from tfvision.training.defence_options import AdversarialOptions, DistillOptions
from tfvision.training.defended import Defence, Defended
from tfvision.training.features.feeding import feed_phase
from tfvision.training.fit import fit_phases
from tfvision.training.history import History
from tfvision.training.options import Phase, PseudoLabelOptions
from tfvision.training.phases import resolve_phases
from tfvision.training.settings import TrainingSettings
from tfvision.training.softened import SoftenedLoss, cross_entropy
from tfvision.training.teaching import soften
from tfvision.training.training import Training

pytestmark = pytest.mark.usefixtures("without_pictures")

SEED = tf.constant([3, 4], tf.int64)
GENERATOR = np.random.default_rng(0)
PIXELS = GENERATOR.choice([0.0, 1.0, 128.0, 254.5, 255.0], (6, 4, 4, 3)).astype(np.float32)
GREY = np.full((6, 4, 4, 3), 128, np.float32)
LABELS = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 2]]
ATTACKS = {
    "pgd": AdversarialOptions("pgd", epsilon=4.0, steps=3),
    "fast": AdversarialOptions("fast", epsilon=4.0),
    "trades": AdversarialOptions("trades", epsilon=4.0, steps=3),
    "pgd, l2": AdversarialOptions("pgd", epsilon=9.0, norm="l2", steps=3),
    "trades, l2": AdversarialOptions("trades", epsilon=9.0, norm="l2", steps=3),
}
OFF = {
    "pgd": AdversarialOptions("pgd", epsilon=0.0),
    "noise": AdversarialOptions("noise", sigma=0.0),
}


def linear(classes: int = 3) -> keras.Model:
    """A linear classifier of 4x4 images, with weights that differ."""
    pixels = keras.Input((4, 4, 3))
    units, activation = (1, "sigmoid") if classes == 2 else (classes, "softmax")
    flat = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(pixels))
    model = keras.Model(pixels, keras.layers.Dense(units, activation, name="dense")(flat))
    drawn = np.random.default_rng(1)
    model.get_layer("dense").set_weights([drawn.normal(size=(48, units)), drawn.normal(size=units)])
    return model


def logits(model: keras.Model, pixels: np.ndarray) -> np.ndarray:
    """Compute the logits of a linear model; those of two classes beside a zero."""
    weights, bias = (value.astype(np.float64) for value in model.get_layer("dense").get_weights())
    found = pixels.reshape(len(pixels), -1).astype(np.float64) / 255 @ weights + bias
    return np.concatenate([np.zeros_like(found), found], axis=1) if found.shape[1] == 1 else found


def log_softmax(numbers: np.ndarray) -> np.ndarray:
    return numbers - np.log(np.exp(numbers).sum(axis=1, keepdims=True))


# ---- options


def test_a_step_is_two_and_a_half_epsilon_shared_among_the_steps() -> None:
    assert AdversarialOptions("pgd", epsilon=2.0, steps=7).step == pytest.approx(5 / 7)
    assert AdversarialOptions("fast", epsilon=8.0).step == 10
    assert AdversarialOptions("pgd", step_size=0.5).step == 0.5
    assert not AdversarialOptions().changes_pixels and DistillOptions().at is None
    assert DistillOptions("run").at == 20 and DistillOptions("run", 5.0).at == 5 and DistillOptions(None, 9.0).at == 9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attack": "pgd", "beta": 1.0}, "adversarial.beta: means nothing with adversarial.attack pgd; .* trades"),
        ({"epsilon": 3.0}, "adversarial.epsilon: means nothing with adversarial.attack none"),
        ({"attack": "fast", "steps": 3}, "adversarial.steps: means nothing with adversarial.attack fast"),
        ({"attack": "noise", "norm": "l2"}, "adversarial.norm: means nothing"),
        ({"attack": "pgd", "epsilon": 300.0}, "expected 0 to 255 with norm linf, got 300"),
        ({"attack": "pgd", "steps": 0}, "adversarial.steps"),
    ],
)
def test_options_that_would_be_ignored_are_refused(options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_task(TrainConfig(adversarial=AdversarialOptions(**options)))


# ---- pixels


@pytest.mark.parametrize("name", ATTACKS)
def test_changed_pixels_stay_within_epsilon_and_the_range(name: str) -> None:
    options = ATTACKS[name]
    defence, model = build_defence(options, seed=0), linear()
    for change in (defence.change, defence.challenge):
        changed = change(model, tf.constant(PIXELS), LABELS, SEED).numpy()
        moved = changed - PIXELS
        size = np.abs(moved).max() if options.norm == "linf" else np.sqrt((moved**2).sum(axis=(1, 2, 3))).max()
        assert 0.5 * options.epsilon < size <= options.epsilon * (1 + 1e-5)
        assert changed.min() >= 0 and changed.max() <= 255
        np.testing.assert_array_equal(changed, change(model, tf.constant(PIXELS), LABELS, SEED))


@pytest.mark.parametrize("name", ATTACKS)
def test_a_ball_without_a_radius_leaves_the_pixels(name: str) -> None:
    defence = build_defence(replace(ATTACKS[name], epsilon=0.0), seed=0)
    np.testing.assert_array_equal(defence.change(linear(), tf.constant(PIXELS), LABELS, SEED), PIXELS)


@pytest.mark.parametrize("name", ["pgd", "fast", "pgd, l2"])
def test_an_attack_raises_the_loss(name: str) -> None:
    model = linear()
    changed = build_defence(ATTACKS[name], seed=0).change(model, tf.constant(GREY), LABELS, SEED)
    before, after = (cross_entropy(LABELS, model(pixels)).numpy() for pixels in (GREY, changed))
    assert (after > before).all()


@pytest.mark.parametrize("classes", [2, 3])
def test_against_a_linear_model_one_long_step_ends_in_the_corner(classes: int) -> None:
    model, labels = linear(classes), LABELS if classes == 3 else LABELS[:, :1]
    changed = inner_pgd(Neighbourhood("linf", 2.0), steps=1, step_size=4.0)(
        model, tf.constant(GREY), labels, SEED
    ).numpy()
    weights = model.get_layer("dense").get_weights()[0]
    wrong = np.exp(log_softmax(logits(model, GREY))) - (labels if classes == 3 else np.hstack([1 - labels, labels]))
    slope = (wrong @ weights.T if classes == 3 else wrong[:, 1:] @ weights.T).reshape(GREY.shape)
    np.testing.assert_allclose(changed - GREY, 2 * np.sign(slope), atol=1e-4)


def test_random_starts_fill_the_ball() -> None:
    many = tf.fill([4000, 1, 2, 1], 128.0)
    moved = Neighbourhood("l2", 10.0).draw(many, SEED).numpy() - 128
    radius = np.sqrt((moved**2).sum(axis=(1, 2, 3)))
    assert radius.max() <= 10 and np.mean(radius < 5) == pytest.approx(0.25, abs=0.03)  # a quarter of a disc
    even = Neighbourhood("linf", 10.0).draw(many, SEED).numpy() - 128
    assert np.abs(even).max() <= 10 and np.mean(np.abs(even) < 5) == pytest.approx(0.5, abs=0.03)


def test_noise_has_the_standard_deviation_asked_for_and_is_not_clipped() -> None:
    noise = build_defence(AdversarialOptions("noise", sigma=12.75), seed=0).change
    white = tf.fill([50, 16, 16, 3], 255.0)
    added = noise(None, white, None, SEED).numpy() - 255
    assert added.std() == pytest.approx(12.75, rel=0.01) and abs(added.mean()) < 0.2 and added.max() > 30


# ---- training


def training_of(data: Path, options: AdversarialOptions, checkpoints: Checkpoints | None = None, **changes) -> Training:
    images = open_images(data)
    every_third = np.arange(len(images)) % 3 == 0
    set_seed(0)
    head = {"head_units": [8], "head_batch_norm": True, "head_dropout": 0.3}
    small = {"filters": [4], "kernel_size": 3}
    model = build_classifier("small_cnn", 2, image_size=16, weights="none", backbone_options=small, **head)
    settings = TrainingSettings(Resize(16, 16), Augmentation(), batch_size=8, seed=0, **changes)
    parts = (images.select(~every_third), images.select(every_third))
    history = History("val_loss")
    defence = build_defence(options, seed=0)
    return Training(model, *parts, settings, history, checkpoints=checkpoints, defence=defence)


def rows_of(training: Training) -> list[dict]:
    left_out = ("seconds", "images_per_second", "robust_accuracy", "val_robust_accuracy")
    return [{k: v for k, v in row.items() if k not in left_out} for row in training.history.rows]


PHASES = [Phase(epochs=1, learning_rate=1e-2), Phase(epochs=2, learning_rate=1e-2, schedule="cosine")]


@pytest.fixture(scope="module")
def plain(two_colours: Path) -> Training:
    training = training_of(two_colours, AdversarialOptions(), balance="class_weights", label_smoothing=0.1)
    fit_phases(training, PHASES[1:])
    return training


@pytest.mark.parametrize("name", OFF)
def test_without_strength_a_defence_changes_nothing(name: str, plain: Training, two_colours: Path) -> None:
    """Dropout and the statistics of batch normalization included: the inner attack leaves both alone."""
    training = training_of(two_colours, OFF[name], balance="class_weights", label_smoothing=0.1)
    fit_phases(training, PHASES[1:])
    for mine, its in zip(training.model.get_weights(), plain.model.get_weights(), strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-4, atol=1e-6)
    for mine, its in zip(rows_of(training), rows_of(plain), strict=True):
        assert mine.pop("phase") == its["phase"]
        assert mine == pytest.approx({name: its[name] for name in mine}, rel=1e-4, abs=1e-6)
    last = training.history.rows[-1]
    assert last["val_robust_accuracy"] == pytest.approx(last["val_accuracy"])


@pytest.mark.parametrize(
    ("name", "ema"),
    [
        pytest.param("pgd", 0.0, marks=pytest.mark.slow),
        pytest.param("trades", 0.9, marks=pytest.mark.slow),
        pytest.param("noise", 0.0, marks=pytest.mark.slow),
    ],
)
def test_a_resumed_training_ends_with_the_same_bits(
    name: str, ema: float, two_colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ATTACKS.get(name, AdversarialOptions("noise"))
    real = Checkpoints.save

    def save(self: Checkpoints, model: object, history: History, *moment: object) -> None:
        real(self, model, history, *moment)
        if self.folder.name == "whole" and len(history.rows) == 2:
            shutil.copytree(self.folder, tmp_path / "left")

    monkeypatch.setattr(Checkpoints, "save", save)
    trainings = []
    for folder in ("whole", "left"):  # what was left after the first epoch of the second phase
        training = training_of(two_colours, options, Checkpoints(tmp_path / folder), ema=ema)
        fit_phases(training, PHASES)
        trainings.append(training)
    whole, again = trainings
    assert rows_of(whole) == rows_of(again) and len(rows_of(whole)) == 3
    assert all(map(np.array_equal, whole.model.get_weights(), again.model.get_weights()))


@pytest.mark.parametrize("weights", [None, np.array([1, 2, 0.5, 1, 0, 3], np.float32)])
def test_the_loss_of_trades_is_cross_entropy_and_weighed_divergence(weights: np.ndarray | None) -> None:
    model = linear()

    def shift(answer: object, pixels: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return 0.5 * pixels

    clean, changed = (log_softmax(logits(model, pixels)) for pixels in (PIXELS, 0.5 * PIXELS))
    each = -(LABELS * clean).sum(axis=1) + 6 * (np.exp(clean) * (clean - changed)).sum(axis=1)
    expected = np.mean(each * (1 if weights is None else weights))
    defended = Defended(model, Defence(shift, shift, seed=0, beta=6.0))
    defended.compile("sgd", "categorical_crossentropy", metrics=["accuracy"])
    found = defended.train_on_batch(PIXELS, LABELS, weights, return_dict=True)
    assert float(found["loss"]) == pytest.approx(expected, rel=1e-5)
    robust = np.mean(changed.argmax(axis=1) == LABELS.argmax(axis=1))
    assert float(found["robust_accuracy"]) == pytest.approx(robust)


def test_each_step_draws_anew_and_validation_always_the_same() -> None:
    seeds: list[tuple] = []

    def record(answer: object, pixels: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        tf.py_function(lambda value: seeds.append(tuple(value.numpy())), [seed], [])
        return pixels

    for first_epoch, seed in ((0, 0), (5, 0), (0, 1)):
        defended = Defended(linear(), Defence(record, record, seed=seed), first_epoch)
        defended.compile("sgd", "categorical_crossentropy")
        for _ in range(2):
            defended.train_on_batch(PIXELS, LABELS)
            defended.test_on_batch(PIXELS, LABELS)
    assert len(seeds) == 12 and len(set(seeds)) == 6 + 2  # of validation one for each seed of the run


def test_features_are_not_taken_from_the_store(two_colours: Path) -> None:
    training = training_of(two_colours, ATTACKS["pgd"])
    unfreeze(training.model, "none")
    assert cut_model(training.model)
    phase = Phase(views="exact")
    feed = feed_phase(training, phase, first_epoch=0, epochs=1)
    assert feed.model.trunk and next(iter(feed.batches.dataset))[0].shape[1:] == (16, 16, 3)
    assert not hasattr(feed_phase(replace(training, defence=None), phase, first_epoch=0, epochs=1).model, "trunk")


# ---- distillation


def array_images(pixels: np.ndarray, folder: Path) -> ImageSet:
    np.savez(folder / "images.npz", images=pixels, labels=np.arange(len(pixels)) % 2)
    return open_images(folder / "images.npz")


@pytest.mark.parametrize("classes", [2, 3])
def test_a_teacher_is_softened_as_by_the_formula(classes: int, tmp_path: Path) -> None:
    model = linear(classes)
    pixels = PIXELS.round().astype(np.uint8)
    images = array_images(pixels, tmp_path)
    expected = np.exp(log_softmax(logits(model, pixels.astype(np.float32)) / 20))
    found = soften(model, images, Resize(4, 4), temperature=20.0, batch_size=4)
    np.testing.assert_allclose(found, expected if classes == 3 else expected[:, 1:], rtol=1e-4)


def test_a_teacher_that_is_too_sure_for_its_probabilities_is_softened_all_the_same(tmp_path: Path) -> None:
    model = linear(2)
    model.get_layer("dense").set_weights([np.zeros((48, 1)), np.array([60.0])])  # a sigmoid of 1, in float32
    images = array_images(np.zeros((2, 4, 4, 3), np.uint8), tmp_path)
    found = soften(model, images, Resize(4, 4), temperature=20.0, batch_size=4)
    assert found[0, 0] == pytest.approx(1 / (1 + np.exp(-3)), rel=1e-5)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_loss_of_a_student_is_taken_at_the_temperature(classes: int) -> None:
    model = linear(classes)
    soft = np.random.default_rng(2).dirichlet(np.ones(classes), len(PIXELS)).astype(np.float32)
    expected = -(soft * log_softmax(logits(model, PIXELS) / 20)).sum(axis=1)
    targets = soft if classes == 3 else soft[:, 1:]
    model.compile("sgd", SoftenedLoss(20.0))
    assert float(model.test_on_batch(PIXELS, targets)) == pytest.approx(expected.mean(), rel=1e-5)


# ---- runs


def describe(run: Run) -> str:
    return (run.folder / "summary.txt").read_text()


def test_a_run_with_a_defence_says_so_and_keeps_the_most_robust_epoch(colours: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"
    flags = ["--adversarial.attack", "pgd", "--adversarial.epsilon", "6", "--adversarial.steps", "2"]
    shared = ["--weights", "none", "--epochs", "2", "--monitor", "val_robust_accuracy", "--batch-size", "8"]
    command = ["train", "--data", str(colours), "--backbone", "small_cnn", "--output", str(output)]
    assert main([*command, *shared, *flags]) == 0
    plan = describe(Run(output))
    assert "adversarial training by PGD: 2 steps of 7.5 within linf 6 of 255" in plan
    assert "pixels change in every step: no features of training images are stored" in plan
    with open(output / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(0 <= float(row[name]) <= 1 for row in rows for name in ("robust_accuracy", "val_robust_accuracy"))
    assert Run(output).config.adversarial == AdversarialOptions("pgd", epsilon=6.0, steps=2)
    assert (output / "report.html").is_file()


def test_the_plan_of_a_frozen_part_says_that_nothing_is_stored(
    colours: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    phases = [Phase(epochs=4, unfreeze="none")]
    config = small_config(colours, tmp_path / "run", phases=phases, adversarial=AdversarialOptions("noise"))
    train_from_config(config, dry_run=True)
    told = capsys.readouterr().out
    assert "computed in each step, for pixels that the defence has changed (views: fresh)" in told
    assert "noise on pixels, sigma 12.75 of 255, new in each step: no features" in told
    assert "one batch passed" in told


@pytest.mark.slow
@pytest.mark.parametrize("unfreeze_what", ["all", "none"])  # pixels, or stored features
def test_a_student_learns_the_teachers_answers(
    unfreeze_what: str, small_run: Path, colours: Path, tmp_path: Path
) -> None:
    phases = [Phase(epochs=3, learning_rate=1e-2, unfreeze=unfreeze_what)]
    distill = DistillOptions(str(small_run), 5.0)
    config = small_config(colours, tmp_path / "student", phases=phases, distill=distill, balance="class_weights")
    train_from_config(config, dry_run=True)
    run = train_from_config(config)
    assert f"learns the probabilities that {small_run} gives" in describe(run)
    assert "at temperature 5; the model is used at temperature 1" in describe(run)
    assert "robust" not in (run.folder / "history.csv").read_text()


@pytest.mark.slow
def test_a_student_of_other_images_is_warned_of_what_its_teacher_knows(
    small_run: Path, colours: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    config = small_config(colours, tmp_path / "run", seed=1, distill=DistillOptions(str(small_run)))
    train_from_config(replace(config, phases=[Phase(epochs=1)]), dry_run=True)
    assert "note: the teacher has learned" in capsys.readouterr().out
    train_from_config(replace(config, seed=0, phases=[Phase(epochs=1)]), dry_run=True)
    assert "note: the teacher" not in capsys.readouterr().out


def test_a_teacher_of_other_classes_or_none_at_all_is_refused(
    small_run: Path, two_colours: Path, tmp_path: Path
) -> None:
    config = small_config(two_colours, tmp_path / "run", distill=DistillOptions(str(small_run)))
    with pytest.raises(UsageError, match=r"knows blue, green, red, and the images are of green, red"):
        train_from_config(config)
    assert not (tmp_path / "run").exists()
    with pytest.raises((DataError, UsageError), match="nosuch"):
        train_from_config(replace(config, distill=DistillOptions("nosuch")))


CLOSED = Phase(name="head", solver="logistic_regression", epochs=1, unfreeze="none")
PGD, TEACHER = AdversarialOptions("pgd"), DistillOptions("run")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"adversarial": PGD, "phases": [CLOSED]}, r"phases\[0\]\.solver: does not go with adversarial.attack pgd"),
        ({"adversarial": PGD, "views": "exact"}, r"views: does not go with .* use fresh"),
        ({"adversarial": PGD, "augment": Augmentation(mixup=0.2)}, r"augment\.mixup: does not go with"),
        ({"adversarial": PGD, "precision": "mixed_float16"}, r"precision: .* too small for float16"),
        ({"adversarial": PGD, "task": "localize"}, r"task: .* localize finds boxes"),
        ({"distill": TEACHER, "adversarial": PGD}, r"distill: does not go with adversarial\.attack pgd"),
        ({"distill": TEACHER, "loss": "focal"}, r"loss: does not go with distill.teacher"),
        ({"distill": DistillOptions(None, 20.0), "label_smoothing": 0.1}, r"label_smoothing: .* distill.temperature"),
        ({"distill": TEACHER, "augment": Augmentation(cutmix=1.0)}, r"augment\.cutmix: does not go with"),
        ({"distill": TEACHER, "phases": [CLOSED]}, r"solver: .* has no temperature"),
        (
            {
                "distill": TEACHER,
                "phases": [Phase(), Phase(pseudo_labels=True)],
                "pseudo": PseudoLabelOptions(labels=9),
            },
            r"phases\[1\]\.pseudo_labels: .* teacher gives the labels",
        ),
    ],
)
def test_what_makes_no_sense_with_a_defence_is_refused(options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve_phases(TrainConfig(**options), pretrained=True, linear_head=True)


def test_noise_goes_with_mixing_and_a_temperature() -> None:
    noise = AdversarialOptions("noise")
    for options in ({"augment": Augmentation(mixup=0.2)}, {"distill": TEACHER}, {"precision": "mixed_float16"}):
        phases = resolve_phases(TrainConfig(adversarial=noise, **options), pretrained=True, linear_head=True)
        assert all(phase.solver == "gradient" for phase in phases)  # the default head too


def test_shallow_classifiers_and_monitors_are_refused(colours: Path, tmp_path: Path) -> None:
    config = small_config(colours, tmp_path / "run", phases=None, head=HeadOptions(), adversarial=PGD)
    with pytest.raises(UsageError, match=r"adversarial\.attack: means nothing with classifier knn"):
        train_from_config(replace(config, augment=Augmentation(), classifier="knn"))
    with pytest.raises(UsageError, match=r"val_robust_accuracy needs adversarial\.attack"):
        train_from_config(replace(config, adversarial=AdversarialOptions(), monitor="val_robust_accuracy"))


@pytest.mark.slow
def test_pixels_keep_their_fractions_in_half_precision(two_colours: Path, tmp_path: Path) -> None:
    config = small_config(two_colours, tmp_path / "run", precision="mixed_bfloat16", phases=[Phase(epochs=1)])
    run = train_from_config(replace(config, adversarial=replace(PGD, steps=2)))
    assert 0 <= run.metrics["test"]["accuracy"] <= 1

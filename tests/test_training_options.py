"""Options of the training: losses, clipping, averages, precision, TensorBoard, limit, NaN."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import small_config

from tfvision.data.augmentation.options import Augmentation
from tfvision.data.sources.open import open_images
from tfvision.data.splits.stratify import draw_some
from tfvision.errors import RunError, UsageError
from tfvision.experiment.train import train_from_config
from tfvision.models.classifier import build_classifier, computing_in
from tfvision.training.callbacks import swap_average
from tfvision.training.config import TrainConfig
from tfvision.training.history import diverged
from tfvision.training.losses import build_loss
from tfvision.training.optimizers import build_optimizer
from tfvision.training.options import Phase

pytestmark = pytest.mark.usefixtures("without_pictures")

ONE = [Phase(epochs=1, learning_rate=1e-2)]


@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_focal_loss_against_its_formula(gamma: float) -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]], np.float32)
    labels = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    of_label = np.array([0.7, 0.3])
    expected = np.mean(-((1 - of_label) ** gamma) * np.log(of_label))
    assert float(build_loss(3, kind="focal", focal_gamma=gamma)(labels, probabilities)) == pytest.approx(expected, 1e-5)
    positive = np.array([[0.9], [0.2]], np.float32)
    of_label = np.array([0.9, 0.8])
    expected = np.mean(-((1 - of_label) ** gamma) * np.log(of_label))
    found = float(build_loss(2, kind="focal", focal_gamma=gamma)(np.array([[1.0], [0.0]]), positive))
    assert found == pytest.approx(expected, 1e-5)


def test_unknown_loss_is_refused() -> None:
    with pytest.raises(UsageError, match="expected cross_entropy or focal"):
        build_loss(3, kind="hinge")


def test_gradients_are_clipped_by_their_common_norm() -> None:
    variables = [keras.Variable(np.zeros(2, "float32")), keras.Variable(np.zeros(1, "float32"))]
    optimizer = build_optimizer("sgd", Phase(learning_rate=1.0), steps_per_epoch=1, clip_norm=1.0)
    optimizer.momentum = 0.0
    optimizer.apply([keras.ops.array([3.0, 0.0]), keras.ops.array([4.0])], variables)
    moved = np.concatenate([np.array(v) for v in variables])
    assert np.linalg.norm(moved) <= 2.0 and moved[2] / moved[0] == pytest.approx(4 / 3, 1e-5)


def test_the_average_of_the_weights_is_what_is_validated_and_kept(colours: Path, tmp_path: Path) -> None:
    """With a momentum of almost 1 the average stays where the weights began, wherever the training goes."""
    phases = [Phase(epochs=2, learning_rate=5e-2)]
    run = train_from_config(small_config(colours, tmp_path / "run", phases=phases, ema=0.999999, seed=3))
    losses = np.genfromtxt(run.folder / "history.csv", delimiter=",", names=True, dtype=None, encoding="utf-8")
    assert abs(losses["val_loss"][1] - losses["val_loss"][0]) < 0.05
    assert losses["loss"][1] < losses["loss"][0] - 0.1


def test_swapping_twice_restores_every_bit() -> None:
    model = build_classifier("small_cnn", 3, image_size=16, weights="none")
    model.compile(build_optimizer("adam", ONE[0], steps_per_epoch=1, ema=0.5), "categorical_crossentropy")
    pixels = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), np.uint8)
    for _ in range(3):
        model.train_on_batch(pixels, np.eye(3, dtype="float32")[[0, 1, 2, 0]])
    before = model.get_weights()
    swap_average(model)
    averaged = model.get_weights()
    swap_average(model)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert not np.array_equal(before[0], averaged[0])


@pytest.mark.slow
def test_mixed_precision_trains_saves_and_loads(colours: Path, tmp_path: Path) -> None:
    config = small_config(colours, tmp_path / "run", precision="mixed_bfloat16", phases=ONE)
    run = train_from_config(config)
    model = run.model()
    assert model.get_layer("conv1").compute_dtype == "bfloat16"
    assert model.get_layer("conv1").kernel.dtype == "float32"
    assert model.get_layer("head_probabilities").compute_dtype == "float32"
    assert model.get_layer("preprocess").compute_dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"


def test_precision_ends_with_its_block_also_after_an_error() -> None:
    with pytest.raises(RuntimeError), computing_in("mixed_float16"):
        raise RuntimeError
    assert keras.config.dtype_policy().name == "float32"


def test_tensorboard_reads_every_scalar(colours: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    phases = [Phase(name="a", epochs=2, learning_rate=1e-2), Phase(name="b", epochs=1, learning_rate=1e-3)]
    run = train_from_config(small_config(colours, tmp_path / "run", tensorboard=True, phases=phases))
    found = {}
    for path in (run.folder / "tensorboard").iterdir():
        events = EventAccumulator(str(path)).Reload()
        for name in events.Tags()["tensors"]:
            found.setdefault(name, []).extend(event.step for event in events.Tensors(name))
    assert {"loss", "val_loss", "val_accuracy", "learning_rate"} <= found.keys()
    assert sorted(found["val_loss"]) == [1, 2, 3]


def test_limit_takes_the_same_share_of_every_class(two_colours: Path, tmp_path: Path) -> None:
    images = open_images(two_colours)
    chosen = draw_some(images, 12, seed=1)
    assert np.bincount(images.labels[chosen]).tolist() == [4, 8]
    assert np.array_equal(chosen, draw_some(images, 12, seed=1))
    assert not np.array_equal(chosen, draw_some(images, 12, seed=2))
    assert np.bincount(images.labels[draw_some(images, 1, seed=0)]).tolist() == [3, 3]
    run = train_from_config(small_config(two_colours, tmp_path / "run", limit=20, phases=ONE))
    assert len(run.parts) == 20


def test_a_diverged_loss_says_where_and_at_which_rate(colours: Path, tmp_path: Path) -> None:
    config = small_config(colours, tmp_path / "run", phases=[Phase(epochs=2, learning_rate=1e38)])
    with pytest.raises(RunError, match=r"epoch \d .*learning rate 1e\+38.*lower --learning-rate"):
        train_from_config(config)
    assert "--precision mixed_bfloat16" in str(diverged(1, "at step 3", half="mixed_float16"))


def test_weights_that_are_nan_before_training_are_named(colours: Path, tmp_path: Path) -> None:
    from tfvision.experiment.train import train

    model = build_classifier("small_cnn", 3, image_size=16, weights="none")
    kernel, bias = model.get_layer("conv2").get_weights()
    model.get_layer("conv2").set_weights([np.full_like(kernel, np.nan), bias])
    with pytest.raises(RunError, match="layer conv2 holds NaN"):
        train(model, open_images(colours), phases=ONE, output=tmp_path / "run")


@pytest.mark.parametrize(
    ("option", "value"), [("clip_norm", 0.0), ("ema", 1.0), ("focal_gamma", -1.0), ("limit", 0), ("ema", -0.1)]
)
def test_values_out_of_range_are_refused_by_name(option: str, value: float) -> None:
    with pytest.raises(UsageError, match=option):
        replace(TrainConfig(), **{option: value})


def test_an_engine_that_cannot_take_the_images_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    augment = Augmentation(rand_magnitude=0.3, engine="keras_cv")
    config = TrainConfig(backbone="small_cnn", weights="none", augment=augment, limit=50, output=str(tmp_path / "run"))
    with pytest.raises(UsageError, match="takes no gray images"):
        train_from_config(config)
    assert not (tmp_path / "run").exists()

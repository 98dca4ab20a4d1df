"""The trainer: batch normalization, determinism, best weights, early stopping, failures."""

import csv
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import small_config, write_tree

from tfvision.data.augmentation.options import Augmentation
from tfvision.data.pixels.resize import Resize
from tfvision.data.sources.open import open_images
from tfvision.errors import RunError, UsageError
from tfvision.experiment.train import train, train_from_config
from tfvision.models.classifier import build_classifier
from tfvision.models.freezing import backbone_layers, trains_batch_norm, unfreeze
from tfvision.models.heads.heads import build_head
from tfvision.models.model_file import load_model
from tfvision.models.options import HeadOptions
from tfvision.runs.folder import open_run
from tfvision.system.device import set_seed
from tfvision.training.fit import fit_phases
from tfvision.training.history import History
from tfvision.training.options import Phase
from tfvision.training.settings import TrainingSettings
from tfvision.training.training import Training


def settings(side: int = 16, **changes: object) -> TrainingSettings:
    options = {
        "resize": Resize(side, side),
        "augmentation": Augmentation(horizontal_flip=False),
        "batch_size": 8,
        "seed": 0,
    }
    return TrainingSettings(**{**options, **changes})


def fit(
    model: keras.Model, data: Path, phases: list[Phase], *, monitor: str = "val_loss", **changes: object
) -> History:
    images = open_images(data)
    history = History(monitor)
    every_third = np.arange(len(images)) % 3 == 0
    side = model.input_shape[1]
    chosen = (images.select(~every_third), images.select(every_third))
    fit_phases(Training(model, *chosen, settings(side, **changes), history), phases)
    return history


def statistics(model: keras.Model) -> list[np.ndarray]:
    return [
        np.array(weight)
        for layer in backbone_layers(model)
        if isinstance(layer, keras.layers.BatchNormalization)
        for weight in (layer.moving_mean, layer.moving_variance, layer.gamma, layer.beta)
    ]


def batch_norm_model() -> keras.Model:
    """A backbone of two convolutions with batch normalization: what MobileNetV2 has, without its tracing time."""
    pixels = keras.Input((16, 16, 3), name="pixels")
    x = keras.layers.Rescaling(1 / 255, name="preprocess")(pixels)
    for number in (1, 2):
        x = keras.layers.Conv2D(4, 3, name=f"block_{number}_conv")(x)
        x = keras.layers.BatchNormalization(name=f"block_{number}_BN")(x)
    return keras.Model(pixels, build_head(x, 3), name="own")


def test_frozen_batch_norm_keeps_its_statistics_through_fit_and_open_layers_move(colours: Path) -> None:
    set_seed(0)
    model = batch_norm_model()
    unfreeze(model, "none")  # as a pretrained backbone comes
    before = statistics(model)
    early, late = (np.array(model.get_layer(f"block_{number}_conv").kernel) for number in (1, 2))
    fit(model, colours, [Phase(epochs=1, learning_rate=1e-2, unfreeze="block_2")])
    assert all(np.array_equal(a, b) for a, b in zip(before, statistics(model), strict=True))
    assert np.array_equal(early, model.get_layer("block_1_conv").kernel)
    assert not np.array_equal(late, model.get_layer("block_2_conv").kernel)


def test_batch_norm_from_scratch_is_trained_in_every_phase(colours: Path) -> None:
    set_seed(0)
    model = batch_norm_model()
    before = statistics(model)
    # A first phase with everything frozen must not make the second forget that this backbone trains its own.
    fit(model, colours, [Phase(epochs=1, unfreeze="none"), Phase(epochs=1, unfreeze="all")])
    assert all(not np.array_equal(a, b) for a, b in zip(before, statistics(model), strict=True))


def test_head_batch_norm_is_always_trained(colours: Path) -> None:
    model = build_classifier("small_cnn", 3, image_size=16, weights="none", head_units=(4,), head_batch_norm=True)
    before = np.array(model.get_layer("head_bn_1").moving_mean)
    fit(model, colours, [Phase(epochs=1, unfreeze="none")])
    assert not np.array_equal(before, model.get_layer("head_bn_1").moving_mean)


@pytest.mark.usefixtures("without_pictures")
def test_two_runs_with_one_seed_end_with_equal_weights_and_another_seed_does_not(colours: Path, tmp_path: Path) -> None:
    weights, rows = [], []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        run = train_from_config(small_config(colours, tmp_path / name, seed=seed, balance="oversample"))
        weights.append(run.model().get_weights())
        with open(run.folder / "history.csv") as file:
            rows.append(
                [
                    {k: v for k, v in row.items() if k not in ("seconds", "images_per_second")}
                    for row in csv.DictReader(file)
                ]
            )
    assert all(np.array_equal(x, y) for x, y in zip(weights[0], weights[1], strict=True))
    assert rows[0] == rows[1] != rows[2]
    assert (tmp_path / "a" / "predictions.csv").read_bytes() == (tmp_path / "b" / "predictions.csv").read_bytes()
    assert not all(np.array_equal(x, y) for x, y in zip(weights[0], weights[2], strict=True))


def test_the_best_epoch_is_kept_not_the_last(colours: Path) -> None:
    set_seed(0)
    model = build_classifier("small_cnn", 3, image_size=16, weights="none", head_dropout=0.0)
    saved: list[list[np.ndarray]] = []
    images = open_images(colours)
    # Validation has wrong labels: what is learned makes it worse, so an early epoch is the best.
    wrong = replace(images, labels=(images.labels + 1) % 3)
    history = History("val_loss")
    phases = [Phase(epochs=2, learning_rate=1e-3), Phase(name="more", epochs=2, learning_rate=1e-3)]
    training = Training(model, images, wrong, settings(), history, save=lambda: saved.append(model.get_weights()))
    fit_phases(training, phases)
    losses = [row["val_loss"] for row in history.rows]
    assert int(np.argmin(losses)) == 0 and history.best is history.rows[0]
    assert len(saved) == 1
    assert all(np.array_equal(a, b) for a, b in zip(saved[0], model.get_weights(), strict=True))
    # Each phase starts from the best so far: the second goes again where the first went.
    assert losses[2] < losses[1] * 1.5


def test_a_step_is_traced_once_a_phase(colours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that creates variables would be traced twice, which takes a large model as long again."""
    traced: list[str] = []
    for name in ("train_step", "test_step"):
        real = getattr(keras.Model, name)
        monkeypatch.setattr(keras.Model, name, lambda *args, real=real, name=name: traced.append(name) or real(*args))
    model = build_classifier("small_cnn", 3, image_size=16, weights="none")
    fit(model, colours, [Phase(epochs=2), Phase(epochs=1)], ema=0.9)
    assert traced == ["train_step", "test_step"] * 2


def test_patience_stops_a_phase(colours: Path) -> None:
    model = build_classifier("small_cnn", 3, image_size=16, weights="none", head_dropout=0.0)
    history = fit(model, colours, [Phase(epochs=30, learning_rate=5.0, patience=2)])
    assert len(history.rows) < 30
    best = history.rows.index(history.best)
    assert len(history.rows) == best + 1 + 2


def test_logistic_regression_sets_a_head_that_separates_the_classes(colours: Path) -> None:
    set_seed(0)
    model = build_classifier("small_cnn", 3, image_size=16, weights="none")
    history = fit(model, colours, [Phase(name="head", solver="logistic_regression", unfreeze="none")])
    assert history.rows[0]["val_accuracy"] == 1.0
    # What the history says is what the model does.
    images = open_images(colours)
    found = np.array([model(images.read(i)[None]).numpy()[0].argmax() for i in range(len(images))])
    assert np.array_equal(found, images.labels)


def test_logistic_regression_of_two_classes(two_colours: Path) -> None:
    model = build_classifier("small_cnn", 2, image_size=16, weights="none")
    history = fit(model, two_colours, [Phase(solver="logistic_regression", unfreeze="none")], balance="class_weights")
    assert history.rows[0]["val_f1"] == 1.0


@pytest.mark.parametrize("balance", ["none", "oversample", "class_weights"])
def test_two_classes_train_with_every_balance(two_colours: Path, balance: str) -> None:
    set_seed(0)
    model = build_classifier("small_cnn", 2, image_size=16, weights="none")
    history = fit(
        model,
        two_colours,
        [Phase(epochs=4, learning_rate=5e-3)],
        balance=balance,
        monitor="val_f1",
        label_smoothing=0.1,
    )
    assert history.best["val_f1"] > 0.9
    assert history.best["f1"] > 0.5


def test_with_monitor_epoch_the_last_weights_stay_though_earlier_ones_scored_better(colours: Path) -> None:
    kept = {}
    for monitor in ("val_loss", "epoch"):
        set_seed(0)
        model = build_classifier("small_cnn", 3, image_size=16, weights="none")
        history = fit(
            model,
            colours,
            [Phase(epochs=2, learning_rate=5e-3), Phase(name="spoil", epochs=1, learning_rate=1.0)],
            monitor=monitor,
        )
        kept[monitor] = (history.best["epoch"], model.get_weights()[0])
    assert history.rows[2]["val_loss"] > history.rows[1]["val_loss"]
    assert kept["val_loss"][0] < 3 and kept["epoch"][0] == 3
    assert not np.array_equal(kept["val_loss"][1], kept["epoch"][1])


@pytest.mark.usefixtures("without_pictures")
def test_a_diverged_loss_ends_the_run_with_a_line_and_the_folder_stays(colours: Path, tmp_path: Path) -> None:
    config = small_config(
        colours, tmp_path / "run", phases=[Phase(epochs=3), Phase(name="big", epochs=3, learning_rate=1e38)]
    )
    with pytest.raises(RunError, match="NaN or infinite") as error:
        train_from_config(config)
    assert "\n" not in str(error.value) and str(tmp_path / "run") in str(error.value)
    assert np.isfinite(load_model(tmp_path / "run" / "model.keras").get_weights()[0]).all()


def test_an_image_that_vanishes_while_training_is_named(tmp_path: Path) -> None:
    data = write_tree(tmp_path / "data", 6)
    images = open_images(data)
    (data / "red" / "red_000.png").write_bytes(b"gone")
    model = build_classifier("small_cnn", 3, image_size=16, weights="none")
    with pytest.raises(Exception, match=r"red/red_000\.png") as error:
        fit_phases(Training(model, images, images, settings(), History("val_loss")), [Phase(epochs=1)])
    assert "\n" not in str(error.value)


@pytest.mark.usefixtures("without_pictures")
def test_training_does_not_touch_the_test_part(colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every read before the trainer is done is of train or validation: test is looked at once, at the end."""
    from tfvision.data.images.imageset import ImageSet
    from tfvision.experiment import train as experiment
    from tfvision.training import fit as trainer

    reads: list[str] = []
    real_read, real_fit = ImageSet.read, trainer.fit_phases

    def read(self: ImageSet, index: int) -> np.ndarray:
        reads.append(self.ids[index])
        return real_read(self, index)

    def watched(*args: object, **kwargs: object) -> None:
        monkeypatch.setattr(ImageSet, "read", read)
        real_fit(*args, **kwargs)
        monkeypatch.setattr(ImageSet, "read", real_read)

    monkeypatch.setattr(trainer, "fit_phases", watched)
    phases = [Phase(name="head", solver="logistic_regression", unfreeze="none"), Phase(epochs=1)]
    changes = {"head": HeadOptions(pooling="avg"), "balance": "oversample", "phases": phases}
    run = experiment.train_from_config(small_config(colours, tmp_path / "run", **changes))
    parts = {run.parts[name] for name in reads}
    assert parts == {"train", "validation"}
    assert open_run(run.folder).metrics["test"]["n"] == sum(part == "test" for part in run.parts.values())


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Weights as pretrained ones come, of the smallest backbone that has batch normalization."""
    path = tmp_path_factory.mktemp("weights") / "stand_in.weights.h5"
    keras.applications.MobileNet(include_top=False, weights=None, alpha=0.25, input_shape=(32, 32, 3)).save_weights(
        path
    )
    return str(path)


@pytest.mark.parametrize(
    ("asked", "pretrained", "trains"),
    [(None, True, False), (True, True, True), (False, True, False), (None, False, True), (False, False, False)],
)
def test_train_batch_norm_is_obeyed(
    colours: Path, tmp_path: Path, stand_in: str, asked: bool | None, pretrained: bool, trains: bool
) -> None:
    from tfvision.experiment.building import suited_model
    from tfvision.experiment.preparation import read_images

    weights = stand_in if pretrained else "none"
    changes = {"backbone": "mobilenet_025", "image_size": 32, "weights": weights, "train_batch_norm": asked}
    config, data = read_images(small_config(colours, tmp_path / "run", **changes))
    assert trains_batch_norm(suited_model(config, data)) == trains


def test_without_validation_images_nothing_could_be_chosen(colours: Path, tmp_path: Path) -> None:
    config = small_config(colours, tmp_path / "run")
    config.split.validation = 0.0
    with pytest.raises(UsageError, match=r"split\.validation"):
        train_from_config(config)


def test_without_a_test_part_the_scores_are_of_validation(colours: Path, tmp_path: Path) -> None:
    config = small_config(colours, tmp_path / "run", phases=[Phase(epochs=1)])
    config.split.test = 0.0
    run = train_from_config(config)
    assert set(run.metrics) == {"validation"} and (run.folder / "report.html").is_file()


def test_options_of_the_model_are_refused_once_it_is_built(colours: Path, tmp_path: Path) -> None:
    model = build_classifier("small_cnn", 3, image_size=16, weights="none")
    with pytest.raises(UsageError, match="head: the model is built already"):
        train(model, open_images(colours), output=tmp_path / "run", head={"units": [3]})
    with pytest.raises(UsageError, match="did you mean seed"):
        train(model, open_images(colours), output=tmp_path / "run", sed=3)
    wrong = build_classifier("small_cnn", 4, image_size=16, weights="none")
    with pytest.raises(UsageError, match="num_classes=3"):
        train(wrong, open_images(colours), output=tmp_path / "run")


@pytest.mark.usefixtures("without_pictures")
def test_a_model_from_python_keeps_how_its_images_were_opened(two_colours: Path, tmp_path: Path) -> None:
    images = open_images(two_colours, positive_class="green")
    model = build_classifier("small_cnn", 2, image_size=16, weights="none")
    run = train(model, images, phases=[{"epochs": 1}], output=tmp_path / "run")
    assert run.config.source.positive_class == "green" and run.config.weights == "none"
    again = open_images(run.config.data, **run.config.source.columns())
    assert again.class_names == run.facts.class_names == ("red", "green")

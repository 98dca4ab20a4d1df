"""Learning-rate ranges: the rule on curves whose truth is known, the sweep against steps by hand, the model as it was."""

import csv
import json
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import small_config

import tfvision
from tfvision.cli import main
from tfvision.config.options import from_dict
from tfvision.data.augmentation.options import Augmentation
from tfvision.data.batches.pipeline import training_batches
from tfvision.data.pixels.resize import Resize
from tfvision.data.sources.open import open_images
from tfvision.errors import UsageError
from tfvision.experiment.train import train_from_config
from tfvision.models.classifier import build_classifier
from tfvision.models.freezing import open_layers
from tfvision.runs.folder import Run
from tfvision.runs.names import RATE_CURVES, RATES
from tfvision.system.device import set_seed
from tfvision.training.config import TrainConfig
from tfvision.training.history import History
from tfvision.training.options import Phase, RateRangeOptions
from tfvision.training.rate_curves import RateCurve, has_diverged, no_curve, rate_curve_of, smooth, suggest
from tfvision.training.rate_range import sweep_phases
from tfvision.training.settings import TrainingSettings
from tfvision.training.training import Training

pytestmark = pytest.mark.usefixtures("without_pictures")

RATES_TRIED = np.geomspace(1e-6, 10, 100)
SGD = Phase(name="all", epochs=2, learning_rate="auto", views="fresh")


def falling(lowest: float, *, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    """Losses of a sweep: 2 at first, falling from a hundredth of a rate on to 0.5 there, then rising steeply."""
    x = np.log10(RATES_TRIED / lowest)
    losses = np.where(x < 0, 0.5 + 1.5 * np.clip(-x / 2, 0, 1) ** 2, 0.5 + 4 * x**2)
    return losses + np.random.default_rng(seed).normal(0, noise, len(losses))


@pytest.mark.parametrize("noise", [0.0, 0.15])
@pytest.mark.parametrize("lowest", [1e-3, 1e-2, 1e-1])
def test_the_suggestion_follows_the_lowest_loss(lowest: float, noise: float) -> None:
    suggestion, said = suggest(RATES_TRIED, falling(lowest, noise=noise), diverged=True, usual=None)
    assert suggestion == pytest.approx(lowest / 5, rel=0.6) and "loss is smallest" in said


def test_where_nothing_falls_it_stays_below_where_the_loss_rises() -> None:
    rises = np.where(RATES_TRIED < 1e-3, 0.1, 0.1 + 2 * np.log10(np.maximum(RATES_TRIED, 1e-3) / 1e-3))
    losses = rises + np.random.default_rng(0).normal(0, 0.01, len(rises))
    suggestion, said = suggest(RATES_TRIED, losses, diverged=True, usual=None)
    assert 1e-3 / 5 < suggestion < 1e-3 and "a third of" in said and "it falls at no rate" in said
    assert suggest(RATES_TRIED, losses, diverged=True, usual=5e-4) == (
        5e-4,
        said.replace("a third of", "the default, below"),
    )
    capped, said = suggest(RATES_TRIED, losses, diverged=True, usual=1e-2)
    assert 5e-4 < capped < 3e-3 and said.startswith("not the default 0.01 but 0.00")


def test_a_flat_curve_suggests_nothing() -> None:
    losses = np.random.default_rng(0).normal(1.0, 0.1, len(RATES_TRIED))
    suggestion, said = suggest(RATES_TRIED, losses, diverged=False, usual=5e-4)
    assert suggestion is None and "neither falls nor rises" in said


def test_smoothing_keeps_constants_and_does_not_lag() -> None:
    np.testing.assert_allclose(smooth(np.full(30, 0.7)), 0.7)
    valley = np.abs(np.arange(60.0) - 30)
    assert smooth(valley).argmin() == 30
    assert len(smooth(np.zeros(0))) == 0


def test_a_sweep_ends_where_it_diverges_and_not_at_a_noisy_batch() -> None:
    steady = list(np.random.default_rng(0).normal(1.0, 0.3, 60))
    assert not any(has_diverged(steady[:n]) for n in range(1, 61))
    assert has_diverged([1.0, float("nan")]) and has_diverged([*steady, *[4.0] * 8])
    curve = rate_curve_of(0, "all", RATES_TRIED[:3], np.array([1.0, 2.0, np.inf]), "", usual=None)
    assert len(curve.rates) == len(curve.losses) == 2


def test_a_curve_is_written_and_read() -> None:
    curve = rate_curve_of(1, "fine-tune", RATES_TRIED, falling(1e-2), "from the initial weights", usual=None)
    again = RateCurve.of(json.loads(json.dumps(curve.to_dict())))
    assert again.describe() == curve.describe() and again.suggestion == curve.suggestion
    np.testing.assert_array_equal(again.losses, curve.losses)
    empty = no_curve(0, "head", "it is fitted in one pass")
    assert RateCurve.of(empty.to_dict()).describe() == "head: no suggestion, it is fitted in one pass"


def training_of(model: keras.Model, data: Path, **changes: object) -> Training:
    images = open_images(data)
    every_third = np.arange(len(images)) % 3 == 0
    options = {"resize": Resize(16, 16), "augmentation": Augmentation(), "batch_size": 8, "seed": 0, "cache": "none"}
    settings = TrainingSettings(**{**options, **changes})
    return Training(model, images.select(~every_third), images.select(every_third), settings, History("val_loss"))


def small_model() -> keras.Model:
    """A CNN with dropout and batch normalization, of which both change under `fit`."""
    set_seed(0)
    return build_classifier(
        "small_cnn", num_classes=3, image_size=16, weights=None, head_units=[8], head_batch_norm=True, head_dropout=0.3
    )


def test_each_loss_is_that_of_a_step_by_hand(colours: Path) -> None:
    """The same batches, the same optimizer, the rate set before each step: the losses are those of Keras itself."""
    model = small_model()
    training = training_of(model, colours, optimizer="sgd")
    options = RateRangeOptions(lowest=1e-3, highest=1.0, steps=20)
    (curve,) = sweep_phases(training, [SGD], [0], options, fallback=1e-3)
    open_layers(model, "all", batch_norm=True)
    model.compile(keras.optimizers.SGD(1e-3, momentum=0.9, nesterov=True), "categorical_crossentropy")
    batches = training_batches(
        training.train, resize=Resize(16, 16), batch_size=8, seed=0, epochs=20, augmentation=Augmentation()
    )
    rates, losses = np.geomspace(1e-3, 1.0, 20), []
    for rate, (pixels, labels) in zip(rates, batches.dataset, strict=False):
        model.optimizer.learning_rate = rate
        model.reset_metrics()
        losses.append(float(model.train_on_batch(pixels, labels)))
    assert 10 < len(curve.losses) <= 20
    np.testing.assert_allclose(curve.rates, rates[: len(curve.rates)])
    np.testing.assert_allclose(curve.losses, losses[: len(curve.losses)], rtol=1e-4)
    assert curve.losses.max() > 1.2 * curve.losses[0] or curve.losses.min() < 0.9 * curve.losses[0]


def state_of(model: keras.Model) -> list[np.ndarray]:
    return [np.array(keras.ops.convert_to_numpy(v)) for v in (*model.variables, *model.optimizer.variables)]


def test_the_model_is_left_as_it_was(colours: Path) -> None:
    """Weights, batch-norm statistics, random states, the user's optimizer and metrics, and what is open."""
    model = small_model()
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    images = open_images(colours)
    pixels = np.stack([images.read(k) for k in range(8)]).astype(np.float32)
    model.train_on_batch(pixels, np.eye(3)[images.labels[:8]])
    model.layers[2].trainable = False
    before, opened, optimizer = state_of(model), [layer.trainable for layer in model.layers], model.optimizer
    found = tfvision.lr_find(
        model, images, batch_size=8, steps=20, train_batch_norm=True, phases=[{"unfreeze": "none"}, {"unfreeze": "all"}]
    )
    assert len(found[0].losses) > 10 and np.ptp(found[0].losses) > 0
    assert model.optimizer is optimizer and [layer.trainable for layer in model.layers] == opened
    for one, other in zip(before, state_of(model), strict=True):
        np.testing.assert_array_equal(one, other)
    model.train_on_batch(pixels, np.eye(3)[images.labels[:8]])  # still compiled as it was


def test_an_error_leaves_the_model_as_it_was_too(colours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model()
    before = model.get_weights()

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tfvision.training.rate_range.rate_curve_of", interrupt)
    with pytest.raises(KeyboardInterrupt):
        sweep_phases(training_of(model, colours), [SGD], [0], RateRangeOptions(steps=20), fallback=1e-3)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_came_before_a_phase_is_run_or_said_to_be_left_out(colours: Path) -> None:
    set_seed(0)
    model = build_classifier("small_cnn", num_classes=3, image_size=16, weights=None)
    phases = [
        Phase(name="head", solver="logistic_regression", epochs=1, unfreeze="none"),
        Phase(name="first", epochs=1, learning_rate=1e-2),
        Phase(name="second", epochs=1, learning_rate=1e-2),
        Phase(name="anew", epochs=1, restart=True),
    ]
    curves = sweep_phases(training_of(model, colours), phases, range(4), RateRangeOptions(steps=20), fallback=1e-3)
    assert curves[0].suggestion is None and "one pass" in curves[0].said and not len(curves[0].rates)
    assert curves[1].start == "from the model after head"
    assert curves[2].start == "from the model after head, without first, which would be the training itself"
    assert curves[3].start == "from the initial weights"
    # Colours are learned by the solver: the second phase begins where it left the head, the last one does not.
    assert curves[1].losses[0] == curves[2].losses[0] < 0.8 * curves[3].losses[0]


@pytest.mark.slow
def test_a_run_whose_rate_is_found_is_the_run_that_is_given_it(
    colours: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bit for bit; the rate is recorded, and a run that goes on does not search again."""
    phases = [Phase(name="all", epochs=2, learning_rate="auto", schedule="cosine")]
    found = train_from_config(small_config(colours, tmp_path / "found", phases=phases))
    said = capsys.readouterr().out
    rate = found.config.phases[0].learning_rate
    assert isinstance(rate, float) and f"all: learning rate {rate:.2g}, " in said
    record = json.loads((found.folder / RATES).read_text())
    assert record["phases"][0]["suggestion"] == rate and len(record["phases"][0]["losses"]) > 20
    assert (found.folder / "plots" / RATE_CURVES).is_file()
    phases = [Phase(name="all", epochs=2, learning_rate=rate, schedule="cosine")]
    given = train_from_config(small_config(colours, tmp_path / "given", phases=phases))
    assert not (given.folder / RATES).exists()
    assert _scores(found) == _scores(given)


def _scores(run: Run) -> list[tuple[str, ...]]:
    with open(run.folder / "history.csv", newline="") as file:
        return [(row["loss"], row["val_loss"], row["learning_rate"]) for row in csv.DictReader(file)]


@pytest.mark.slow
def test_a_run_that_goes_on_keeps_its_rate(colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    auto = [Phase(name="all", epochs=2, learning_rate="auto")]
    config = small_config(colours, tmp_path / "run", phases=auto)
    run = train_from_config(config)
    before = _scores(run)
    (run.folder / "report.html").unlink()  # as if it had been killed before its last file
    monkeypatch.setattr("tfvision.experiment.rates.sweep", lambda *_: pytest.fail("swept again"))
    again = train_from_config(config, resume=run.folder)
    assert _scores(again) == before and (run.folder / "report.html").is_file()
    given = train_from_config(
        small_config(colours, tmp_path / "given", phases=[Phase(name="all", epochs=2, learning_rate=1e-3)])
    )
    (given.folder / "report.html").unlink()
    with pytest.raises(UsageError, match=r"0\.001 -> auto"):  # its rate was given, not found
        train_from_config(config, resume=given.folder)


@pytest.mark.slow
def test_trials_of_a_search_find_their_rates_too(colours: Path, tmp_path: Path) -> None:
    from tfvision.experiment.preparation import read_images
    from tfvision.experiment.resolving import resolve_options
    from tfvision.search.trials import TrialRunner

    phases = [Phase(name="all", epochs=2, learning_rate="auto")]
    config, data = read_images(resolve_options(small_config(colours, tmp_path / "unused", phases=phases)))
    trained = TrialRunner(data)(config)
    run = train_from_config(small_config(colours, tmp_path / "run", phases=phases))
    assert trained.scores["val_loss"] == pytest.approx(min(float(row[1]) for row in _scores(run)), abs=1e-6)


def test_the_command_writes_and_prints(colours: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = "--backbone small_cnn --weights none --small-cnn.filters [4,4] --batch-size 8 --steps 30 --quiet"
    assert main(["lr-find", str(colours), *options.split(), "--output", str(tmp_path / "rates")]) == 0
    said = capsys.readouterr().out
    assert said.startswith("train: ") and "loss is smallest" in said and "rates of adam for batches of 8" in said
    assert {path.name for path in (tmp_path / "rates").iterdir()} == {RATES, "learning_rates.csv", RATE_CURVES}
    with open(tmp_path / "rates/learning_rates.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["phase", "learning_rate", "loss", "smoothed"] and 10 < len(rows) <= 30
    assert "<svg" in (tmp_path / "rates" / RATE_CURVES).read_text()


def test_a_notebook_shows_them(colours: Path) -> None:
    found = tfvision.lr_find(
        data=colours, backbone="small_cnn", weights="none", small_cnn={"filters": [4, 4]}, batch_size=8, steps=20
    )
    html = found._repr_html_()
    assert "data:image/svg+xml" in html and found.rule in html and "train: " in html
    assert repr(found).startswith("LearningRates(train ") and len(found) == 1
    assert found["train"] is found[0]
    with pytest.raises(KeyError):
        found["head"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"learning_rate": "fast"}, "learning_rate: expected a number or auto, got 'fast'"),
        ({"learning_rate": 0}, "learning_rate: expected more than 0"),
        ({"phases": [{"learning_rate": "Auto"}]}, r"phases\[0\].learning_rate: expected a number or auto"),
    ],
)
def test_only_one_word_is_a_rate(given: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        from_dict(TrainConfig, given)


def test_a_range_needs_room() -> None:
    with pytest.raises(UsageError, match="ten times"):
        RateRangeOptions(lowest=1e-3, highest=5e-3)
    with pytest.raises(UsageError, match="steps: expected 20 or more"):
        RateRangeOptions(steps=5)

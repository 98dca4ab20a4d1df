"""Going on after a kill: the same bits, or a clear refusal."""

import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import small_config
from killed_verbs import TIMES, read_rows

from tfvision.cli import main
from tfvision.data.augmentation.options import Augmentation
from tfvision.data.pixels.resize import Resize
from tfvision.data.sources.open import open_images
from tfvision.errors import DataError, RunError, UsageError
from tfvision.experiment.train import train, train_from_config
from tfvision.models.classifier import build_classifier
from tfvision.models.options import HeadOptions
from tfvision.runs.folder import Run, create_run, open_run, training_alone
from tfvision.runs.resume import resumable
from tfvision.system.device import set_seed
from tfvision.training.callbacks import EpochRecorder
from tfvision.training.checkpoints import Checkpoints, digest
from tfvision.training.config import TrainConfig
from tfvision.training.fit import fit_phases
from tfvision.training.history import History
from tfvision.training.options import Phase
from tfvision.training.settings import TrainingSettings
from tfvision.training.training import Training

pytestmark = pytest.mark.usefixtures("without_pictures")

HEAD = Phase(name="head", solver="logistic_regression", unfreeze="none")
COSINE = Phase(name="cosine", epochs=2, learning_rate=1e-2, schedule="cosine", warmup=1.0)
PLATEAU = Phase(name="plateau", epochs=6, learning_rate=0.1, schedule="plateau", plateau_patience=1, patience=3)
STEP = Phase(name="step", epochs=5, learning_rate=1e-2, schedule="step", hold=1, every=2)
CASES = {
    "closed, cosine, plateau": ({"head_dropout": 0.3}, [HEAD, COSINE, PLATEAU], {"balance": "oversample"}),
    "average of weights, step": (
        {"head_units": [8], "head_batch_norm": True, "head_dropout": 0.5},
        [STEP],
        {"ema": 0.9, "optimizer": "sgd", "clip_norm": 1.0, "balance": "class_weights"},
    ),
}


class Killed(BaseException):
    """Stands for a kill: nothing of ours catches it."""


def fit(case: str, data: Path, checkpoints: Checkpoints) -> tuple[list[dict], list[np.ndarray]]:
    """Train as a fresh process would, from the newest checkpoint if there is one; return history and weights."""
    head, phases, options = CASES[case]
    images = open_images(data)
    every_third = np.arange(len(images)) % 3 == 0
    set_seed(0)
    model = build_classifier("small_cnn", 2, image_size=16, weights="none", **head)
    settings = TrainingSettings(Resize(16, 16), Augmentation(), batch_size=8, seed=0, **options)
    parts = (images.select(~every_third), images.select(every_third))
    training = Training(model, *parts, settings, History("val_loss"), checkpoints=checkpoints)
    fit_phases(training, phases)
    rows = [{k: v for k, v in row.items() if k not in TIMES} for row in training.history.rows]
    return rows, model.get_weights()


def kill_in_epoch(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Let the checkpoint of epoch `rows` be the last thing that happens."""
    real = Checkpoints.save

    def save(self: Checkpoints, model: object, history: History, *moment: object) -> None:
        real(self, model, history, *moment)
        if len(history.rows) == rows:
            raise Killed

    monkeypatch.setattr(Checkpoints, "save", save)


def assert_same(first: tuple[list, list], second: tuple[list, list]) -> None:
    assert first[0] == second[0]
    assert all(np.array_equal(a, b) for a, b in zip(first[1], second[1], strict=True))


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> str:
    return request.param


@dataclass(frozen=True)
class Whole:
    """A training that nobody interrupted, and what a kill after each of its epochs would have left."""

    end: tuple[list, list]
    left: Path

    def killed_after(self, rows: int, checkpoints: Path) -> Checkpoints:
        """Copy what the epoch of row `rows` left; had the kill come before the next checkpoint, it would be the same."""
        shutil.copytree(self.left / str(rows), checkpoints)
        return Checkpoints(checkpoints)


@pytest.fixture(scope="module")
def whole(case: str, two_colours: Path, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    folder = tmp_path_factory.mktemp("whole")
    real = Checkpoints.save

    def save(self: Checkpoints, model: object, history: History, *moment: object) -> None:
        real(self, model, history, *moment)
        shutil.copytree(self.folder, folder / str(len(history.rows)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoints, "save", save)
        return Whole(fit(case, two_colours, Checkpoints(folder / "checkpoints")), folder)


@pytest.mark.parametrize("rows", [1, 3, 4])
def test_a_resumed_training_ends_with_the_bits_of_one_never_interrupted(
    case: str, whole: Whole, two_colours: Path, tmp_path: Path, rows: int
) -> None:
    checkpoints = whole.killed_after(rows, tmp_path / "checkpoints")
    assert len(checkpoints.newest().rows) == rows
    assert_same(whole.end, fit(case, two_colours, checkpoints))


def test_the_cases_reach_what_they_are_for(case: str, whole: Whole) -> None:
    rows, _ = whole.end
    assert len(rows) >= 5 and len({row["learning_rate"] for row in rows}) >= 3
    # A warm-up of an epoch begins at 0, but the rate of its row is the mean of its steps, about half of the highest.
    assert [row["learning_rate"] for row in rows if row["phase"] == "cosine"][:1] in (
        [],
        [pytest.approx(5e-3, rel=0.3)],
    )
    if "plateau" in case:
        assert len(rows) < 9  # stopped early


def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(
    case: str, whole: Whole, two_colours: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    checkpoints = whole.killed_after(3, tmp_path / "checkpoints")
    older, newest = sorted(checkpoints.folder.iterdir())
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    again = fit(case, two_colours, checkpoints)
    text = capsys.readouterr().out
    assert f"{newest} is damaged" in text and str(older) not in text and "2 epochs are done" in text
    assert_same(whole.end, again)


def test_truncated_checkpoints_start_the_training_anew(
    case: str,
    whole: Whole,
    two_colours: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    checkpoints = whole.killed_after(2, tmp_path / "checkpoints")
    for path in checkpoints.folder.iterdir():
        path.write_bytes(path.read_bytes()[:1000])
    kill_in_epoch(monkeypatch, 2)
    with pytest.raises(Killed):
        fit(case, two_colours, checkpoints)
    text = capsys.readouterr().out
    assert text.count("is damaged") == 2 and "going on from the beginning" in text
    # What was damaged is out of the way: the new checkpoints, of lower numbers, are kept.
    assert sorted(path.name for path in checkpoints.folder.iterdir()) == [
        "00001.damaged",
        "00001.npz",
        "00002.damaged",
        "00002.npz",
    ]
    assert checkpoints.newest().state.phase == (1 if "closed" in case else 0)


@pytest.fixture(scope="module")
def killed(two_colours: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run killed after its first epoch."""
    folder = tmp_path_factory.mktemp("killed") / "run"
    with pytest.MonkeyPatch.context() as patch:
        kill_in_epoch(patch, 1)
        with pytest.raises(Killed):
            train_from_config(small_config(two_colours, folder, phases=[Phase(epochs=2)]))
    return folder


@pytest.fixture
def half(killed: Path, two_colours: Path, tmp_path: Path) -> tuple[Path, TrainConfig]:
    """A copy of the killed run and of its data: data that moved are the same data."""
    shutil.copytree(two_colours, tmp_path / "data")
    shutil.copytree(killed, tmp_path / "run")
    config = small_config(tmp_path / "data", tmp_path / "run", phases=[Phase(epochs=2)])
    return tmp_path / "run", replace(config, output=None)


def test_other_options_are_refused_with_their_differences(half: tuple[Path, TrainConfig]) -> None:
    run, config = half
    with pytest.raises(UsageError, match=r"batch_size: 8 -> 4") as error:
        train_from_config(replace(config, batch_size=4, phases=[Phase(epochs=9)]), resume=run)
    assert "phases[0].epochs: 2 -> 9" in str(error.value)
    assert "seed" not in str(error.value)
    with pytest.raises(UsageError, match=r"phases\[1\]\.name: absent -> more"):
        train_from_config(replace(config, phases=[*config.phases, Phase(name="more")]), resume=run)


def test_other_data_is_refused_with_its_differences(half: tuple[Path, TrainConfig]) -> None:
    run, config = half
    data = Path(config.data)
    red = sorted((data / "red").iterdir())
    red[0].write_bytes(red[1].read_bytes())
    (data / "red" / "red_023.png").rename(data / "green" / "moved.png")
    with pytest.raises(DataError, match=r"images are gone: red/red_023\.png") as error:
        train_from_config(config, resume=run)
    assert "new: green/moved.png" in str(error.value) and "another content: red/red_000.png" in str(error.value)


def test_another_order_of_the_classes_is_refused(half: tuple[Path, TrainConfig]) -> None:
    run, config = half
    source = replace(config.source, positive_class="green")
    with pytest.raises(UsageError, match=r"source\.positive_class: None -> green"):
        train_from_config(replace(config, source=source), resume=run)


def test_data_that_moved_is_the_same_data(half: tuple[Path, TrainConfig], tmp_path: Path) -> None:
    run, config = half
    moved = Path(config.data).rename(tmp_path / "elsewhere ü")
    assert train_from_config(replace(config, data=str(moved)), resume=run).metrics["test"]["n"] == 3


def test_a_checkpoint_of_another_model_is_refused(half: tuple[Path, TrainConfig]) -> None:
    run, config = half
    other = replace(config, head=HeadOptions(pooling="flatten", units=[9], dropout=0.1))
    text = (run / "config.yaml").read_text()
    (run / ".digests").unlink()
    (run / "config.yaml").write_text(text.replace("units: [8]", "units: [9]"))
    with pytest.raises(UsageError, match="checkpoint is of another model"):
        train_from_config(other, resume=run)


def test_the_same_layers_have_one_digest_whatever_their_names() -> None:
    def build(dropout: float) -> keras.Model:
        pixels = keras.Input((16, 16, 3))
        x = keras.layers.GlobalAveragePooling2D()(pixels)
        return keras.Model(pixels, keras.layers.Dense(2)(keras.layers.Dropout(dropout)(x)))

    assert digest(build(0.5)) == digest(build(0.5)) != digest(build(0.4))


def test_a_run_that_another_process_finished_is_left_alone(
    half: tuple[Path, TrainConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both were asked to go on; the other was done while this one still read the images."""
    from tfvision.experiment import preparation as experiment

    run, config = half
    real = experiment.read_images

    def read(*args: object) -> object:
        found = real(*args)
        (run / "report.html").write_text("the other's")
        return found

    monkeypatch.setattr(experiment, "read_images", read)
    before = (run / "history.csv").read_bytes()
    assert train_from_config(config, resume=run).folder == run
    assert (run / "report.html").read_text() == "the other's" and (run / "history.csv").read_bytes() == before


def test_model_keras_is_of_the_weights_that_were_scored(
    half: tuple[Path, TrainConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill between model.keras and its checkpoint leaves a model of an epoch that may come out otherwise."""
    run, config = half
    (run / "model.keras").write_bytes(b"of a discarded epoch")
    monkeypatch.setattr(History, "add", lambda self, row: self.rows.append(row))  # nothing is better any more
    train_from_config(config, resume=run)
    assert open_run(run).model().name == "small_cnn"


def test_a_finished_run_needs_nothing(small_run: Path, capsys: pytest.CaptureFixture) -> None:
    before = (small_run / "report.html").stat().st_mtime_ns
    config = replace(open_run(small_run).config)
    assert train_from_config(config, resume=small_run).folder == small_run
    assert "finished already" in capsys.readouterr().out
    assert (small_run / "report.html").stat().st_mtime_ns == before


def test_what_is_no_run_cannot_be_resumed(colours: Path, tmp_path: Path) -> None:
    for folder, reason in ((tmp_path / "none", "does not exist"), (tmp_path, "holds no run")):
        with pytest.raises(DataError, match=reason):
            train_from_config(small_config(colours, tmp_path / "x"), resume=folder)


def test_two_processes_never_train_in_one_folder(half: tuple[Path, TrainConfig]) -> None:
    run, config = half
    with training_alone(run), pytest.raises(UsageError, match="another process is training"):
        train_from_config(config, resume=run)
    train_from_config(config, resume=run)  # the lock is gone with its owner


def test_a_run_folder_appears_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise RunError("cannot write: no space left")

    with monkeypatch.context() as patch:
        patch.setattr("tfvision.runs.folder.write_text", full)
        with pytest.raises(RunError):
            create_run(tmp_path / "run", {"config.yaml": "seed: 1\n"})
    assert not list(tmp_path.iterdir())
    create_run(tmp_path / "run", {"config.yaml": "seed: 1\n"})
    with pytest.raises(UsageError, match="exists already"):
        create_run(tmp_path / "run", {})


def test_a_full_disk_loses_nothing(two_colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = np.savez

    def full(path: Path, **arrays: np.ndarray) -> None:
        real(path, **arrays)
        if "00002" in str(path):
            raise OSError(28, "No space left on device")

    config = small_config(two_colours, tmp_path / "run", phases=[Phase(epochs=3)])
    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", full)
        with pytest.raises(RunError, match=r"No space left.*tfvision train --resume") as error:
            train_from_config(config)
    assert "\n" not in str(error.value)
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["00001.npz"]
    train_from_config(replace(config, output=None), resume=tmp_path / "run")
    assert len(read_rows(tmp_path / "run" / "history.csv")) == 3


def test_a_model_from_python_is_resumed_too(two_colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = open_images(two_colours)

    def train_model(output: Path | None, **options: object) -> Run:
        set_seed(0)
        model = build_classifier("small_cnn", 2, image_size=16, weights="none")
        return train(model, images, phases=[Phase(epochs=3, learning_rate=1e-2)], output=output, **options)

    with monkeypatch.context() as patch:
        kill_in_epoch(patch, 2)
        with pytest.raises(Killed):
            train_model(tmp_path / "run")
    train_model(tmp_path / "run", resume=True)
    assert len(read_rows(tmp_path / "run" / "history.csv")) == 3
    with pytest.raises(UsageError, match="needs output="):
        train_model(None, resume=True)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Take SIGINT as Ctrl-C even in the background of a shell, which starts processes there with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interruption_says_how_to_go_on(
    two_colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """SIGTERM in the middle of an epoch ends the command with 143, Ctrl-C with 130."""

    def interrupt(number: int) -> None:
        # To this very thread: what os.kill sends may arrive at another one, and after the epoch's end.
        monkeypatch.setattr(EpochRecorder, "on_test_begin", lambda self, logs=None: signal.raise_signal(number))

    small = ["--backbone", "small_cnn", "--weights", "none", "--small-cnn.filters", "[4,4]", "--epochs", "2"]
    words = ["train", "--data", str(two_colours), *small]
    for number, status in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
        interrupt(number)
        assert main([*words, "--output", str(tmp_path / f"{status} ü")]) == status
        message = capsys.readouterr().err
        assert message.count("\n") == 1 and f"tfvision train --resume '{tmp_path}/{status} ü'" in message


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["crossval"], "the same options of `tfvision crossval` and --output {} --resume"),
        (["train", "--seeds", "2"], "`tfvision train --resume {}`"),
        (["ensemble"], "the same options of `tfvision ensemble` and --output {} --resume"),
    ],
)
def test_an_interrupted_part_says_how_the_whole_goes_on(
    words: list[str],
    expected: str,
    two_colours: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    def stop(config: TrainConfig, resume: Path | None) -> None:
        Path(config.output or "").mkdir(parents=True)
        with resumable(Run(Path(config.output or ""))):
            raise KeyboardInterrupt

    monkeypatch.setattr(import_module("tfvision.experiment.train"), "train_from_config", stop)
    file = tmp_path / "options.yaml"
    file.write_text(
        "{backbone: small_cnn, weights: none"
        + (", members: [{name: a}, {name: b, batch_size: 8}]" * ("ensemble" in words))
        + "}"
    )
    output = tmp_path / "whole"
    assert main([*words, "--config", str(file), "--data", str(two_colours), "--output", str(output)]) == 130
    message = capsys.readouterr().err
    assert message.count("\n") == 1 and message.rstrip().endswith(f"go on with {expected.format(output)}")

"""Killed at the end and in the middle of an epoch: as many steps, the same weights, the same scores; and after SIGTERM."""

import csv
import shutil
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import small_config
from killed_verbs import read_rows

from tfvision.experiment.train import train_from_config
from tfvision.runs.folder import Run, open_run
from tfvision.system.interruption import interruptible
from tfvision.training.callbacks import EpochRecorder
from tfvision.training.checkpoints import Checkpoints
from tfvision.training.config import TrainConfig
from tfvision.training.options import Phase

pytestmark = pytest.mark.usefixtures("without_pictures")


class Killed(BaseException):
    """Stands for a kill: nothing of ours catches it."""


class Steps:
    """Counts the steps of the optimizer at each checkpoint."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counts: list[int] = []
        real = Checkpoints.save

        def save(checkpoints, model, history, state, optimizer=None) -> None:
            self.counts.append(int(optimizer.iterations))
            real(checkpoints, model, history, state, optimizer)

        monkeypatch.setattr(Checkpoints, "save", save)


@pytest.fixture(scope="module")
def config(two_colours: Path) -> TrainConfig:
    return small_config(
        two_colours,
        Path("unused"),
        balance="oversample",
        ema=0.9,
        phases=[Phase(epochs=3, learning_rate=1e-2, schedule="cosine")],
    )


def weights(run: Run) -> list[np.ndarray]:
    return open_run(run.folder).model().get_weights()


def same(first: Run, second: Run) -> bool:
    histories = [read_rows(run.folder / "history.csv") for run in (first, second)]
    alike = all(np.array_equal(a, b) for a, b in zip(weights(first), weights(second), strict=True))
    predicted = [(run.folder / "predictions.csv").read_bytes() for run in (first, second)]
    return alike and histories[0] == histories[1] and predicted[0] == predicted[1]


@pytest.mark.slow
def test_killed_in_the_middle_of_an_epoch_a_run_takes_the_steps_of_an_undisturbed_one(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Steps(monkeypatch)
    whole = train_from_config(replace(config, output=str(tmp_path / "whole")))
    of_epoch = steps.counts[0]
    assert of_epoch >= 3 and steps.counts == [of_epoch, 2 * of_epoch, 3 * of_epoch]
    on_train_batch_end, taken = EpochRecorder.on_train_batch_end, Counter()

    def killed(self: EpochRecorder, batch: int, logs: dict | None = None) -> None:
        on_train_batch_end(self, batch, logs)
        taken[self.state.epochs] += 1
        if self.state.epochs == 1 and batch == 1:
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(EpochRecorder, "on_train_batch_end", killed)
        train_from_config(replace(config, output=str(tmp_path / "run")))
    assert taken == {0: of_epoch, 1: 2}
    del steps.counts[:]
    again = train_from_config(replace(config, output=None), resume=tmp_path / "run")
    assert steps.counts == [2 * of_epoch, 3 * of_epoch]  # the two steps that were lost are taken once more
    assert same(whole, again)
    _nothing_is_copied_into_what_is_scored(again)


def _nothing_is_copied_into_what_is_scored(run: Run) -> None:
    with open(run.folder / "predictions.csv", newline="") as file:
        predicted = Counter((row["id"], row["part"]) for row in csv.DictReader(file))
    expected = {(name, part) for name, part in run.parts.items() if part in ("validation", "test")}
    assert set(predicted) == expected and set(predicted.values()) == {1}


@pytest.mark.slow
@pytest.mark.parametrize("epochs", [1, 2])
def test_a_terminated_run_has_left_the_checkpoint_of_its_last_epoch(
    epochs: int, config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM arrives in the epoch after it: the checkpoint is there at once, and the run ends as an undisturbed one."""
    whole = train_from_config(replace(config, output=str(tmp_path / "whole")))
    real = EpochRecorder.on_epoch_begin

    def terminated(self: EpochRecorder, epoch: int, logs: dict | None = None) -> None:
        real(self, epoch, logs)
        if epoch == epochs:
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt, match="train --resume"), interruptible():
        patch.setattr(EpochRecorder, "on_epoch_begin", terminated)
        train_from_config(replace(config, output=str(tmp_path / "run")))
    shutil.copytree(tmp_path / "run", tmp_path / "left")
    assert len(Checkpoints(tmp_path / "left" / "checkpoints").newest().rows) == epochs
    keras.utils.set_random_seed(99)  # a new process would not begin here either
    assert same(whole, train_from_config(replace(config, output=None), resume=tmp_path / "run"))

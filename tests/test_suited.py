"""What is filled in once the images are known: the batch size, and how photos become square."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from tfvision.data.options import ResizeOptions
from tfvision.experiment.building import suit_training
from tfvision.experiment.train import alike
from tfvision.training.config import TrainConfig
from tfvision.training.options import Phase, PseudoLabelOptions


def prepared(train: int) -> SimpleNamespace:
    """Return images of which some are for training, and as many more not."""
    split = np.array(["train"] * train + ["test"] * train)
    return SimpleNamespace(split=split)


@pytest.mark.parametrize(
    ("train", "size"), [(10, 16), (219, 16), (383, 16), (384, 32), (767, 32), (768, 64), (20_000, 64)]
)
def test_an_epoch_has_twelve_steps_if_sixteen_images_allow_it(
    train: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tfvision.experiment.building.with_labels", lambda data, config: np.ones(2 * train, bool))
    assert suit_training(TrainConfig(phases=[Phase(learning_rate=None)]), prepared(train)).batch_size == size
    assert suit_training(TrainConfig(phases=[Phase(learning_rate=None)], batch_size=7), prepared(train)).batch_size == 7


def test_images_whose_labels_are_hidden_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    known = np.arange(4000) < 300
    monkeypatch.setattr("tfvision.experiment.building.with_labels", lambda data, config: known)
    config = TrainConfig(phases=[], pseudo=PseudoLabelOptions(labels=300))
    assert suit_training(config, prepared(2000)).batch_size == 16


@pytest.mark.parametrize(
    ("task", "mode"), [("classify", "crop"), ("localize", "stretch"), ("localize+classify", "stretch")]
)
def test_photos_are_cropped_unless_boxes_could_be_lost(task: str, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tfvision.experiment.building.with_labels", lambda data, config: np.ones(200, bool))
    config = TrainConfig(task=task, batch_size=8, phases=[])
    assert suit_training(config, prepared(100)).resize.mode == mode
    given = replace(config, resize=ResizeOptions(mode="pad"))
    assert suit_training(given, prepared(100)).resize == given.resize


def test_all_parts_of_a_cross_validation_are_trained_alike() -> None:
    """What the first fold's images made of a default holds for those with a few images more, and for folds made before."""
    first = TrainConfig(batch_size=32, resize=ResizeOptions(mode="stretch"), seed=1)
    found = alike(TrainConfig(seed=2), first)
    assert (found.batch_size, found.resize.mode, found.seed) == (32, "stretch", 2)

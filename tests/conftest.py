"""Small images and runs that the tests share; nothing here needs a network."""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if "PYTEST_XDIST_WORKER" in os.environ:
    # One process a core: more threads than that only wait for each other.
    os.environ.update(TF_NUM_INTRAOP_THREADS="1", OMP_NUM_THREADS="1")

import cv2
import numpy as np
import pytest

from tfvision.system.device import load_tensorflow

if "PYTEST_XDIST_WORKER" in os.environ:
    # Here, since its million objects are then left out of every collection of garbage.
    load_tensorflow()

CLASSES = ("blue", "green", "red")
COLOURS = {
    "blue": (200, 60, 40),
    "green": (40, 190, 60),
    "red": (50, 40, 210),
    "0": (90, 90, 90),
    "1": (60, 140, 80),
}  # BGR


def write_tree(folder: Path, per_class: int = 20, classes: tuple[str, ...] = CLASSES, side: int = 16) -> Path:
    """Write noisy squares of one colour a class as PNG, all different, in a class-per-folder tree."""
    generator = np.random.default_rng(0)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for number in range(per_class):
            noise = generator.integers(-35, 36, (side, side, 3))
            pixels = np.clip(np.array(COLOURS[name]) + noise, 0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / name / f"{name}_{number:03}.png"), pixels)
    return folder


@pytest.hookimpl(tryfirst=True)  # before the marks decide
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the slowest families; begin with the files of the longest tests, so that none is left to one process."""
    for item in items:
        if item.path.name in ("test_backbones.py", "test_cut.py") and any(f"[{name}" in item.name for name in _SLOW):
            item.add_marker("slow")
        if item.name.startswith("test_recipe_dry_runs[") and not any(f"[{name}]" in item.name for name in _QUICK):
            item.add_marker("slow")
    first = ("test_real", "test_readme", "test_resume", "test_backbones")
    items.sort(key=lambda item: first.index(item.path.stem) if item.path.stem in first else len(first))


# Recipes that are tried by default; the others are by the slow tests.
_QUICK = ("cactus", "mars_craters", "digits", "earth_mobilenet_v2")
# Families whose graphs take longest to build and trace: CI runs their tests after the others.
_SLOW = (
    "nasnet_mobile",
    "densenet121",
    "efficientnet_b0",
    "inception_v3",
    "xception",
    "efficientnet_v2_b0",
    "resnet50_v2",
    "convnext_tiny",
    "resnet50",
    "mobilenet_v3_small",
)


@pytest.fixture(scope="session")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A class-per-folder tree: 3 classes of 20 PNG, 16x16."""
    return write_tree(tmp_path_factory.mktemp("data") / "colours")


@pytest.fixture(scope="session")
def two_colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A class-per-folder tree of two classes, 24 and 12 images."""
    folder = write_tree(tmp_path_factory.mktemp("data") / "two", 24, ("green", "red"))
    for number in range(12, 24):
        (folder / "green" / f"green_{number:03}.png").unlink()
    return folder


@pytest.fixture(autouse=True)
def caches(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests away from the user's own caches and weights."""
    base = tmp_path_factory.getbasetemp()
    monkeypatch.setenv("TFVISION_CACHE", str(base / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(base / "keras"))
    for name in ("TFVISION_WEIGHTS", "TFVISION_DATA"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data; tests that ask for it carry the marker `real`."""
    folder = os.environ.get("TFVISION_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("TFVISION_DATA names no folder of real data")
    return Path(folder).resolve()


@pytest.fixture
def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out a run's pictures, a third of its time; `small_run` and the command line's runs draw them."""
    for name in ("pictures.plot_samples", "results.plot_results"):
        monkeypatch.setattr(f"tfvision.experiment.{name}", lambda *_: None)


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory, colours: Path) -> Path:
    """A finished run of the small CNN on the colours."""
    from tfvision.experiment.train import train_from_config

    folder = tmp_path_factory.mktemp("runs") / "small"
    train_from_config(small_config(colours, folder))
    return folder


def small_config(data: Path, output: Path, **changes):
    """Options of a run that takes two seconds."""
    from tfvision.data.augmentation.options import Augmentation
    from tfvision.models.options import HeadOptions, SmallCnnOptions
    from tfvision.training.config import TrainConfig
    from tfvision.training.options import Phase

    options = {
        "data": str(data),
        "output": str(output),
        "backbone": "small_cnn",
        "weights": "none",
        "batch_size": 8,
        "augment": Augmentation(vertical_flip=True),
        "head": HeadOptions(pooling="flatten", units=[8], dropout=0.1),
        "small_cnn": SmallCnnOptions(filters=[4, 4], kernel_size=3),
        "phases": [Phase(epochs=6, learning_rate=1e-2, schedule="cosine")],
    }
    return TrainConfig(**{**options, **changes})

"""Real images and real ImageNet weights: the main path on a part of EuroSAT, photos of many sizes, the cactus CSV."""

from pathlib import Path

import keras
import numpy as np
import pytest

import tfvision
from tfvision.experiment.train import train_from_config
from tfvision.export.checked import export_run
from tfvision.runs.folder import open_run
from tfvision.training.config import TrainConfig
from tfvision.training.options import Phase

pytestmark = pytest.mark.real


@pytest.fixture(autouse=True)
def real_weights(real_data: Path, monkeypatch: pytest.MonkeyPatch, caches: None) -> None:
    monkeypatch.setenv("TFVISION_WEIGHTS", str(real_data / "weights"))


@pytest.mark.slow
def test_a_thirtieth_of_eurosat_with_real_weights(real_data: Path, tmp_path: Path) -> None:
    images = tfvision.open_images(real_data / "eurosat.zip")
    assert len(images) == 21_600 and len(images.class_names) == 9
    keras.utils.set_random_seed(1)
    model = tfvision.build_classifier("mobilenet_v2_035", num_classes=9, image_size=96, input_size=64)
    phases = [
        Phase(name="head", solver="logistic_regression", epochs=1, unfreeze="none"),
        Phase(name="top", epochs=2, learning_rate=1e-4, schedule="cosine", unfreeze="block_15,block_16,Conv_1"),
    ]
    augment = {"vertical_flip": True, "quarter_turns": True}
    run = tfvision.train(
        model, images.select(np.arange(0, 21_600, 30)), phases=phases, output=tmp_path / "run", augment=augment, seed=1
    )
    assert 69 <= run.metrics["test"]["n"] <= 76
    # 0.91 when written; 74 images scatter by 0.03, and chance is 0.12.
    assert run.metrics["test"]["accuracy"] >= 0.75
    # Frozen pretrained statistics: what the file holds is what the run ends with.
    stock = tfvision.build_classifier("mobilenet_v2_035", num_classes=9, image_size=96)
    name = "block_16_project_BN"
    np.testing.assert_array_equal(run.model().get_layer(name).moving_variance, stock.get_layer(name).moving_variance)


@pytest.mark.slow
def test_photos_of_many_sizes_export_exactly(real_data: Path, tmp_path: Path) -> None:
    config = TrainConfig(
        data=str(real_data / "animals.zip"),
        output=str(tmp_path / "run"),
        backbone="mobilenet_025",
        image_size=96,
        phases=[Phase(name="head", solver="logistic_regression", epochs=1, unfreeze="none")],
    )
    run = train_from_config(config)
    assert run.metrics["test"]["accuracy"] > 0.6  # 39 images; the most frequent class alone would give about 0.4
    _, agreement = export_run(open_run(run.folder), tmp_path / "saved")
    assert agreement.images > 300
    assert agreement.difference <= 1e-5 and agreement.bytes_agreement >= 0.995


def test_the_cactus_csv_in_its_zip(real_data: Path) -> None:
    images = tfvision.open_images(real_data / "cactus.zip")
    assert images.class_names == ("0", "1")
    assert np.bincount(images.labels).tolist() == [3_928, 11_822]
    assert images.read(0).shape == (32, 32, 3)


def test_groups_of_a_csv_never_stand_in_two_parts(real_data: Path) -> None:
    from tfvision.data.images.scan import scan
    from tfvision.data.splits.split import split_images

    images = tfvision.open_images(real_data / "blood_cells.zip", group_column="slide")
    split = split_images(images, scan(images).hashes, seed=0)
    for slide in set(images.groups):
        assert len(set(split.parts[images.groups == slide])) == 1

"""Five folds with `tfvision crossval` against five runs of `tfvision train` without a feature store.

python benchmarks/crossval.py [--images 1000] [--epochs 20] [--rounds 1]

Both train a head on a frozen MobileNetV2 at 96 px on the same folds, and write every file of a run. Ours starts from an
empty store. Weights are random: time does not depend on them.
"""

import argparse
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")

import keras
import numpy as np
from measure import Row, print_table

from tfvision.crossval.crossval import cross_validate
from tfvision.data.augmentation.options import Augmentation
from tfvision.data.options import SplitOptions
from tfvision.experiment.train import train_from_config
from tfvision.models.classifier import build_classifier
from tfvision.system.terminal import console
from tfvision.training.config import TrainConfig
from tfvision.training.features.store import clear_stores, list_stores

SIDE, CLASSES, FOLDS = 96, 4, 5


def options(folder: Path, images: int, epochs: int) -> TrainConfig:
    """Write random images and weights; return the options of both sides."""
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (images, SIDE, SIDE, 3), dtype=np.uint8)
    np.savez(folder / "noise.npz", images=pixels, labels=np.arange(images) % CLASSES)
    model = build_classifier("mobilenet_v2", CLASSES, image_size=SIDE, weights="none")
    keras.Model(model.input, model.get_layer("head_pool").input).save_weights(folder / "random.weights.h5")
    return TrainConfig(
        data=str(folder / "noise.npz"),
        backbone="mobilenet_v2",
        weights=str(folder / "random.weights.h5"),
        image_size=SIDE,
        epochs=epochs,
        learning_rate=1e-3,
        unfreeze="none",
        augment=Augmentation(horizontal_flip=False),
    )


def ours(config: TrainConfig, output: Path) -> None:
    """Cross-validate from an empty store, and print its rows, to see that each image was computed once."""
    clear_stores()
    cross_validate(replace(config, cache="float32", output=str(output)), backbones=[config.backbone], folds=FOLDS)
    rows = [store.rows for store in list_stores()]
    print(f"rows in the store: {rows}")


def plain(config: TrainConfig, output: Path) -> None:
    """Train the same folds one by one, the trunk computed in every epoch."""
    for number in range(1, FOLDS + 1):
        split = SplitOptions(folds=FOLDS, fold=number)
        train_from_config(replace(config, cache="none", split=split, output=str(output / f"fold_{number}")))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    console.quiet = True
    pairs = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["TFVISION_CACHE"] = str(folder / "cache")
        config = options(folder, given.images, given.epochs)
        for number in range(given.rounds):
            seconds = {}
            for side in (ours, plain)[:: 1 if number % 2 else -1]:
                start = time.perf_counter()
                side(config, folder / f"{side.__name__}_{number}")
                seconds[side] = time.perf_counter() - start
            pairs.append((seconds[ours], seconds[plain]))
    what = f"{FOLDS} folds of {given.images:,} images, {given.epochs} epochs"
    first, other = (median(side) for side in zip(*pairs, strict=True))
    print_table([Row(what, first, other, median(b / a for a, b in pairs))])


if __name__ == "__main__":
    main()

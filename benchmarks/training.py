"""An epoch of `tfvision train`, with all it does besides the steps, against an epoch of plain `fit`.

python benchmarks/training.py [--images 4000] [--rounds 3] [--backbone mobilenet_v2_035]

Both train a backbone at 64 px, all layers open, on the same images with the same optimizer and batches, and
validate after each epoch. Ours reads JPEG files, writes history, checkpoint and best model; plain Keras has decoded
images in memory and writes nothing. The first epoch of each, which traces the graph, does not count.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")

import numpy as np
from epochs import EpochTimes
from folder import CLASSES, SIDE, write_folder
from measure import Row, print_table

from tfvision.data.augmentation.options import Augmentation
from tfvision.data.batches.pipeline import encode_labels, load_images
from tfvision.data.images.imageset import ImageSet
from tfvision.data.pixels.resize import Resize
from tfvision.data.sources.open import open_images
from tfvision.models.classifier import build_classifier
from tfvision.models.model_file import ModelFacts, save_model
from tfvision.system.device import set_seed
from tfvision.system.terminal import console
from tfvision.training.checkpoints import Checkpoints
from tfvision.training.fit import compile_model, fit_phases
from tfvision.training.history import History
from tfvision.training.options import Phase
from tfvision.training.settings import TrainingSettings
from tfvision.training.training import Training

EPOCHS = 3
SETTINGS = TrainingSettings(Resize(SIDE, SIDE), Augmentation(horizontal_flip=False), batch_size=64, seed=0)


def train_ours(backbone: str, train: ImageSet, validation: ImageSet) -> list[float]:
    """Return the seconds of each epoch, from the end of the one before to its own end, saves included."""
    model = build_classifier(backbone, CLASSES, image_size=SIDE, weights="none")
    facts = ModelFacts(train.class_names, SETTINGS.resize, backbone)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ends: list[float] = []

        class Timed(Checkpoints):
            def save(self, *args: object) -> None:
                super().save(*args)
                ends.append(time.perf_counter())

        training = Training(
            model,
            train,
            validation,
            SETTINGS,
            History("val_loss", folder / "history.csv"),
            save=lambda: save_model(model, folder / "model.keras", facts),
            checkpoints=Timed(folder / "checkpoints"),
        )
        fit_phases(training, [Phase(epochs=EPOCHS)])
    return list(np.diff(ends))


def train_plain(backbone: str, train: ImageSet, validation: ImageSet) -> list[float]:
    """Return the seconds of each epoch but the first."""
    model = build_classifier(backbone, CLASSES, image_size=SIDE, weights="none")
    compile_model(model, Phase(), SETTINGS, num_classes=CLASSES, steps_per_epoch=1)
    (x, y), held_out = (
        (load_images(images, np.arange(len(images)), SETTINGS.resize), encode_labels(images))
        for images in (train, validation)
    )
    times = EpochTimes()
    model.fit(x, y, batch_size=64, epochs=EPOCHS, validation_data=held_out, callbacks=[times], verbose=0)
    return times.seconds[1:]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--backbone", default="mobilenet_v2_035")
    options = parser.parse_args()
    console.quiet = True
    set_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        write_folder(Path(folder), options.images)
        images = open_images(folder)
        fifth = np.arange(len(images)) % 5 == 0
        parts = (images.select(~fifth), images.select(fifth))
        ways: tuple[Callable[..., list[float]], ...] = (train_ours, train_plain)
        seconds: dict[Callable, list[float]] = {way: [] for way in ways}
        for number in range(options.rounds):
            for way in ways[:: 1 if number % 2 else -1]:
                seconds[way] += way(options.backbone, *parts)
    ours, other = (seconds[way] for way in ways)
    ratio = statistics.median(b / a for a, b in zip(ours, other, strict=True))
    row = Row(f"epoch of {len(parts[0]):,} images", statistics.median(ours), statistics.median(other), ratio)
    print_table([row])


if __name__ == "__main__":
    main()

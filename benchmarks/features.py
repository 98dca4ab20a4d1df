"""Training on stored features against plain `fit` on the whole model, which does the same updates.

python benchmarks/features.py [--images 2000] [--rounds 3] [--epochs 20] [--backbone mobilenet_v2]

`head`: the epochs of a head on a frozen backbone, validation included, from the call to its end: tracing on both
sides, and in ours the pass that computes the features, into an empty store. `open`: an epoch with the last layers open,
once features are stored. Plain Keras has decoded images in memory, no augmentation, and our own depthwise build of
ConvNeXt, so that the figure is the store's alone. Weights are random: time does not depend on them.
"""

import argparse
import os
import tempfile
import time
from statistics import median

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")

import keras
import numpy as np
from epochs import EpochTimes
from measure import Row, print_table

from tfvision.data.augmentation.options import Augmentation
from tfvision.data.batches.pipeline import encode_labels, load_images
from tfvision.data.images.imageset import ImageSet
from tfvision.data.images.scan import scan
from tfvision.data.pixels.resize import Resize
from tfvision.data.sources.arrays.arrays import images_from_arrays
from tfvision.models.classifier import build_classifier
from tfvision.models.freezing import unfreeze
from tfvision.system.device import set_seed
from tfvision.system.terminal import console
from tfvision.training.features.feeding import feed_phase
from tfvision.training.features.store import clear_stores
from tfvision.training.fit import compile_model
from tfvision.training.history import History
from tfvision.training.options import Phase
from tfvision.training.settings import TrainingSettings
from tfvision.training.training import Training

SIDE, CLASSES = 96, 5
OPENED = {"mobilenet_v2": "block_16,Conv_1", "convnext_tiny": "15"}
SETTINGS = TrainingSettings(Resize(SIDE, SIDE), Augmentation(horizontal_flip=False), batch_size=64, seed=0)


def random_images(count: int, seed: int) -> ImageSet:
    """Return scanned images of noise, in memory."""
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)
    return scan(images_from_arrays(pixels, np.arange(count) % CLASSES)).images


def train_ours(model: keras.Model, parts: tuple[ImageSet, ImageSet], phase: Phase) -> list[float]:
    """Train a phase on features, computed where they are not stored; return the seconds of each epoch."""
    unfreeze(model, phase.unfreeze)
    feed = feed_phase(Training(model, *parts, SETTINGS, History("val_loss")), phase, first_epoch=0, epochs=phase.epochs)
    steps = feed.batches.steps_per_epoch
    return fit(feed.model, phase, steps, x=feed.batches.dataset, steps_per_epoch=steps, validation_data=feed.validation)


def train_plain(model: keras.Model, parts: tuple[ImageSet, ImageSet], phase: Phase) -> list[float]:
    """Train the same with `fit` on the whole model and images in memory."""
    unfreeze(model, phase.unfreeze)
    (x, y), held_out = (
        (load_images(part, np.arange(len(part)), SETTINGS.resize), encode_labels(part)) for part in parts
    )
    steps = -(-len(x) // SETTINGS.batch_size)
    return fit(model, phase, steps, x=x, y=y, batch_size=SETTINGS.batch_size, validation_data=held_out)


def fit(model: keras.Model, phase: Phase, steps: int, **data: object) -> list[float]:
    """Compile and fit with the trainer's own optimizer, loss and metrics."""
    compile_model(model, phase, SETTINGS, num_classes=CLASSES, steps_per_epoch=steps)
    times = EpochTimes()
    shuffle = "y" in data  # our dataset shuffles by itself
    model.fit(**data, epochs=phase.epochs, shuffle=shuffle, callbacks=[times], verbose=0)
    return times.seconds


def compare_heads(backbone: str, parts: tuple[ImageSet, ImageSet], rounds: int, epochs: int) -> Row:
    """Time some epochs of a head, each side from a model that was just built."""
    phase = Phase(epochs=epochs, unfreeze="none", views="exact")

    def build() -> keras.Model:
        return build_classifier(backbone, CLASSES, image_size=SIDE, weights="none")

    pairs = []
    for number in range(rounds):
        sides = {train_ours: 0.0, train_plain: 0.0}
        for side in (train_ours, train_plain)[:: 1 if number % 2 else -1]:
            model = build()
            clear_stores()
            start = time.perf_counter()
            side(model, parts, phase)
            sides[side] = time.perf_counter() - start
        pairs.append(tuple(sides.values()))
    return row(f"{backbone}, head, {epochs} epochs", pairs)


def compare_open(backbone: str, parts: tuple[ImageSet, ImageSet], rounds: int) -> Row:
    """Time an epoch with the last layers open; the first of each call, which traces the graph, does not count."""
    phase = Phase(epochs=3, unfreeze=OPENED[backbone], views="exact")
    model = build_classifier(backbone, CLASSES, image_size=SIDE, weights="none")
    pairs = []
    for number in range(rounds):
        seconds = {
            side: side(model, parts, phase)[1:] for side in (train_ours, train_plain)[:: 1 if number % 2 else -1]
        }
        pairs += zip(seconds[train_ours], seconds[train_plain], strict=True)
    return row(f"{backbone}, {OPENED[backbone]} open, an epoch", pairs)


def row(what: str, pairs: list[tuple[float, float]]) -> Row:
    """Return the medians of both sides, and of the ratios of the pairs."""
    ours, other = zip(*pairs, strict=True)
    return Row(what, median(ours), median(other), median(b / a for a, b in pairs))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=20, help="of the head")
    parser.add_argument("--backbone", choices=OPENED)
    options = parser.parse_args()
    console.quiet = True
    parts = (random_images(options.images, 0), random_images(options.images // 10, 1))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TFVISION_CACHE"] = folder
        for backbone in [options.backbone] if options.backbone else OPENED:
            set_seed(0)
            opened = compare_open(backbone, parts, options.rounds)
            print_table([opened, compare_heads(backbone, parts, options.rounds, options.epochs)])


if __name__ == "__main__":
    main()

"""Twenty trials of a search over the head against one naive trial: plain `fit` of the frozen backbone and a head.

python benchmarks/search.py [--images 1500] [--trials 20] [--epochs 10] [--rounds 1]
    [--backbone convnext_tiny]

Both train heads on a frozen backbone at 96 px (our depthwise build on both sides, random weights, which take the
same time) for the same epochs, and validate after each. Ours is all that `tfvision search` does once TensorFlow is
loaded: reading the images, the features, every trial, plots and report; its cache is empty at the start. The naive
trial has decoded images in memory and keeps nothing.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")

import cv2
import keras
import numpy as np

from tfvision.cli import main as tfvision
from tfvision.config.yaml import dump_yaml
from tfvision.data.batches.pipeline import encode_labels, load_images
from tfvision.data.images.imageset import ImageSet
from tfvision.data.pixels.resize import Resize
from tfvision.data.sources.open import open_images
from tfvision.models.classifier import build_classifier
from tfvision.models.freezing import unfreeze
from tfvision.system.device import set_seed

SIDE, CLASSES, BATCH = 96, 8, 32


def write_images(folder: Path, train: int, validation: int) -> None:
    """Write noisy squares, one colour per class, as JPEG into `train/` and `val/`."""
    generator = np.random.default_rng(0)
    colours = generator.integers(40, 216, (CLASSES, 3))
    for part, count in (("train", train), ("val", validation)):
        for number in range(count):
            place = folder / part / f"class_{number % CLASSES}"
            place.mkdir(parents=True, exist_ok=True)
            noise = generator.integers(-40, 41, (SIDE, SIDE, 3))
            pixels = np.clip(colours[number % CLASSES] + noise, 0, 255).astype(np.uint8)
            cv2.imwrite(str(place / f"{number:05}.jpg"), pixels)


def search(data: Path, folder: Path, backbone: str, *, trials: int, epochs: int) -> None:
    """Search over the head, as `tfvision search` does."""
    options = {
        "backbone": backbone,
        "weights": "none",
        "image_size": SIDE,
        "batch_size": BATCH,
        "augment": {"horizontal_flip": False},
        "learning_rate": {"float": [1e-4, 1e-2], "log": True},
        "head": {
            "layers": {"int": [1, 2]},
            "units": {"choice": [64, 128, 256]},
            "dropout": {"float": [0.1, 0.5]},
            "batch_norm": {"boolean": True},
        },
        "epochs": epochs,
        "unfreeze": "none",
        "search": {"algorithm": "random", "trials": trials},
    }
    folder.mkdir()
    (folder / "search.yaml").write_text(dump_yaml(options))
    os.environ["TFVISION_CACHE"] = str(folder / "cache")
    words = ["--config", folder / "search.yaml", "--data", data, "--split.test", "0", "--output", folder / "search"]
    if tfvision(["search", *map(str, words)]):
        raise SystemExit("the search failed")


def naive_trial(train: ImageSet, validation: ImageSet, backbone: str, *, epochs: int) -> None:
    """Train a head on the frozen backbone as a Keras user would: every epoch passes the whole model."""
    model = build_classifier(backbone, CLASSES, image_size=SIDE, weights="none", head_units=(128,))
    unfreeze(model, "none")
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
    resize = Resize(SIDE, SIDE)
    (x, y), held_out = (
        (load_images(images, np.arange(len(images)), resize), encode_labels(images)) for images in (train, validation)
    )
    model.fit(x, y, batch_size=BATCH, epochs=epochs, validation_data=held_out, verbose=0)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1500)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--backbone", default="convnext_tiny")
    options = parser.parse_args()
    set_seed(0)
    keras.ops.convert_to_numpy(keras.ops.ones(1))  # TensorFlow is up before anything is timed
    pairs = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_images(folder / "images", options.images, options.images // 10)
        images = open_images(folder / "images")
        parts = [images.select(images.parts == part) for part in ("train", "validation")]
        for number in range(options.rounds):
            start = time.perf_counter()
            output, backbone = folder / str(number), options.backbone
            search(folder / "images", output, backbone, trials=options.trials, epochs=options.epochs)
            between = time.perf_counter()
            naive_trial(*parts, backbone, epochs=options.epochs)
            pairs.append((between - start, time.perf_counter() - between))
            print(f"search {pairs[-1][0]:.1f} s, naive trial {pairs[-1][1]:.1f} s", flush=True)
    ratio = statistics.median(ours / other for ours, other in pairs)
    print(f"{options.trials} trials of {options.epochs} epochs took {ratio:.2f} of the time of one naive trial")


if __name__ == "__main__":
    main()

"""Training from an HDF5 file: resident memory against the same training on random tensors, each in its own process.

python benchmarks/hdf5.py [--images 24000] [--rounds 3]

The float32 copy that the original of system E loaded takes 1.2 GB for the images alone.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")

import h5py
import numpy as np

SIDE, BATCH, CLASSES = 64, 64, 9


def write_file(path: Path, count: int) -> None:
    """Write random images in chunks of 64, as system E's file has them."""
    generator = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        images = file.create_dataset("images", (count, SIDE, SIDE, 3), np.uint8, chunks=(64, SIDE, SIDE, 3))
        for start in range(0, count, 1024):
            images[start : start + 1024] = generator.integers(0, 256, images[start : start + 1024].shape, np.uint8)
        file["labels"] = np.arange(count) % CLASSES


def train(source: str, count: int) -> dict[str, float]:
    """Train the small CNN for one epoch and return the peak memory in MB and the images per second."""
    import tensorflow as tf

    from tfvision.data.augmentation.options import Augmentation
    from tfvision.data.batches.pipeline import training_batches
    from tfvision.data.pixels.resize import Resize
    from tfvision.data.sources.open import open_images
    from tfvision.models.classifier import build_classifier
    from tfvision.training.fit import compile_model
    from tfvision.training.options import Phase
    from tfvision.training.settings import TrainingSettings

    steps = -(-count // BATCH)
    options = {"filters": [8, 8], "kernel_size": 3}
    model = build_classifier("small_cnn", CLASSES, image_size=SIDE, weights="none", backbone_options=options)
    settings = TrainingSettings(Resize(SIDE, SIDE), Augmentation(), batch_size=BATCH, seed=0)
    compile_model(model, Phase(), settings, num_classes=CLASSES, steps_per_epoch=steps)
    if source == "random":
        pixels = tf.cast(tf.random.uniform((BATCH, SIDE, SIDE, 3), 0, 256, tf.int32), tf.uint8)
        labels = tf.one_hot(tf.range(BATCH) % CLASSES, CLASSES)
        dataset = tf.data.Dataset.from_tensors((pixels, labels)).repeat(steps).prefetch(2)
    else:
        images = open_images(source)
        dataset = training_batches(images, resize=Resize(SIDE, SIDE), batch_size=BATCH, seed=0, epochs=1).dataset
    start = time.perf_counter()
    model.fit(dataset, epochs=1, steps_per_epoch=steps, verbose=0, shuffle=False)
    seconds = time.perf_counter() - start
    unit = 2**20 if sys.platform == "darwin" else 1024  # macOS counts bytes, other systems KB
    return {"megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, "rate": count / seconds}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=24_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--source", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.source:
        print("ANSWER" + json.dumps(train(options.source, options.images)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.h5"
        write_file(path, options.images)
        found: dict[str, list[dict[str, float]]] = {str(path): [], "random": []}
        for _ in range(options.rounds):
            for source, answers in found.items():
                command = [sys.executable, __file__, "--source", source, "--images", str(options.images)]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                answers.append(json.loads(done.stdout.split("ANSWER")[1]))
    print(f"{'fed by':<16}{'peak memory':>12}{'images/s':>10}")
    memory = {}
    for source, answers in found.items():
        name = "random tensors" if source == "random" else "HDF5"
        memory[name], rate = (statistics.median(answer[key] for answer in answers) for key in ("megabytes", "rate"))
        print(f"{name:<16}{memory[name]:>9,.0f} MB{rate:>10,.0f}")
    print(f"{'difference':<16}{memory['HDF5'] - memory['random tensors']:>9,.0f} MB")


if __name__ == "__main__":
    main()

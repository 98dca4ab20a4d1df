"""RandAugment: images/s on one core, ours against the layers of keras_cv and keras, in alternation.

    python benchmarks/randaugment.py

Each side applies two operations at magnitude 0.32 to 64 images, in the way that suits it best: ours image
by image with a keyed generator each, keras_cv in a graph of batches, keras in a graph of single images, as
each image must draw its own operations. Every round runs all sides, and the ratios are medians over the
rounds, so that a slow moment of the machine affects all sides alike.
"""

import os

# Read when TensorFlow and OpenCV are imported.
os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1", OMP_NUM_THREADS="1")

import argparse
import statistics
import time
from collections.abc import Callable

import cv2
import numpy as np
import tensorflow as tf

from tfvision.data.augmentation.augment import augment_image, image_generator
from tfvision.data.augmentation.augment_layers import rand_augment_layer
from tfvision.data.augmentation.options import Augmentation

IMAGES = 64
MAGNITUDE = 0.32
Side = Callable[[int], None]


def main() -> None:
    """Measure both sizes and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="rounds of all sides (default 9)")
    parser.add_argument("--sizes", type=int, nargs="+", default=[96, 224], help="sides in pixels (default 96 224)")
    options = parser.parse_args()
    use_one_core()
    rows = [row for size in options.sizes for row in measure(size, options.rounds)]
    print_table(rows)


def use_one_core() -> None:
    """Keep this process, with all its threads, on one core, and let each library run one thread."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    cv2.setNumThreads(1)
    if cv2.getNumThreads() != 1:
        raise SystemExit(f"OpenCV runs {cv2.getNumThreads()} threads; expected 1, set OMP_NUM_THREADS=1")


def measure(size: int, rounds: int) -> list[tuple[str, float, float]]:
    """Return (name, images/s, how many times as fast ours is) of each side at one size."""
    sides = make_sides(sample_images(size))
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for side in sides.values():
        side(0)  # builds graphs and fills caches
    for number in range(1, rounds + 1):
        # The order alternates: a side that follows a heavy one finds its caches and clock speed.
        for name, side in list(sides.items())[:: 1 if number % 2 else -1]:
            start = time.perf_counter()
            side(number)
            seconds[name].append(time.perf_counter() - start)
    ours = seconds["tfvision"]
    return [
        (
            f"{name}, {size} px",
            IMAGES / statistics.median(taken),
            statistics.median(other / own for other, own in zip(taken, ours, strict=True)),
        )
        for name, taken in seconds.items()
    ]


def make_sides(images: np.ndarray) -> dict[str, Side]:
    """Return a function for each side that processes the images once."""
    own = Augmentation(horizontal_flip=False, rand_magnitude=MAGNITUDE)
    names = [f"class/{number:05}.jpg" for number in range(len(images))]

    def ours(number: int) -> None:
        for image, name in zip(images, names, strict=True):
            augment_image(image, own, image_generator(0, number, name))

    return {"tfvision": ours, **{name: _library(images, name) for name in ("keras_cv", "keras")}}


def sample_images(size: int) -> np.ndarray:
    """Return smooth noise, uint8 (64, size, size, 3), the same on every machine."""
    noise = np.random.default_rng(0).integers(0, 256, (IMAGES, size, size, 3), dtype=np.uint8)
    return np.stack([cv2.convertScaleAbs(cv2.GaussianBlur(image, (0, 0), 3), alpha=3, beta=-256) for image in noise])


def print_table(rows: list[tuple[str, float, float]]) -> None:
    """Print one line for each side."""
    print(f"{'RandAugment, 2 operations':<28}{'images/s':>10}{'ours is faster by':>20}")
    for name, rate, ratio in rows:
        print(f"{name:<28}{rate:>10,.0f}{'' if ratio == 1 else f'{ratio:.1f} x':>20}")


def _library(images: np.ndarray, engine: str) -> Side:
    options = Augmentation(horizontal_flip=False, rand_magnitude=MAGNITUDE, engine=engine)
    change = tf.function(rand_augment_layer(options, seed=0))
    batch = tf.constant(images)
    return lambda number: change(tf.constant(number, tf.int64), batch)


if __name__ == "__main__":
    main()

"""Feeding: images/s and busy cores of tf.data, as training uses it, against a plain thread pool.

    python benchmarks/feeding.py eurosat.zip

Small JPEGs are decoded at their own size, and images in memory are augmented by RandAugment at 96 px.
The sides alternate; ratios are medians over the rounds. The control is OpenCV alone, without Python in
between, in as many threads: where it does not come near the number of cores, the machine is busy with
other work, and the ratios mean little.
"""

import os

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")

import argparse
import functools
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from tfvision.data.augmentation.augment import augment_image, image_generator
from tfvision.data.augmentation.options import Augmentation
from tfvision.data.batches import pipeline
from tfvision.data.batches.pipeline import load_images, training_batches
from tfvision.data.images.imageset import ImageSet
from tfvision.data.pixels.resize import Resize
from tfvision.data.sources.open import open_images

IMAGES, BATCH = 2048, 64  # at most so many images
EPOCHS = 6  # in one round: building the dataset costs as much as some hundred images
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


class InMemory(ImageSet):
    """The labels of other images over smooth noise of 96 px."""

    def read(self, index: int) -> np.ndarray:
        """Return an image as uint8 (96, 96, 3)."""
        return _noise(index % 64)


def main() -> None:
    """Measure both cases and print a line for each way to feed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="a set of small images, e.g. eurosat.zip")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of all ways (default 5)")
    options = parser.parse_args()
    images = open_images(options.data)
    images = images.select(np.random.default_rng(0).permutation(len(images))[:IMAGES])
    measure("JPEG", images, Resize(*images.read(0).shape[:2]), Augmentation(), options.rounds)
    memory = InMemory(**vars(images))
    measure("RandAugment, 96 px", memory, Resize(96, 96), Augmentation(rand_magnitude=0.32), options.rounds)


def measure(case: str, images: ImageSet, resize: Resize, augmentation: Augmentation, rounds: int) -> None:
    """Print images/s, the ratio to tf.data with all cores, and busy cores of each way to feed."""
    ways: dict[str, Callable[[], None]] = {
        f"{name}, {workers} at once": lambda feed=feed, workers=workers: feed(images, resize, augmentation, workers)
        for name, feed in (("tf.data", feed_by_dataset), ("threads", feed_by_threads))
        for workers in (CORES, 1)
    }
    taken, busy = defaultdict(list), defaultdict(list)
    controls = []
    for number in range(rounds + 1):
        for name, way in list(ways.items())[:: 1 if number % 2 else -1]:
            start, processor = time.perf_counter(), time.process_time()
            way()
            if number:  # the first round fills caches
                taken[name].append(time.perf_counter() - start)
                busy[name].append((time.process_time() - processor) / taken[name][-1])
        controls.append(control())
    first = next(iter(ways))
    print(f"{case} (control: {statistics.median(controls):.2f} of {CORES} cores)")
    for name in ways:
        ratio = statistics.median(a / b for a, b in zip(taken[first], taken[name], strict=True))
        rate, cores = EPOCHS * len(images) / statistics.median(taken[name]), statistics.median(busy[name])
        print(f"  {name:<22}{rate:>9,.0f} images/s{ratio:>8.2f} x{cores:>8.2f} cores busy")


def feed_by_dataset(images: ImageSet, resize: Resize, augmentation: Augmentation, workers: int) -> None:
    """Take the batches as training does."""
    pipeline.os.cpu_count = lambda: workers
    batches = training_batches(
        images, resize=resize, batch_size=BATCH, seed=0, epochs=EPOCHS, augmentation=augmentation
    )
    for _ in batches.dataset:
        pass


def feed_by_threads(images: ImageSet, resize: Resize, augmentation: Augmentation, workers: int) -> None:
    """Make the same batches in threads of Python, without handing them to TensorFlow."""
    order = np.random.default_rng(0).permutation(len(images))

    def load(start: int) -> np.ndarray:
        chosen = order[start : start + BATCH]
        pixels = load_images(images, chosen, resize)
        for row, index in enumerate(chosen):
            pixels[row] = augment_image(pixels[row], augmentation, image_generator(0, 0, images.ids[index]))
        return pixels

    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(load, [*range(0, len(images), BATCH)] * EPOCHS):
            pass


def control() -> float:
    """Return how many times faster than one thread all cores together blur images."""
    image = np.zeros((1000, 1000, 3), np.uint8)

    def blur(count: int) -> None:
        for _ in range(count):
            cv2.GaussianBlur(image, (0, 0), 1.5)

    start = time.perf_counter()
    blur(8)
    alone = time.perf_counter() - start
    start = time.perf_counter()
    with ThreadPoolExecutor(CORES) as pool:
        list(pool.map(blur, [8] * CORES))
    return CORES * alone / (time.perf_counter() - start)


@functools.cache
def _noise(number: int) -> np.ndarray:
    return cv2.GaussianBlur(np.random.default_rng(number).integers(0, 256, (96, 96, 3), np.uint8), (0, 0), 2)


if __name__ == "__main__":
    main()

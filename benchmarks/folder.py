"""A folder of small JPEG files into batches: images per second, ours against keras.utils.image_dataset_from_directory.

python benchmarks/folder.py [--images 8000] [--rounds 5]

Ours turns images upright by their EXIF orientation, checks each header before decoding, and draws a new order of all
images in each epoch; the other shuffles file names once per epoch. Both give batches of 64 at the images' own size.
"""

import argparse
import os
import tempfile
from pathlib import Path

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")

import cv2
import keras
import numpy as np
from measure import paired, print_table

from tfvision.data.batches.pipeline import training_batches
from tfvision.data.pixels.resize import Resize
from tfvision.data.sources.open import open_images

SIDE, BATCH, CLASSES = 64, 64, 9


def write_folder(folder: Path, count: int) -> None:
    """Write smooth noise as JPEG files of about 3 KB, as large as satellite images of this size."""
    generator = np.random.default_rng(0)
    for number in range(count):
        place = folder / f"class{number % CLASSES}"
        place.mkdir(exist_ok=True)
        noise = cv2.GaussianBlur(generator.integers(0, 256, (SIDE, SIDE, 3), np.uint8), (0, 0), 1.2)
        cv2.imwrite(str(place / f"{number:06}.jpg"), cv2.convertScaleAbs(noise, alpha=2, beta=-128))


def exhaust(dataset: object) -> None:
    """Take every batch."""
    for _ in dataset:
        pass


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=8000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_folder(Path(folder), options.images)
        images = open_images(folder)
        batches = training_batches(images, resize=Resize(SIDE, SIDE), batch_size=BATCH, seed=0, epochs=1)
        other = keras.utils.image_dataset_from_directory(
            folder, image_size=(SIDE, SIDE), batch_size=BATCH, label_mode="categorical", seed=0, verbose=False
        )
        row = paired(
            "JPEG folder, 64 px", lambda: exhaust(batches.dataset), lambda: exhaust(other.prefetch(2)), options.rounds
        )
        print_table([row], lambda seconds: f"{options.images / seconds:,.0f} img/s")


if __name__ == "__main__":
    main()

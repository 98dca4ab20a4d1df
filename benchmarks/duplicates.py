"""Hashing images and finding their copies: CPU time against the number of images.

python benchmarks/duplicates.py [--counts 10000 30000 100000]

Synthetic pictures of 32 px, one in a hundred a copy of another, shifted by a pixel. Comparing all with all would take
100 times as long for 100,000 as for 10,000. CPU time is measured because the machine may be shared.
"""

import argparse
import math
import time

import cv2
import numpy as np

from tfvision.data.copies.duplicates import find_duplicates, hash_images
from tfvision.data.images.scan import scan
from tfvision.data.options import DuplicateOptions
from tfvision.data.sources.arrays.arrays import images_from_arrays

SIDE, COPIES = 32, 0.01


def pictures(count: int) -> np.ndarray:
    """Return pictures with coarse and fine structure; the last ones are shifted copies of the first ones."""
    generator = np.random.default_rng(0)
    pixels = np.empty((count, SIDE, SIDE, 3), np.uint8)
    for i in range(count):
        coarse = cv2.resize(
            generator.integers(0, 256, (7, 7, 3), np.uint8), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC
        )
        pixels[i] = np.clip(coarse + generator.normal(0, 15, (SIDE, SIDE, 1)), 0, 255)
    copies = round(COPIES * count)
    pixels[-copies:] = np.roll(pixels[:copies], 1, axis=2)
    return pixels


def main() -> None:
    """Print a line for each number of images, with the exponent of the growth since the line before."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[10_000, 30_000, 100_000])
    args = parser.parse_args()
    before: tuple[int, float, float] | None = None
    print(f"{'images':>8} {'hashing':>10} {'search':>10} {'together':>10} {'copies':>13}  grows as n to the power of")
    for count in args.counts:
        images = images_from_arrays(pictures(count), np.arange(count) % 2)
        content = scan(images).hashes
        start = time.process_time()
        perceptual = hash_images(images)
        hashed = time.process_time()
        pairs = find_duplicates(images, content, perceptual, DuplicateOptions())
        search, total = time.process_time() - hashed, time.process_time() - start
        true = {(i, count - round(COPIES * count) + i) for i in range(round(COPIES * count))}
        found = len(true & {(pair.first, pair.second) for pair in pairs})
        growth = ""
        if before:
            steps = math.log(count / before[0])
            growth = (
                f"search {math.log(search / before[1]) / steps:.2f}, together {math.log(total / before[2]) / steps:.2f}"
            )
        before = (count, search, total)
        print(
            f"{count:>8,} {hashed - start:>8.1f} s {search:>8.1f} s {total:>8.1f} s {found:>5,} of {len(true):>5,}  {growth}",
            flush=True,
        )


if __name__ == "__main__":
    main()

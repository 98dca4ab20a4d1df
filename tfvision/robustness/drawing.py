"""The images that are asked about where all would take too long."""

import numpy as np

from tfvision.data.images.imageset import ImageSet
from tfvision.system.terminal import console


def draw_images(images: ImageSet, limit: int, seed: int) -> ImageSet:
    """Draw images by the seed and say so; which ones does not depend on their order.

    Args:
        images: The images.
        limit: The most images to return.
        seed: Seed of the draw.

    Returns:
        All images if there are no more than `limit`, else that many of them, in the order of `images`.
    """
    if len(images) <= limit:
        return images
    console.print(f"{limit:,} of {len(images):,} images, drawn by the seed {seed}")
    ordered = np.array(sorted(range(len(images)), key=images.ids.__getitem__))
    chosen = np.random.default_rng(seed).choice(len(images), limit, replace=False)
    return images.select(np.sort(ordered[chosen]))

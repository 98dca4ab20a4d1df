"""What augmentation makes of one image, to be looked at."""

import numpy as np

from tfvision.data.augmentation.augment import augment_image, image_generator
from tfvision.data.augmentation.augment_layers import rand_augment_layer
from tfvision.data.augmentation.options import Augmentation
from tfvision.data.batches.pipeline import load_image
from tfvision.data.images.imageset import ImageSet
from tfvision.data.pixels.resize import Resize


def augmented_samples(
    images: ImageSet, index: int, *, resize: Resize, augmentation: Augmentation, seed: int, count: int
) -> list[np.ndarray]:
    """Return an image as it is, and as the first epochs of a training show it.

    Args:
        images: The images.
        index: Which of them.
        resize: The size and channels of the result.
        augmentation: What may be done to it.
        seed: Seed of the training.
        count: Number of epochs.

    Returns:
        uint8 (height, width, channels): the image, and one for each epoch.

    Raises:
        DataError: The image is unreadable.
    """
    image = load_image(images, index, resize)
    generators = [image_generator(seed, epoch, images.ids[index]) for epoch in range(count)]
    drawn = [augment_image(image, augmentation, generator) for generator in generators]
    change = rand_augment_layer(augmentation, seed)
    return [image, *(change(index, np.stack(drawn)).numpy() if change else drawn)]

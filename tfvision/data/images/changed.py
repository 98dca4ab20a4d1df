"""ChangedImages: an ImageSet whose images are changed as they are read, for purposes other than training."""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

from tfvision.data.images.imageset import ImageSet

Change = Callable[[np.ndarray, str], np.ndarray]


@dataclass(frozen=True)
class ChangedImages(ImageSet):
    """An ImageSet that passes each image through a function.

    Attributes:
        change: Takes an image, uint8 (height, width, 3), and its id, and returns an image, uint8; its result depends on
            nothing else.
    """

    change: Change = lambda pixels, image_id: pixels

    @property
    def in_arrays(self) -> bool:
        """True: a scan must look at the changed pixels, not at the file."""
        return True

    def read(self, index: int) -> np.ndarray:
        """Return a changed image.

        Args:
            index: Which image.

        Returns:
            uint8, what `change` returns.

        Raises:
            DataError: The image is unreadable.
        """
        return self.change(super().read(index), self.ids[index])


def change_images(images: ImageSet, change: Change) -> ChangedImages:
    """Return a set of the same images, each changed when it is read.

    Args:
        images: The images.
        change: The change, see `ChangedImages`.

    Returns:
        The changed images, without content hashes.
    """
    values = {field.name: getattr(images, field.name) for field in fields(ImageSet)}
    return ChangedImages(**{**values, "hashes": None}, change=change)  # the content has changed

"""ChangedImages: an ImageSet whose images are changed as they are read, by something other than training."""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

from tfvision.data.images.imageset import ImageSet

Change = Callable[[np.ndarray, str], np.ndarray]


@dataclass(frozen=True)
class ChangedImages(ImageSet):
    """An ImageSet that passes each image through a function.

    Attributes:
        change: From uint8 (height, width, 3) and the id of the image to uint8; the result depends on nothing else.
    """

    change: Change = lambda pixels, image_id: pixels

    @property
    def in_arrays(self) -> bool:
        """True: what a scan looks at are the changed pixels, not the file."""
        return True

    def read(self, index: int) -> np.ndarray:
        """Return a changed image, uint8.

        Raises:
            DataError: The image is unreadable.
        """
        return self.change(super().read(index), self.ids[index])


def change_images(images: ImageSet, change: Change) -> ChangedImages:
    """Return the images, each changed when it is read."""
    values = {field.name: getattr(images, field.name) for field in fields(ImageSet)}
    return ChangedImages(**{**values, "hashes": None}, change=change)  # the content is another

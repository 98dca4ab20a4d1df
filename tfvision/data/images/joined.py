"""JoinedImages: the images of several sets as one set."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tfvision.data.images.imageset import ImageSet, ImageStorage
from tfvision.data.pixels.decoding import decode
from tfvision.data.storage.arrays import ArrayStorage


@dataclass(frozen=True)
class JoinedImages(ImageSet):
    """An ImageSet in which the name of an image starts with the number of the set it comes from, and a colon.

    Attributes:
        members: The sets; `storage` is that of the first.
    """

    members: tuple[ImageSet, ...] = ()

    @property
    def in_arrays(self) -> bool:
        """True: a scan must look at the pixels, wherever they are stored."""
        return True

    def read(self, index: int) -> np.ndarray:
        """Read and decode an image.

        Args:
            index: Which image.

        Returns:
            uint8 (height, width, 3), RGB.

        Raises:
            DataError: The image is unreadable.
        """
        storage, name = self._place(index)
        if isinstance(storage, ArrayStorage):
            return storage.pixels(name)
        return decode(storage.read(name), self.ids[index])

    def read_bytes(self, index: int) -> bytes:
        """Return the encoded bytes of an image; one in an array is encoded as PNG."""
        storage, name = self._place(index)
        return storage.read(name)

    def _place(self, index: int) -> tuple[ImageStorage, str]:
        """Return the storage of an image, and its name there; joined sets may be joined again."""
        images: ImageSet = self
        name = self.names[index]
        while isinstance(images, JoinedImages):
            member, _, name = name.partition(":")
            images = images.members[int(member)]
        return images.storage, name


def join_images(sets: Sequence[ImageSet]) -> ImageSet:
    """Return the images of all sets in order, with the classes of the first.

    Args:
        sets: At least one, with distinct ids; their labels are indexes into the classes of the first. Soft labels are
            kept if all have them.

    Returns:
        The images, without groups and parts; the set itself if there is only one.
    """
    if len(sets) == 1:
        return sets[0]
    first = replace(sets[0], groups=None, parts=None)
    return JoinedImages(
        ids=tuple(image_id for one in sets for image_id in one.ids),
        names=tuple(f"{number}:{name}" for number, one in enumerate(sets) for name in one.names),
        labels=np.concatenate([one.labels for one in sets]),
        class_names=first.class_names,
        storage=first.storage,
        source=first.source,
        columns=first.columns,
        hashes=None
        if any(one.hashes is None for one in sets)
        else tuple(key for one in sets for key in one.hashes or ()),
        soft_labels=None
        if any(one.soft_labels is None for one in sets)
        else np.concatenate([one.soft_labels for one in sets if one.soft_labels is not None]),
        members=tuple(sets),
    )

"""ImageSet: labelled images that are read when they are needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tfvision.data.boxes.given import GivenBoxes
from tfvision.data.pixels.decoding import decode
from tfvision.data.storage.arrays import ArrayStorage
from tfvision.data.storage.files import Storage

ImageStorage = Storage | ArrayStorage


@dataclass(frozen=True)
class ImageSet:
    """Images in a folder, a .zip or arrays, with their labels.

    Attributes:
        ids: A unique name for each image, which does not depend on where the data lies.
        names: The name of each image in `storage`.
        labels: int64 (n,), indexes into `class_names`; -1 for an image without a label.
        class_names: The classes; of two, the second is the positive one.
        storage: Where the bytes or pixels are.
        groups: str (n,), images of one group belong into the same part; None without groups.
        parts: str (n,), "train", "validation" or "test" if the data comes with a split, else None.
        source: The path as it was given.
        columns: The options that the data was opened with, and the pixel rule that was found, so that other data can be
            read the same way.
        hashes: Content hash of each image: of its file, or of its pixels if it is in an array; None before a scan.
        notes: What a user should know about how the images are read, one line each.
        given: The box of each image as the source gives it; None without boxes.
        boxes: float64 (n, 4), the box of each image in pixels of the upright image; None until `scan` has checked them.
        frames: int64 (n, 3), width and height of the upright image and its EXIF orientation; None until `scan` has read
            them.
        soft_labels: float32 (n, classes), or (n, 1) of the second of two classes: what training learns in place of the
            labels, such as the probabilities of a teacher; None for the labels.
        bad: Pairs (row, reason) of entries in the source that cannot be used, for `scan` to report.
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]
    labels: np.ndarray
    class_names: tuple[str, ...]
    storage: ImageStorage
    groups: np.ndarray | None = None
    parts: np.ndarray | None = None
    source: str = ""
    columns: Mapping[str, Any] = field(default_factory=dict)
    hashes: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    given: GivenBoxes | None = None
    boxes: np.ndarray | None = None
    frames: np.ndarray | None = None
    bad: tuple[tuple[str, str], ...] = ()
    soft_labels: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def in_arrays(self) -> bool:
        """Whether the images are pixels in arrays, not encoded files."""
        return isinstance(self.storage, ArrayStorage)

    @property
    def pixel_rule(self) -> str:
        """How values in arrays become uint8, a key of `PIXEL_RULES`; "" for files, uint8 and booleans."""
        return self.storage.pixel_rule if isinstance(self.storage, ArrayStorage) else ""

    def read_bytes(self, index: int) -> bytes:
        """Return the encoded bytes of an image; one in an array is encoded as PNG."""
        return self.storage.read(self.names[index])

    def read(self, index: int) -> np.ndarray:
        """Read and decode an image.

        Args:
            index: Which image.

        Returns:
            uint8 (height, width, 3), RGB.

        Raises:
            DataError: The image is unreadable.
        """
        if isinstance(self.storage, ArrayStorage):
            return self.storage.pixels(self.names[index])
        return decode(self.read_bytes(index), self.ids[index])

    def select(self, indexes: Sequence[int] | np.ndarray) -> ImageSet:
        """Return the images at some indexes, in that order, or those where a boolean mask is True."""
        indexes = np.asarray(indexes)
        indexes = np.flatnonzero(indexes) if indexes.dtype == bool else indexes.astype(np.int64)
        return replace(
            self,
            ids=tuple(self.ids[i] for i in indexes),
            names=tuple(self.names[i] for i in indexes),
            labels=self.labels[indexes],
            groups=None if self.groups is None else self.groups[indexes],
            parts=None if self.parts is None else self.parts[indexes],
            hashes=None if self.hashes is None else tuple(self.hashes[i] for i in indexes),
            given=None if self.given is None else self.given.select(indexes),
            boxes=None if self.boxes is None else self.boxes[indexes],
            frames=None if self.frames is None else self.frames[indexes],
            soft_labels=None if self.soft_labels is None else self.soft_labels[indexes],
        )

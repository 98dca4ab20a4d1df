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
        ids: A unique name for each image, the same wherever the data lies.
        names: The name of each image in `storage`.
        labels: int64 (n,), an index into `class_names`; -1 where there is no label.
        class_names: The classes; of two, the second is the positive one.
        storage: Where the bytes or pixels are.
        groups: str (n,), images of one group belong into one part; None without groups.
        parts: str (n,), "train", "validation" or "test" where the data brings a split, else None.
        source: The path as it was given.
        columns: The options it was opened with, and the pixel rule that was found, for data that is to be read alike.
        hashes: Content hash of each image, of its file, or of its pixels where it lies in an array; None before a scan.
        notes: What a person should know of how the images are read, one line each.
        given: The box of each image as the source gives it; None without boxes.
        boxes: float64 (n, 4), the box of each image in pixels of the upright image, once `scan` has checked them.
        frames: int64 (n, 3), width and height of the upright image and its EXIF orientation, once `scan` has seen it.
        bad: Pairs (row, reason) of what the source says and nobody can use, for `scan` to report.
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
        """Return the encoded bytes of an image, of one in an array as PNG."""
        return self.storage.read(self.names[index])

    def read(self, index: int) -> np.ndarray:
        """Return an image as uint8 (height, width, 3), RGB.

        Raises:
            DataError: The image is unreadable.
        """
        if isinstance(self.storage, ArrayStorage):
            return self.storage.pixels(self.names[index])
        return decode(self.read_bytes(index), self.ids[index])

    def select(self, indexes: Sequence[int] | np.ndarray) -> ImageSet:
        """Return the images at `indexes` (or where a boolean mask is True), in that order."""
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
        )

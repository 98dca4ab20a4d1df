"""ImageSet: labelled images that are read when they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, overload

import numpy as np

from tfvision.data.boxes.given import GivenBoxes
from tfvision.data.pixels.decoding import decode
from tfvision.data.storage.arrays import ArrayStorage
from tfvision.data.storage.files import Storage
from tfvision.errors import UsageError, listing, nearest, worded
from tfvision.system.shown import Shown

if TYPE_CHECKING:
    import tensorflow as tf

ImageStorage = Storage | ArrayStorage


class LabelledImage(NamedTuple):
    """One image of a set.

    Attributes:
        image: uint8 (height, width, 3), RGB.
        label: The name of its class; "" without one.
        id: Its name in the set.
    """

    image: np.ndarray
    label: str
    id: str


@dataclass(frozen=True, repr=False)
class ImageSet(Shown):
    """Images in a folder, a .zip or arrays, with their labels.

    `images[3]` reads one, `images["cat"]` is the class, `images[10:20]` a slice, and so are a list of numbers or a boolean
    mask; a loop reads one after the other.

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

    drawn_by: ClassVar[str] = "images"

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        counts = np.bincount(self.labels[self.labels >= 0], minlength=len(self.class_names))
        classes = listing([f"{name} {count:,}" for name, count in zip(self.class_names, counts, strict=True)], 8)
        what = f"{len(counts)} class{'es' * (len(counts) != 1)}: {classes}" if len(counts) else "no labels"
        return f"ImageSet({len(self):,} images of {self.source or 'arrays'}; {what})"

    @overload
    def __getitem__(self, chosen: int) -> LabelledImage: ...

    @overload
    def __getitem__(self, chosen: str | slice | Sequence[int] | np.ndarray) -> ImageSet: ...

    def __getitem__(self, chosen: int | str | slice | Sequence[int] | np.ndarray) -> LabelledImage | ImageSet:
        if isinstance(chosen, str):
            if chosen not in self.class_names:
                raise UsageError(
                    f"no class {worded(chosen)}{nearest(chosen, self.class_names)}; the classes are {listing(self.class_names, 20)}"
                )
            return self.select(self.labels == self.class_names.index(chosen))
        if isinstance(chosen, slice):
            return self.select(np.arange(len(self))[chosen])
        if not isinstance(chosen, (int, np.integer)):
            return self.select(chosen)
        if not -len(self) <= chosen < len(self):
            raise IndexError(f"image {chosen} of {len(self):,}; they are numbered from 0")  # which ends a loop, too
        index = int(chosen) % len(self)
        label = self.labels[index]
        return LabelledImage(self.read(index), self.class_names[label] if label >= 0 else "", self.ids[index])

    def __contains__(self, image_id: object) -> bool:
        """Tell whether an image has this id; no image is read."""
        return image_id in self.ids

    def __iter__(self) -> Iterator[LabelledImage]:
        return (self[index] for index in range(len(self)))

    def show(self, n: int = 24, *, by: Literal["class", "order"] = "class") -> Shown:
        """Show some of the images.

        Args:
            n: How many.
            by: `class` for a row of each class, `order` for the first ones.

        Returns:
            A picture, which a notebook shows.
        """
        return self.drawing.show(self, n, by=by)

    def show_augmented(self, augment: Mapping[str, Any] | None = None, n: int = 6, *, seed: int = 0) -> Shown:
        """Show what augmentation makes of an image of each class.

        Args:
            augment: Options as `train` takes them, such as `{"rotation": 10}`; None for the default.
            n: Augmented images beside each.
            seed: Seed of the augmentation.

        Returns:
            A picture, which a notebook shows.

        Raises:
            UsageError: An unknown option.
        """
        return self.drawing.show_augmented(self, augment, n, seed=seed)

    def split(self, *, seed: int = 0, **options: Any) -> dict[str, ImageSet]:
        """Divide the images as `train` does: copies and groups stay together, classes keep their shares.

        Args:
            seed: Seed of the split.
            **options: Options of the section `split`, such as `test=0.2`.

        Returns:
            The readable images of `train`, `validation` and `test`.

        Raises:
            UsageError: An unknown option.
            DataError: Unreadable images, or a class with fewer than 3.
        """
        return self.drawing.split(self, seed=seed, **options)

    def to_dataset(
        self, image_size: int | tuple[int, int] = 224, *, batch_size: int = 32, shuffle: bool = False, seed: int = 0
    ) -> tf.data.Dataset:
        """Return the images as batches for a `fit` of one's own, read and resized as `train` does by default.

        Args:
            image_size: Side, or height and width, of the batches in pixels.
            batch_size: Images in a batch.
            shuffle: Whether each epoch has an order of its own.
            seed: Seed of the orders.

        Returns:
            Batches of float32 (b, height, width, 3), 0..255, with int64 labels (b,), numbers in `class_names`; without
            labels the images alone.

        Raises:
            UsageError: A batch size below 1.
        """
        return self.drawing.to_dataset(self, image_size, batch_size=batch_size, shuffle=shuffle, seed=seed)

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

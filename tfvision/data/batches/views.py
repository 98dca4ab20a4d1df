"""Fixed views of training images: augmented versions of each image, few enough to be computed once.

`exact` views are all that flips and quarter turns can make of an image; epochs then see the same pixels in the same
order as with augmentation on the fly. `K` views are K fixed draws of any augmentation, and each epoch chooses one.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from tfvision.data.augmentation.augment import augment_copy, augment_image, image_generator, move_box
from tfvision.data.augmentation.geometry import Geometry
from tfvision.data.augmentation.options import Augmentation
from tfvision.data.augmentation.turns import Turn, drawn_turn, possible_turns, turn_image
from tfvision.data.batches.order import Epochs
from tfvision.data.images.imageset import ImageSet
from tfvision.data.pixels.resize import Resize

_FLIPS = possible_turns(Augmentation(horizontal_flip=True, vertical_flip=True), 1, 1) or []


class Item(NamedTuple):
    """One image in one view.

    Attributes:
        index: Which image.
        view: How it is turned, or the number of its augmentation draw.
        copy: Number of the copy that the draw is for; 0 is the image itself.
    """

    index: int  # type: ignore[assignment]  # it hides tuple.index, which nobody needs of an item
    view: Turn | int = Turn()
    copy: int = 0


@dataclass(frozen=True)
class Selection:
    """Some images, each in some view.

    Attributes:
        images: The set that they belong to.
        items: The images and their views.
        augmentation: What the views are drawn from.
        seed: Seed of these draws.
        boxed: Whether the images have boxes, see `augment_image`.
    """

    images: ImageSet
    items: tuple[Item, ...]
    augmentation: Augmentation = Augmentation(horizontal_flip=False)
    seed: int = 0
    boxed: bool = False

    @classmethod
    def plain(cls, images: ImageSet) -> "Selection":
        """Select every image, not augmented."""
        return cls(images, tuple(Item(index) for index in range(len(images))))

    def __len__(self) -> int:
        return len(self.items)

    def at(self, places: np.ndarray) -> "Selection":
        """Return the items at some places, int (m,), in that order."""
        return replace(self, items=tuple(self.items[place] for place in places))

    def keys(self) -> list[bytes]:
        """Return a key for each item: a hash of the image's content and its view, so different pixels differ in it.

        Returns:
            16 bytes for each item.

        Raises:
            ValueError: The images have not been scanned.
        """
        images = self.images
        if images.hashes is None:
            raise ValueError("the images have not been scanned: their content hashes are unknown")
        texts = (f"{images.hashes[item.index]} {images.pixel_rule} {self._describe(item)}" for item in self.items)
        return [hashlib.blake2b(text.encode(), digest_size=16).digest() for text in texts]

    def show(self, pixels: np.ndarray, item: Item) -> np.ndarray:
        """Return the pixels of an item.

        Args:
            pixels: uint8 (height, width, channels), its image, resized but not augmented.
            item: The item.

        Returns:
            uint8 (height, width, channels).
        """
        return show_view(pixels, item, self.images.ids[item.index], self.augmentation, self.seed, boxed=self.boxed)

    def move(self, boxes: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Return the box of each item, and its visible share.

        Args:
            boxes: float (n, 4), the box of each image, not augmented.
            size: Height and width of all images, in pixels.

        Returns:
            float64 (items, 4), and float64 (items,) in 0..1.
        """
        ids, options = self.images.ids, (self.augmentation, self.seed)
        found = [move(boxes[item.index], size, item, ids[item.index], *options) for item in self.items]
        return np.array([box for box, _ in found]).reshape(-1, 4), np.array([left for _, left in found])

    def _describe(self, item: Item) -> str:
        if isinstance(item.view, Turn):
            return f"turn {int(item.view.mirrored)} {item.view.quarters}"
        image_id, boxed = self.images.ids[item.index], " with a box" if self.boxed else ""
        return f"view {item.view} copy {item.copy} seed {self.seed} of {image_id!r} by {self.augmentation!r}{boxed}"


@dataclass(frozen=True)
class Views:
    """All views of the training images, and which of them each epoch shows.

    Attributes:
        images: The training images.
        epochs: Their order.
        augmentation: What may be done to the images.
        resize: Their size.
        seed: Seed of the augmentation.
        count: Number of views of each image and copy; None for all that flips and quarter turns can make.
        boxed: Whether the images have boxes.
    """

    images: ImageSet
    epochs: Epochs
    augmentation: Augmentation
    resize: Resize
    seed: int
    count: int | None = None
    boxed: bool = False

    @cached_property
    def selection(self) -> Selection:
        """Every view that an epoch may show."""
        return Selection(self.images, tuple(self._all()), self.augmentation, self.seed, self.boxed)

    def chosen(self, epoch: int, entries: np.ndarray) -> np.ndarray:
        """Return the views that some entries of an epoch show.

        Args:
            epoch: Number of the epoch, from 0.
            entries: int (b,), indexes into `epochs.entries`.

        Returns:
            int64 (b,), their places in `selection`.
        """
        pairs = self.epochs.entries[entries].tolist()
        return np.array([self._places[self._item(epoch, index, copy)] for index, copy in pairs], np.int64)

    @cached_property
    def _places(self) -> dict[Item, int]:
        return {item: place for place, item in enumerate(self.selection.items)}

    def _all(self) -> Iterator[Item]:
        if self.count is not None and not self.augmentation.is_empty:
            for index, copy in self.epochs.entries.tolist():
                yield from (Item(index, view, copy) for view in range(self.count))
            return
        turns = possible_turns(self.augmentation, self.resize.height, self.resize.width)
        assert turns is not None, "without a count, only flips and quarter turns have views"
        # Without augmentation only copies are flipped: an image that has none has one view.
        copied = set(self.epochs.entries[self.epochs.entries[:, 1] > 0, 0].tolist()) if len(turns) == 1 else set()
        for index in range(len(self.images)):
            yield from (Item(index, turn) for turn in (_FLIPS if index in copied else turns))

    def _item(self, epoch: int, index: int, copy: int) -> Item:
        if self.augmentation.is_empty and not copy:
            return Item(index)
        image_id = self.images.ids[index]
        if self.count is not None and not self.augmentation.is_empty:
            return Item(index, draw_view(self.count, self.seed, epoch, image_id, copy), copy)
        generator = image_generator(self.seed, epoch, image_id, copy)
        square = self.resize.height == self.resize.width
        return Item(index, drawn_turn(self.augmentation, generator, square=square, copy=copy > 0))


def draw_view(count: int, seed: int, epoch: int, image_id: str, copy: int) -> int:
    """Return which view of an image an epoch shows; it depends on the arguments only.

    Args:
        count: Number of views of each image.
        seed: Seed of the run.
        epoch: Number of the epoch, from 0.
        image_id: The id of the image.
        copy: Number of the copy; 0 is the image itself.

    Returns:
        Number of the view, 0 to `count - 1`.
    """
    key = f"view/{seed}/{epoch}/{copy}/{image_id}".encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "little") % count


def show_view(
    pixels: np.ndarray, item: Item, image_id: str, augmentation: Augmentation, seed: int, *, boxed: bool = False
) -> np.ndarray:
    """Return the pixels of an item.

    Args:
        pixels: uint8 (height, width, channels), the image, not augmented.
        item: Its view.
        image_id: The id of the image.
        augmentation: What may be done.
        seed: Seed of the augmentation.
        boxed: Whether there is a box in the image.

    Returns:
        uint8 (height, width, channels).
    """
    if isinstance(item.view, Turn):
        return turn_image(pixels, item.view)
    change = augment_copy if item.copy else augment_image
    return change(pixels, augmentation, image_generator(seed, item.view, image_id, item.copy), boxed=boxed)


def move(
    box: np.ndarray, size: tuple[int, int], item: Item, image_id: str, augmentation: Augmentation, seed: int
) -> tuple[np.ndarray, float]:
    """Return where the box of an image is in what `show_view` returns, and its visible share.

    Args:
        box: float (4,), in pixels of the image, not augmented.
        size: Height and width of the image, in pixels.
        item: Its view.
        image_id: The id of the image.
        augmentation: What may be done.
        seed: Seed of the augmentation.

    Returns:
        float64 (4,), and a share of the area, 0..1.
    """
    if isinstance(item.view, Turn):
        return Geometry(item.view).move_box(box, *size)
    generator = image_generator(seed, item.view, image_id, item.copy)
    return move_box(box, size, augmentation, generator, copy=bool(item.copy))

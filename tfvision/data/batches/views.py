"""Fixed views of training images: what augmentation may make of each, few enough to be computed once.

`exact` has all that flips and quarter turns can make of an image; epochs then meet the same pixels in the same order
as with endless augmentation. `K` views are K fixed draws of any augmentation, among which each epoch chooses.
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

_FLIPS = possible_turns(Augmentation(horizontal_flip=True, vertical_flip=True), 1, 1)


class Item(NamedTuple):
    """One image as it may be seen.

    Attributes:
        index: Which image.
        view: How it is turned, or the number of its draw.
        copy: Number of the copy whose draw it is; 0 is the image itself.
    """

    index: int
    view: Turn | int = Turn()
    copy: int = 0


@dataclass(frozen=True)
class Selection:
    """Some images, each seen in some way.

    Attributes:
        images: Where they are.
        items: Which of them, seen how.
        augmentation: What the views of items are drawn from.
        seed: Seed of these draws.
        boxed: Whether there are boxes in the images, see `augment_image`.
    """

    images: ImageSet
    items: tuple[Item, ...]
    augmentation: Augmentation = Augmentation(horizontal_flip=False)
    seed: int = 0
    boxed: bool = False

    @classmethod
    def plain(cls, images: ImageSet) -> "Selection":
        """Select every image as it is."""
        return cls(images, tuple(Item(index) for index in range(len(images))))

    def __len__(self) -> int:
        return len(self.items)

    def at(self, places: np.ndarray) -> "Selection":
        """Return the items at some places, in that order."""
        return replace(self, items=tuple(self.items[place] for place in places))

    def keys(self) -> list[bytes]:
        """Return for each item 16 bytes that differ wherever its pixels may: of the image's content and its view.

        Raises:
            ValueError: The images have not been scanned.
        """
        images = self.images
        if images.hashes is None:
            raise ValueError("the images have not been scanned: their content hashes are unknown")
        texts = (f"{images.hashes[item.index]} {images.pixel_rule} {self._describe(item)}" for item in self.items)
        return [hashlib.blake2b(text.encode(), digest_size=16).digest() for text in texts]

    def show(self, pixels: np.ndarray, item: Item) -> np.ndarray:
        """Return the pixels of an item, uint8 `(height, width, channels)`, from those of its image."""
        return show_view(pixels, item, self.images.ids[item.index], self.augmentation, self.seed, boxed=self.boxed)

    def move(self, boxes: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Return the box of each item, float64 (items, 4), and the share of it that is left in sight, (items,).

        Args:
            boxes: float (n, 4), of each image as it is.
            size: Height and width of all images.
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
    """All views of a training part, and which of them an epoch shows.

    Attributes:
        images: The training part.
        epochs: Its order.
        augmentation: What may be done to the images.
        resize: Their size.
        seed: Seed of the augmentation.
        count: Views of each image and copy, or None for all that flips and turns can make.
        boxed: Whether there are boxes in the images.
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
        """Every view that an epoch may ask for."""
        return Selection(self.images, tuple(self._all()), self.augmentation, self.seed, self.boxed)

    def chosen(self, epoch: int, entries: np.ndarray) -> np.ndarray:
        """Return int64 (b,), the place in `selection` of what some entries of an epoch show."""
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
        # Where nothing is augmented, copies are flipped: an image without copies is only itself.
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
    """Return which of `count` views an image shows in an epoch."""
    key = f"view/{seed}/{epoch}/{copy}/{image_id}".encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "little") % count


def show_view(
    pixels: np.ndarray, item: Item, image_id: str, augmentation: Augmentation, seed: int, *, boxed: bool = False
) -> np.ndarray:
    """Return the pixels of an item.

    Args:
        pixels: uint8 (height, width, channels), the image as it is.
        item: How it is to be seen.
        image_id: Its id.
        augmentation: What may be done.
        seed: Seed of the augmentation.
        boxed: Whether there is a box in the image.
    """
    if isinstance(item.view, Turn):
        return turn_image(pixels, item.view)
    change = augment_copy if item.copy else augment_image
    return change(pixels, augmentation, image_generator(seed, item.view, image_id, item.copy), boxed=boxed)


def move(
    box: np.ndarray, size: tuple[int, int], item: Item, image_id: str, augmentation: Augmentation, seed: int
) -> tuple[np.ndarray, float]:
    """Return where the box of an image is in what `show` gives, float64 (4,), and the share of it that is left.

    Args:
        box: float (4,), in pixels of the image as it is.
        size: Height and width of the image.
        item: How it is to be seen.
        image_id: Its id.
        augmentation: What may be done.
        seed: Seed of the augmentation.
    """
    if isinstance(item.view, Turn):
        return Geometry(item.view).move_box(box, *size)
    generator = image_generator(seed, item.view, image_id, item.copy)
    return move_box(box, size, augmentation, generator, copy=bool(item.copy))

"""Images in a notebook: their card, some of them, what augmentation makes of them, their parts, their batches."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np

from tfvision.config.options import from_dict
from tfvision.data.augmentation.options import Augmentation
from tfvision.data.boxes.orientation import read_orientation
from tfvision.data.images.imageset import ImageSet
from tfvision.errors import DataError, UsageError, worded
from tfvision.experiment.preparation import prepare_images
from tfvision.notebook.cards import Card, bars, gallery, heading, in_card, line
from tfvision.plots.box_drawing import draw_box
from tfvision.plots.thumbnails import thumbnail
from tfvision.training.config import TrainConfig

if TYPE_CHECKING:
    import tensorflow as tf

_CLASSES, _IN_ROW, _LOOKED_AT = 12, 6, 24


def card_of_images(images: ImageSet) -> str:
    """Return what a notebook shows of images: count, classes, sizes, parts, and a row of each class.

    Args:
        images: From `open_images`.

    Returns:
        HTML.
    """
    counts = np.bincount(images.labels[images.labels >= 0], minlength=len(images.class_names))
    html = [heading(f"{len(images):,} images of {images.source or 'arrays'}")]
    if len(counts):
        most = np.argsort(-counts, kind="stable")[:_CLASSES]
        html.append(bars({images.class_names[k]: float(counts[k]) for k in most}, [f"{counts[k]:,}" for k in most]))
        if len(counts) > _CLASSES:
            html.append(line(f"and {len(counts) - _CLASSES:,} more classes", soft=True))
    if images.parts is not None:
        html.append(line(", ".join(f"{count:,} {part}" for part, count in Counter(images.parts.tolist()).items())))
    html += [line(note, soft=True) for note in (_sizes(images), *images.notes) if note]
    return in_card("".join(html) + _galleries(images, _rows(images, _IN_ROW)))


def show(images: ImageSet, n: int, *, by: Literal["class", "order"]) -> Card:
    """Return some of the images, see `ImageSet.show`."""
    if by not in ("class", "order"):
        raise UsageError(f"show: by={worded(by)}; expected 'class' or 'order'")
    classes = max(1, min(_CLASSES, len(images.class_names), n))
    rows = [list(range(min(n, len(images))))] if by == "order" else _rows(images, n // classes, classes)
    return Card(f"{sum(map(len, rows)):,} of {len(images):,} images", _galleries(images, rows))


def show_augmented(images: ImageSet, augment: Mapping[str, Any] | None, n: int, *, seed: int) -> Card:
    """Return an image of each class and what augmentation makes of it, see `ImageSet.show_augmented`."""
    from tfvision.data.batches.samples import augmented_samples
    from tfvision.data.pixels.resize import Resize

    options = from_dict(Augmentation, dict(augment or {}))
    rows = []
    for (first,) in _rows(images, 1):
        height, width = thumbnail(images.read(first))[0].shape[:2]
        resize = Resize(height, width)
        views = augmented_samples(images, first, resize=resize, augmentation=options, seed=seed, count=n)
        rows.append(gallery(views, [f"{_label(images, first)}, as it is", *[""] * n]))
    return Card(f"augmented: {options.describe()}", line(options.describe(), soft=True) + "".join(rows))


def split(images: ImageSet, *, seed: int, **options: Any) -> dict[str, ImageSet]:
    """Return the parts of the images, see `ImageSet.split`."""
    config = from_dict(
        TrainConfig,
        {
            "data": images.source or "arrays",
            "seed": seed,
            "split": options,
            # Boxes are divided whatever their classes, as `train --task localize` does.
            "task": "classify" if images.given is None else "localize",
        },
    )
    found = prepare_images(images, config)
    parts = dict.fromkeys(("train", "validation", "test"))
    return {part: found.images.select(found.split == part) for part in parts if (found.split == part).any()}


def to_dataset(
    images: ImageSet, image_size: int | tuple[int, int], *, batch_size: int, shuffle: bool, seed: int
) -> "tf.data.Dataset":
    """Return batches of the images, see `ImageSet.to_dataset`."""
    from tfvision.data.batches.plain import plain_batches
    from tfvision.data.pixels.resize import Resize

    height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
    mode = "crop" if images.given is None else "stretch"  # as `train` does
    return plain_batches(images, Resize(height, width, mode=mode), batch_size=batch_size, shuffle=shuffle, seed=seed)


def _sizes(images: ImageSet) -> str:
    """Say how large the images are, from some of them."""
    places = range(0, len(images), max(1, len(images) // _LOOKED_AT))
    found = [image.shape[:2] for index in places if (image := _readable(images, index)) is not None]
    if not found:
        return ""
    shapes = Counter(found)
    (height, width), count = shapes.most_common(1)[0]
    if count == len(found):
        return f"{width} x {height} px" + (f" ({count} of them were looked at)" if count < len(images) else "")
    low, high = np.min(found, axis=0), np.max(found, axis=0)
    return f"{low[1]} x {low[0]} to {high[1]} x {high[0]} px ({len(found)} of them were looked at)"


def _rows(images: ImageSet, in_row: int, classes: int = _CLASSES) -> list[list[int]]:
    """Return the first images of each of the first classes that have any; without classes the first of all."""
    if not images.class_names:
        return [list(range(min(in_row, len(images))))] if len(images) else []
    found = [np.flatnonzero(images.labels == k)[:in_row].tolist() for k in range(len(images.class_names))]
    return [row for row in found if row][:classes]


def _galleries(images: ImageSet, rows: Sequence[Sequence[int]]) -> str:
    """Return rows of images with their labels; damaged ones are left out, which `train` and `audit` say."""
    return "".join(_gallery(images, row) for row in rows)


def _gallery(images: ImageSet, row: Sequence[int]) -> str:
    pairs = [(_boxed(images, i, image), _label(images, i)) for i in row if (image := _readable(images, i)) is not None]
    return gallery([image for image, _ in pairs], [label for _, label in pairs]) if pairs else ""


def _readable(images: ImageSet, index: int) -> np.ndarray | None:
    """Return an image; None where it is damaged."""
    try:
        return images.read(index)
    except DataError:
        return None


def _boxed(images: ImageSet, index: int, pixels: np.ndarray) -> np.ndarray:
    """Return an image with its box drawn in, if the set has boxes and this one fits; `train` lists those that do not."""
    if images.given is None:
        return pixels
    box: np.ndarray | str
    if images.boxes is not None:
        box = images.boxes[index]
    else:
        height, width = pixels.shape[:2]
        box = images.given.upright(index, read_orientation(images.read_bytes(index)), width, height)
    if isinstance(box, str):
        return pixels
    small, scale = thumbnail(pixels)
    drawn = cv2.cvtColor(small, cv2.COLOR_RGB2BGR)  # a new array: that of the set stays as it is
    draw_box(drawn, box * scale)
    return drawn[..., ::-1]


def _label(images: ImageSet, index: int) -> str:
    label = images.labels[index]
    return images.class_names[label] if label >= 0 else images.ids[index]

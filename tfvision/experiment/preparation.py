"""Before a model is built: images opened, scanned, limited and split."""

from dataclasses import dataclass, replace

import numpy as np

from tfvision.data.images.imageset import ImageSet
from tfvision.data.images.scan import Scan, scan
from tfvision.data.options import DuplicateOptions
from tfvision.data.sources.entries import THING
from tfvision.data.sources.open import open_images
from tfvision.data.sources.selection import relabel
from tfvision.data.splits.split import MIN_IMAGES, Split, split_by_fold, split_images
from tfvision.data.splits.splits_file import read_parts, read_splits
from tfvision.data.splits.stratify import draw_some
from tfvision.errors import DataError, UsageError, listing
from tfvision.system.terminal import ProgressLine
from tfvision.tasks import has_boxes, has_classes
from tfvision.training.config import TrainConfig


@dataclass(frozen=True)
class Prepared:
    """Readable images and the part of each.

    Attributes:
        images: All readable images, or as many as the limit allows.
        split: str (n,), `train`, `validation`, `test` or `held_out`; "" for an image left out.
        hashes: Content hash of each.
        sizes: int64 (n, 2), height and width in pixels.
        is_gray: Whether no image has any colour.
        notes: Lines about the data for the plan.
    """

    images: ImageSet
    split: np.ndarray
    hashes: tuple[str, ...]
    sizes: np.ndarray
    is_gray: bool
    notes: tuple[str, ...]


def prepare_images(images: ImageSet, config: TrainConfig) -> Prepared:
    """Scan and split the images of a run.

    Args:
        images: From `open_images`.
        config: Options of the run.

    Returns:
        The readable images, as many as `config.limit` allows, and their split.

    Raises:
        DataError: One class only, unreadable images, or a class with fewer than 3 images.
        UsageError: A split without validation images.
    """
    if has_classes(config.task) and len(images.class_names) < 2:
        said, place = "", "one folder each"
        if column := next((note for note in images.notes if note.startswith("labels: ")), ""):
            said, place = f" ({column})", "such as the values of that column"
        raise DataError(
            f"{config.data} has only the class {images.class_names[0]}{said}; expected two or more, {place}"
        )
    notes = list(images.notes)
    if config.limit and config.limit < len(images):
        images, limited = _limited(images, config)
        notes.append(limited)
    with ProgressLine("reading images", len(images)) as line:
        found = scan(images, on_bad=config.source.on_bad, progress=line.report)
    if found.unreadable:
        names = ", ".join(f"{name} ({reason})" for name, reason in found.unreadable[:5])
        what = "wrong or unreadable" if images.given is not None else "unreadable"
        notes.append(f"{len(found.unreadable):,} {what} left out: {names}{' ...' * (len(found.unreadable) > 5)}")
    found, note = _without_small_classes(found, config)
    images, more = _stratifiable(found.images, config)
    notes += [*note, *more, *_contradictions(images, found.hashes, config)]
    split = _split(images, found.hashes, config)
    if not (split.parts == "validation").any():
        raise UsageError("no images for validation, which chooses the best epoch; set split.validation above 0")
    return Prepared(images, split.parts, found.hashes, found.sizes, found.is_gray, (*notes, *split.notes))


def _limited(images: ImageSet, config: TrainConfig) -> tuple[ImageSet, str]:
    """Return as many images as the limit allows, and a note; those of the split if it is that of a run with a limit."""
    assert config.limit is not None, "called where there is a limit"
    if config.split.file:
        named = read_parts(config.split.file)
        rows = [row for row, image_id in enumerate(images.ids) if image_id in named]
        if len(rows) == len(named) < len(images):
            return images.select(
                rows
            ), f"limit: the {len(rows):,} of {len(images):,} images that {config.split.file} names"
    chosen = images.select(draw_some(images, config.limit, config.seed))
    return chosen, f"limit: {len(chosen):,} of {len(images):,} images"


def _without_small_classes(found: Scan, config: TrainConfig) -> tuple[Scan, list[str]]:
    """Leave out the classes with fewer than 3 images if that was asked for; return a note."""
    images = found.images
    counts = np.bincount(images.labels, minlength=len(images.class_names))
    small = [k for k in range(len(counts)) if counts[k] < MIN_IMAGES]
    if config.on_small != "skip" or not small or not has_classes(config.task):
        return found, []
    listed = listing([f"{images.class_names[k]} ({counts[k]})" for k in small])
    if len(counts) - len(small) < 2:
        raise DataError(
            f"{config.data} has {len(counts) - len(small)} classes with {MIN_IMAGES} images or more; expected two; without: "
            f"{listed}; add images"
        )
    kept = np.flatnonzero(~np.isin(images.labels, small))
    images = images.select(kept)
    named = relabel(images, [images.class_names[label] for label in images.labels])
    hashes = tuple(found.hashes[row] for row in kept)
    return replace(found, images=named, sizes=found.sizes[kept], hashes=hashes), [
        f"classes with fewer than {MIN_IMAGES} images are left out: {listed}"
    ]


def _contradictions(images: ImageSet, hashes: tuple[str, ...], config: TrainConfig) -> list[str]:
    """Say that exact copies stand under two labels: one of these is wrong."""
    if not has_classes(config.task):
        return []
    first: dict[str, int] = {}
    for row, content in enumerate(hashes):
        first.setdefault(content, row)
    torn = [
        (first[content], row)
        for row, content in enumerate(hashes)
        if images.labels[first[content]] != images.labels[row]
    ]
    if not torn:
        return []
    named = [f"{images.ids[row]} ({images.class_names[images.labels[row]]})" for row in torn[0]]
    return [
        f"{len(torn):,} images are exact copies of images with another label, such as {' and '.join(named)}: one is wrong "
        "(`tfvision audit` lists them)"
    ]


def _stratifiable(images: ImageSet, config: TrainConfig) -> tuple[ImageSet, list[str]]:
    """Give all images one class if the task needs none and some classes are too rare to stratify by; return notes."""
    counts = np.bincount(images.labels, minlength=len(images.class_names))
    fewest = max(MIN_IMAGES, config.split.folds or 0)
    if has_classes(config.task) or len(images.class_names) < 2 or counts.min() >= fewest:
        return images, []
    rare = [f"{name} ({count})" for name, count in zip(images.class_names, counts, strict=True) if count < fewest]
    note = f"labels are ignored: too few images of {listing(rare)} to stratify by class"
    return replace(images, labels=np.zeros(len(images), np.int64), class_names=(THING,)), [note]


def _split(images: ImageSet, hashes: tuple[str, ...], config: TrainConfig) -> Split:
    options = config.split
    if options.group_duplicates:
        hashes, note = _tied(images, hashes)
        split = _split(images, hashes, replace(config, split=replace(options, group_duplicates=False)))
        return Split(split.parts, (note, *split.notes))
    if options.file:
        parts = read_splits(options.file, images, hashes, group_validation=options.group_validation)
        return Split(parts, (f"split as in {options.file}",))
    validation, group_validation, seed = options.validation, options.group_validation, config.seed
    if options.folds is not None and options.fold is not None:  # one is given with the other
        return split_by_fold(
            images, hashes, folds=options.folds, fold=options.fold, held_out=options.held_out,
            validation=validation, group_validation=group_validation, seed=seed,
        )  # fmt: skip
    split = split_images(
        images, hashes, test=options.test, given=options.given,
        validation=validation, group_validation=group_validation, seed=seed,
    )  # fmt: skip
    if options.held_out:  # a recipe for `crossval` trains a single run, too
        return Split(split.parts, (*split.notes, "split.held_out applies to folds only: nothing is held out here"))
    return split


def _tied(images: ImageSet, hashes: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """Return hashes that are equal for verified near-duplicates as for exact copies, and a note."""
    from tfvision.data.copies.duplicates import find_duplicates, hash_images, tie_copies

    with ProgressLine("hashing images", len(images)) as line:
        perceptual = hash_images(images, line.report)
    with ProgressLine("comparing possible copies", 1) as line:
        pairs = find_duplicates(images, hashes, perceptual, DuplicateOptions(), progress=line.report)
    near = sum(not pair.exact for pair in pairs)
    return tie_copies(images, hashes, pairs), f"{near:,} pairs of near-duplicates are treated like exact copies"


def read_images(config: TrainConfig) -> tuple[TrainConfig, Prepared]:
    """Open, scan and split the images of a configuration.

    Args:
        config: Options of the run.

    Returns:
        The options with the pixel rule by which the images are read, and the images.

    Raises:
        DataError, UsageError: See `open_images` and `prepare_images`.
    """
    images = open_images(config.data, **config.source.columns(), boxes=has_boxes(config.task))
    # Derived from the values in this data, then fixed for all images that this model will see.
    config = replace(config, source=replace(config.source, pixel_rule=images.columns["pixel_rule"]))
    return config, prepare_images(images, config)

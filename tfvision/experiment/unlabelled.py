"""Images without labels in a run: those given as such, and those of its training part whose labels it does not use."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from tfvision.data.images.imageset import ImageSet
from tfvision.data.images.joined import join_images
from tfvision.data.images.scan import scan
from tfvision.data.sources.open import open_images
from tfvision.data.splits.stratify import draw_some
from tfvision.errors import DataError, UsageError
from tfvision.experiment.preparation import Prepared
from tfvision.runs.names import MODEL, PSEUDO_LABELS, SUPERVISED
from tfvision.system.files import replacing
from tfvision.system.terminal import ProgressLine, console
from tfvision.training.config import TrainConfig
from tfvision.training.pseudo_labels import PseudoLabels

_PREFIX = "unlabelled/"  # before their ids, which could otherwise equal those of labelled images


def with_labels(data: Prepared, config: TrainConfig) -> np.ndarray:
    """Tell which images' labels a run may use.

    `pseudo.labels` counts training and validation together: whoever has few labels has few to validate with, too. The
    test part keeps its own, since it only measures.

    Args:
        data: The images of the run and their split.
        config: Its options.

    Returns:
        bool (n,).

    Raises:
        UsageError: There are not that many labels, or not one threshold for each class.
    """
    mask = np.ones(len(data.images), bool)
    thresholds, classes = config.pseudo.thresholds, len(data.images.class_names)
    if thresholds and len(thresholds) != classes:
        raise UsageError(f"pseudo.thresholds: {len(thresholds)} thresholds for {classes} classes; expected one each")
    if config.pseudo.labels is None:
        return mask
    learned = np.flatnonzero(np.isin(data.split, ("train", "validation")))
    if config.pseudo.labels >= len(learned):
        raise UsageError(
            f"pseudo.labels: {config.pseudo.labels:,} of {len(learned):,} labelled images in training and validation; "
            "expected fewer"
        )
    mask[learned] = False
    of_parts = replace(data.images.select(learned), parts=data.split[learned])
    mask[learned[draw_some(of_parts, config.pseudo.labels, config.seed)]] = True
    return mask


def open_unlabelled(data: Prepared, config: TrainConfig, folder: Path) -> PseudoLabels | None:
    """Gather the images without labels of a run.

    Exact copies of labelled images, above all of test images, are left out, and so are copies of each other.

    Args:
        data: The images of the run and their split.
        config: Its options.
        folder: The run folder.

    Returns:
        The images, and where pseudo-labels are written; None where no phase asks for them.

    Raises:
        DataError: There are no images, or all of them are copies.
    """
    if not any(phase.pseudo_labels for phase in config.phases or ()):
        return None
    hidden = np.flatnonzero((data.split == "train") & ~with_labels(data, config))
    sets, truth = [], [data.images.labels[hidden]]
    if len(hidden):
        sets.append(_without_labels(data.images.select(hidden), data.images))
    if source := config.pseudo.source(config.data):
        given = _read(source, config, set(data.hashes))
        sets.append(_without_labels(replace(given, ids=tuple(_PREFIX + name for name in given.ids)), data.images))
        truth.append(np.full(len(given), -1))
    if not sum(map(len, sets)):
        raise DataError("no images without labels are left; give others as pseudo.data, or lower pseudo.labels")

    def keep_before() -> None:
        if not (folder / SUPERVISED).is_file():
            with replacing(folder / SUPERVISED) as temporary:
                shutil.copyfile(folder / MODEL, temporary)

    return PseudoLabels(config.pseudo, join_images(sets), np.concatenate(truth), folder / PSEUDO_LABELS, keep_before)


def _read(source: str, config: TrainConfig, known: set[str]) -> ImageSet:
    column, rule = config.pseudo.file_column, config.source.pixel_rule
    images = open_images(source, file_column=column, labelled=False, pixel_rule=rule)
    with ProgressLine("reading images without labels", len(images)) as line:
        found = scan(images, on_bad=config.source.on_bad, progress=line.report)
    new = []
    for index, key in enumerate(found.hashes):
        if key not in known:
            known.add(key)
            new.append(index)
    if len(new) < len(found.images):
        console.print(f"{len(found.images) - len(new):,} of the images without labels are exact copies: left out")
    return found.images.select(new)


def _without_labels(images: ImageSet, like: ImageSet) -> ImageSet:
    nothing = np.full(len(images), -1, np.int64)
    return replace(images, labels=nothing, class_names=like.class_names, groups=None, parts=None)

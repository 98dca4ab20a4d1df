"""Scores of models on images that have lost their texture or their shape, and their files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfvision.data.augmentation.augment import image_generator
from tfvision.data.images.changed import ChangedImages, change_images
from tfvision.data.images.imageset import ImageSet
from tfvision.data.pixels.resize import Resize
from tfvision.evaluation.binomial import share_interval
from tfvision.prediction.answers import predict_classes
from tfvision.prediction.predictors import Predictor
from tfvision.prediction.stored import StoredModel
from tfvision.robustness.texture_changes import TEXTURE_CHANGES
from tfvision.runs.names import TEXTURE
from tfvision.system.files import to_csv, write_json, write_text
from tfvision.system.shown import Record
from tfvision.system.tables import TextTable
from tfvision.system.terminal import ProgressLine

UNCHANGED = "unchanged"
_SHOWN = 4  # images in the picture
_NOTHING = 200  # gray level that stands for an image on which a change did not work


@dataclass(frozen=True, repr=False)
class TextureScores(Record):
    """Accuracy of models on changed images.

    Attributes:
        name: Name of the images.
        count: Number of images.
        rows: One for each model and change: `run`, `change`, `n`, `accuracy`, `low`, `high` (its exact 95 % interval),
            `unchanged` (accuracy on the same n images without the change), `not_changed` (images on which the change
            did not work, which are left out). The scores are None if it worked on none.
        written: The files written.
    """

    name: str
    count: int
    rows: list[dict[str, Any]]
    written: tuple[Path, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the scores as plain values for JSON."""
        return {"images": self.name, "n": self.count, "scores": self.rows}

    def tables(self) -> list[TextTable]:
        """Return a table with a row for each change and the accuracy of each run."""
        runs = list(dict.fromkeys(row["run"] for row in self.rows))
        rows = [
            (change, *(_cell(row) for row in self.rows if row["change"] == change))
            for change in dict.fromkeys(row["change"] for row in self.rows)
        ]
        return [TextTable(("accuracy", *runs), rows)]

    def remarks(self) -> list[str]:
        """Return what the intervals are, and what was left out."""
        left_out = [_left_out(row) for row in self.rows if row["not_changed"]]
        return [f"n={self.count:,}, with exact 95 % intervals", *left_out]


def score_textures(models: Sequence[StoredModel], images: ImageSet, name: str, *, seed: int) -> TextureScores:
    """Score models on the same images under each change.

    Args:
        models: Models that predict classes.
        images: Labelled images whose classes all models know; nothing is changed on disk.
        name: Name of the images.
        seed: Seed of what is drawn for each image.

    Returns:
        The scores, in the order of the models.

    Raises:
        DataError: An image is unreadable.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for resize in dict.fromkeys(model.facts.resize for model in models):
        group = {str(model.path): model.load() for model in models if model.facts.resize == resize}
        found |= _score_group(group, images, resize, seed)
    return TextureScores(name, len(images), [row for model in models for row in found[str(model.path)]])


def changed_pixels(images: ImageSet, change: str, resize: Resize, *, seed: int) -> dict[str, np.ndarray | None]:
    """Change images at the size of a model's input.

    Args:
        images: Images of any size.
        change: A key of `TEXTURE_CHANGES`.
        resize: The size and channels.
        seed: Decides what is drawn, together with the change and the image's id.

    Returns:
        Image id to uint8 (height, width, channels), or to None where the change does not work.

    Raises:
        DataError: An image is unreadable.
    """
    from tfvision.data.batches.pipeline import load_image  # imports TensorFlow

    result = {}
    with ProgressLine(change, len(images)) as line:
        for index, image_id in enumerate(images.ids):
            generator = image_generator(seed, 0, f"{change}/{image_id}")
            result[image_id] = TEXTURE_CHANGES[change](load_image(images, index, resize), generator)
            line.report(index + 1)
    return result


def write_textures(found: TextureScores, images: ImageSet, resize: Resize, folder: Path, *, seed: int) -> list[Path]:
    """Write the scores as JSON and CSV, and a picture of what each change leaves of a few images.

    Args:
        found: The scores.
        images: The images they were computed on.
        resize: The size to show them at.
        folder: Where to write.
        seed: Seed used for the scores.

    Returns:
        The paths of the three files.

    Raises:
        WriteError: A file cannot be written.
    """
    from tfvision.plots.image_grid import plot_image_grid  # imports matplotlib

    path = folder / TEXTURE
    table, picture = path.with_suffix(".csv"), path.with_suffix(".png")
    write_json(path, found.to_dict())
    write_text(table, to_csv([{name: "" if v is None else v for name, v in row.items()} for row in found.rows]))
    shown, captions = _samples(images.select(_one_of_each(images.labels)), resize, seed)
    title = "What each change leaves of an image"
    plot_image_grid(shown, captions, title, picture, columns=1 + len(TEXTURE_CHANGES))
    return [path, table, picture]


def _score_group(
    group: Mapping[str, Predictor], images: ImageSet, resize: Resize, seed: int
) -> dict[str, list[dict[str, Any]]]:
    """Score models that take images of the same size, for which each change is made once."""
    clean = {run: _right(predictor, images) for run, predictor in group.items()}
    rows = {run: [_row(run, UNCHANGED, right, right, 0)] for run, right in clean.items()}
    for change in TEXTURE_CHANGES:
        pixels = changed_pixels(images, change, resize, seed=seed)
        worked = np.array([pixels[image_id] is not None for image_id in images.ids])
        kept = _showing(images.select(worked), pixels)
        for run, predictor in group.items():
            right = _right(predictor, kept) if worked.any() else np.zeros(0, bool)
            rows[run].append(_row(run, change, right, clean[run][worked], int(np.sum(~worked))))
    return rows


def _right(predictor: Predictor, images: ImageSet) -> np.ndarray:
    found, _ = predict_classes(predictor, images)
    return found.predicted == found.labels


def _showing(images: ImageSet, pixels: Mapping[str, np.ndarray | None]) -> ChangedImages:
    def look_up(_: np.ndarray, image_id: str) -> np.ndarray:
        changed = pixels[image_id]
        assert changed is not None  # those are left out
        return changed

    return change_images(images, look_up)


def _row(run: str, change: str, right: np.ndarray, clean: np.ndarray, not_changed: int) -> dict[str, Any]:
    row: dict[str, Any] = {"run": run, "change": change, "n": len(right)}
    scores: dict[str, Any] = dict.fromkeys(("accuracy", "low", "high", "unchanged"))
    if len(right):
        share, (low, high) = share_interval(right)
        scores = {"accuracy": share, "low": low, "high": high, "unchanged": float(np.mean(clean))}
    return {**row, **scores, "not_changed": not_changed}


def _cell(row: Mapping[str, Any]) -> str:
    if row["accuracy"] is None:
        return "-"
    mark = "*" if row["not_changed"] else ""
    return f"{row['accuracy']:.4f} [{row['low']:.4f}, {row['high']:.4f}]{mark}"


def _left_out(row: Mapping[str, Any]) -> str:
    total = row["n"] + row["not_changed"]
    start = f"* {row['run']}: {row['change']} did not work on {row['not_changed']:,} of {total:,} images"
    if row["accuracy"] is None:
        return f"{start}: no score"
    return f"{start}; on the other {row['n']:,}, unchanged, accuracy is {row['unchanged']:.4f}"


def _one_of_each(labels: np.ndarray) -> list[int]:
    """Return the first images of the first classes; more of them if there are few classes."""
    order = sorted(range(len(labels)), key=lambda i: int(np.sum(labels[:i] == labels[i])))
    return order[:_SHOWN]


def _samples(images: ImageSet, resize: Resize, seed: int) -> tuple[list[np.ndarray], list[str]]:
    """Return images as rows, each unchanged and under every change, with their captions."""
    from tfvision.data.batches.pipeline import load_image

    changed = {change: changed_pixels(images, change, resize, seed=seed) for change in TEXTURE_CHANGES}
    shown, captions = [], []
    for index, image_id in enumerate(images.ids):
        image = load_image(images, index, resize)
        shown.append(image)
        captions.append(images.class_names[images.labels[index]])
        for change, pixels in changed.items():
            found = pixels[image_id]
            shown.append(np.full_like(image, _NOTHING) if found is None else found)
            captions.append(f"{change}: none found" if found is None else change)
    return shown, captions

"""Scores under corruption: how well a model copes as the same images get worse and worse."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfvision.data.augmentation.augment import image_generator
from tfvision.data.images.changed import ChangedImages, change_images
from tfvision.data.images.imageset import ImageSet
from tfvision.errors import DataError
from tfvision.evaluation.metrics import draw_weights
from tfvision.evaluation.predictions import Predictions
from tfvision.evaluation.score_names import brief_scores
from tfvision.evaluation.scores import weighted_scores
from tfvision.models.decision import Decision
from tfvision.prediction.answers import predict_classes
from tfvision.prediction.predictors import ClassPredictor
from tfvision.robustness.corruptions import CORRUPTIONS, SEVERITIES, blend
from tfvision.system.files import to_csv, write_json, write_text
from tfvision.system.shown import Record
from tfvision.system.tables import TextTable
from tfvision.system.terminal import console

_RESAMPLES = 1000


@dataclass(frozen=True, repr=False)
class CorruptedScores(Record):
    """Scores of a model on corrupted images.

    Attributes:
        clean: Accuracy on the unchanged images.
        rows: One for each corruption and severity: `corruption`, `severity` and the brief scores, see `brief_scores`.
        mean: Mean accuracy over all corruptions and severities.
        interval: 95 % interval of the mean, from resampling the images.
        count: Number of images.
        decision: What turned probabilities into classes; None for the most probable class.
        written: The files written.
    """

    clean: float
    rows: list[dict[str, str | float]]
    mean: float
    interval: tuple[float, float]
    count: int
    decision: Decision | None = None
    written: tuple[Path, ...] = ()

    def accuracies(self, name: str) -> list[float]:
        """Return the accuracy at each severity of a corruption."""
        return [float(row["accuracy"]) for row in self.rows if row["corruption"] == name]

    def to_dict(self) -> dict[str, Any]:
        """Return the scores as plain values for JSON."""
        return {
            "n": self.count,
            "clean_accuracy": self.clean,
            "mean_corruption_accuracy": self.mean,
            "ci95": list(self.interval),
            "decision": self.decision and self.decision.to_dict(),
            "corruptions": self.rows,
        }

    def tables(self) -> list[TextTable]:
        """Return a table with a row for each corruption."""
        head = ("accuracy", *(f"severity {severity}" for severity in range(1, SEVERITIES + 1)), "mean")
        found = {name: self.accuracies(name) for name in dict.fromkeys(str(row["corruption"]) for row in self.rows)}
        return [TextTable(head, [(name, *(f"{value:.4f}" for value in [*v, np.mean(v)])) for name, v in found.items()])]

    def remarks(self) -> list[str]:
        """Return a line with the mean corruption accuracy."""
        low, high = self.interval
        mean = f"mean corruption accuracy {self.mean:.4f} [{low:.4f}, {high:.4f}]"
        return [f"{mean}  clean {self.clean:.4f}  n={self.count:,}"]


def score_corrupted(predictor: ClassPredictor, images: ImageSet, names: Sequence[str], *, seed: int) -> CorruptedScores:
    """Score a model on images under each corruption and severity.

    Args:
        predictor: A model that predicts classes, see `load_predictor`.
        images: Labelled images whose classes the model knows; nothing is changed on disk.
        names: Keys of `CORRUPTIONS`.
        seed: Seed of what is drawn for each image.

    Returns:
        The scores.

    Raises:
        DataError: The data has a class the model does not know, or only one class, and images are to be blended.
    """
    clean, _ = predict_classes(predictor, images)
    rows: list[dict[str, str | float]] = []
    right: list[np.ndarray] = []
    for name in names:
        for severity in range(1, SEVERITIES + 1):
            console.print(f"{name} {severity}/{SEVERITIES}")
            found, _ = predict_classes(predictor, corrupt_images(images, name, severity, seed=seed))
            rows.append({"corruption": name, "severity": severity, **_scores(found)})
            right.append(found.predicted == found.labels)
    each = np.mean(right, axis=0)
    means = [each @ weights / len(each) for weights in draw_weights(len(each), _RESAMPLES, seed)]
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5])
    accuracy = float(np.mean(clean.predicted == clean.labels))
    interval = float(low), float(high)
    return CorruptedScores(accuracy, rows, float(each.mean()), interval, len(each), predictor.facts.decision)


def corrupt_images(images: ImageSet, name: str, severity: int, *, seed: int) -> ChangedImages:
    """Return images that are corrupted when read. What is drawn for an image is the same at each severity.

    Args:
        images: Images of any size.
        name: A key of `CORRUPTIONS`; `blend` lays a random image of another class over each.
        severity: 1 to 5.
        seed: Decides what is drawn, together with the corruption and the image's id.

    Returns:
        The corrupted images; nothing is changed on disk.

    Raises:
        DataError: The images are to be blended and have only one class.
    """
    if name == "blend":
        partners = _partners(images, seed)
        return change_images(images, lambda pixels, image_id: blend(pixels, severity, images.read(partners[image_id])))
    corrupt = CORRUPTIONS[name]
    return change_images(
        images, lambda pixels, image_id: corrupt(pixels, severity, image_generator(seed, 0, f"{name}/{image_id}"))
    )


def write_corrupted(scores: CorruptedScores, images: ImageSet, path: Path, plots: Path, *, seed: int) -> list[Path]:
    """Write the scores as JSON and as a table beside it, their curves, and a picture of what the corruptions do to an image.

    Args:
        scores: The scores.
        images: The images they were computed on; the first one is shown.
        path: The JSON file to write.
        plots: The folder for the pictures, which are named after `path`.
        seed: Seed used for the scores.

    Returns:
        The paths of the four files.

    Raises:
        WriteError: A file cannot be written.
    """
    from tfvision.plots.image_grid import plot_image_grid  # imports matplotlib
    from tfvision.robustness.plot import plot_corruptions

    table, picture, samples = path.with_suffix(".csv"), plots / f"{path.stem}.svg", plots / f"{path.stem}_samples.png"
    write_json(path, scores.to_dict())
    write_text(table, to_csv(scores.rows))
    names = list(dict.fromkeys(str(row["corruption"]) for row in scores.rows))
    plot_corruptions({name: scores.accuracies(name) for name in names}, scores.clean, picture)
    shown, captions = [], []
    for name in names:
        shown.append(images.read(0))
        captions.append(name)
        for severity in range(1, SEVERITIES + 1):
            shown.append(corrupt_images(images, name, severity, seed=seed).read(0))
            captions.append(f"{name} {severity}")
    plot_image_grid(shown, captions, "An image under each corruption", samples, columns=1 + SEVERITIES)
    return [path, table, picture, samples]


def _partners(images: ImageSet, seed: int) -> dict[str, int]:
    """Draw for each image id the index of an image of another class; the order of the images does not matter."""
    ordered = sorted(range(len(images)), key=images.ids.__getitem__)
    others = {k: [i for i in ordered if images.labels[i] != k] for k in np.unique(images.labels)}
    if not all(others.values()):
        raise DataError(
            "blend lays an image of another class over each one, and all images are of one class; leave blend out"
        )
    drawn = {}
    for i in ordered:
        pool = others[images.labels[i]]
        drawn[images.ids[i]] = pool[int(image_generator(seed, 0, f"blend/{images.ids[i]}").random() * len(pool))]
    return drawn


def _scores(found: Predictions) -> dict[str, float]:
    ones = np.ones((len(found), 1))
    scores = weighted_scores(found.labels, found.probabilities, ones, found.predicted, only=brief_scores())
    return {name: round(float(values[0]), 6) for name, values in scores.items()}

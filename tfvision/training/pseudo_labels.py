"""Pseudo-labels: a phase that learns from images it has labelled itself, where it was sure (Lee, ICML workshop 2013).

An image is kept if its probability of a class reaches the threshold of that class; each class has its own threshold,
since a network is seldom equally right about all of them. Or all images are kept, each with the probabilities of the
classes as a soft label (Xie et al., "Self-training with Noisy Student", CVPR 2020). Only the training part grows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfvision.data.images.imageset import ImageSet
from tfvision.system.csv_table import TableWriter
from tfvision.system.files import read_written_rows, replacing
from tfvision.training.options import PseudoLabelOptions

PSEUDO_LABEL_COLUMNS = ("phase", "id", "label", "probability", "expected", "truth", "threshold")
_PREFIX = "p_"  # of a column for each class, where labels are soft
_NEVER = 2.0  # a threshold that no probability reaches


@dataclass(frozen=True)
class PseudoLabels:
    """The images that a run may label itself, and where it records the labels.

    Attributes:
        options: Thresholds, and how many images to keep.
        images: The images without labels; labels -1.
        truth: int64 (n,), the label of each image if it was only hidden, else -1; for the report, never for training.
        path: The CSV file of all pseudo-labels.
        keep_before: Called once, before the first labelling, to keep the model without pseudo-labels.
    """

    options: PseudoLabelOptions
    images: ImageSet
    truth: np.ndarray
    path: Path
    keep_before: Callable[[], None] = lambda: None

    @property
    def cross_fitted(self) -> Path:
        """Where the probabilities lie that thresholds were found on, if they were cross-fitted."""
        return self.path.with_name("cross_fitted.npy")


@dataclass(frozen=True)
class Chosen:
    """The images that were labelled in one phase.

    Attributes:
        rows: int64 (m,), indexes into the unlabelled images.
        labels: int64 (m,).
        probabilities: float64 (m,), of the label by the model.
        expected: float64 (m,), the same, calibrated by a temperature fitted on images that the model did not learn.
        thresholds: float64 (K,), of each class; above 1 if none was found.
        soft: float32 (m, K), the probabilities of all classes where they are the labels, else None.
    """

    rows: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    expected: np.ndarray
    thresholds: np.ndarray
    soft: np.ndarray | None = None


def choose_sure(
    probabilities: np.ndarray, thresholds: np.ndarray, most: int | None, shares: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return which images to keep, and for which class.

    Args:
        probabilities: float (n, K).
        thresholds: float (K,); an image that reaches several gets the most probable of them.
        most: The most to keep per class, the surest; None for all.
        shares: float (K,), the share that each class must have of those kept; None to keep all. Without, a model that
            knows one class far better than another would teach itself that there is only the one.

    Returns:
        int64 (m,) rows in ascending order, and int64 (m,) labels.
    """
    reached = np.where(probabilities >= thresholds, probabilities, -1.0)
    labels = reached.argmax(axis=1)
    surest = reached.max(axis=1)
    reaching = [np.flatnonzero((labels == k) & (surest >= 0)) for k in range(probabilities.shape[1])]
    counts = np.array([len(rows) if most is None else min(len(rows), most) for rows in reaching])
    if shares is not None:
        counts = np.floor(shares * (counts[shares > 0] / shares[shares > 0]).min() + 1e-9).astype(np.int64)
    kept = [
        rows[np.argsort(-surest[rows], kind="stable")][:count] for rows, count in zip(reaching, counts, strict=True)
    ]
    rows = np.sort(np.concatenate(kept)).astype(np.int64)
    return rows, labels[rows].astype(np.int64)


def thresholds_for(probabilities: np.ndarray, labels: np.ndarray, precision: float) -> np.ndarray:
    """Return the lowest threshold of each class whose precision on labelled images is at least the wanted one.

    Precision is (right + 1) / (all + 2), Laplace's rule of succession: three images, all correct, do not show a
    precision of 0.95; eighteen do.

    Args:
        probabilities: float (n, K), of images that the model did not learn.
        labels: int (n,), their classes.
        precision: Over 0, under 1.

    Returns:
        float64 (K,), at least 1 / K; 2.0, which nothing reaches, if no threshold is precise enough.
    """
    found = np.full(probabilities.shape[1], _NEVER)
    for k in range(len(found)):
        order = np.argsort(-probabilities[:, k], kind="stable")
        values = probabilities[order, k]
        precise = (np.cumsum(labels[order] == k) + 1) / (np.arange(len(order)) + 3) >= precision
        last = np.append(np.diff(values) != 0, True)
        able = np.flatnonzero(precise & last)
        if len(able):
            found[k] = max(values[able[-1]], 1 / len(found))
    return found


def read_pseudo_labels(path: Path) -> list[dict[str, str]]:
    """Read the CSV file of pseudo-labels.

    Args:
        path: The file.

    Returns:
        Its rows; none if there is no file.

    Raises:
        DataError: It is damaged.
    """
    if not path.is_file():
        return []
    return read_written_rows(path, PSEUDO_LABEL_COLUMNS)


def _write(pseudo: PseudoLabels, class_names: tuple[str, ...], phase: int, chosen: Chosen) -> None:
    """Add the labels of a phase to the file; what a killed attempt at it wrote is replaced."""
    rows = [row for row in read_pseudo_labels(pseudo.path) if int(row["phase"]) < phase]
    names = [_PREFIX + name for name in class_names] if chosen.soft is not None else []
    for place, (i, label, probability, expected) in enumerate(
        zip(chosen.rows, chosen.labels, chosen.probabilities, chosen.expected, strict=True)
    ):
        truth = pseudo.truth[i]
        shares = [] if chosen.soft is None else chosen.soft[place]
        rows.append({
            "phase": str(phase),
            "id": pseudo.images.ids[i],
            "label": class_names[label],
            "probability": f"{probability:.6g}",
            "expected": f"{expected:.6g}",
            "truth": class_names[truth] if truth >= 0 else "",
            "threshold": f"{chosen.thresholds[label]:.6g}",
            **{name: f"{share:.9g}" for name, share in zip(names, shares, strict=True)},  # nine digits are a float32
        })  # fmt: skip
    _write_rows(pseudo, class_names, rows)


def _write_rows(pseudo: PseudoLabels, class_names: tuple[str, ...], rows: Sequence[dict[str, str]]) -> None:
    columns = [_PREFIX + name for name in class_names] if pseudo.options.soft else []
    with replacing(pseudo.path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer, names = TableWriter(file), (*PSEUDO_LABEL_COLUMNS, *columns)
        writer.writerow(names)
        writer.writerows([row[name] for name in names] for row in rows)


def repeat_labels(
    pseudo: PseudoLabels, class_names: tuple[str, ...], phase: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Give a phase the labels of the phase before it, in the file too.

    Args:
        pseudo: The images, and the file.
        class_names: The classes.
        phase: Index of the phase.

    Returns:
        Rows, labels and, if there are any, soft labels.
    """
    rows = [row for row in read_pseudo_labels(pseudo.path) if int(row["phase"]) < phase]
    again = [{**row, "phase": str(phase)} for row in rows if int(row["phase"]) == phase - 1]
    _write_rows(pseudo, class_names, [*rows, *again])
    return _read(pseudo, class_names, phase)


def _read(
    pseudo: PseudoLabels, class_names: tuple[str, ...], phase: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return the rows, the labels and, if there are any, the soft labels that a phase began with."""
    rows = [row for row in read_pseudo_labels(pseudo.path) if int(row["phase"]) == phase]
    places = {image_id: index for index, image_id in enumerate(pseudo.images.ids)}
    number = {name: index for index, name in enumerate(class_names)}
    found = [(places[row["id"]], number[row["label"]]) for row in rows]
    pairs = np.array(found, np.int64).reshape(-1, 2)
    soft = None
    if pseudo.options.soft:
        soft = np.array([[row[_PREFIX + name] for name in class_names] for row in rows], np.float32)
    return pairs[:, 0], pairs[:, 1], soft

"""Predictions: class probabilities of each image, and the CSV file from which every score is computed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tfvision.errors import DamagedError, DataError, one_line, worded
from tfvision.models.decision import Decision
from tfvision.system.csv_table import TableWriter
from tfvision.system.files import read_written_table, replacing
from tfvision.system.shown import Record
from tfvision.system.tables import first_lines

DIGITS = 9  # significant digits in the file: enough to restore any float32 exactly
_PREFIX = "p_"
_ROUNDED, _UNEVEN = 1e-6, 0.02  # how far from 0..1 a probability may be, and their sum from 1: half precision is coarse


@dataclass(frozen=True, eq=False, repr=False)
class Predictions(Record):
    """Class probabilities of `n` images.

    Args:
        ids: The images' ids, in order.
        parts: `(n,)` str, the part of the split each image belongs to; `""` if none.
        labels: `(n,)` int64, index of the true class; -1 means unlabelled.
        probabilities: `(n, K)` float64 in 0..1.
        class_names: The `K` names in the order of the columns; with two classes, the second is the positive class.
        decided: `(n,)` int64, the class that a stored decision assigns to each image; None for the most probable one.

    Raises:
        ValueError: The shapes do not match.
    """

    ids: tuple[str, ...]
    parts: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    class_names: tuple[str, ...]
    decided: np.ndarray | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", tuple(self.ids))
        object.__setattr__(self, "class_names", tuple(self.class_names))
        object.__setattr__(self, "parts", np.asarray(self.parts, dtype=str))
        object.__setattr__(self, "labels", np.asarray(self.labels, dtype=np.int64))
        object.__setattr__(self, "probabilities", np.asarray(self.probabilities, dtype=np.float64))
        count, classes = len(self.ids), len(self.class_names)
        if self.decided is not None:
            object.__setattr__(self, "decided", np.asarray(self.decided, dtype=np.int64))
        shapes = self.parts.shape, self.labels.shape, self.probabilities.shape
        if shapes != ((count,), (count,), (count, classes)):
            raise ValueError(
                f"parts, labels, probabilities have the shapes {shapes}; {count} ids and {classes} class names need "
                f"({count},), ({count},), ({count}, {classes})"
            )

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def predicted(self) -> np.ndarray:
        """`(n,)` int64, the decided class, else the most probable one; the first if several are equal."""
        if self.decided is not None:
            return self.decided
        return self.probabilities.argmax(axis=1).astype(np.int64)

    @property
    def predicted_names(self) -> list[str]:
        """The names of the predicted classes."""
        return [self.class_names[index] for index in self.predicted]

    def best(self, row: int, count: int) -> dict[str, float]:
        """Return the predicted class of an image and the most probable others, with their probabilities.

        Args:
            row: Which image.
            count: How many classes, at most.

        Returns:
            Class name to probability: the predicted class first, though a threshold may have chosen a less probable one.
        """
        probabilities = self.probabilities[row]
        # Of this row alone: `predicted` looks at all images.
        predicted = int(probabilities.argmax() if self.decided is None else self.decided[row])
        others = [label for label in np.argsort(-probabilities, kind="stable").tolist() if label != predicted]
        return {self.class_names[label]: float(probabilities[label]) for label in [predicted, *others][:count]}

    def remarks(self) -> list[str]:
        """Return the lines of the first images."""
        return first_lines(self.lines())

    def lines(self, top: int = 1) -> list[str]:
        """Return a line for each image: its id, predicted class and its probability; and the next classes up to `top`."""
        return [
            "  ".join((image_id, *(f"{name}  {value:.4f}" for name, value in self.best(row, top).items())))
            for row, image_id in enumerate(self.ids)
        ]

    def records(self, top: int | None = None) -> list[dict[str, Any]]:
        """Return `id`, `predicted` and `probabilities` of each image; of all classes, or of the first `top`."""
        count = len(self.class_names) if top is None else top
        return [
            {"id": image_id, "predicted": name, "probabilities": self.best(row, count)}
            for row, (image_id, name) in enumerate(zip(self.ids, self.predicted_names, strict=True))
        ]

    def joined(self, other: "Predictions") -> "Predictions":
        """Return these images followed by those of `other`, which has the same classes."""
        return replace(
            self,
            ids=self.ids + other.ids,
            parts=np.concatenate([self.parts, other.parts]),
            labels=np.concatenate([self.labels, other.labels]),
            probabilities=np.concatenate([self.probabilities, other.probabilities]),
            # Classes that one of them decides otherwise than by the largest probability stay as decided.
            decided=None
            if self.decided is None and other.decided is None
            else np.concatenate([self.predicted, other.predicted]),
        )

    def called(self, part: str) -> "Predictions":
        """Return the same images, all assigned to `part`."""
        return replace(self, parts=np.full(len(self), part))

    def part(self, name: str) -> "Predictions":
        """Return the images of one part of the split, in order."""
        return self.select(np.flatnonzero(self.parts == name))

    def select(self, rows: np.ndarray) -> "Predictions":
        """Return the images at `rows`, an int array, in that order."""
        decided = None if self.decided is None else self.decided[rows]
        ids = tuple(self.ids[row] for row in rows)
        return Predictions(
            ids, self.parts[rows], self.labels[rows], self.probabilities[rows], self.class_names, decided
        )

    def aligned(self, ids: Sequence[str], class_names: tuple[str, ...]) -> "Predictions":
        """Return the predictions of some images, in the order of `ids`, with the same classes in another order.

        Args:
            ids: Ids of images that are here.
            class_names: The names of the classes, in the order wanted.

        Returns:
            The predictions; labels and decided classes are indexes into `class_names`.
        """
        places = {image_id: row for row, image_id in enumerate(self.ids)}
        chosen = self.select(np.array([places[image_id] for image_id in ids], np.int64))
        columns = [self.class_names.index(name) for name in class_names]
        number = np.argsort(columns)  # from the class indexes here to those in `class_names`
        return replace(
            chosen,
            labels=np.where(chosen.labels >= 0, number[chosen.labels], -1),
            probabilities=chosen.probabilities[:, columns],
            class_names=class_names,
            decided=None if chosen.decided is None else number[chosen.decided],
        )

    def decide(self, decision: Decision | None) -> "Predictions":
        """Return the predictions with a decision applied to their probabilities; unchanged if it is None."""
        if decision is None:
            return self
        calibrated = decision.calibrate(self.probabilities)
        return replace(self, probabilities=calibrated, decided=decision.decide(calibrated))


def class_probabilities(outputs: np.ndarray, num_classes: int) -> np.ndarray:
    """Turn the outputs of a model into one column per class.

    Args:
        outputs: `(n, K)` probabilities, or `(n, 1)` from a two-class model with one sigmoid unit, which
            gives the probability of the second class.
        num_classes: `K`, at least 2.

    Returns:
        `(n, K)` float64.

    Raises:
        ValueError: The outputs have a different number of columns.
    """
    outputs = np.asarray(outputs, dtype=np.float64)
    if num_classes == 2 and outputs.shape[1:] == (1,):
        return np.concatenate([1 - outputs, outputs], axis=1)
    if outputs.shape[1:] != (num_classes,):
        raise ValueError(f"a model with outputs of shape {outputs.shape} cannot tell {num_classes} classes apart")
    return outputs


def write_predictions(path: Path | str, predictions: Predictions) -> None:
    """Write one row per image to a CSV file: `id, part, label, predicted, p_<class>...`.

    Args:
        path: The file to write.
        predictions: The predictions; an unlabelled image gets an empty label.

    Raises:
        WriteError: The file cannot be written.
    """
    names = predictions.class_names
    labels = [names[label] if label >= 0 else "" for label in predictions.labels]
    _write(path, ["id", "part", "label"], zip(predictions.ids, predictions.parts, labels, strict=True), predictions)


def write_unlabelled(path: Path | str, predictions: Predictions) -> None:
    """Write one row per unlabelled image to a CSV file: `id, predicted, p_<class>...`.

    Args:
        path: The file to write.
        predictions: The predictions.

    Raises:
        WriteError: The file cannot be written.
    """
    _write(path, ["id"], ([name] for name in predictions.ids), predictions)


def read_predictions(path: Path | str) -> Predictions:
    """Read a file written by `write_predictions` or `write_unlabelled`.

    Args:
        path: A CSV file with a column `id` and one column `p_<class>` per class, in the order of the classes.

    Returns:
        The predictions, in the order of the file. Without a column `part`, parts are empty; without `label`, labels
        are -1.

    Raises:
        DataError: The file is missing, lacks columns, or holds a value that is not a class or a number.
    """
    path = Path(path)
    header, rows = read_written_table(path)
    return parse_predictions(
        dict(zip(header, zip(*rows, strict=True) if rows else [()] * len(header), strict=True)), path
    )


def parse_predictions(columns: Mapping[str, Sequence[str]], path: Path) -> Predictions:
    """Build predictions from the columns of a file.

    Args:
        columns: Column name to cells, as text; columns with other names are ignored.
        path: The file they come from, for error messages.

    Returns:
        The predictions, see `read_predictions`.

    Raises:
        DataError: Columns are missing, or hold a value that is not a class or a number.
    """
    names = tuple(name.removeprefix(_PREFIX) for name in columns if name.startswith(_PREFIX))
    if "id" not in columns or not names:
        raise DataError(f"{path} has the columns {', '.join(columns)}; expected id and one p_<class> a class")
    empty = ("",) * len(columns["id"])
    return Predictions(
        ids=tuple(columns["id"]),
        parts=np.array(columns.get("part", empty), dtype=str),
        labels=_label_indices(columns.get("label", empty), names, path),
        probabilities=_numbers([columns[_PREFIX + name] for name in names], path),
        class_names=names,
    )


def class_cells(predictions: Predictions) -> dict[str, list[str]]:
    """Return the columns `predicted, p_<class>...` as text, one cell per image."""
    texts = [[f"{value:.{DIGITS}g}" for value in row] for row in predictions.probabilities.tolist()]
    # The class follows from the digits written, so that whoever reads the file finds the same one.
    rounded = np.array(texts, dtype=np.float64).reshape(predictions.probabilities.shape)
    indexes = rounded.argmax(axis=1) if predictions.decided is None else predictions.decided
    predicted = [predictions.class_names[index] for index in indexes]
    columns = [[row[index] for row in texts] for index in range(len(predictions.class_names))]
    return {
        "predicted": predicted,
        **{_PREFIX + name: column for name, column in zip(predictions.class_names, columns, strict=True)},
    }


def _write(path: Path | str, leading: list[str], cells: Iterable[Iterable[str]], predictions: Predictions) -> None:
    columns = class_cells(predictions)
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = TableWriter(file)
        writer.writerow([*leading, *columns])
        writer.writerows([*row, *texts] for row, texts in zip(cells, zip(*columns.values(), strict=True), strict=True))


def _label_indices(texts: Iterable[str], names: tuple[str, ...], path: Path) -> np.ndarray:
    index = {"": -1} | {name: position for position, name in enumerate(names)}
    texts = list(texts)
    row = next((number for number, text in enumerate(texts, start=2) if text not in index), None)
    if row:
        raise DataError(
            f"{path} has the label {worded(texts[row - 2])} in row {row}, which is none of the classes {', '.join(names)}"
        )
    return np.array([index[text] for text in texts], dtype=np.int64)


def _numbers(columns: list[Sequence[str]], path: Path) -> np.ndarray:
    try:
        found: np.ndarray = np.array(columns, dtype=np.float64).T
    except ValueError as error:
        row = next(
            number for number, cells in enumerate(zip(*columns, strict=True), start=2) if not _are_numbers(cells)
        )
        raise DataError(f"{path} has a probability that is not a number in row {row}: {one_line(error)}") from error
    if len(found) and not (found.min() >= -_ROUNDED and found.max() <= 1 + _ROUNDED):  # False also for NaN
        raise DamagedError(path, "a probability lies outside of 0..1")
    if len(found) and np.abs(found.sum(axis=1) - 1).max() > _UNEVEN:
        row = int(np.abs(found.sum(axis=1) - 1).argmax())
        raise DamagedError(path, f"the probabilities of row {row + 2:,} sum to {found[row].sum():.4g}, not to 1")
    return found


def _are_numbers(cells: Sequence[str]) -> bool:
    try:
        np.array(cells, np.float64)
    except ValueError:
        return False
    return True

"""Predicted boxes beside the true ones, and the CSV file from which every localization score is computed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tfvision.data.boxes.geometry import box_areas, box_ious
from tfvision.errors import DataError, one_line
from tfvision.evaluation.predictions import Predictions, class_cells, parse_predictions, write_predictions
from tfvision.system.csv_table import TableWriter
from tfvision.system.files import read_written_table, replacing
from tfvision.system.shown import Record
from tfvision.system.tables import first_lines

SIDES = ("xmin", "ymin", "xmax", "ymax")
_TRUE = "true_"
_COLUMNS = ("parts", "sizes", "predicted", "truth", "labels")
_DIGITS = 7  # significant digits: a thousandth of a pixel in the largest images


@dataclass(frozen=True, eq=False, repr=False)
class BoxPredictions(Record):
    """One predicted box for each of `n` images, in pixels of the image as stored in its file.

    Args:
        ids: The images' ids, in order.
        parts: `(n,)` str, the part of the split each image belongs to; `""` if none.
        sizes: `(n, 2)` int64, width and height of the stored image.
        predicted: `(n, 4)` float64, xmin, ymin, xmax, ymax.
        truth: `(n, 4)` float64, the true box; NaN if unknown.
        labels: `(n,)` str, the class of each image; `""` if unknown.
        classes: Class predictions for the same images; None if the model predicts boxes only.
    """

    ids: tuple[str, ...]
    parts: np.ndarray
    sizes: np.ndarray
    predicted: np.ndarray
    truth: np.ndarray
    labels: np.ndarray
    classes: Predictions | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def ious(self) -> np.ndarray:
        """`(n,)` float64, the overlap of each predicted box with the true one."""
        return box_ious(self.predicted, self.truth)

    @property
    def shares(self) -> np.ndarray:
        """`(n,)` float64, the share of its image that each true box covers."""
        return box_areas(self.truth) / self.sizes.prod(axis=1)

    def remarks(self) -> list[str]:
        """Return the lines of the first images."""
        return first_lines(self.lines())

    def lines(self, top: int = 1) -> list[str]:
        """Return a line for each image: its id, predicted box and, if there is one, predicted class, up to `top`."""
        boxes = [
            f"{image_id}  {' '.join(f'{side:.1f}' for side in box)}"
            for image_id, box in zip(self.ids, self.predicted, strict=True)
        ]
        if self.classes is None:
            return boxes
        return [
            "  ".join((box, *(f"{name}  {value:.4f}" for name, value in self.classes.best(row, top).items())))
            for row, box in enumerate(boxes)
        ]

    def records(self, top: int | None = None) -> list[dict[str, Any]]:
        """Return `id` and `box` of each image, in pixels, and what `Predictions.records` gives where there are classes."""
        classes: Sequence[dict[str, Any]] = self.classes.records(top) if self.classes else [{}] * len(self)
        return [
            {"id": image_id, "box": dict(zip(SIDES, box.tolist(), strict=True)), **more}
            for image_id, box, more in zip(self.ids, self.predicted, classes, strict=True)
        ]

    def joined(self, other: "BoxPredictions") -> "BoxPredictions":
        """Return these images followed by those of `other`."""
        both = {key: np.concatenate([getattr(self, key), getattr(other, key)]) for key in _COLUMNS}
        classes = self.classes.joined(other.classes) if self.classes and other.classes else None
        return replace(self, ids=self.ids + other.ids, classes=classes, **both)

    def called(self, part: str) -> "BoxPredictions":
        """Return the same images, all assigned to `part`."""
        classes = self.classes.called(part) if self.classes else None
        return replace(self, parts=np.full(len(self), part), classes=classes)

    def part(self, name: str) -> "BoxPredictions":
        """Return the images of one part of the split, in order."""
        rows = np.flatnonzero(self.parts == name)
        chosen = {key: getattr(self, key)[rows] for key in _COLUMNS}
        classes = self.classes.part(name) if self.classes else None
        return replace(self, ids=tuple(self.ids[row] for row in rows), classes=classes, **chosen)


def write_classes_or_boxes(path: Path | str, predictions: Predictions | BoxPredictions) -> None:
    """Write predictions of either kind, see `write_predictions` and `write_box_predictions`."""
    if isinstance(predictions, BoxPredictions):
        write_box_predictions(path, predictions)
    else:
        write_predictions(path, predictions)


def write_box_predictions(path: Path | str, predictions: BoxPredictions) -> None:
    """Write one row per image to a CSV file.

    The columns are `id`; `part` and `label` if known; `width, height`; the predicted box as `xmin, ymin, xmax, ymax`;
    the true box, if known, as `true_xmin` and so on; and for a model that predicts classes too `predicted,
    p_<class>...`.

    Args:
        path: The file to write.
        predictions: The predictions, at least one.

    Raises:
        WriteError: The file cannot be written.
    """
    columns: dict[str, list[str]] = {"id": list(predictions.ids)}
    if predictions.parts.any():
        columns["part"] = predictions.parts.tolist()
    if predictions.labels.any():
        columns["label"] = predictions.labels.tolist()
    columns |= dict(zip(("width", "height"), predictions.sizes.T.astype(str).tolist(), strict=True))
    for start, boxes in (("", predictions.predicted), (_TRUE, predictions.truth)):
        if not np.isnan(boxes).all():
            columns |= {start + side: [_text(v) for v in values] for side, values in zip(SIDES, boxes.T, strict=True)}
    if predictions.classes:
        columns |= class_cells(predictions.classes)
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = TableWriter(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def read_box_predictions(path: Path | str) -> BoxPredictions:
    """Read a file written by `write_box_predictions`.

    Args:
        path: The CSV file.

    Returns:
        The predictions, in the order of the file.

    Raises:
        DataError: The file is missing, lacks columns, or holds a value that is not a number.
    """
    names, rows = read_written_table(path)
    try:
        empty = [""] * len(rows)
        columns = {name: [row[place] for row in rows] for place, name in enumerate(names)}
        nothing = np.full((len(rows), 4), np.nan)
        known = _TRUE + SIDES[0] in columns
        return BoxPredictions(
            ids=tuple(columns["id"]),
            parts=np.array(columns.get("part", empty)),
            sizes=np.array([columns["width"], columns["height"]], np.int64).T,
            predicted=np.array([columns[side] for side in SIDES], np.float64).T,
            truth=np.array([columns[_TRUE + side] for side in SIDES], np.float64).T if known else nothing,
            labels=np.array(columns.get("label", empty)),
            classes=parse_predictions(columns, Path(path)) if "predicted" in columns else None,
        )
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        where = _first_wrong([dict(zip(names, row, strict=True)) for row in rows])
        raise DataError(
            f"cannot read boxes from {path}{where}: {one_line(error)}; expected a CSV file written by tfvision"
        ) from error


def _first_wrong(rows: Sequence[Mapping[str, str]]) -> str:
    """Say which row is the first whose numbers are none."""
    for number, row in enumerate(rows, start=2):
        try:
            np.array([row[name] for name in ("width", "height", *SIDES)], np.float64)
        except (ValueError, KeyError, TypeError):
            return f", row {number}"
    return ""


def _text(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.{_DIGITS}g}"

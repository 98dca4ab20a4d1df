"""Pictures for trackers that show PNG alone: those of the run, and those that it has as SVG drawn again."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tfvision.evaluation.predictions import Predictions
from tfvision.plots.classes import plot_calibration, plot_confusion_matrix, plot_precision_recall, plot_roc
from tfvision.plots.learning_curves import plot_learning_curves
from tfvision.runs.folder import Run
from tfvision.runs.names import (
    CALIBRATION_CURVE,
    CONFUSION_MATRIX,
    HISTORY,
    LEARNING_CURVES,
    PRECISION_RECALL,
    ROC,
)
from tfvision.tracking.folder import RunContent


def png_pictures(content: RunContent, folder: Path) -> tuple[dict[str, Path], list[str]]:
    """Return the pictures of a finished run as PNG.

    Args:
        content: The run.
        folder: An empty folder for those that are drawn again.

    Returns:
        The files by their names without ending; and the names of those that exist as SVG only.
    """
    found = {path.stem: path for path in content.pictures() if path.suffix == ".png"}
    left = []
    for path in content.pictures():
        if path.stem in found:
            continue
        drawn = folder / f"{path.stem}.png"
        if _draw(content, path.name, drawn):
            found[path.stem] = drawn
        else:
            left.append(path.stem)
    return dict(sorted(found.items())), left


def _draw(content: RunContent, name: str, path: Path) -> bool:
    """Draw a picture from the numbers of the run, if it is one of those that follow from them."""
    run = Run(content.folder)
    if name == LEARNING_CURVES and (content.folder / HISTORY).is_file():
        plot_learning_curves(content.rows, path, monitor=str(content.options.get("monitor", "val_loss")))
        return True
    curves: dict[str, Callable[[np.ndarray, np.ndarray, tuple[str, ...], Path], None]] = {
        PRECISION_RECALL: plot_precision_recall,
        ROC: plot_roc,
        CALIBRATION_CURVE: plot_calibration,
    }
    if name not in (*curves, CONFUSION_MATRIX) or not isinstance(predictions := run.predictions, Predictions):
        return False
    part = run.scored_part
    own = predictions.part(part)
    if name == CONFUSION_MATRIX:
        matrix = np.array(run.metrics[part]["confusion_matrix"])
        plot_confusion_matrix(matrix, own.class_names, path, f"Confusion matrix, {part}")
    else:
        curves[name](own.labels, own.probabilities, own.class_names, path)
    return True

"""Plots of classes: confusion matrix, precision and recall, ROC and calibration, one file each."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from tfvision.evaluation.ranking import ranking_areas, ranking_counts
from tfvision.evaluation.scores import CALIBRATION_BINS, calibration_bins, probability_scores
from tfvision.plots.figure import (
    CLASS_COLOURS,
    FAINT,
    INK,
    MARK,
    VALIDATION,
    cell_patch,
    draw_cells,
    draw_legend,
    new_figure,
    on_cell,
    save,
    say_nothing_to_draw,
    set_title,
    shorten,
)
from tfvision.plots.image_grid import plot_image_grid
from tfvision.plots.learning_curves import plot_learning_curves

__all__ = [
    "plot_calibration",
    "plot_confusion_matrix",
    "plot_image_grid",
    "plot_learning_curves",
    "plot_precision_recall",
    "plot_roc",
]

_Curve = tuple[float, str, np.ndarray]  # area, name of the class, values on the grid

_GRID = np.linspace(0, 1, 5001)
_FEW, _WORST = 10, 5  # up to 10 classes all are drawn; of more than that, the 5 worst
_NUMBERS_UP_TO = 30  # with more classes, the numbers of a confusion matrix do not fit into its cells
_PERCENT_UP_TO = 12  # nor the percent below them
_LEGEND = (0.02, 0.1, 0.25, 0.5, 1)


def plot_confusion_matrix(matrix: np.ndarray, class_names: Sequence[str], path: Path | str, title: str) -> None:
    """Draw a confusion matrix: the numbers count images, the colour (and percent, up to 12 classes) is the share of the row.

    Args:
        matrix: `(K, K)` int, true classes as rows, predicted as columns.
        class_names: The `K` names.
        path: The SVG or PNG file to write.
        title: The title of the figure.
    """
    matrix = np.asarray(matrix)
    count = len(class_names)
    side = float(np.clip((0.7 if count <= _PERCENT_UP_TO else 0.62) * count, 2.4, 18 if count > 60 else 13))
    figure, (axes,) = new_figure(side + 2.4, side + 1.6)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    # The square root spreads small shares: 2 % must not look like zero.
    draw_cells(axes, np.sqrt(shares))
    axes.set_aspect("equal")
    names = [shorten(str(name), 22) for name in class_names]
    size = 9 if count <= 30 else 7.5 if count <= 60 else 6
    axes.set_xticks(range(count), names, rotation=90 if count > 6 else 30, fontsize=size, parse_math=False)
    axes.set_yticks(range(count), names, fontsize=size, parse_math=False)
    if count <= 6:
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    set_title(axes, title, int(10 * side) + 10)
    if count <= _NUMBERS_UP_TO:
        _write_numbers(axes, matrix, shares)
    legend = [cell_patch(share**0.5, f"{share:.0%}") for share in _LEGEND]
    draw_legend(axes, handles=legend, loc="center left", bbox_to_anchor=(1, 0.5), title="share of the\ntrue class")
    save(figure, path)


def plot_precision_recall(
    labels: np.ndarray, probabilities: np.ndarray, class_names: Sequence[str], path: Path | str
) -> None:
    """Draw precision against recall, with the average precision of each class (Davis and Goadrich, ICML 2006).

    Args:
        labels: `(n,)` int, -1 for unlabelled images, which are left out.
        probabilities: `(n, K)` float in 0..1.
        class_names: The `K` names. With two classes only the second, positive one is drawn; with more than ten the
            mean and the five worst.
        path: The SVG or PNG file to write.
    """

    def curve(hits: np.ndarray, misses: np.ndarray) -> np.ndarray:
        recall = hits / hits[-1]
        at = np.minimum(np.searchsorted(recall, _GRID), len(recall) - 1)
        return (hits / (hits + misses))[at]

    classes = _class_curves(labels, probabilities, class_names, curve, area=1)
    _plot_curves(classes, path, "Precision and recall", "average precision", ("recall", "precision"), corner=(1, 1))


def plot_roc(labels: np.ndarray, probabilities: np.ndarray, class_names: Sequence[str], path: Path | str) -> None:
    """Draw the ROC curve, with the area under it, of each class (Fawcett, Pattern Recognition Letters 2006).

    Args:
        labels: `(n,)` int, -1 for unlabelled images, which are left out.
        probabilities: `(n, K)` float in 0..1.
        class_names: The `K` names. With two classes only the second, positive one is drawn; with more than ten the
            mean and the five worst.
        path: The SVG or PNG file to write.
    """

    def curve(hits: np.ndarray, misses: np.ndarray) -> np.ndarray:
        rates = np.interp(_GRID, misses / misses[-1], hits / hits[-1])
        rates[0] = 0  # the curve starts in the corner, however many positives rank above all negatives
        return rates

    classes = _class_curves(labels, probabilities, class_names, curve, area=0)
    names = ("false positive rate", "true positive rate (recall)")
    _plot_curves(classes, path, "ROC curve", "area under the curve", names, corner=(0, 1))


def plot_calibration(
    labels: np.ndarray,
    probabilities: np.ndarray,
    class_names: Sequence[str],
    path: Path | str,
    *,
    title: str = "Calibration",
) -> None:
    """Draw a reliability diagram (Guo et al., ICML 2017): observed against predicted frequency, and a histogram below.

    Args:
        labels: `(n,)` int, -1 for unlabelled images, which are left out.
        probabilities: `(n, K)` float in 0..1.
        class_names: The `K` names. With two classes the probability of the positive one is drawn, with more that of
            the predicted class. The calibration error in the title is always that of the predicted class.
        path: The SVG or PNG file to write.
        title: The title of the figure; the error is appended.
    """
    labels, probabilities = _labelled(labels, probabilities)
    figure, (upper, lower) = new_figure(6.4, 6.8, 2, [3, 1])
    if not len(labels):
        lower.set_axis_off()
        say_nothing_to_draw(upper, "No image has a label.")
        save(figure, path)
        return
    if len(class_names) == 2:
        claimed, true = probabilities[:, 1], labels == 1
        name = shorten(str(class_names[1]), 30)
        what = (f"probability of {name}", f"share that is {name}")
    else:
        claimed, true = probabilities.max(axis=1), labels == probabilities.argmax(axis=1)
        what = ("probability of the predicted class", "share predicted correctly")
    error = probability_scores(labels, probabilities, np.ones((len(labels), 1)))["expected_calibration_error"][0]
    _draw_reliability(upper, lower, claimed, true)
    set_title(upper, f"{title}: expected calibration error {error:.3f}")
    upper.set_ylabel(what[1], parse_math=False)
    lower.set_xlabel(what[0], parse_math=False)
    save(figure, path)


def _write_numbers(axes: Axes, matrix: np.ndarray, shares: np.ndarray) -> None:
    size = {1: 10, 2: 10, 3: 9, 4: 8}.get(len(str(matrix.max())), 7)
    for (row, column), number in np.ndenumerate(matrix):
        colour = on_cell(float(shares[row, column]) ** 0.5) if number else FAINT
        if not number or len(matrix) > _PERCENT_UP_TO:
            axes.text(column, row, str(number), ha="center", va="center", fontsize=size, color=colour)
            continue
        axes.text(column, row - 0.13, str(number), ha="center", va="center", fontsize=size, color=colour)
        percent = _percent(float(shares[row, column]))
        axes.text(column, row + 0.22, percent, ha="center", va="center", fontsize=7, color=colour)


def _percent(share: float) -> str:
    """Return a share in percent: one decimal where a whole number would say nothing or everything."""
    return f"{share:.1%}" if 0 < share < 0.01 or 0.99 < share < 1 else f"{share:.0%}"


def _labelled(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    known = np.asarray(labels) >= 0
    return np.asarray(labels)[known], np.asarray(probabilities, np.float64)[known]


def _class_curves(
    labels: np.ndarray,
    probabilities: np.ndarray,
    class_names: Sequence[str],
    curve: Callable[[np.ndarray, np.ndarray], np.ndarray],
    *,
    area: int,
) -> list[_Curve]:
    """Return `(area, name, curve on the grid)` of each class that has both positive and negative images."""
    labels, probabilities = _labelled(labels, probabilities)
    ones = np.ones((len(labels), 1))
    curves = []
    for index in [1] if len(class_names) == 2 else range(len(class_names)):
        positive = labels == index
        if positive.any() and not positive.all():
            value = ranking_areas(positive, probabilities[:, index], ones)[area][0]
            points = curve(*ranking_counts(positive, probabilities[:, index]))
            curves.append((value, shorten(str(class_names[index]), 24), points))
    return curves


def _plot_curves(
    classes: list[_Curve],
    path: Path | str,
    title: str,
    area: str,
    axis_names: tuple[str, str],
    corner: tuple[int, int],
) -> None:
    """Draw the curves of some classes and, if there are several, their mean."""
    figure, (axes,) = new_figure(5.8, 5.6 + 0.21 * (min(len(classes), _FEW) + 2 if len(classes) > 1 else 0))
    if not classes:
        say_nothing_to_draw(axes, "No curve: it needs labelled images of at least two classes.")
        save(figure, path)
        return
    drawn = sorted(classes, key=lambda one: one[0])[:_WORST] if len(classes) > _FEW else classes
    for position, (value, name, points) in enumerate(drawn):
        style = "-" if position % 2 == 0 or len(drawn) < 5 else "--"
        axes.plot(_GRID, points, style, color=CLASS_COLOURS[position], linewidth=1.6, label=f"{value:.3f}  {name}")
    if len(classes) > 1:
        mean = np.mean([points for _, _, points in classes], axis=0)
        average = np.mean([value for value, _, _ in classes])
        label = f"{average:.3f}  mean of {len(classes)} classes"
        axes.plot(_GRID, mean, color=INK, linewidth=2.6, label=label)
        heading = area + (f",\nthe {_WORST} worst classes" if len(classes) > _FEW else "")
        draw_legend(axes, loc="upper left", bbox_to_anchor=(0, -0.12), title=heading, alignment="left")
    else:
        title = f"{title} of {drawn[0][1]}: {area} {drawn[0][0]:.3f}"
    if corner == (0, 1):
        axes.plot([0, 1], [0, 1], ":", color="#888888", linewidth=1.2, zorder=1)  # chance
    zoom = _zoom_on(axes, drawn, corner)
    set_title(axes, title + (" (zoomed into the corner)" if zoom else ""), 56)
    axes.set_xlabel(axis_names[0])
    axes.set_ylabel(axis_names[1])
    axes.set_aspect("equal", anchor="W")
    save(figure, path)


def _zoom_on(axes: Axes, drawn: list[_Curve], corner: tuple[int, int]) -> bool:
    """Show a fifth of the axes if all curves are close to the ideal corner, else all; return whether it zoomed."""
    zoom = min(value for value, _, _ in drawn) > 0.97
    width = 0.2 if zoom else 1.0
    margin = 0.02 * width
    limits: tuple[Callable[[float, float], object], ...] = (axes.set_xlim, axes.set_ylim)
    for limit, ideal in zip(limits, corner, strict=True):
        limit(*((1 - width - margin, 1 + margin) if ideal else (-margin, width + margin)))
    return zoom


def _draw_reliability(upper: Axes, lower: Axes, claimed: np.ndarray, true: np.ndarray) -> None:
    bins = calibration_bins(claimed)
    counts = np.bincount(bins, minlength=CALIBRATION_BINS)
    used = np.flatnonzero(counts)
    x = np.bincount(bins, claimed, CALIBRATION_BINS)[used] / counts[used]
    y = np.bincount(bins, true, CALIBRATION_BINS)[used] / counts[used]
    low, high = _wilson(y, counts[used])
    upper.plot([0, 1], [0, 1], "--", color="#888888", linewidth=1.2, label="perfect calibration")
    upper.errorbar(
        x, y, [y - low, high - y], fmt="o", color=VALIDATION, ecolor="#8FBBD9", elinewidth=2, markersize=6,
        label="images of one bin, with 95 % interval",
    )  # fmt: skip
    upper.set_ylim(-0.02, 1.02)
    draw_legend(upper, loc="upper left" if np.mean(y - x) < 0.1 else "lower right")
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    lower.bar(edges[:-1], counts, width=1 / CALIBRATION_BINS, align="edge", color=MARK, edgecolor="white")
    lower.set_ylabel("images")
    lower.set_xlim(-0.02, 1.02)


def _wilson(share: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the 95 % interval of a share (Wilson, JASA 1927), which stays within 0..1 and holds for few images."""
    z2 = 1.96**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = np.sqrt(z2 * (share * (1 - share) / count + z2 / (4 * count**2))) / (1 + z2 / count)
    return np.minimum(middle - half, share), np.maximum(middle + half, share)

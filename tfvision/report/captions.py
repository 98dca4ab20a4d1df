"""Captions that say what a picture of this run shows, beside what such a picture is."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tfvision.evaluation.score_names import LAST_EPOCH, column_words, goodness
from tfvision.report.words import percent


def captions(
    scores: Mapping[str, Any] | None,
    history: Sequence[Mapping[str, str]],
    monitor: str,
    rates: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """Return a sentence for each picture whose content the files of the run tell.

    Args:
        scores: Metrics of the part that the pictures show, as in `metrics.json`, or None.
        history: Rows of `history.csv`.
        monitor: The column that chose the best epoch.
        rates: The content of `learning_rates.json`, or None.

    Returns:
        Sentences by the name of the picture; none where a file lacks what they need.
    """
    makers: dict[str, Callable[[], str]] = {
        "confusion_matrix": lambda: _confusion(scores or {}),
        "calibration": lambda: _calibration(scores or {}),
        "precision_recall": lambda: _hardest(scores or {}, "average_precision", "average precision"),
        "roc": lambda: _hardest(scores or {}, "roc_auc", "area under the curve"),
        "learning_curves": lambda: _curves(history, monitor),
        "learning_rates": lambda: _rates(rates or {}),
    }
    found = {}
    for name, make in makers.items():
        try:
            found[name] = make()
        except (KeyError, TypeError, ValueError, IndexError):  # a damaged file; the picture speaks for itself
            found[name] = ""
    return found


def _confusion(scores: Mapping[str, Any]) -> str:
    matrix, names = scores["confusion_matrix"], scores["class_names"]
    total, right = sum(map(sum, matrix)), sum(row[k] for k, row in enumerate(matrix))
    text = f"{right:,} of {total:,} images are on the diagonal."
    wrong = [(row[j], i, j) for i, row in enumerate(matrix) for j in range(len(row)) if i != j and row[j]]
    if wrong:
        count, i, j = max(wrong, key=lambda cell: cell[0])  # of equal ones the first, as in the summary
        share = percent(count / sum(matrix[i]))
        text += (
            f" The largest number off it: {count:,} of {sum(matrix[i]):,} {names[i]} ({share}) taken for {names[j]}."
        )
    return text


def _rates(rates: Mapping[str, Any]) -> str:
    return " ".join(
        f"{curve['phase']}: {curve['suggestion']:.2g}, {curve['said']} ({curve['start']})."
        if curve["suggestion"]
        else f"{curve['phase']}: the default, since {curve['said']} ({curve['start']})."
        for curve in rates["phases"]
    )


def _calibration(scores: Mapping[str, Any]) -> str:
    error = scores["expected_calibration_error"]
    return f"Here the stated probability is off by {100 * error:.1f} points on average."


def _hardest(scores: Mapping[str, Any], score: str, words: str) -> str:
    rows = [row for row in scores["per_class"] if row.get(score) is not None]
    if len(rows) < 3:
        return ""
    worst, best = (choose(rows, key=lambda row: row[score]) for choose in (min, max))
    return f"Hardest is {worst['class']} ({words} {worst[score]:.3f}), easiest {best['class']} ({best[score]:.3f})."


def _curves(history: Sequence[Mapping[str, str]], monitor: str) -> str:
    if monitor == LAST_EPOCH:
        return f"The weights are those of the last epoch, {len(history)}, whatever its scores; validation chose none."
    scores = [goodness(monitor, float(row[monitor])) for row in history]
    best = scores.index(max(scores))
    value = float(history[best][monitor])
    return f"The weights are those of epoch {best + 1} of {len(scores)}, the best by validation {column_words(monitor)} ({value:.4f})."

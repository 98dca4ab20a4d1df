"""The story of a run: its class scores in sentences."""

from typing import Any, TypeGuard

from tfvision.evaluation.binomial import clopper_pearson_interval
from tfvision.evaluation.score_names import SCORES
from tfvision.report.words import percent


def tell(metrics: dict[str, Any]) -> dict[str, Any]:
    """Return the sentences that open the report.

    Args:
        metrics: `{"validation": {...}, "test": {...}}` as in `metrics.json`; either may be missing.

    Returns:
        `figure`, the accuracy as large text; `headline`, one sentence; `remarks`, a list of sentences.
    """
    part = headline_part(metrics)
    if part is None:
        return {"figure": "–", "headline": "This folder holds no scores yet.", "remarks": []}
    scores = metrics[part]
    remarks = [_comparison(metrics) if part == "test" else _no_test(), _baseline(scores), _confusion(scores)]
    return {
        "figure": percent(scores["accuracy"]),
        "headline": _headline(part, scores),
        "remarks": [remark for remark in remarks if remark],
    }


def headline_part(metrics: dict[str, Any]) -> str | None:
    """Return the part whose score opens the report: test, else validation, else None."""
    return next((part for part in ("test", "validation") if _has_score(metrics.get(part))), None)


def _has_score(scores: Any) -> bool:
    return _has_accuracy(scores) or (isinstance(scores, dict) and scores.get("mean_iou") is not None)


def _has_accuracy(scores: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(scores, dict) and scores.get("accuracy") is not None


def _interval(scores: dict[str, Any], name: str) -> list[float] | None:
    return (scores.get("ci95") or {}).get(name)


def _headline(part: str, scores: dict[str, Any]) -> str:
    text = f"of the {scores.get('n', 0):,} {part} images are classified correctly"
    interval = _interval(scores, "accuracy")
    if scores["accuracy"] == 1 and scores.get("n"):  # no resample of images without a mistake has one
        low, _ = clopper_pearson_interval(scores["n"], scores["n"])
        text += f" (exact 95 % interval {percent(low)} to 100 %)"
    elif interval:
        text += f" (95 % interval {percent(interval[0])} to {percent(interval[1])})"
    if scores.get("positive_class") is not None and scores.get("f1") is not None:
        text += f", and the {SCORES['f1'].label(scores['positive_class'])} is {scores['f1']:.4f}"
        if bounds := _interval(scores, "f1"):
            text += " ({:.4f} to {:.4f})".format(*bounds)
    return text + "."


def _comparison(metrics: dict[str, Any]) -> str:
    validation, test = metrics.get("validation"), metrics["test"]
    if not _has_accuracy(validation):
        return "There are no validation scores to compare it with."
    difference = validation["accuracy"] - test["accuracy"]
    text = f"On the {validation.get('n', 0):,} validation images it was {percent(validation['accuracy'])}"
    interval = _interval(test, "accuracy")
    if interval and interval[0] <= validation["accuracy"] <= interval[1]:
        return f"{text}: the same within the interval."
    points = f"{text}: {100 * abs(difference):.1f} points {'higher' if difference > 0 else 'lower'} than on test"
    if difference > 0:
        return f"{points}. Validation also chose the model that was kept, so trust the test score."
    return f"{points}, so the two parts are not equally hard."


def _no_test() -> str:
    return (
        "There is no test part, so this is the score of the validation images, which also chose the model that was "
        "kept: expect slightly less on new images."
    )


def _baseline(scores: dict[str, Any]) -> str:
    support = [(row.get("support") or 0, row.get("class")) for row in scores.get("per_class") or []]
    total = sum(count for count, _ in support)
    if not total:
        return ""
    count, name = max(support, key=lambda pair: pair[0])
    return f"Always answering {name}, the most frequent class, would be right for {percent(count / total)}."


def _confusion(scores: dict[str, Any]) -> str:
    matrix, names = scores.get("confusion_matrix") or [], scores.get("class_names") or []
    cells = [
        (count, names[row], names[column])
        for row, line in enumerate(matrix)
        for column, count in enumerate(line)
        if row != column and count and max(row, column) < len(names)
    ]
    if not cells:
        return "No image was taken for another class." if matrix else ""
    count, true, predicted = max(cells, key=lambda cell: cell[0])
    return f"The most frequent mistake: {true} taken for {predicted}, {count:,} {'time' if count == 1 else 'times'}."

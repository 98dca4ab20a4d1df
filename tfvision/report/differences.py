"""Differences between two answers to the same images, as rows of the report."""

from typing import Any

_ROWS = {
    "mean_cost": "Cost of an image",
    "accuracy": "Accuracy",
    "precision": "Precision of {positive}",
    "recall": "Recall of {positive}",
    "f1": "F1 of {positive}",
    "f1_macro": "F1, macro",
    "log_loss": "Log loss",
    "brier": "Brier score",
    "expected_calibration_error": "Calibration error",
}
_LOWER_IS_BETTER = ("mean_cost", "log_loss", "brier", "expected_calibration_error")


def difference_table(part: str, stored: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """Return `part`, `n` and rows `(name, before, after, difference, verdict)` as text.

    Args:
        part: Of the split.
        stored: `n` and `scores`, each with `first, second, difference, ci95`.
        names: The classes.
    """
    rows = []
    for key, name in _ROWS.items():
        if key in stored["scores"]:
            rows.append(_row(key, name.format(positive=names[-1] if names else ""), stored["scores"][key]))
    return {"part": part, "n": stored["n"], "rows": rows}


def _row(key: str, name: str, values: dict[str, Any]) -> tuple[str, str, str, str, str]:
    low, high = values["ci95"]
    better = low > 0 if key not in _LOWER_IS_BETTER else high < 0
    worse = high < 0 if key not in _LOWER_IS_BETTER else low > 0
    same = values["first"] == values["second"] and low == high == 0
    verdict = "better" if better else "worse" if worse else "the same" if same else "not clear"
    difference = f"{values['difference']:+.4f} [{low:+.4f}, {high:+.4f}]"
    return name, f"{values['first']:.4f}", f"{values['second']:.4f}", difference, verdict

"""Decision of a run, for the report: what was chosen on validation, and what it changed on test."""

from typing import Any

from tfvision.evaluation.decision import Decision

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


def decision_section(stored: dict[str, Any]) -> dict[str, Any] | None:
    """Return the section of a stored decision; None where there is none.

    Args:
        stored: `decision.json`.

    Returns:
        `sentences`, and `tables` of each part: `part`, `n` and rows `(name, before, after, difference, verdict)`.
    """
    try:
        decision = Decision.from_dict(stored)
    except ValueError:
        return None
    if decision.is_neutral:
        return None
    names = stored.get("class_names") or []
    tables = [_table(part, stored[part], names) for part in ("test", "validation") if part in stored]
    return {"sentences": _sentences(decision, stored, names), "tables": tables}


def _sentences(decision: Decision, stored: dict[str, Any], names: list[str]) -> list[str]:
    count = stored.get("validation_images", 0)
    sentences = []
    if decision.temperature != 1:
        how = "less sure" if decision.temperature > 1 else "surer"
        sentences.append(
            f"Temperature {decision.temperature:.3g}, fitted on the {count:,} validation images, makes the "
            f"probabilities {how}; it changes no class."
        )
    if decision.threshold is not None:
        sentences.append(
            f"An image is {names[1]} from a probability of {decision.threshold:.4g} on, chosen for "
            f"{decision.objective} on the {count:,} validation images."
        )
    elif decision.offsets:
        listed = sorted(zip(decision.offsets, names, strict=True), key=lambda pair: -abs(pair[0]))[:8]
        shown = ", ".join(f"{name} {offset:+.2f}" for offset, name in listed)
        sentences.append(
            f"Before the largest probability is taken, its logarithm is moved for each class, by what was chosen for "
            f"{decision.objective} on the {count:,} validation images: {shown}."
        )
    if not any(decision.offsets) and decision.offsets:
        sentences.append("That is what it was without a choice: nothing better held up within the validation images.")
    times = stored.get("times_scored_on_test", 1)
    if times > 1:
        sentences.append(
            f"The test images have by now been scored for {times} choices. None was made by their score; whoever keeps "
            "the choice that scored best makes that score too good."
        )
    return sentences


def _table(part: str, stored: dict[str, Any], names: list[str]) -> dict[str, Any]:
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

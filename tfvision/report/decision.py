"""Decision of a run, for the report: what was chosen on validation, and what it changed on test."""

from typing import Any

from tfvision.models.decision import Decision
from tfvision.report.differences import difference_table


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
    tables = [difference_table(part, stored[part], names) for part in ("test", "validation") if part in stored]
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

"""The decision of a run, for the report: what was chosen on validation, and what it changed on test."""

from typing import Any

from tfvision.models.decision import Decision
from tfvision.report.differences import difference_table


def decision_section(stored: dict[str, Any]) -> dict[str, Any] | None:
    """Return the report's section on a stored decision.

    Args:
        stored: Content of `decision.json`.

    Returns:
        `sentences`, and a table for each part, see `difference_table`; None if there is no decision or it changes
        nothing.
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


def outdated(scores: dict[str, Any], stored: dict[str, Any], verb: str) -> str:
    """Say that scores were taken with another decision than the run has now.

    Args:
        scores: Content of a file of scores; empty if there is none.
        stored: Content of `decision.json`; empty if there is none.
        verb: The command that takes the scores again.

    Returns:
        A sentence; nothing if the decision is the same, or if the scores say nothing about theirs.
    """
    try:
        then, now = (_effect(content) for content in (scores["decision"], stored))
    except (KeyError, ValueError):
        return ""
    if then == now:
        return ""
    return (
        "These figures were taken before the run's decision was changed to what it is now, and no longer hold for it: "
        f"run {verb} again."
    )


def _effect(content: dict[str, Any] | None) -> tuple[float, tuple[float, ...]]:
    decision = Decision.from_dict(content) if content else Decision()
    return decision.temperature, decision.offsets


def _sentences(decision: Decision, stored: dict[str, Any], names: list[str]) -> list[str]:
    count = stored.get("validation_images", 0)
    sentences = []
    if decision.temperature != 1:
        how = "less confident" if decision.temperature > 1 else "more confident"
        sentences.append(
            f"Temperature {decision.temperature:.3g}, fitted on the {count:,} validation images, makes the "
            f"probabilities {how}; it changes no predicted class."
        )
    if decision.threshold is not None:
        sentences.append(
            f"An image is classified as {names[1]} if its probability is at least {decision.threshold:.4g}, which was "
            f"chosen for {decision.objective} on the {count:,} validation images."
        )
    elif decision.offsets:
        listed = sorted(zip(decision.offsets, names, strict=True), key=lambda pair: -abs(pair[0]))[:8]
        shown = ", ".join(f"{name} {offset:+.2f}" for offset, name in listed)
        sentences.append(
            "Before the most probable class is taken, the log-probability of each class is shifted by an offset, chosen "
            f"for {decision.objective} on the {count:,} validation images: {shown}."
        )
    if not any(decision.offsets) and decision.offsets:
        sentences.append("This is the same as without a choice: nothing better held up within the validation images.")
    times = stored.get("times_scored_on_test", 1)
    if times > 1:
        sentences.append(
            f"The test images have now been scored for {times} choices. None was made on the test scores, but keeping "
            "the choice that scores best on test would make that score too optimistic."
        )
    return sentences

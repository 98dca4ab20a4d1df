"""Differences between two sets of predictions for the same images, as rows of the report."""

from typing import Any

from tfvision.evaluation.paired import Difference
from tfvision.evaluation.score_names import SCORES


def difference_table(part: str, stored: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """Return a table of the differences in one part.

    Args:
        part: Part of the split.
        stored: `n` and `scores`, each with `first, second, difference, ci95`.
        names: Names of the classes.

    Returns:
        `part`, `n` and `rows` of `(name, before, after, difference, verdict)` as text.
    """
    positive = names[-1] if names else ""
    rows = [
        (score.title(positive), *_cells(score.name, Difference.from_dict(stored["scores"][score.name])))
        for score in SCORES.values()
        if score.name in stored["scores"]
    ]
    return {"part": part, "n": stored["n"], "rows": rows}


def _cells(score: str, one: Difference) -> tuple[str, str, str, str]:
    difference = f"{one.value:+.4f} [{one.low:+.4f}, {one.high:+.4f}]"
    return f"{one.first:.4f}", f"{one.second:.4f}", difference, one.verdict(score)

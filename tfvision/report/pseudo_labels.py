"""Pseudo-labels of a run, for the report: how many per class, how many were right, and what they gained."""

from typing import Any

from tfvision.report.differences import difference_table


def pseudo_label_section(stored: dict[str, Any]) -> dict[str, Any] | None:
    """Return the report's section on pseudo-labels.

    Args:
        stored: Content of `pseudo_labels.json`; empty if there is none.

    Returns:
        `rows` of `(phase, class, added, threshold, expected, true)` as text, and `tables`, one for each part, see
        `difference_table`; None if the run has no pseudo-labels.
    """
    added = stored.get("added")
    if not isinstance(added, list):
        return None
    names = list(dict.fromkeys(row["class"] for row in added))
    parts = [part for part in ("test", "validation") if part in stored]
    return {
        "rows": [_row(row) for row in added],
        "tables": [difference_table(part, stored[part], names) for part in parts],
    }


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    threshold, true = row.get("threshold"), row.get("true_precision")
    return (
        row["phase"],
        row["class"],
        f"{row['added']:,}",
        "–" if threshold is None else f"{threshold:.3f}",
        f"{row['expected_precision']:.3f}" if row["added"] else "–",
        "–" if true is None else f"{true:.3f} of {row['known']:,}",
    )

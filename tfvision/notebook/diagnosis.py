"""A diagnosis in a notebook: a table of what was looked at, with the commands that mend what is wrong."""

from html import escape

from tfvision.doctor.diagnosis import Diagnosis, HealthCheck
from tfvision.notebook.cards import heading, in_card

_MARKS = {"ok": ("✓", "#2e8540"), "note": ("!", "#b8860b"), "wrong": ("✗", "#c0392b")}


def card_of_diagnosis(found: Diagnosis) -> str:
    """Return what a notebook shows of a diagnosis.

    Args:
        found: From `doctor`.

    Returns:
        HTML.
    """
    rows = "".join(_row(check) for check in found.checks)
    return in_card(f"{heading(found.verdict.capitalize())}<table>{rows}</table>")


def _row(check: HealthCheck) -> str:
    mark, colour = _MARKS[check.state]
    remedy = f"<pre>{escape(check.remedy)}</pre>" if check.remedy else ""
    return (
        f'<tr><td title="{check.state}" style="color: {colour}; font-weight: 700">{mark}</td>'
        f"<td>{escape(check.topic)}</td><td>{escape(check.says)}{remedy}</td></tr>"
    )

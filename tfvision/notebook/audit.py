"""An audit in a notebook: how many images have which problem, and the worst of each."""

from tfvision.audit.audit import Audit
from tfvision.audit.findings import PROBLEMS, Finding
from tfvision.errors import DataError
from tfvision.notebook.cards import gallery, in_card, line
from tfvision.notebook.record import show_record

_IN_ROW = 6


def card_of_audit(found: Audit) -> str:
    """Return what a notebook shows of an audit.

    Args:
        found: From `audit`.

    Returns:
        HTML.
    """
    html = [show_record(found)]
    for problem, (title, meaning) in PROBLEMS.items():
        own = [finding for finding in found.findings if finding.problem == problem][:_IN_ROW]
        if row := _row(found, own):
            html.append(line(f"{title}: {meaning}", soft=True) + row)
    return in_card("".join(html))


def _row(found: Audit, findings: list[Finding]) -> str:
    """Return the images of findings, each with what was found; damaged ones cannot be shown."""
    pictures, texts = [], []
    for finding in findings:
        try:
            pictures.append(found.images.read(finding.index))
        except DataError:
            continue
        other = "" if finding.other is None else f"see {found.images.ids[finding.other]}"
        said = (found.images.ids[finding.index], f"{finding.score:.3g}", finding.note, other)
        texts.append("; ".join(filter(None, said)))
    return gallery(pictures, texts) if pictures else ""

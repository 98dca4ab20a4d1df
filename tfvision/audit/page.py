"""audit.html: what was found, with the pictures side by side, on one page that needs no other file."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from tfvision.audit.findings import PROBLEMS, Finding
from tfvision.data.images.imageset import ImageSet
from tfvision.report.pictures import is_small, thumbnail_uri
from tfvision.report.template import page_template
from tfvision.system.files import to_json
from tfvision.version import __version__

_DAMAGED = ("unreadable", "truncated", "empty")


def render_audit(
    images: ImageSet,
    findings: Sequence[Finding],
    *,
    kept: np.ndarray,
    removed: Sequence[str],
    notes: Sequence[str],
    command: str,
    review_command: str,
    shown: int,
) -> str:
    """Return the page as HTML, with all text from the data escaped.

    Args:
        images: All images of the data.
        findings: What was found, ranked.
        kept: bool (n,), whether an image is in clean.csv.
        removed: Problems that keep an image out of it.
        notes: Checks that were skipped, one line each.
        command: The command that trains on the clean images; "" if they have no labels.
        review_command: The same for `review.csv`, which the page saves.
        shown: Most pictures of each problem.

    Returns:
        A page that needs no other file and no network.
    """

    @lru_cache(maxsize=256)
    def picture(index: int) -> dict[str, Any]:
        return _picture(images, index)

    sections = []
    for problem, (title, meaning) in PROBLEMS.items():
        own = [finding for finding in findings if finding.problem == problem]
        if not own:
            continue
        damaged = problem in _DAMAGED
        sections.append(
            {
                "name": problem,
                "title": title,
                "meaning": meaning,
                "count": len(own),
                "removed": problem in removed,
                "tiles": [] if damaged else [_tile(finding, picture) for finding in own[:shown]],
                "rows": [(images.ids[f.index], f.note) for f in own[:shown]] if damaged else [],
                "more": len(own) - min(shown, len(own)),
            }
        )
    facts = {"data": images.source, "total": len(images), "kept": int(kept.sum()), "notes": notes, "command": command}
    return page_template("audit.html", "audit").render(
        sections=sections,
        version=__version__,
        review=_review(images, findings, kept, sections),
        review_command=review_command,
        **facts,
    )


def _review(
    images: ImageSet, findings: Sequence[Finding], kept: np.ndarray, sections: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return what `review.js` begins with: what the audit proposes, and the labels of the images that are shown."""
    names = images.class_names
    shown = {picture["id"] for section in sections for tile in section["tiles"] for picture in tile["pictures"]}
    labels = {
        images.ids[index]: names[images.labels[index]] if images.labels[index] >= 0 else ""
        for finding in findings
        for index in (finding.index, finding.other)
        if index is not None and images.ids[index] in shown
    }
    # An absolute path: the browser saves the review wherever it saves.
    source = Path(images.source)
    dataset = source.resolve().as_posix() if source.exists() else images.source
    dropped = [images.ids[index] for index in np.flatnonzero(~kept)]
    content = {"dataset": dataset, "dropped": dropped, "labels": labels, "classes": names}
    # What the browser remembers belongs to this audit: another one shows other images and proposes something else.
    return {**content, "audit": hashlib.sha256(to_json(content).encode(errors="backslashreplace")).hexdigest()[:16]}


def _tile(finding: Finding, picture: Callable[[int], dict[str, Any]]) -> dict[str, Any]:
    indexes = [finding.index] if finding.other is None else [finding.index, finding.other]
    return {
        "pictures": [picture(index) for index in indexes],
        "score": f"{finding.score:.3g}",
        "note": finding.note,
    }


def _picture(images: ImageSet, index: int) -> dict[str, Any]:
    """Return an image as a data URI, shrunk if it is large."""
    pixels = images.read(index)
    label = images.labels[index]
    return {
        "id": images.ids[index],
        "label": images.class_names[label] if label >= 0 else "",
        "uri": thumbnail_uri(pixels),
        "small": is_small(pixels),
    }

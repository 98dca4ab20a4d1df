"""Findings: what was found about which image, how strongly, and the table of them."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

from tfvision.data.images.imageset import ImageSet
from tfvision.system.csv_table import TableWriter

# In the order of the report: a title, and what the problem and its score mean.
PROBLEMS = {
    "unreadable": ("Unreadable", "cannot be decoded; the note says why"),
    "truncated": ("Truncated", "the end of the file is missing"),
    "empty": ("Empty", "files of zero bytes"),
    "wrong_extension": ("Wrong extension", "the name implies another format than the content; read all the same"),
    "extreme_size": ("Extreme size", "far larger or smaller than the rest; score: factor to the median side"),
    "extreme_aspect": ("Extreme aspect", "far wider or taller than the rest; score: factor to the median aspect"),
    "constant": ("Nearly constant", "one colour; score: standard deviation of the channel that varies most"),
    "dark": ("Too dark", "no bright area; score: the gray level that 95 % of the pixels are below"),
    "bright": ("Too bright", "score: the gray level that 95 % of the pixels are above"),
    "blurred": ("Blurred", "far more than the rest; score: blur effect, 0 sharp to 1"),
    "gray": ("Gray among colour", "no colour where others have it; score: share of the images with colour"),
    "foreign": ("Foreign to the set", "unlike the others in content, colour and texture; score: deviations from them"),
    "blended": ("Blended", "shares fine detail with other images at the same place, such as a picture blended into "
                           "several; score: correlation of that detail; shown beside the image most like it"),
    "overlaid": ("Framed or overlaid", "shares a frame, a watermark or the bars of a screen with other images at the "
                                       "same place, but not what is in the middle; score as for blended"),
    "exact_duplicate": ("Exact copies", "equal content; shown beside the first of them"),
    "near_duplicate": ("Near copies", "re-encoded, resized, shifted or flipped, verified by their pixels; "
                                      "score: correlation of the aligned pixels"),
    "conflicting_labels": ("Copies with different labels", "one of the two labels is wrong; score as for the copy"),
    "leak": ("Copies across parts", "a copy of it is in another part of the split; score as for the copy"),
    "label_error": ("Likely label errors", "a model that never saw the image expects another class; "
                                           "score: how sure it is that the label is wrong, the worst first"),
}  # fmt: skip
FINDING_COLUMNS = ("id", "problem", "score", "other_id", "note")


@dataclass(frozen=True)
class Finding:
    """One problem of one image.

    Attributes:
        index: The image.
        problem: A key of `PROBLEMS`.
        score: How strong it is; `PROBLEMS` says what it measures.
        other: Index of the other image of a pair, else None.
        note: Anything else worth saying, such as the expected label.
    """

    index: int
    problem: str
    score: float
    other: int | None = None
    note: str = ""


def describe_findings(images: ImageSet, findings: Sequence[Finding]) -> str:
    """Return the text of audit.csv: one row for each finding.

    Args:
        images: The images that the findings index.
        findings: In the order of the rows.

    Returns:
        CSV with the columns `FINDING_COLUMNS`.
    """
    text = io.StringIO(newline="")
    writer = TableWriter(text)
    writer.writerow(FINDING_COLUMNS)
    for finding in findings:
        other = "" if finding.other is None else images.ids[finding.other]
        writer.writerow((images.ids[finding.index], finding.problem, f"{finding.score:.4g}", other, finding.note))
    return text.getvalue()


def rank_findings(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Sort findings by problem, keeping their order within each."""
    places = {problem: place for place, problem in enumerate(PROBLEMS)}
    return tuple(sorted(findings, key=lambda finding: places[finding.problem]))

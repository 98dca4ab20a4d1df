"""Which images are clean: what audit leaves in clean.csv."""

from collections.abc import Sequence

import numpy as np

from tfvision.audit.copies import choose_copies, part_ranks
from tfvision.audit.findings import Finding
from tfvision.data.copies.duplicates import Pair
from tfvision.data.images.imageset import ImageSet

_PAIRS = (
    "exact_duplicate",
    "near_duplicate",
    "conflicting_labels",
    "leak",
)  # about two images, of which one may be kept


def choose_kept(
    images: ImageSet,
    findings: Sequence[Finding],
    pairs: Sequence[Pair],
    probabilities: np.ndarray | None,
    remove: Sequence[str],
) -> np.ndarray:
    """Tell which images are clean.

    One of several copies is kept: the one in the latest part of a split, else the first. A copy with a conflicting
    label is kept only if an out-of-fold model finds its label more likely than not.

    Args:
        images: All images of the data.
        findings: What was found.
        pairs: Verified copies.
        probabilities: float (n,), out-of-fold probability of the label of each image, NaN where it was not judged;
            None if no label was.
        remove: Problems that keep an image out.

    Returns:
        bool (n,), True for clean images.
    """
    bad = np.zeros(len(images), bool)
    for finding in findings:
        if finding.problem in remove and finding.problem not in _PAIRS:
            bad[finding.index] = True
        if finding.problem == "conflicting_labels" and finding.problem in remove:
            for index in (finding.index, finding.other):
                bad[index] |= probabilities is None or not probabilities[index] > 0.5
    wanted = [pair for pair in pairs if ("exact_duplicate" if pair.exact else "near_duplicate") in remove]
    preference = np.zeros(len(images)) if images.parts is None else part_ranks(images.parts).astype(float)
    goes = choose_copies(wanted, bad, preference)
    if "leak" in remove:
        leaks = [finding for finding in findings if finding.problem == "leak"]
        goes[[finding.index for finding in leaks if not bad[finding.other]]] = True
    return ~(bad | goes)

"""How near the nearest misleading image is, by the attack of Carlini and Wagner."""

import numpy as np

from tfvision.evaluation.inference import one_line_errors
from tfvision.robustness.attack_scores import AttackRow, Cost, describe_distances
from tfvision.robustness.campaign import Campaign, settings_of
from tfvision.system.terminal import ProgressLine


def carlini_distances(campaign: Campaign) -> tuple[AttackRow, dict[str, float]]:
    """Find for each image how near a misleading one is.

    Args:
        campaign: The model and its images.

    Returns:
        A row whose accuracy is that on the images which could not be misled at any distance; and the distances, see
        `describe_distances`.
    """
    rows = np.flatnonzero(campaign.clean)
    right, took = campaign.clean.copy(), Cost()
    distances, still = np.full(len(right), np.nan), np.zeros(len(right), bool)
    with one_line_errors(), ProgressLine("Carlini-Wagner", len(rows)) as line:
        done = 0
        for chunk, batch in campaign.crafted("cw", 0.0, rows):
            labels = campaign.images.labels[chunk]
            right[chunk] = campaign.predicted(chunk, batch.images, False) == labels
            still[chunk] = campaign.predicted(chunk, np.rint(batch.images), True) != labels
            origin = np.stack([campaign.images.read(row) for row in chunk.tolist()])
            distances[chunk] = np.sqrt(np.square(batch.images - origin).sum((1, 2, 3), dtype=np.float64))
            took = took.plus(batch.cost)
            values = int(np.prod(origin.shape[1:]))
            line.report(done := done + len(chunk))
    misled = campaign.clean & ~right
    settings = settings_of("cw", campaign.attacker.effort)
    row = AttackRow("cw", "l2", None, right, float(campaign.clean.mean()), took.each(len(rows)), False, settings)
    return row, describe_distances(distances[misled], campaign.clean, still[misled], values if len(rows) else 1)

"""Transfer: what was made against one run, shown to the others (Papernot et al., 2016)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tfvision.evaluation.inference import one_line_errors
from tfvision.robustness.attack_scores import AttackRow, Cost
from tfvision.robustness.attacker import Attacker
from tfvision.robustness.campaign import Campaign, as_files, settings_of, start_campaign
from tfvision.system.terminal import ProgressLine


def transfer_matrix(campaigns: Sequence[Campaign], epsilon: float) -> tuple[dict[str, Any], AttackRow]:
    """Attack each run, and score all of them on it.

    Args:
        campaigns: One for each run, all on the same images in the same order.
        epsilon: The budget in pixel units.

    Returns:
        `epsilon`, `n` and `matrix`: accuracy of each run (column) on what was made against each (row); and the row of
        the first run under what was made against the other that misleads it most.
    """
    count = len(campaigns)
    right = np.stack([[each.clean for each in campaigns]] * count)
    took = [Cost()] * count
    with one_line_errors(), ProgressLine(f"transfer {epsilon:g}", count * len(campaigns[0].clean)) as line:
        for source in range(count):
            took[source] = _attack(campaigns, source, epsilon, right[source], line)
    matrix = right.mean(2)
    worst = 1 + int(matrix[1:, 0].argmin())
    first = campaigns[0]
    rounded = as_files(first.attacker.norm, epsilon)
    settings = settings_of("transfer", first.attacker.effort)
    row = AttackRow(
        "transfer",
        first.attacker.norm,
        epsilon,
        right[worst, 0],
        float(first.clean.mean()),
        took[worst].each(len(first.clean)),
        rounded,
        settings,
    )
    return {"epsilon": epsilon, "n": len(first.clean), "matrix": matrix.round(6).tolist()}, row


def other_campaign(first: Campaign, attacker: Attacker) -> Campaign:
    """Start a campaign of another run on the images of the first, in their order.

    Args:
        first: The campaign of the first run.
        attacker: The other run.

    Returns:
        Its campaign.

    Raises:
        DataError: It does not know a class of the images.
    """
    other = start_campaign(attacker, first.images, first.seed)
    place = {image_id: row for row, image_id in enumerate(other.images.ids)}
    order = np.array([place[image_id] for image_id in first.images.ids])
    return replace(other, images=other.images.select(order), clean=other.clean[order])


def _attack(campaigns: Sequence[Campaign], source: int, epsilon: float, right: np.ndarray, line: ProgressLine) -> Cost:
    """Write into `right` (runs, n) where each run withstands what is made against one; return what it took."""
    attacked, took = campaigns[source], Cost()
    every = np.arange(len(attacked.clean))
    rounded = as_files(attacked.attacker.norm, epsilon)
    for chunk, batch in attacked.crafted("transfer", epsilon, every):
        took = took.plus(batch.cost)
        for target, campaign in enumerate(campaigns):
            answers = attacked.predicted(chunk, batch.images, rounded, campaign.attacker)
            right[target, chunk] &= answers == campaign.images.labels[chunk]
        line.report(source * len(every) + int(chunk[-1]) + 1)
    return took

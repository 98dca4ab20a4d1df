"""The budget that halves the accuracy: the one number by which models can be compared where neither is at an end."""

from collections.abc import Sequence

import numpy as np

from tfvision.robustness.attack_scores import AttackRow
from tfvision.robustness.campaign import Campaign

# Tried one after the other: with a budget of half the range the steps are so long that PGD can miss what a smaller one finds.
_LARGEST = {"linf": (128.0, 32.0, 8.0), "l2": (16384.0, 4096.0, 1024.0)}
_PRECISION = 1.1  # ratio of the budgets between which the search stops


def halving_epsilon(campaign: Campaign, *, limit: int, known: Sequence[AttackRow] = ()) -> dict[str, float]:
    """Find the budget at which PGD leaves half of the accuracy, by bisection of its logarithm.

    Args:
        campaign: The model and its images.
        limit: The most images that are attacked in each step.
        known: Rows of PGD, between which the search begins.

    Returns:
        `epsilon`, `robust` and `clean` (accuracies of `n` images) there; empty if no budget halves the accuracy.
    """
    half = float(campaign.clean.mean()) / 2
    below = [row.epsilon or 0.0 for row in known if row.accuracy <= half]
    high = min(below, default=0.0) or next(
        (budget for budget in _LARGEST[campaign.attacker.norm] if half and _falls(campaign, budget, limit)), 0.0
    )
    if not half or not high:
        return {}
    above = [row.epsilon or 0.0 for row in known if half < row.accuracy and (row.epsilon or 0.0) < high]
    low = max(above, default=high / 2**6 if below else high / 2**13)
    rows: list[AttackRow] = []
    while high / low > _PRECISION or not rows:
        middle = float(f"{np.sqrt(low * high):.3g}")
        rows.append(campaign.attack("pgd", middle, limit=limit))
        low, high = (middle, high) if rows[-1].accuracy > rows[-1].clean / 2 else (low, middle)
    best = min(rows, key=lambda row: abs(row.accuracy - row.clean / 2))
    accuracies = {"robust": round(best.accuracy, 6), "clean": round(best.clean, 6)}
    return {"epsilon": best.epsilon or 0.0, **accuracies, "n": len(best.right)}


def _falls(campaign: Campaign, epsilon: float, limit: int) -> bool:
    row = campaign.attack("pgd", epsilon, limit=limit)
    return row.accuracy <= row.clean / 2

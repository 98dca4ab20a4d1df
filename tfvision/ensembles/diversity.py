"""How differently the members of an ensemble err (Kuncheva and Whitaker, 2003, Measures of diversity)."""

from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Diversity:
    """Measures of `m` members on the same labelled images, each a share of the images unless said otherwise.

    Attributes:
        different: m rows of m numbers: images to which two members give different classes.
        disagreement: Images on which exactly one of two members is right, mean over all pairs; more is more diverse.
        double_fault: Images on which both of two members are wrong, mean over all pairs; less is better.
        q_statistic: Yule's Q, mean over all pairs, -1 to 1: 0 if members err independently, 1 if on the same images; None
            where no pair has it.
        kohavi_wolpert: Kohavi and Wolpert's variance, 0 to 0.25.
        oracle: Images on which at least one member is right: no choice among the members could be right on more.
        all_right: Images on which every member is right.
        rescued: Of the images on which the best member is wrong, those on which another one is right; None if it is never
            wrong.
    """

    different: tuple[tuple[float, ...], ...]
    disagreement: float
    double_fault: float
    q_statistic: float | None
    kohavi_wolpert: float
    oracle: float
    all_right: float
    rescued: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return asdict(self)


def measure_diversity(predicted: np.ndarray, labels: np.ndarray, best: int) -> Diversity:
    """Measure how differently members err.

    Args:
        predicted: int (m, n), the class each of two or more members gives each image.
        labels: int (n,), the true classes; at least one.
        best: Index of the best member.

    Returns:
        The measures.
    """
    right = predicted == labels
    pairs = list(combinations(right, 2))
    count = right.sum(axis=0)
    statistics = [value for pair in pairs if (value := _q_statistic(*pair)) is not None]
    wrong = ~right[best]
    return Diversity(
        different=tuple(tuple(float((one != other).mean()) for other in predicted) for one in predicted),
        disagreement=float(np.mean([(one != other).mean() for one, other in pairs])),
        double_fault=float(np.mean([(~one & ~other).mean() for one, other in pairs])),
        q_statistic=float(np.mean(statistics)) if statistics else None,
        kohavi_wolpert=float((count * (len(right) - count)).mean() / len(right) ** 2),
        oracle=float((count > 0).mean()),
        all_right=float((count == len(right)).mean()),
        rescued=float((count[wrong] > 0).mean()) if wrong.any() else None,
    )


def _q_statistic(one: np.ndarray, other: np.ndarray) -> float | None:
    """Return Yule's Q of two members, None where it is not defined."""
    same = int((one & other).sum()) * int((~one & ~other).sum())
    opposite = int((one & ~other).sum()) * int((~one & other).sum())
    return (same - opposite) / (same + opposite) if same + opposite else None

"""Scores under attack: what attack.json, the table and the report are made of."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tfvision.models.decision import Decision
from tfvision.robustness.attacks.table import ATTACKS
from tfvision.system.shown import Record
from tfvision.system.tables import TextTable

_Z = 1.959964  # 95 %


class Cost(NamedTuple):
    """What an attack took, of all images or of each.

    Attributes:
        passes: Forward passes.
        gradients: How many of them went back to the pixels.
        seconds: Wall time, without compilation.
    """

    passes: float = 0.0
    gradients: float = 0.0
    seconds: float = 0.0

    def plus(self, other: "Cost") -> "Cost":
        """Return the sum of two."""
        return Cost(*(a + b for a, b in zip(self, other, strict=True)))

    def each(self, count: int) -> "Cost":
        """Return the mean of `count` images."""
        return Cost(*(value / max(1, count) for value in self))


@dataclass(frozen=True)
class AttackRow:
    """One attack at one budget.

    Attributes:
        attack: A key of `ATTACKS`.
        norm: The norm of its budget; `patch` for a patch.
        epsilon: The budget in pixel units, 0..255; None if it has none.
        right: bool (n,), where the model is right about the image and the changed one.
        clean: Accuracy on the same images, unchanged.
        cost: What it took, mean of the images attacked.
        as_files: Whether the images were rounded to uint8 and scored as files; else as float pixels only.
        settings: Steps, restarts and the like.
    """

    attack: str
    norm: str
    epsilon: float | None
    right: np.ndarray
    clean: float
    cost: Cost
    as_files: bool
    settings: dict[str, float] = field(default_factory=dict)

    @property
    def accuracy(self) -> float:
        """Share of the images that the model is still right about."""
        return float(self.right.mean())

    def to_dict(self) -> dict[str, Any]:
        """Return the row as plain values, by the names that RobustBench uses as far as it has them."""
        low, high = binomial_interval(int(self.right.sum()), len(self.right))
        return {
            "attack": self.attack,
            "norm": self.norm,
            "epsilon": self.epsilon,
            "clean": round(self.clean, 6),
            "robust": round(self.accuracy, 6),
            "robust_low": round(low, 6),
            "robust_high": round(high, 6),
            "n": len(self.right),
            **self.settings,
            "forward_passes": round(self.cost.passes, 1),
            "gradients": round(self.cost.gradients, 1),
            "seconds_per_image": round(self.cost.seconds, 6),
            "scored_as": "uint8 files" if self.as_files else "float pixels",
        }


@dataclass(frozen=True)
class SanityCheck:
    """One check of whether an attack can be believed.

    Attributes:
        name: A few words.
        passed: Whether it holds.
        found: The figures it compares.
        meaning: What it means if it does not hold.
    """

    name: str
    passed: bool
    found: str
    meaning: str

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return {"name": self.name, "passed": self.passed, "found": self.found, "meaning": self.meaning}


@dataclass(frozen=True, repr=False)
class AttackScores(Record):
    """A model under attack.

    Attributes:
        runs: Names of the runs; the first is the one attacked.
        part: Name of the images.
        clean: bool (n,), where the model is right about the unchanged images.
        norm: `linf` or `l2`.
        rows: One for each attack and budget.
        halving: `epsilon` at which PGD halves the accuracy, `robust` and `clean` there, and `n`; empty if none was found.
        distances: Of Carlini and Wagner, see `describe_distances`; empty if they were not asked.
        transfer: For each budget `epsilon` and `matrix`: accuracy of each run (column) on what was made against each
            (row).
        checks: Sanity checks.
        notes: What a user should know.
        seed: Seed of everything drawn.
        decision: What turned probabilities into classes; None for the most probable class.
        written: The files written.
    """

    runs: tuple[str, ...]
    part: str
    clean: np.ndarray
    norm: str
    rows: list[AttackRow]
    halving: dict[str, float]
    distances: dict[str, float]
    transfer: list[dict[str, Any]]
    checks: list[SanityCheck]
    notes: list[str]
    seed: int
    decision: Decision | None = None
    written: tuple[Path, ...] = ()

    @property
    def clean_accuracy(self) -> float:
        """Accuracy on the unchanged images."""
        return float(self.clean.mean())

    def to_dict(self) -> dict[str, Any]:
        """Return the scores as plain values for JSON."""
        low, high = binomial_interval(int(self.clean.sum()), len(self.clean))
        return {
            "run": self.runs[0],
            "runs": list(self.runs),
            "images": self.part,
            "n": len(self.clean),
            "seed": self.seed,
            "norm": self.norm,
            "pixel_range": [0, 255],
            "clean": round(self.clean_accuracy, 6),
            "clean_ci95": [round(low, 6), round(high, 6)],
            "decision": self.decision and self.decision.to_dict(),
            "attacks": self.row_dicts(),
            "halving": self.halving,
            "distances": self.distances,
            "transfer": self.transfer,
            "sanity": [check.to_dict() for check in self.checks],
            "notes": self.notes,
        }

    def row_dicts(self) -> list[dict[str, Any]]:
        """Return the rows as plain values."""
        return [row.to_dict() for row in self.rows]

    def tables(self) -> list[TextTable]:
        """Return tables of accuracies: under attacks with budgets, under those without, and under transfer."""
        return [*_with_budgets(self.rows), *_without_budgets(self.rows), *_transfers(self)]

    def remarks(self) -> list[str]:
        """Return what else was found, and every sanity check that fails."""
        clean = f"clean {self.clean_accuracy:.4f}  n={len(self.clean):,}  budgets in {_unit(self.rows)}"
        return [clean, *_remarks(self), *_verdicts(self.checks)]


def binomial_interval(right: int, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson, 1927), which has a width even where none or all are right.

    Args:
        right: How many are.
        count: Of how many, at least 1.

    Returns:
        Low and high end.
    """
    share, pull = right / count, _Z**2 / count
    middle = share + pull / 2
    half = _Z * math.sqrt(share * (1 - share) / count + pull / (4 * count))
    return max(0.0, (middle - half) / (1 + pull)), min(1.0, (middle + half) / (1 + pull))


def describe_distances(distances: np.ndarray, right: np.ndarray, still: np.ndarray, values: int) -> dict[str, float]:
    """Describe how far the nearest misleading images are.

    Args:
        distances: float (m,), L2 in pixel units, of the images that were misled.
        right: bool (n,), which images could be attacked.
        still: bool (m,), which of the misled mislead as uint8 files too.
        values: Values in an image.

    Returns:
        How many were misled, quartiles of their distances, the median as a root mean square over the values, and the
        share that misleads as files.
    """
    found: dict[str, float] = {"attacked": int(right.sum()), "misled": len(distances)}
    if not len(distances):
        return found
    low, median, high = np.percentile(distances, [25, 50, 75])
    found |= {"l2_quartile_1": float(low), "l2_median": float(median), "l2_quartile_3": float(high)}
    found |= {"rms_median": float(median / math.sqrt(values)), "mislead_as_files": float(still.mean())}
    return {name: round(value, 4) for name, value in found.items()}


def _with_budgets(rows: Sequence[AttackRow]) -> list[TextTable]:
    budgets = list(dict.fromkeys(row.epsilon for row in rows if row.epsilon is not None))
    found: dict[str, dict[float, str]] = {}
    for row in rows:
        if row.epsilon is not None:
            found.setdefault(ATTACKS[row.attack].title, {})[row.epsilon] = f"{row.accuracy:.4f}"
    head = ("accuracy", *(f"eps {value:g}" for value in budgets))
    cells = [(name, *(own.get(value, "") for value in budgets)) for name, own in found.items()]
    return [TextTable(head, cells)] if budgets else []


def _without_budgets(rows: Sequence[AttackRow]) -> list[TextTable]:
    cells = [(ATTACKS[row.attack].title, f"{row.accuracy:.4f}") for row in rows if row.epsilon is None]
    return [TextTable(("without a budget", "accuracy"), cells)] if cells else []


def _transfers(scores: AttackScores) -> list[TextTable]:
    return [
        TextTable(
            (f"transfer at eps {each['epsilon']:g}: made against (row), asked (column)", *scores.runs),
            [(name, *(f"{value:.4f}" for value in row)) for name, row in zip(scores.runs, each["matrix"], strict=True)],
        )
        for each in scores.transfer
    ]


def _unit(rows: Sequence[AttackRow]) -> str:
    return "pixel units 0..255, " + (
        "L2 of the whole image" if any(row.norm == "l2" and row.epsilon for row in rows) else "L-infinity"
    )


def _remarks(scores: AttackScores) -> list[str]:
    lines = list(scores.notes)
    if scores.halving:
        lines.append(
            f"PGD halves the accuracy at epsilon {scores.halving['epsilon']:.3g} (there {scores.halving['robust']:.4f})"
        )
    if "l2_median" in scores.distances:
        found = scores.distances
        lines.append(
            f"Carlini-Wagner: median L2 distance {found['l2_median']:.1f}, {found['rms_median']:.2f} a value; "
            f"{found['misled']:.0f} of {found['attacked']:.0f} misled, {found['mislead_as_files']:.0%} of them as files too"
        )
    return lines


def _verdicts(checks: Sequence[SanityCheck]) -> list[str]:
    failed = [check for check in checks if not check.passed]
    if not failed:
        return [f"sanity: all {len(checks)} checks hold"] if checks else []
    lines = [f"sanity: {check.name}: FAILS, {check.found}: {check.meaning}" for check in failed]
    return [
        *lines,
        f"sanity: {len(checks) - len(failed)} of {len(checks)} checks hold; these figures are no proof of robustness",
    ]

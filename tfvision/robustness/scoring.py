"""All attacks that were asked for on one model, in order, and what is shown of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tfvision.data.images.imageset import ImageSet
from tfvision.robustness.attack_options import AttackOptions
from tfvision.robustness.attack_sanity import check_attacks
from tfvision.robustness.attack_scores import AttackRow, AttackScores
from tfvision.robustness.attacker import Attacker
from tfvision.robustness.attacks.table import ATTACKS
from tfvision.robustness.campaign import Campaign, start_campaign
from tfvision.robustness.distances import carlini_distances
from tfvision.robustness.halving import halving_epsilon
from tfvision.robustness.patches import PatchTrial, try_patches
from tfvision.robustness.transfer import other_campaign, transfer_matrix
from tfvision.system.terminal import console

_SEARCHED = 256  # images of the search for the budget that halves the accuracy
_SHOWN = 8


@dataclass
class AttackPictures:
    """What is drawn of attacks.

    Attributes:
        row: The attack whose images are shown; None if there is none.
        images: uint8 (height, width, channels).
        changed: What became of them, float32.
        captions: For each, what is said below the image and below the changed one.
        trial: Patches, if they were tried.
        patch_captions: What the model says of each image with a patch.
    """

    row: AttackRow | None = None
    images: list[np.ndarray] = field(default_factory=list)
    changed: list[np.ndarray] = field(default_factory=list)
    captions: list[tuple[str, str]] = field(default_factory=list)
    trial: PatchTrial | None = None
    patch_captions: list[str] = field(default_factory=list)


@dataclass
class _Found:
    """What attacks have found so far."""

    rows: list[AttackRow]
    distances: dict[str, float] = field(default_factory=dict)
    transfer: list[dict[str, Any]] = field(default_factory=list)
    pictures: AttackPictures = field(default_factory=AttackPictures)


def score_attacks(
    attackers: Sequence[Attacker],
    images: ImageSet,
    part: str,
    methods: Sequence[str],
    budgets: Sequence[float],
    options: AttackOptions,
    notes: Sequence[str],
) -> tuple[AttackScores, AttackPictures]:
    """Attack a model by every method at every budget.

    Args:
        attackers: The model attacked, and others for transfer.
        images: Labelled images.
        part: Name of the images.
        methods: Keys of `ATTACKS`.
        budgets: In pixel units, ascending.
        options: Norm, seed and effort.
        notes: What a user should know already.

    Returns:
        The scores, and what is drawn of them.
    """
    campaign = start_campaign(attackers[0], images, options.seed)
    found = _Found(_budgeted(campaign, methods, budgets))
    if "cw" in methods:
        _try_distances(campaign, found)
    if "patch" in methods:
        _try_patches(campaign, found)
    if "transfer" in methods:
        _try_transfer(campaign, attackers[1:], budgets, found)
    halving = halving_epsilon(campaign, limit=_SEARCHED, known=[row for row in found.rows if row.attack == "pgd"])
    checks = check_attacks(campaign, found.rows, halving, found.transfer) if options.sanity else []
    if shown := _to_show(found.rows):
        _show(campaign, shown, found.pictures)
    scores = AttackScores(
        runs=tuple(attacker.model.name for attacker in attackers),
        part=part,
        clean=campaign.clean,
        norm=options.norm,
        rows=found.rows,
        halving=halving,
        distances=found.distances,
        transfer=found.transfer,
        checks=checks,
        notes=[*notes, *_notes_of(attackers, halving)],
        seed=options.seed,
        decision=attackers[0].model.predictor.facts.decision,
    )
    return scores, found.pictures


def _notes_of(attackers: Sequence[Attacker], halving: dict[str, float]) -> list[str]:
    notes = [note for attacker in attackers for note in attacker.model.notes]
    return notes if halving else [*notes, "no budget was found at which PGD halves the accuracy"]


def _try_distances(campaign: Campaign, found: _Found) -> None:
    row, found.distances = carlini_distances(campaign)
    found.rows.append(row)


def _try_patches(campaign: Campaign, found: _Found) -> None:
    trial = try_patches(campaign)
    found.rows += trial.to_rows(campaign)
    found.pictures.trial = trial
    found.pictures.patch_captions = _said(campaign, trial.rows, trial.shown)


def _try_transfer(campaign: Campaign, others: Sequence[Attacker], budgets: Sequence[float], found: _Found) -> None:
    campaigns = [campaign, *(other_campaign(campaign, attacker) for attacker in others)]
    for epsilon in budgets:
        matrix, row = transfer_matrix(campaigns, epsilon)
        found.transfer.append(matrix)
        found.rows.append(row)


def _budgeted(campaign: Campaign, methods: Sequence[str], budgets: Sequence[float]) -> list[AttackRow]:
    """Attack by what has budgets."""
    rows = []
    for name in methods:
        if not ATTACKS[name].budget or name == "transfer":
            continue
        for epsilon in budgets:
            rows.append(campaign.attack(name, epsilon))
            console.print(f"{ATTACKS[name].title:<14} epsilon {epsilon:<6g} accuracy {rows[-1].accuracy:.4f}")
    return rows


def _to_show(rows: Sequence[AttackRow]) -> AttackRow | None:
    """Return the strongest kind of attack at the budget that leaves closest to half, whole budgets first."""
    for name in ("apgd", "pgd", "apgd-ce", "apgd-dlr", "fgsm", "square"):
        own = [row for row in rows if row.attack == name]
        if own:
            return min(own, key=lambda row: (not row.as_files, abs(row.accuracy - row.clean / 2)))
    return None


def _show(campaign: Campaign, row: AttackRow, pictures: AttackPictures) -> None:
    """Attack some images again, and keep them with what the model says before and after."""
    chosen = np.random.default_rng(campaign.seed).permutation(np.flatnonzero(campaign.clean))
    chosen = np.sort(chosen[:_SHOWN])
    for chunk, batch in campaign.crafted(row.attack, row.epsilon or 0.0, chosen):
        before = [campaign.images.read(index) for index in chunk.tolist()]
        said = zip(
            _said(campaign, chunk.tolist(), before), _said(campaign, chunk.tolist(), list(batch.images)), strict=True
        )
        pictures.images += before
        pictures.changed += list(batch.images)
        pictures.captions += said
    pictures.row = row if pictures.images else None


def _said(campaign: Campaign, rows: Sequence[int], pixels: Sequence[np.ndarray]) -> list[str]:
    """Return for each image the class that the model takes and its share among the logits, and whether it is true."""
    names, lines = campaign.images.class_names, []
    for row, image in zip(rows, pixels, strict=True):
        logits = campaign.attacker.answers(np.asarray(image, np.float32)[None])[0].astype(np.float64)
        best = int(logits.argmax())
        share = 1 / np.exp(logits - logits[best]).sum()
        verdict = "" if best == campaign.images.labels[row] else "\nwrong"
        lines.append(f"{names[best]} {share:.0%}{verdict}")
    return lines

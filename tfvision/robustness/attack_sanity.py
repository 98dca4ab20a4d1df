"""Can the attack be believed? Signs of masked gradients, by name (Athalye et al., ICML 2018; Carlini et al., 2019)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from tfvision.robustness.attack_scores import AttackRow, SanityCheck
from tfvision.robustness.attacks.effort import Effort
from tfvision.robustness.attacks.table import ATTACKS
from tfvision.robustness.campaign import Campaign

_IMAGES = 64  # attacked for the checks
_SLACK = 0.02  # of the images, or one of them: what chance and ties may do
_GONE = 0.05  # share of the clean accuracy that counts as none
_LITTLE = 0.3  # share of the loss by PGD that a random change may cause
_FALLBACK = {"linf": 8.0, "l2": 512.0}
_LARGE = {"linf": 128.0, "l2": 16384.0}  # from there every image can become gray


def check_attacks(
    campaign: Campaign, rows: Sequence[AttackRow], halving: Mapping[str, float], transfer: Sequence[Mapping[str, Any]]
) -> list[SanityCheck]:
    """Attack again where the accuracy is about half, and compare what must be ordered.

    Args:
        campaign: The model and its images.
        rows: The attacks so far.
        halving: What `halving_epsilon` found; where it found none, a large budget is used.
        transfer: Matrices of transfer, if several runs were given.

    Returns:
        The checks, those that hold too.
    """
    limit, norm = _IMAGES, campaign.attacker.norm
    epsilon = halving.get("epsilon", _FALLBACK[norm])
    effort = campaign.attacker.effort
    found = {
        "random": campaign.attack("random", epsilon, limit=limit),
        "square": campaign.attack("square", epsilon, limit=limit),
        "fgsm": campaign.attack("fgsm", epsilon, limit=limit),
        "pgd": campaign.attack("pgd", epsilon, limit=limit),
        "large": campaign.attack("pgd", _LARGE[norm], limit=limit),
    }
    found["more"] = campaign.attack("pgd", epsilon, limit=limit, effort=_more(effort))
    checks = [
        _above_chance(campaign),
        _same_twice(campaign),
        _gradients(campaign),
        *_budgets(rows),
        *_orders(found, epsilon),
    ]
    return [*checks, *_transfers(transfer)]


def _more(effort: Effort) -> Effort:
    return replace(effort, steps=4 * effort.steps)


def _above_chance(campaign: Campaign) -> SanityCheck:
    clean, chance = float(campaign.clean.mean()), 1 / len(campaign.images.class_names)
    return SanityCheck(
        "clean accuracy above chance",
        clean > chance + _slack(len(campaign.clean)),
        f"{clean:.4f} of {len(campaign.clean)}, chance {chance:.4f}",
        "the model guesses; accuracy under attack says nothing",
    )


def _same_twice(campaign: Campaign) -> SanityCheck:
    pixels = next(pixels for _, pixels in campaign.chunks(campaign.drawn(_IMAGES)))
    first, second = campaign.attacker.answers(pixels), campaign.attacker.answers(pixels)
    off, scale = float(np.abs(first - second).max()), float(np.abs(first).max())
    return SanityCheck(
        "the same answer twice",
        off <= 1e-3 * scale + 1e-6,
        f"logits differ by {off:.3g} between two passes, of up to {scale:.3g}",
        "the model is random: each gradient is that of one draw, and masks the others; attack the mean over draws",
    )


def _gradients(campaign: Campaign) -> SanityCheck:
    rows = campaign.drawn(_IMAGES)
    zero = [
        campaign.attacker.zero_gradients(pixels, campaign.images.labels[chunk])
        for chunk, pixels in campaign.chunks(rows)
    ]
    share = float(np.concatenate(zero).mean()) if zero else 0.0
    return SanityCheck(
        "gradients reach the pixels",
        share <= _SLACK,
        f"no gradient at {share:.0%} of the images",
        "masked gradients: a layer lets none through, as rounding, argmax or saturation do; replace it by a smooth one "
        "for the attack (BPDA)",
    )


def _budgets(rows: Sequence[AttackRow]) -> Iterator[SanityCheck]:
    # Rounding is a handicap of its own: rows are compared with those that were scored the same way.
    kinds = dict.fromkeys((row.attack, row.as_files) for row in rows if row.epsilon and row.attack != "random")
    for name, files in kinds:
        own = [row for row in rows if (row.attack, row.as_files) == (name, files) and row.epsilon]
        if len(own) > 1:
            title = f"{ATTACKS[name].title}: accuracy never rises with epsilon, {'files' if files else 'floats'}"
            yield _never_rises(title, sorted(own, key=lambda row: row.epsilon or 0))


def _never_rises(title: str, rows: Sequence[AttackRow]) -> SanityCheck:
    rises = [(a, b) for a, b in pairwise(rows) if b.accuracy > a.accuracy + _slack(len(a.right))]
    before, after = rises[0] if rises else (rows[0], rows[-1])
    return SanityCheck(
        title,
        not rises,
        f"{before.accuracy:.4f} at {before.epsilon:g}, {after.accuracy:.4f} at {after.epsilon:g}",
        "masked gradients: a larger budget contains the smaller one, so the attack fails to find what is there",
    )


def _orders(found: Mapping[str, AttackRow], epsilon: float) -> Iterator[SanityCheck]:
    left, slack = {name: row.accuracy for name, row in found.items()}, _slack(len(found["pgd"].right))
    steps, at = {name: f"{row.settings['steps']:g} steps" for name, row in found.items()}, f"at epsilon {epsilon:.3g}"
    yield SanityCheck(
        "PGD is at least as strong as FGSM",
        left["pgd"] <= left["fgsm"] + slack,
        f"PGD leaves {left['pgd']:.4f}, FGSM {left['fgsm']:.4f} {at}",
        "masked gradients: many small steps do worse than one, so the gradient misleads near the image",
    )
    yield SanityCheck(
        "a large budget leaves nothing",
        left["large"] <= _GONE,
        f"PGD leaves {left['large']:.4f} at epsilon {found['large'].epsilon:g}",
        "masked gradients: with this budget every image can become gray, so there are misleading ones that it misses",
    )
    yield SanityCheck(
        "more steps do not hurt",
        left["more"] <= left["pgd"] + slack,
        f"{left['pgd']:.4f} with {steps['pgd']}, {left['more']:.4f} with {steps['more']} {at}",
        "masked gradients: the loss does not guide the attack",
    )
    yield SanityCheck(
        "black box is no stronger than white box",
        left["pgd"] <= left["square"] + slack,
        f"PGD leaves {left['pgd']:.4f}, Square, which sees no gradient, {left['square']:.4f} {at}",
        "masked gradients: what sees less finds more",
    )
    yield _random_does_little(found, left, at)


def _random_does_little(found: Mapping[str, AttackRow], accuracy: Mapping[str, float], at: str) -> SanityCheck:
    clean = found["random"].clean
    lost, by_chance = clean - accuracy["pgd"], clean - accuracy["random"]
    return SanityCheck(
        "a random change of the same size does little",
        by_chance <= _LITTLE * lost + _slack(len(found["pgd"].right)),
        f"from {clean:.4f} to {accuracy['random']:.4f}, PGD to {accuracy['pgd']:.4f} {at}",
        "the budget is so large, or the model so unstable, that noise alone misleads it: an attack shows little here",
    )


def _transfers(transfer: Sequence[Mapping[str, Any]]) -> Iterator[SanityCheck]:
    for each in transfer:
        matrix = np.array(each["matrix"])
        own, others = float(matrix[0, 0]), float(matrix[1:, 0].min())
        yield SanityCheck(
            f"transfer is no stronger than white box at epsilon {each['epsilon']:g}",
            own <= others + _slack(each["n"]),
            f"its own gradients leave {own:.4f}, those of another run {others:.4f}",
            "masked gradients: another model's gradients mislead it more than its own",
        )


def _slack(count: int) -> float:
    return max(_SLACK, 1.5 / count)

"""Pictures of attacks: accuracy against the budget, images with what was added, the patch."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfvision.plots.figure import CLASS_COLOURS, FAINT, INK, draw_legend, new_figure, save, set_title
from tfvision.plots.image_grid import plot_image_grid
from tfvision.robustness.attack_scores import AttackRow, AttackScores, binomial_interval
from tfvision.robustness.attacks.table import ATTACKS
from tfvision.robustness.patches import PatchTrial

_MARKERS = "osDv^Px*"


def plot_attacks(scores: AttackScores, path: Path | str) -> None:
    """Draw accuracy against the budget, a line with its 95 % band for each attack; without budgets no file.

    Args:
        scores: The scores.
        path: The SVG or PNG file to write.

    Raises:
        WriteError: The file cannot be written.
    """
    lines = {name: [row for row in scores.rows if row.attack == name] for name in ATTACKS}
    lines = {name: rows for name, rows in lines.items() if rows and rows[0].epsilon is not None}
    if not lines:
        return
    figure, (axes,) = new_figure(8, 4.6)
    axes.axhline(scores.clean_accuracy, color=INK, linewidth=1, linestyle=":", label="clean")
    for place, (name, rows) in enumerate(lines.items()):
        rows = sorted(rows, key=lambda row: row.epsilon or 0)
        budgets, values = [row.epsilon for row in rows], [row.accuracy for row in rows]
        bands = [binomial_interval(int(row.right.sum()), len(row.right)) for row in rows]
        colour = CLASS_COLOURS[place % len(CLASS_COLOURS)]
        axes.fill_between(budgets, *zip(*bands, strict=True), color=colour, alpha=0.12, linewidth=0)
        axes.plot(
            budgets, values, "-", color=colour, marker=_MARKERS[place % 8], markersize=5, label=ATTACKS[name].title
        )
    if scores.halving:
        axes.axvline(scores.halving["epsilon"], color=FAINT, linewidth=1, label="PGD halves the accuracy")
    ticks = sorted({row.epsilon for rows in lines.values() for row in rows if row.epsilon})
    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{value:g}" for value in ticks])
    axes.minorticks_off()
    axes.set_xlabel(f"epsilon, {'L2' if scores.norm == 'l2' else 'L-infinity'}, in pixel units 0..255")
    axes.set_ylabel("accuracy")
    axes.set_ylim(-0.02, 1.02)
    set_title(axes, f"Accuracy under attack, {len(scores.clean):,} images")
    draw_legend(axes, loc="center left", bbox_to_anchor=(1, 0.5))
    save(figure, path)


def plot_changes(
    images: Sequence[np.ndarray],
    changed: Sequence[np.ndarray],
    captions: Sequence[tuple[str, str]],
    row: AttackRow,
    path: Path,
) -> None:
    """Draw images, what was added to them magnified, and the sums, in three rows.

    Args:
        images: uint8 (height, width, channels).
        changed: What became of them, of the same shapes.
        captions: For each, what is said below the image and below the changed one.
        row: The attack.
        path: The SVG or PNG file to write.

    Raises:
        WriteError: The file cannot be written.
    """
    added = [new.astype(np.float32) - old for old, new in zip(images, changed, strict=True)]
    largest = max((float(np.abs(one).max()) for one in added), default=0.0) or 1.0
    factor = max(1, int(127 / largest))
    magnified = [np.clip(np.rint(127.5 + factor * one), 0, 255).astype(np.uint8) for one in added]
    shown = [*images, *magnified, *(np.clip(np.rint(one), 0, 255).astype(np.uint8) for one in changed)]
    texts = [
        *(before for before, _ in captions),
        *[f"change × {factor}"] * len(images),
        *(after for _, after in captions),
    ]
    title = f"{ATTACKS[row.attack].title} at epsilon {row.epsilon:g} ({row.norm}): image, change, what the model says"
    plot_image_grid(shown, texts, title, path, columns=len(images))


def plot_patches(trial: PatchTrial, captions: Sequence[str], area: float, path: Path) -> None:
    """Draw the patch and some images with it.

    Args:
        trial: What the patches did.
        captions: What is said below each image.
        area: Share of the image that the patch covers.
        path: The SVG or PNG file to write.

    Raises:
        WriteError: The file cannot be written.
    """
    title = f"A patch of {area:.0%} of the image, at any place and angle"
    plot_image_grid([trial.patch, *trial.shown], ["the patch", *captions], title, path, columns=1 + len(trial.shown))

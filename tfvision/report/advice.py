"""What a run's curves and counts say about what to try next: in the terminal and on the page, in the same words."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tfvision.evaluation.score_names import LAST_EPOCH, column_words, goodness, lower_is_better
from tfvision.report.folder import RunFiles
from tfvision.report.words import percent

_FEW_IMAGES = 20  # of a class in training
_SMALL_VALIDATION = 100  # at 90 % accuracy it is known to 6 points there
_GAP = 0.1  # of accuracy between training and validation
_STEP_BACK = 0.05  # of accuracy on validation that the first epoch of fine-tuning lost
_RECENT, _STILL = 3, 0.1  # epochs, and the share of what was missing that they must have removed


def advise(files: RunFiles) -> list[str]:
    """Return sentences about what held a run back, and what to try next; none where nothing did.

    Args:
        files: Of a run that was trained; an ensemble and shallow classifiers have no epochs to speak of.

    Returns:
        One sentence or two for each finding, the weightiest first.
    """
    if files.ensemble:
        return []
    try:
        curves = _Curves.of(files.config, files.history)
        count = int((files.metrics.get("validation") or {}).get("n") or 0)
        found = [] if curves is None else [curves.kept_head() or curves.memorized(count), curves.improving()]
    except (KeyError, TypeError, ValueError):  # a damaged file; the page shows what else there is
        found = []
    found += [_few_images(files.counts), _small_validation(files.metrics.get("validation") or {})]
    return [line for line in found if line]


class _Curves:
    """The epochs of a run, as numbers."""

    def __init__(self, config: Mapping[str, Any], rows: Sequence[Mapping[str, str]]) -> None:
        self.monitor, self.phases = str(config["monitor"]), list(config["phases"])
        self.rows = rows
        scores = [goodness(self.monitor, float(row[self.monitor])) for row in rows]
        self.best = scores.index(max(scores))  # of equal ones the first, as it was kept
        self.scores = scores

    @classmethod
    def of(cls, config: Mapping[str, Any], rows: Sequence[Mapping[str, str]]) -> "_Curves | None":
        """Return the curves; None if the run has none."""
        monitor = config.get("monitor")
        if not rows or not config.get("phases") or not all(row.get(monitor or "") for row in rows):
            return None
        return cls(config, rows)

    def kept_head(self) -> str:
        """Say that no epoch of fine-tuning was better than the head on the frozen backbone, and why that may be."""
        head = self.phases[0]
        own = [place for place, row in enumerate(self.rows) if row["phase"] == head["name"]]
        tuned = self.rows[len(own) :]
        if len(self.phases) < 2 or head["unfreeze"] != "none" or not tuned or self.best not in own:
            return ""
        first, last = float(tuned[0]["loss"]), float(tuned[-1]["loss"])
        rate = float(self.phases[-1]["learning_rate"])
        begun, kept = tuned[0], self.rows[self.best]
        lost = float(kept.get("val_accuracy") or "nan") - float(begun.get("val_accuracy") or "nan")  # boxes have none
        if float(begun["val_loss"]) > 1.5 * float(kept["val_loss"]) or lost > _STEP_BACK:
            reason = f"It began with a step back, as too high a rate does: try --learning-rate {rate / 3:.0e}."
        elif last < 0.7 * first:
            reason = (
                "Its loss fell on the training images alone: try fewer open layers (--unfreeze 30%) or augmentation."
            )
        else:
            reason = "It changed little: try larger images (--image-size), or keep to the quick --preset fast."
        epochs = "1 epoch" if len(tuned) == 1 else f"{len(tuned)} epochs"
        return (
            f"Kept the head: {epochs} of fine-tuning did not improve validation {column_words(self.monitor)}. {reason}"
        )

    def memorized(self, count: int) -> str:
        """Say that the kept epoch knows the training images far better than those of validation, `count` images."""
        row = self.rows[self.best]
        own_labels = {phase["name"] for phase in self.phases if phase.get("pseudo_labels")}
        if not (row.get("accuracy") and row.get("val_accuracy")) or row["phase"] in own_labels:
            return ""
        train, validation = float(row["accuracy"]), float(row["val_accuracy"])
        right = (validation * count + 1) / (count + 2)  # Laplace's rule: of few images all may be right by chance
        if train - validation < max(_GAP, 2 * math.sqrt(right * (1 - right) / (count + 2))):
            return ""
        phase = next(phase for phase in self.phases if phase["name"] == row["phase"])
        rest = "augmentation, fewer open layers (--unfreeze 30%) or --weight-decay."
        if phase["unfreeze"] == "none":
            rest = "augmentation, larger images (--image-size) or fine-tuning (--preset balanced)."
        return (
            f"{percent(train)} of the training images are classified correctly and {percent(validation)} of validation: the "
            f"model learned them by heart. More images help most; then {rest}"
        )

    def improving(self) -> str:
        """Say that the last epoch was the best, by more than the noise of an epoch."""
        last = len(self.rows) - 1
        phase = [place for place, row in enumerate(self.rows) if row["phase"] == self.rows[-1]["phase"]]
        if (
            self.monitor == LAST_EPOCH
            or self.best != last
            or len(phase) <= _RECENT
            or self.phases[-1].get("solver") == "logistic_regression"
        ):
            return ""
        before, now = (self._error(place) for place in (last - _RECENT, last))
        if now > (1 - _STILL) * before:
            return ""
        return (
            f"Validation {column_words(self.monitor)} was still improving when training ended: try more epochs (--epochs "
            f"{2 * int(self.phases[-1]['epochs'])})."
        )

    def _error(self, place: int) -> float:
        """Return what an epoch lacks: its loss, or 1 minus its score."""
        return -self.scores[place] if lower_is_better(self.monitor) else 1 - self.scores[place]


def _few_images(counts: Counter[tuple[str, str]]) -> str:
    few = sorted(
        (count, label) for (part, label), count in counts.items() if part == "train" and label and count < _FEW_IMAGES
    )
    if not few:
        return ""
    shown = ", ".join(f"{label} {count}" for count, label in few[:4]) + ", ..." * (len(few) > 4)
    classes = "1 class has" if len(few) == 1 else f"{len(few)} classes have"
    return f"{classes} fewer than {_FEW_IMAGES} training images ({shown}): more of these help most, and their scores say little."


def _small_validation(scores: Mapping[str, Any]) -> str:
    count = scores.get("n") or 0
    low, high = (scores.get("ci95") or {}).get("accuracy") or (0, 0)
    if not count or count >= _SMALL_VALIDATION:
        return ""
    known = f", so that its accuracy is known to ±{100 * (high - low) / 2:.0f} points" if high > low else ""
    return (
        f"Validation has {count} images{known}: too few to choose options by. tfvision crossval --folds 5 and --seeds 5 say "
        "more than one run."
    )

"""Cross-validation: a run for each fold, each image predicted by the one model that did not see it."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np

from tfvision.config import TrainConfig
from tfvision.errors import UsageError
from tfvision.evaluation.metrics import compute_metrics
from tfvision.evaluation.predictions import Predictions, read_predictions, write_predictions
from tfvision.experiment import train_from_config
from tfvision.files import write_json, write_text
from tfvision.models.backbones import backbone_facts
from tfvision.progress import console, say_result
from tfvision.runs import CONFIG, METRICS, PREDICTIONS, Run, refuse_existing

TABLE = "crossval.csv"
SCORES = {
    "accuracy": "accuracy",
    "precision_macro": "precision",
    "recall_macro": "recall",
    "f1_macro": "macro-F1",
    "log_loss": "log loss",
}


@dataclass(frozen=True)
class FoldScores:
    """The test scores of all folds of one backbone.

    Attributes:
        backbone: A key of BACKBONES.
        folds: One part of metrics.json for each fold.
        together: Scores of all out-of-fold predictions together.
    """

    backbone: str
    folds: tuple[Mapping[str, Any], ...]
    together: Mapping[str, Any]

    def spread(self, score: str) -> tuple[float, float]:
        """Return mean and standard deviation (of a sample, n - 1) of a score over the folds."""
        values = [float(fold[score]) for fold in self.folds]
        return mean(values), stdev(values)


def cross_validate(
    config: TrainConfig, *, backbones: Sequence[str], folds: int, resume: bool = False
) -> list[FoldScores]:
    """Do all that `tfvision crossval` does.

    Each fold is a run as `tfvision train --split.folds K --split.fold k` would make it. Features of frozen layers are
    stored in full precision and shared: each image passes the frozen part once.

    Args:
        config: The options of each run.
        backbones: One or several to compare, on the same folds.
        folds: Number of folds, 2 or more.
        resume: Go on in an existing folder: finished folds are kept, an unfinished one goes on.

    Returns:
        The scores of each backbone, in order.

    Raises:
        UsageError, DataError, RunError: One clear line each.
    """
    if folds < 2:
        raise UsageError(f"--folds {folds}: expected 2 or more")
    backbones = list(dict.fromkeys(backbones))
    for backbone in backbones:
        backbone_facts(backbone)
    name = Path(config.data).name.split(".")[0] or "data"
    output = Path(config.output or Path("runs") / f"{name}-crossval-{datetime.now():%Y%m%d-%H%M%S}")
    if not resume:
        refuse_existing(output)
    found = []
    for backbone in backbones:
        folder = output / backbone if len(backbones) > 1 else output
        runs = [_fold(replace(config, backbone=backbone), folder, k, folds, resume) for k in range(1, folds + 1)]
        found.append(_collect(backbone, folder, runs))
    _write(output, found)
    say_result(f"\n{describe(found)}\nfolder: {output}")
    return found


def describe(found: Sequence[FoldScores]) -> str:
    """Return a table of mean and standard deviation over the folds, a line a backbone."""
    rows = [("backbone", *SCORES.values())]
    rows += [(each.backbone, *("{:.4f} ± {:.4f}".format(*each.spread(score)) for score in SCORES)) for each in found]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def _fold(config: TrainConfig, folder: Path, number: int, folds: int, resume: bool) -> Run:
    output = folder / f"fold_{number}"
    console.print(f"\n{config.backbone}, fold {number} of {folds}")
    split = replace(config.split, folds=folds, fold=number)
    begun = output if resume and (output / CONFIG).is_file() else None
    return train_from_config(replace(config, split=split, output=str(output)), resume=begun)


def _collect(backbone: str, folder: Path, runs: Sequence[Run]) -> FoldScores:
    """Write the out-of-fold predictions of all images, and score them."""
    parts = [read_predictions(run.folder / PREDICTIONS).part("test") for run in runs]
    names = {part.class_names for part in parts}
    if len(names) > 1:
        raise UsageError(f"the folds in {folder} have different classes; cross-validate anew into another --output")
    together = Predictions(
        tuple(image_id for part in parts for image_id in part.ids),
        np.concatenate([np.full(len(part), f"fold_{number}") for number, part in enumerate(parts, start=1)]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.probabilities for part in parts]),
        names.pop(),
    )
    write_predictions(folder / PREDICTIONS, together)
    scores = compute_metrics(together.labels, together.probabilities, together.class_names)
    return FoldScores(backbone, tuple(run.metrics["test"] for run in runs), scores)


def _write(output: Path, found: Sequence[FoldScores]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("backbone", "fold", "n", *SCORES))
    for each in found:
        rows = [(str(number), fold) for number, fold in enumerate(each.folds, start=1)]
        for label, scores in (*rows, ("all", each.together)):
            writer.writerow((each.backbone, label, scores["n"], *(f"{scores[score]:.6g}" for score in SCORES)))
        for label, place in (("mean", 0), ("std", 1)):
            writer.writerow((each.backbone, label, "", *(f"{each.spread(score)[place]:.6g}" for score in SCORES)))
    write_text(output / TABLE, text.getvalue())
    spread = {
        each.backbone: {
            "folds": {score: dict(zip(("mean", "std"), each.spread(score), strict=True)) for score in SCORES},
            "out_of_fold": each.together,
        }
        for each in found
    }
    write_json(output / METRICS, spread)

"""Learning from images without labels: rounds added to a finished run, and what they brought."""

import csv
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfvision.config.yaml import to_yaml
from tfvision.errors import UsageError
from tfvision.evaluation.paired import paired_differences
from tfvision.evaluation.predictions import Predictions
from tfvision.runs.folder import Run, create_run
from tfvision.runs.names import (
    CHECKPOINTS,
    CONFIG,
    ENVIRONMENT,
    HISTORY,
    MODEL,
    PSEUDO_LABELS,
    PSEUDO_RESULTS,
    SPLITS,
    SUMMARY,
)
from tfvision.system.files import write_json
from tfvision.system.terminal import say_result
from tfvision.training.options import PseudoLabelOptions
from tfvision.training.phases import pseudo_label_phases
from tfvision.training.pseudo_labels import read_pseudo_labels

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Rounds:
    """How a finished run goes on with pseudo-labels.

    Attributes:
        count: How often the unlabelled images are labelled anew and learned from.
        restart: Whether each begins from the initial weights.
    """

    count: int = 1
    restart: bool = True


def pseudo_label(run: Run, options: PseudoLabelOptions, rounds: Rounds, output: Path) -> Run:
    """Go on with a finished run as a new one that has phases with pseudo-labels.

    The new run begins at the end of the old one, as if it had been interrupted there; its config.yaml repeats both.

    Args:
        run: A finished run whose data is at hand.
        options: The images without labels, and which to keep.
        rounds: How often.
        output: The folder of the new run.

    Returns:
        The new run; `pseudo_labels.json` says what it brought.

    Raises:
        UsageError: The folder exists, there are no images without labels, or the run came from Python.
        DataError: The data is gone or has changed.
    """
    from tfvision.experiment import train_from_config

    _ = run.metrics  # says how to finish a run that is not
    if rounds.count < 1:
        raise UsageError(f"--rounds {rounds.count}: expected 1 or more")
    config = run.config
    plain = [phase for phase in config.phases or () if not phase.pseudo_labels]
    if options.labels is None:
        options = replace(options, labels=config.pseudo.labels)
    added = pseudo_label_phases(plain, rounds.count, restart=rounds.restart)
    config = replace(config, pseudo=options, phases=[*plain, *added])
    names = (SPLITS, SUMMARY, ENVIRONMENT)
    files = {name: (run.folder / name).read_text(encoding="utf-8") for name in names}
    created = create_run(output, {CONFIG: to_yaml(config, comments=True), **files})
    shutil.copyfile(run.folder / MODEL, created.folder / MODEL)
    _leave_checkpoint(run, created.folder, phase=len(plain) - 1)
    return train_from_config(config, resume=created.folder)


def write_pseudo_results(run: Run, before: Predictions, after: Predictions) -> None:
    """Write into a run with pseudo-labels how many were added and what they brought.

    Args:
        run: The run, its final predictions not yet reported.
        before: Predictions of its validation and test images by the best model without pseudo-labels.
        after: By the final model.
    """
    content: dict[str, Any] = {"added": _added(run, after.class_names)}
    for part in ("validation", "test"):
        first, second = before.part(part), after.part(part)
        if len(first):
            found = paired_differences(first, second, seed=run.config.seed)
            content[part] = {"n": len(first), "scores": {name: one.to_dict() for name, one in found.items()}}
    write_json(run.folder / PSEUDO_RESULTS, content)
    say_result(f"\n{describe_pseudo_results(content)}")


def describe_pseudo_results(content: Mapping[str, Any]) -> str:
    """Return what was added, and the score before and after, in lines."""
    lines = []
    for row in content["added"]:
        true = "" if row["true_precision"] is None else f", true {row['true_precision']:.3f} of {row['known']:,} known"
        lines.append(
            f"{row['phase']}: {row['class']} {row['added']:,} added, precision expected {row['expected_precision']:.3f}{true}"
        )
    part = "test" if "test" in content else "validation"
    lines.append(f"{part}, without pseudo-labels -> with (difference with its 95 % interval), n={content[part]['n']:,}")
    for key, name in (("accuracy", "accuracy"), ("f1_macro", "macro-F1"), ("log_loss", "log loss")):
        one = content[part]["scores"][key]
        low, high = one["ci95"]
        lines.append(
            f"  {name:<9} {one['first']:.4f} -> {one['second']:.4f} ({one['difference']:+.4f} [{low:+.4f}, {high:+.4f}])"
        )
    return "\n".join(lines)


def _added(run: Run, class_names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return for each phase and class how many were added, and how many of them are right as far as one knows."""
    rows = read_pseudo_labels(run.folder / PSEUDO_LABELS)
    found = []
    for number, phase in enumerate(run.config.phases or ()):
        for name in class_names if phase.pseudo_labels else ():
            mine = [row for row in rows if int(row["phase"]) == number and row["label"] == name]
            known = [row for row in mine if row["truth"]]
            right = sum(row["truth"] == name for row in known)
            found.append({
                "phase": phase.name,
                "class": name,
                "added": len(mine),
                "threshold": float(mine[0]["threshold"]) if mine else None,
                "expected_precision": float(np.mean([float(row["expected"]) for row in mine])) if mine else 0.0,
                "known": len(known),
                "true_precision": right / len(known) if known else None,
            })  # fmt: skip
    return found


def _leave_checkpoint(run: Run, folder: Path, phase: int) -> None:
    """Write the end of a finished run as a checkpoint of the last phase it had."""
    from tfvision.training.checkpoints import Checkpoints, PhaseState
    from tfvision.training.history import History

    with open(run.folder / HISTORY, newline="", encoding="utf-8") as file:
        rows = [{key: _value(text) for key, text in row.items()} for row in csv.DictReader(file)]
    history, model = History(run.config.monitor), run.model()
    history.resume(rows)
    history.best_weights = model.get_weights()
    state = PhaseState(phase=phase, epochs=(run.config.phases or [])[phase].epochs, done=True)
    Checkpoints(folder / CHECKPOINTS).save(model, history, state)


def _value(text: str) -> str | int | float:
    """Return a cell of history.csv as the history had it."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text

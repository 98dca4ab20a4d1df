"""What pseudo-labels brought, for the run folder and in words."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tfvision.evaluation.paired import Difference, brief_lines, paired_differences
from tfvision.evaluation.parts import judged_part
from tfvision.evaluation.predictions import Predictions
from tfvision.runs.folder import Run
from tfvision.runs.names import (
    PSEUDO_LABELS,
    PSEUDO_RESULTS,
)
from tfvision.system.files import write_json
from tfvision.system.terminal import say_result
from tfvision.training.pseudo_labels import read_pseudo_labels


def write_pseudo_results(run: Run, before: Predictions, after: Predictions) -> None:
    """Write into a run with pseudo-labels how many were added and what they brought.

    Args:
        run: The run, whose final predictions are not reported yet.
        before: Predictions of its validation and test images by the best model without pseudo-labels.
        after: The same by the final model.
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
        if not row["added"]:
            lines.append(f"{row['phase']}: {row['class']} none added")
            continue
        true = "" if row["true_precision"] is None else f", true {row['true_precision']:.3f} of {row['known']:,} known"
        lines.append(
            f"{row['phase']}: {row['class']} {row['added']:,} added, precision expected {row['expected_precision']:.3f}{true}"
        )
    part = judged_part(content)
    lines.append(f"{part}, without pseudo-labels -> with (difference with its 95 % interval), n={content[part]['n']:,}")
    lines += brief_lines({name: Difference.from_dict(values) for name, values in content[part]["scores"].items()})
    return "\n".join(lines)


def _added(run: Run, class_names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return for each phase and class how many were added, and how many of them are right as far as is known."""
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

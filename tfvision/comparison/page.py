"""Compare several runs on the same split: a table, and a page with the confusion matrix of each."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfvision.evaluation.score_names import SCORES, brief_scores, column_of, goodness
from tfvision.report.folder import RunFiles, read_run_files
from tfvision.report.template import page_template
from tfvision.report.words import long_duration, percent, plain
from tfvision.runs.folder import Run
from tfvision.runs.names import COMPARISON, REPORT
from tfvision.system.files import to_csv, write_text
from tfvision.version import __version__

_PARTS = ("validation", "test")


def write_comparison_page(folder: Path, runs: Sequence[Run], monitor: str) -> str:
    """Write `comparison.csv` and `report.html` into the folder that holds the runs.

    Args:
        folder: The folder that holds the runs.
        runs: Finished runs on the same split, in the order to show them.
        monitor: The validation score that decides which is best: `val_loss`, `val_accuracy` or `val_f1`.

    Returns:
        The name of the best run.

    Raises:
        WriteError: The files cannot be written.
    """
    best = max(runs, key=lambda run: _goodness(run, monitor)).folder.name
    write_text(folder / COMPARISON, to_csv([_row(run, best) for run in runs]))
    write_text(folder / REPORT, _render(folder, runs, best, monitor))
    return best


def _goodness(run: Run, monitor: str) -> float:
    scores = run.metrics["validation"]
    name = next(name for name in column_of(monitor).scores if scores.get(name) is not None)
    return goodness(name, scores[name])


def _row(run: Run, best: str) -> dict[str, Any]:
    """Return a row of comparison.csv: scores with their intervals as `validation_accuracy_low` and so on."""
    row: dict[str, Any] = {"run": run.folder.name, "best": int(run.folder.name == best)}
    for part in _PARTS:
        scores = run.metrics.get(part)
        if not scores:
            continue
        for name in _brief_names():
            low, high = scores["ci95"][name] or ("", "")
            row |= {f"{part}_{name}": scores[name], f"{part}_{name}_low": low, f"{part}_{name}_high": high}
    return row


def _render(folder: Path, runs: Sequence[Run], best: str, monitor: str) -> str:
    files = [read_run_files(run.folder) for run in runs]
    parts = [part for part in _PARTS if part in files[0].metrics]
    first = files[0].config
    return page_template("comparison.html", "comparison").render(
        title=f"{len(runs)} classifiers on features of {plain(first.get('backbone'))}, {Path(plain(first.get('data'))).name}",
        parts=[(part, files[0].metrics[part]["n"]) for part in parts],
        rows=[_shown(one, parts, best) for one in files],
        best=_shown(next(one for one in files if one.folder.name == best), parts, best),
        scores=[score.title() for score in brief_scores()],
        monitor=SCORES[column_of(monitor).scores[0]].label(),
        headline=parts[-1],
        run=folder.as_posix(),
        best_run=shlex.quote((folder / best).as_posix()),
        version=__version__,
    )


def _shown(files: RunFiles, parts: Sequence[str], best: str) -> dict[str, Any]:
    """Return what the page shows about a run."""
    scores = files.metrics[parts[-1]]
    low, high = scores["ci95"]["accuracy"] or (None, None)
    return {
        "name": files.folder.name,
        "best": files.folder.name == best,
        "chosen": next(
            (line.split(" ", 1)[1].strip() for line in files.summary.splitlines() if line.startswith("chosen ")), ""
        ),
        "cells": [_cell(files.metrics[part], name) for part in parts for name in _brief_names()],
        "time": long_duration(float(files.environment.get("seconds") or 0)),
        "confusion": files.plots.get("confusion_matrix"),
        "accuracy": percent(scores["accuracy"]),
        "interval": f"{percent(low)} to {percent(high)}",
    }


def _brief_names() -> list[str]:
    return [score.name for score in brief_scores()]


def _cell(scores: dict[str, Any], name: str) -> tuple[str, str]:
    interval = scores["ci95"][name]
    return f"{scores[name]:.4f}", f"{interval[0]:.4f} – {interval[1]:.4f}" if interval else ""

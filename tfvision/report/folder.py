"""Read from a run folder what the report shows, whichever files are there."""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tfvision.config.yaml import parse_yaml
from tfvision.errors import TfvisionError
from tfvision.report.pictures import embed_plot
from tfvision.runs.names import (
    ATTACK_CURVES,
    ATTACK_IMAGES,
    ATTACK_PATCH,
    ATTACK_SCORES,
    AUGMENTED_SAMPLES,
    BOX_SAMPLES,
    CALIBRATION_AFTER,
    CALIBRATION_CURVE,
    CERTIFICATES,
    CERTIFIED_CURVE,
    CLASS_SAMPLES,
    CONFIG,
    CONFUSION_MATRIX,
    CORRUPTION_CURVES,
    CORRUPTION_SAMPLES,
    CORRUPTION_SCORES,
    DATA_FACTS,
    DECISION,
    ENSEMBLE,
    ENVIRONMENT,
    HISTORY,
    IOU_HISTOGRAM,
    LEARNING_CURVES,
    METRICS,
    MISTAKES,
    MISTAKES_FOLDER,
    PLOTS,
    PRECISION_RECALL,
    PSEUDO_RESULTS,
    RATE_CURVES,
    RATES,
    ROC,
    SPLITS,
    SUMMARY,
    WORST_BOXES,
    WORST_MISTAKES,
)
from tfvision.system.csv_table import read_mappings
from tfvision.system.files import read_written

CLASS_PLOTS = (
    LEARNING_CURVES, CONFUSION_MATRIX, PRECISION_RECALL, ROC, CALIBRATION_CURVE,
    CLASS_SAMPLES, AUGMENTED_SAMPLES, WORST_MISTAKES,
)  # fmt: skip
_BOX_PLOTS = (IOU_HISTOGRAM, BOX_SAMPLES, WORST_BOXES)
_LATER_PLOTS = (
    CALIBRATION_AFTER,
    CORRUPTION_CURVES,
    CORRUPTION_SAMPLES,
    CERTIFIED_CURVE,
    ATTACK_CURVES,
    ATTACK_IMAGES,
    ATTACK_PATCH,
)  # made by verbs that may be run after training


_Content = TypeVar("_Content")


@dataclass(frozen=True)
class RunFiles:
    """The content of a run folder; whatever is missing is empty.

    Args:
        folder: The run folder as the user wrote it.
        config, environment, metrics: Parsed `config.yaml`, `environment.json`, `metrics.json`.
        history: Rows of `history.csv`, as text.
        counts: Number of images for each `(part, label)` in `splits.csv`; the label is `""` if the file has none.
        config_text, summary: Text of `config.yaml` and `summary.txt`.
        plots: Name of a plot, without its ending, to its data URI.
        missing: Names of the files that are not there or cannot be read.
        decision: Parsed `decision.json`, which a run has after `tfvision threshold` or `calibrate`.
        ensemble: Parsed `ensemble.json` of an ensemble.
        pseudo_labels: Parsed `pseudo_labels.json` of a run that was trained with pseudo-labels.
        corruptions: Parsed `corruptions.json`, which a run has after `tfvision evaluate --corrupt`.
        certificates: Parsed `certify.json`, which a run has after `tfvision certify`.
        attack: Parsed `attack.json`, which a run has after `tfvision attack`.
        rates: Parsed `learning_rates.json` of a run whose learning rates were found by a sweep.
        mistakes: Rows of `mistakes.csv`, with `uri`, the picture, and `looked_uri`, where the model looked, in addition;
            those without a picture are left out.
        data: Parsed `data.json`, which runs of older versions and ensembles lack.
    """

    folder: Path
    config: dict[str, Any]
    environment: dict[str, Any]
    metrics: dict[str, Any]
    history: list[dict[str, str]]
    counts: Counter[tuple[str, str]]
    config_text: str
    summary: str
    plots: dict[str, str]
    missing: list[str] = field(default_factory=list)
    decision: dict[str, Any] = field(default_factory=dict)
    ensemble: dict[str, Any] = field(default_factory=dict)
    pseudo_labels: dict[str, Any] = field(default_factory=dict)
    corruptions: dict[str, Any] = field(default_factory=dict)
    certificates: dict[str, Any] = field(default_factory=dict)
    attack: dict[str, Any] = field(default_factory=dict)
    rates: dict[str, Any] = field(default_factory=dict)
    mistakes: list[dict[str, str]] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)


def read_run_files(folder: Path | str) -> RunFiles:
    """Read the files of a run folder that the report is made from."""
    folder = Path(folder)
    missing: list[str] = []

    def read(name: str, parse: Callable[[str], Any], empty: _Content) -> _Content:
        try:
            content = parse(read_written(folder / name))
        except (ValueError, RecursionError, TfvisionError, csv.Error):
            content = None
        if not isinstance(content, type(empty)):
            missing.append(name)
            return empty
        return content

    def read_if_there(name: str) -> dict[str, Any]:
        return read(name, json.loads, {}) if (folder / name).exists() else {}

    ensemble = read_if_there(ENSEMBLE)
    # An ensemble was not trained, and its options are in its own file.
    config = ensemble["options"] if ensemble else read(CONFIG, lambda text: parse_yaml(text, CONFIG), {})
    mistakes: list[dict[str, str]] = read(MISTAKES, _rows, []) if (folder / MISTAKES).exists() else []

    def of_mistake(picture: str | None) -> str:
        return embed_plot(folder / PLOTS / MISTAKES_FOLDER / Path(picture or "none").name)

    epochs = not ensemble and not config.get("classifier")  # a shallow classifier has no history
    return RunFiles(
        folder=folder,
        config=config,
        environment=read(ENVIRONMENT, json.loads, {}),
        metrics=read(METRICS, json.loads, {}),
        history=read(HISTORY, _rows, []) if epochs else [],
        counts=read(SPLITS, _counts, Counter()),
        config_text="" if ensemble else read(CONFIG, str, ""),
        summary="" if ensemble else read(SUMMARY, str, ""),
        plots={
            Path(name).stem: uri
            for name in (*CLASS_PLOTS, *_BOX_PLOTS, RATE_CURVES, *_LATER_PLOTS)
            if (uri := embed_plot(folder / PLOTS / name))
        },
        missing=missing,
        decision=read_if_there(DECISION),
        ensemble=ensemble,
        pseudo_labels=read_if_there(PSEUDO_RESULTS),
        corruptions=read_if_there(CORRUPTION_SCORES),
        certificates=read_if_there(CERTIFICATES),
        attack=read_if_there(ATTACK_SCORES),
        rates=read_if_there(RATES),
        data=read_if_there(DATA_FACTS),
        mistakes=[
            {**row, "uri": uri, "looked_uri": of_mistake(row.get("looked"))}
            for row in mistakes
            if (uri := of_mistake(row.get("picture")))
        ],
    )


def _rows(text: str) -> list[dict[str, str]]:
    return read_mappings(io.StringIO(text, newline=""))


def _counts(text: str) -> Counter[tuple[str, str]]:
    return Counter((row.get("part") or "", row.get("label") or "") for row in _rows(text))

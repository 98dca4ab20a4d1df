"""Run folder: what the report reads, each file as far as it is there."""

import csv
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfvision.config.yaml import parse_yaml
from tfvision.errors import UsageError
from tfvision.report.pictures import data_uri

CLASS_PLOTS = (
    "learning_curves", "confusion_matrix", "precision_recall", "roc", "calibration",
    "class_samples", "augmented_samples", "worst_mistakes",
)  # fmt: skip
_BOX_PLOTS = ("iou_histogram", "box_samples", "worst_boxes")
_LATER_PLOTS = ("calibration_after", "corruptions", "corruptions_samples")  # of what may be asked after training


@dataclass(frozen=True)
class RunFiles:
    """The content of a run folder; what is missing is empty.

    Args:
        folder: The run folder as the user wrote it.
        config, environment, metrics: Parsed `config.yaml`, `environment.json`, `metrics.json`.
        history: Rows of `history.csv`, as text.
        counts: Images of each `(part, label)` in `splits.csv`; the label is `""` where the file has none.
        config_text, summary: `config.yaml` and `summary.txt` as they are.
        plots: Name of a plot to its PNG as a data URI.
        missing: Names of the files that are not there or cannot be read.
        decision: Parsed `decision.json`, which a run has after `tfvision threshold` or `calibrate`.
        pseudo_labels: Parsed `pseudo_labels.json` of a run that labelled images itself.
    """

    folder: Path
    config: dict[str, Any]
    environment: dict[str, Any]
    metrics: dict[str, Any]
    history: list[dict[str, str]]
    counts: Counter
    config_text: str
    summary: str
    plots: dict[str, str]
    missing: list[str] = field(default_factory=list)
    decision: dict[str, Any] = field(default_factory=dict)
    pseudo_labels: dict[str, Any] = field(default_factory=dict)


def read_run_files(folder: Path | str) -> RunFiles:
    """Read the files of a run folder that the report tells of."""
    folder, missing = Path(folder), []

    def read(name: str, parse: Callable[[str], Any], empty: Any) -> Any:
        try:
            content = parse((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError, UsageError, csv.Error):
            content = None
        if not isinstance(content, type(empty)):
            missing.append(name)
            return empty
        return content

    config = read("config.yaml", lambda text: parse_yaml(text, "config.yaml"), {})
    epochs = not config.get("classifier")  # a shallow classifier has no history
    return RunFiles(
        folder=folder,
        config=config,
        environment=read("environment.json", json.loads, {}),
        metrics=read("metrics.json", json.loads, {}),
        history=read("history.csv", _rows, []) if epochs else [],
        counts=read("splits.csv", _counts, Counter()),
        config_text=read("config.yaml", str, ""),
        summary=read("summary.txt", str, ""),
        plots={
            name: uri
            for name in (*CLASS_PLOTS, *_BOX_PLOTS, *_LATER_PLOTS)
            if (uri := _picture(folder / "plots" / f"{name}.png"))
        },
        missing=missing,
        decision=read("decision.json", json.loads, {}) if (folder / "decision.json").exists() else {},
        pseudo_labels=read("pseudo_labels.json", json.loads, {}) if (folder / "pseudo_labels.json").exists() else {},
    )


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def _counts(text: str) -> Counter:
    return Counter((row.get("part") or "", row.get("label") or "") for row in _rows(text))


def _picture(path: Path) -> str:
    try:
        return data_uri(path.read_bytes())
    except OSError:
        return ""

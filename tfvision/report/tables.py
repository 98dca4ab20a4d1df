"""Tables of the report: facts, scores, classes, phases and images, as text ready to show."""

import os
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from tfvision.config.options import from_dict
from tfvision.data.augmentation.options import Augmentation
from tfvision.data.sources.digits import EMBEDDED
from tfvision.errors import UsageError
from tfvision.evaluation.score_names import SCORES, class_scores
from tfvision.report.folder import RunFiles
from tfvision.report.story import headline_part
from tfvision.report.words import describe_section, long_duration, percent, plain
from tfvision.training.options import Phase
from tfvision.training.phases import describe_augmentation

_FACTS = ("task", "data", "backbone", "classifier", "weights", "image_size", "batch_size", "optimizer", "seed")
_OPTIONS = ("weight_decay", "label_smoothing", "balance", "resize", "augment", "head", "box")
_OPTIONS_OF_CLASSIFIER = ("balance", "resize", "shallow")
_PHASE_COLUMNS = ("name", "solver", "epochs", "learning_rate", "schedule", "unfreeze", "patience")
_PARTS = {"train": 0, "validation": 1, "test": 2}


def score_table(metrics: dict[str, Any]) -> dict[str, Any]:
    """Return `parts`, and `rows` of `{name, hint, cells}` with a cell `(value, interval)` as text for each part."""
    parts = [part for part in ("validation", "test") if isinstance(metrics.get(part), dict)]
    rows = []
    for score in class_scores():
        if any(metrics[part].get(score.name) is not None for part in parts):
            positive = next((metrics[part].get("positive_class") for part in parts), "")
            cells = [_score_cell(metrics[part], score.name) for part in parts]
            rows.append({"name": score.title(positive), "hint": score.hint, "cells": cells})
    heads = [(part, metrics[part].get("n")) for part in parts]
    return {"parts": heads, "rows": rows}


def class_table(metrics: dict[str, Any]) -> dict[str, Any]:
    """Return `part`, and the `rows` of its `per_class`: the lowest F1 first, classes without images last."""
    part = headline_part(metrics)
    rows = (metrics[part].get("per_class") or []) if part else []
    return {"part": part, "rows": sorted(rows, key=lambda row: (not row.get("support"), row.get("f1") or 0))}


def fact_rows(files: RunFiles) -> list[tuple[str, str]]:
    """Return `(name, text)` rows that say what was trained, on what and how."""
    config, environment = files.config, files.environment
    shallow = bool(config.get("classifier"))
    shown = [name for name in _FACTS if config.get(name) is not None and not (shallow and name == "optimizer")]
    rows = [(name.replace("_", " "), plain(config[name])) for name in shown]
    rows = [
        (name, f"{text}, the embedded example" if (name, text) == ("data", EMBEDDED) else text) for name, text in rows
    ]
    rows += [
        (name.replace("_", " "), text)
        for name in (_OPTIONS_OF_CLASSIFIER if shallow else _OPTIONS)
        if config.get(name) and config[name] != "none" and (text := _acting(name, config[name], config.get("phases")))
        if name != "box" or config.get("task", "classify") != "classify"
    ]
    rows += [
        (name, describe_section(environment[name]))
        for name in ("model", "hardware", "versions")
        if environment.get(name)
    ]
    seconds = _seconds(files)
    rows += [("time", long_duration(seconds))] if seconds else []
    return rows + ([("date", plain(environment["date"]))] if environment.get("date") else [])


def _acting(name: str, section: object, phases: object) -> str:
    """Return the options of a section that act, as text: not those that belong to one that is off."""
    if name == "augment" and isinstance(section, dict):
        try:
            known = [from_dict(Phase, phase) for phase in phases] if isinstance(phases, list) else []
            return describe_augmentation(from_dict(Augmentation, section), known)
        except UsageError:  # of another version
            return describe_section(section)
    if name == "head" and isinstance(section, dict) and not section.get("units"):
        section = {key: value for key, value in section.items() if key not in ("activation", "batch_norm")}
    return describe_section(section)


def phase_table(files: RunFiles) -> dict[str, Any]:
    """Return `columns` and `rows` of the phases in the config, each cell as text."""
    phases = files.config.get("phases")
    phases = [_shown(phase) for phase in phases if isinstance(phase, dict)] if isinstance(phases, list) else []
    columns = [name for name in _PHASE_COLUMNS if any(phase.get(name) is not None for phase in phases)]
    rows = [[plain(phase.get(name)) for name in columns] for phase in phases]
    return {"columns": [name.replace("_", " ") for name in columns], "rows": rows}


def _shown(phase: dict[str, Any]) -> dict[str, Any]:
    """Return a phase without the options that its solver does not use."""
    if phase.get("solver") != "logistic_regression":
        return phase
    return {**phase, "epochs": "one pass", "learning_rate": None, "schedule": None}


def image_table(counts: Counter[tuple[str, str]]) -> dict[str, Any]:
    """Return `parts`, `rows` of `(class, counts)` and `total`: the number of images in each part and class."""
    parts = sorted({part for part, _ in counts}, key=lambda part: (_PARTS.get(part, len(_PARTS)), part))
    labels = sorted({label for _, label in counts if label})
    rows = [(label, [counts[part, label] for part in parts]) for label in labels]
    total = [sum(count for (one, _), count in counts.items() if one == part) for part in parts]
    return {"parts": parts, "rows": rows, "total": total}


def mistake_cards(files: RunFiles) -> list[dict[str, str]]:
    """Return `uri`, `id`, `name`, `text`, `link` and `looked` of each of the worst mistakes.

    The link leads to the file, if it is one; `looked` is the picture of where the model looked, if there is one.
    """
    cards = []
    for row in files.mistakes:
        file = row.get("file") or ""
        link = quote(Path(os.path.relpath(file, files.folder)).as_posix()) if file and Path(file).is_file() else ""
        text = f"{row.get('label')}, taken for {row.get('predicted')} ({percent(_number(row.get('probability')))})"
        image_id = row.get("id") or ""
        name = PurePosixPath(image_id).name  # its folder is often the class, which is said below
        cards.append(
            {
                "uri": row["uri"],
                "id": image_id,
                "name": name,
                "text": text,
                "link": link,
                "looked": row.get("looked_uri", ""),
            }
        )
    return cards


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None


def tiles(files: RunFiles) -> list[tuple[str, str]]:
    """Return a few figures for the top of the page, as `(figure, name)`."""
    part = headline_part(files.metrics)
    scores = files.metrics[part] if part else {}
    found = []
    if scores.get("f1_macro") is not None:
        found.append((f"{scores['f1_macro']:.4f}", f"{SCORES['f1_macro'].label()}, {part}"))
    if scores.get("share_50") is not None:
        found += [
            (percent(scores["share_50"]), f"{SCORES['share_50'].label()}, {part}"),
            (f"{scores['median_iou']:.3f}", SCORES["median_iou"].label()),
        ]
    elif part == "test" and isinstance(files.metrics.get("validation"), dict):
        found.append(
            (percent(files.metrics["validation"].get("accuracy")), f"{SCORES['accuracy'].label()}, validation")
        )
    if files.counts:
        found.append((f"{sum(files.counts.values()):,}", "images in all"))
    if files.history:
        found.append((str(len(files.history)), "epoch" if len(files.history) == 1 else "epochs"))
    if _seconds(files):
        found.append((long_duration(_seconds(files)), "training time"))
    return found


def _score_cell(scores: dict[str, Any], key: str) -> tuple[str, str]:
    value, interval = scores.get(key), (scores.get("ci95") or {}).get(key)
    if value is None:
        return "–", ""
    return f"{value:.4f}", f"{interval[0]:.3f} – {interval[1]:.3f}" if interval else ""


def _seconds(files: RunFiles) -> float:
    try:
        return float(files.environment.get("seconds") or sum(float(row.get("seconds") or 0) for row in files.history))
    except (TypeError, ValueError):
        return 0.0

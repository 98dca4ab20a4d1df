"""Sentences and tables for box scores, compared with boxes chosen without looking at the image."""

from collections.abc import Callable
from typing import Any

from tfvision.evaluation.score_names import box_scores
from tfvision.report.story import headline_part, tell
from tfvision.report.words import percent

BASELINES = {
    "mean_box": "mean box of training",
    "centred_box": "centred box of mean size",
    "whole_image": "whole image",
    "random_box": "any training box",
}


def tell_run(metrics: dict[str, Any]) -> dict[str, Any]:
    """Return the sentences that open the report of any run, see `tell` and `tell_boxes`."""
    part = headline_part(metrics)
    return tell_boxes(metrics, part) if part and box_tables(metrics, part) else tell(metrics)


def tell_boxes(metrics: dict[str, Any], part: str) -> dict[str, Any]:
    """Return the sentences that open the report of a run that predicts boxes.

    Args:
        metrics: `{"validation": {...}, "test": {...}}` as in `metrics.json`.
        part: The part to tell about; it has box scores.

    Returns:
        `figure`, the mean IoU as large text; `headline`, one sentence; `remarks`, a list of sentences.
    """
    scores = metrics[part]
    remarks = [_baseline(scores), _comparison(metrics, part), _by_size(scores)]
    return {
        "figure": f"{scores['mean_iou']:.3f}",
        "headline": f"is the mean overlap (IoU) of predicted and true boxes on the {scores['n']:,} {part} images"
        f"{_interval(scores, 'mean_iou', '{:.3f}'.format)}; {percent(scores['share_50'])} of the boxes overlap by more "
        f"than half{_interval(scores, 'share_50', percent)}.",
        "remarks": [remark for remark in remarks if remark],
    }


def box_tables(metrics: dict[str, Any], part: str | None) -> dict[str, Any]:
    """Return the tables of box scores, each cell as text.

    Args:
        metrics: `{"validation": {...}, "test": {...}}` as in `metrics.json`.
        part: The part whose baselines and groups are shown.

    Returns:
        `part`; `names` of the scores; `heads` and `rows`, scores by part; `baselines` and `groups`, scores of `part` by
        baseline and by size or class. Empty if the part is None or has no box scores.
    """
    if part is None or metrics[part].get("mean_iou") is None:
        return {}
    parts = [name for name in ("validation", "test") if (metrics.get(name) or {}).get("mean_iou") is not None]
    rows = [
        {"name": score.title(), "hint": score.hint, "cells": [_cell(metrics[one], score.name) for one in parts]}
        for score in box_scores()
    ]
    scores = metrics[part]
    baselines = [("this model", scores)]
    baselines += [(BASELINES.get(name, name), found) for name, found in (scores.get("baselines") or {}).items()]
    groups = [*(scores.get("by_size") or []), *(scores.get("per_class") or [])]
    return {
        "part": part,
        "heads": [(name, metrics[name].get("n")) for name in parts],
        "rows": rows,
        "baselines": [(name, _numbers(found)) for name, found in baselines],
        "groups": [(row["name"], row["n"], _numbers(row)) for row in groups],
        "names": [score.title() for score in box_scores()],
    }


def class_metrics(metrics: dict[str, Any]) -> dict[str, Any]:
    """Return the class metrics of each part: those within its box metrics, or all if it has no box metrics."""
    found = {}
    for part, scores in metrics.items():
        if not isinstance(scores, dict) or scores.get("mean_iou") is None:
            found[part] = scores
        elif scores.get("classes"):
            found[part] = scores["classes"]
    return found


def _baseline(scores: dict[str, Any]) -> str:
    found = scores.get("baselines") or {}
    if not found:
        return ""
    name = max(found, key=lambda each: found[each]["mean_iou"])
    return (
        f"Without looking at any image, the best of {len(found)} baselines ({BASELINES.get(name, name)}) reaches "
        f"{found[name]['mean_iou']:.3f}, and {percent(found[name]['share_50'])} above one half."
    )


def _comparison(metrics: dict[str, Any], part: str) -> str:
    validation = metrics.get("validation") or {}
    if part != "test":
        return "There is no test part, so this is the score of the validation images, which also chose the best epoch."
    if validation.get("mean_iou") is None:
        return ""
    return f"On the {validation['n']:,} validation images, which chose the best epoch, it was {validation['mean_iou']:.3f}."


def _by_size(scores: dict[str, Any]) -> str:
    groups = [row for row in scores.get("by_size") or [] if row.get("mean_iou") is not None and row["n"] >= 5]
    if len(groups) < 2:
        return ""
    worst = min(groups, key=lambda row: row["mean_iou"])
    return f"The {worst['name']} boxes are the hardest: {worst['mean_iou']:.3f} on {worst['n']:,} images."


def _interval(scores: dict[str, Any], key: str, write: Callable[[float], str]) -> str:
    found = (scores.get("ci95") or {}).get(key)
    return f" (95 % interval {write(found[0])} to {write(found[1])})" if found else ""


def _cell(scores: dict[str, Any], key: str) -> tuple[str, str]:
    interval = (scores.get("ci95") or {}).get(key)
    return _number(scores.get(key)), f"{interval[0]:.3f} – {interval[1]:.3f}" if interval else ""


def _numbers(scores: dict[str, Any]) -> list[str]:
    return [_number(scores.get(score.name)) for score in box_scores()]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"

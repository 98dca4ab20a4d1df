"""Scores of one part of the data, and a line of text that sums them up."""

from collections.abc import Container, Mapping, Sequence
from typing import Any

import numpy as np

from tfvision.data.images.imageset import ImageSet
from tfvision.data.splits.split import SCORED
from tfvision.evaluation.box_metrics import compute_box_metrics
from tfvision.evaluation.box_predictions import BoxPredictions
from tfvision.evaluation.metrics import compute_metrics
from tfvision.evaluation.predictions import Predictions
from tfvision.evaluation.score_names import SCORES
from tfvision.models.model_file import ModelFacts


def scored_parts(given: Mapping[str, ImageSet]) -> dict[str, ImageSet]:
    """Return the parts that a model is scored on and that have images, in order."""
    return {part: given[part] for part in SCORED if part in given and len(given[part])}


def judged_part(parts: Container[str]) -> str:
    """Return the part that a model is judged by: test, or validation if there is no test part."""
    return "test" if "test" in parts else "validation"


def compute_part(predictions: Predictions | BoxPredictions, facts: ModelFacts) -> dict[str, Any]:
    """Compute the metrics of one part in the form they have in metrics.json.

    Args:
        predictions: Labelled predictions, of classes or of boxes.
        facts: Facts stored with the model; the training boxes in it serve as baselines for boxes.

    Returns:
        See `compute_metrics` for classes, `compute_box_part` for boxes.

    Raises:
        DataError: The predictions have no labels or no true boxes to score against.
    """
    if isinstance(predictions, BoxPredictions):
        return compute_box_part(predictions, facts)
    names, decided = predictions.class_names, predictions.decided
    return compute_metrics(predictions.labels, predictions.probabilities, names, predicted=decided)


def describe_scores(metrics: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a line for each part: accuracy and F1 with their intervals, or for boxes the IoU and its baselines."""
    lines = []
    for part, scores in metrics.items():
        if "mean_iou" in scores:
            lines.append(describe_box_scores(part, scores))
            if (classes := scores.get("classes")) is None:
                continue
            scores = classes
        shown = _with_intervals(scores, ("accuracy", "f1" if "f1" in scores else "f1_macro"))
        loss = f"{SCORES['log_loss'].label()} {scores['log_loss']:.4f}"
        lines.append(f"{part:<10} {shown}  {loss}  n={scores['n']:,}")
    return "\n".join(lines)


def compute_box_part(predictions: BoxPredictions, facts: ModelFacts) -> dict[str, Any]:
    """Compute the box metrics of one part in the form they have in metrics.json.

    Args:
        predictions: Predicted boxes of images whose true boxes are known.
        facts: Facts stored with the model, including the training boxes for the baselines.

    Returns:
        See `compute_box_metrics`; with class predictions also `classes`, see `compute_metrics`.

    Raises:
        DataError: Some images have no true box.
    """
    scores = compute_box_metrics(predictions, np.array(facts.training_boxes))
    if predictions.classes is None:
        return scores
    found = predictions.classes
    return {**scores, "classes": compute_metrics(found.labels, found.probabilities, found.class_names)}


def describe_box_scores(part: str, scores: Mapping[str, Any]) -> str:
    """Return a line with the box scores of one part and a line with the baselines.

    Args:
        part: Name of the part.
        scores: Its metrics, see `compute_box_metrics`.

    Returns:
        Two lines of text.
    """
    shown = _with_intervals(scores, ("mean_iou", "share_50"))
    baselines = ", ".join(
        f"{name.replace('_', ' ')} {found['mean_iou']:.3f}/{found['share_50']:.3f}"
        for name, found in scores["baselines"].items()
    )
    return f"{part:<10} {shown}  n={scores['n']:,}\n{'':<10} without looking: {baselines}"


def _with_intervals(scores: Mapping[str, Any], names: Sequence[str]) -> str:
    positive = scores.get("positive_class", "")
    shown = ((SCORES[name].label(positive), scores[name], scores["ci95"][name]) for name in names)
    return "  ".join(f"{label} {value:.4f} {interval_text(bounds)}" for label, value, bounds in shown)


def interval_text(bounds: Sequence[float] | None) -> str:
    """Return the ends of an interval in brackets, or nothing without one."""
    return f"[{bounds[0]:.4f}, {bounds[1]:.4f}]" if bounds else ""

"""The scores of one part of the data, and a line of them."""

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
    """Return the parts with images that a model is scored on, in order."""
    return {part: given[part] for part in SCORED if part in given and len(given[part])}


def judged_part(parts: Container[str]) -> str:
    """Return the part that a model is judged by: the test, or validation where there is none."""
    return "test" if "test" in parts else "validation"


def compute_part(predictions: Predictions | BoxPredictions, facts: ModelFacts) -> dict[str, Any]:
    """Return the metrics of one part, as they stand in metrics.json."""
    if isinstance(predictions, BoxPredictions):
        return compute_box_part(predictions, facts)
    names, decided = predictions.class_names, predictions.decided
    return compute_metrics(predictions.labels, predictions.probabilities, names, predicted=decided)


def describe_scores(metrics: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a line for each part: accuracy and F1 with their intervals; for boxes IoU, beside the baselines."""
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
    """Return the metrics of one part, as they stand in metrics.json; with classes also theirs, as `classes`."""
    scores = compute_box_metrics(predictions, np.array(facts.training_boxes))
    if predictions.classes is None:
        return scores
    found = predictions.classes
    return {**scores, "classes": compute_metrics(found.labels, found.probabilities, found.class_names)}


def describe_box_scores(part: str, scores: Mapping[str, Any]) -> str:
    """Return a line of the scores of boxes, and one of the baselines."""
    shown = _with_intervals(scores, ("mean_iou", "share_50"))
    baselines = ", ".join(
        f"{name.replace('_', ' ')} {found['mean_iou']:.3f}/{found['share_50']:.3f}"
        for name, found in scores["baselines"].items()
    )
    return f"{part:<10} {shown}  n={scores['n']:,}\n{'':<10} without looking: {baselines}"


def _with_intervals(scores: Mapping[str, Any], names: Sequence[str]) -> str:
    positive = scores.get("positive_class", "")
    shown = ((SCORES[name].label(positive), scores[name], scores["ci95"][name]) for name in names)
    return "  ".join(f"{label} {value:.4f} {_interval(bounds)}" for label, value, bounds in shown)


def _interval(bounds: Sequence[float] | None) -> str:
    return f"[{bounds[0]:.4f}, {bounds[1]:.4f}]" if bounds else ""

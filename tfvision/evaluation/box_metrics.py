"""Metrics for predicted boxes in one part of the data, with bootstrap intervals and the baselines to beat."""

from typing import Any

import numpy as np

from tfvision.data.boxes.geometry import box_ious
from tfvision.errors import DataError
from tfvision.evaluation.box_predictions import BoxPredictions
from tfvision.evaluation.score_names import box_scores

CUTS = (0.5, 0.75, 0.9)
BY_SIZE = (
    ("small", 0.0, 0.1),
    ("medium", 0.1, 0.3),
    ("large", 0.3, 1.01),
)  # share of the image: lower bound included, upper excluded

_CHUNK = 1_000_000  # drawn values held in memory at a time


def compute_box_metrics(
    predictions: BoxPredictions, training_boxes: np.ndarray, *, resamples: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """Score predicted boxes against the true ones.

    Args:
        predictions: Predicted boxes of images whose true boxes are known.
        training_boxes: `(m, 4)` float in 0..1, the training boxes as shares of their images, for the baselines.
        resamples: Number of bootstrap resamples of the images; 0 leaves all intervals undefined.
        seed: Seed of the bootstrap.

    Returns:
        `n`; `mean_iou`, `median_iou` and `share_50`, `share_75`, `share_90`, the shares of images whose IoU exceeds
        0.5, 0.75 and 0.9 (Everingham et al., PASCAL VOC, 2010); `ci95`, the percentile bootstrap interval (Efron,
        Annals of Statistics 1979) of each; `by_size` and, if there are several
        classes, `per_class`, groups with intervals of their own; `baselines`, the
        same scores for boxes chosen without looking at the image, see `baseline_ious`.

    Raises:
        DataError: There are no images, or some have no true box.
    """
    ious = predictions.ious
    if not len(ious) or np.isnan(predictions.truth).any():
        raise DataError("not all images have a box, so they cannot be scored; use predict instead of evaluate")
    sizes = np.tile(predictions.sizes, 2)
    names = sorted(set(predictions.labels.tolist()) - {""})
    return {
        "n": len(ious),
        **_plain(score_overlaps(ious)),
        "ci95": _intervals(ious, resamples, seed),
        "by_size": [
            _group(name, ious[(low <= predictions.shares) & (predictions.shares < high)], resamples, seed)
            for name, low, high in BY_SIZE
        ],
        "per_class": [_group(name, ious[predictions.labels == name], resamples, seed) for name in names]
        if len(names) > 1
        else [],
        "baselines": {
            name: _plain(score_overlaps(found.ravel()))
            for name, found in baseline_ious(predictions.truth / sizes, training_boxes).items()
        },
    }


def baseline_ious(truth: np.ndarray, training_boxes: np.ndarray) -> dict[str, np.ndarray]:
    """Return the IoU between each true box and boxes chosen without looking at the image.

    Args:
        truth: `(n, 4)` float in 0..1, the true boxes as shares of their images.
        training_boxes: `(m, 4)` float in 0..1, the training boxes as shares of their images.

    Returns:
        Baseline to IoU: `mean_box`, the mean corners of the training boxes; `centred_box`, their mean width and height
        centred in the image; `whole_image`; each `(n,)`. `random_box`, `(n, m)`: every training box, so that the mean
        is the expected IoU of one drawn at random.
    """
    half = (training_boxes[:, 2:] - training_boxes[:, :2]).mean(axis=0) / 2
    return {
        "mean_box": box_ious(training_boxes.mean(axis=0), truth),
        "centred_box": box_ious(np.concatenate([0.5 - half, 0.5 + half]), truth),
        "whole_image": box_ious(np.array([0, 0, 1, 1.0]), truth),
        "random_box": box_ious(truth[:, None], training_boxes[None]),
    }


def worst_boxes(predictions: BoxPredictions, k: int = 16) -> list[int]:
    """Return the rows of the `k` images with the lowest overlap, lowest first.

    Args:
        predictions: Predicted boxes of images whose true boxes are known.
        k: The most rows to return.

    Returns:
        Row numbers, at most `k`.
    """
    return np.argsort(predictions.ious, kind="stable")[:k].tolist()


def score_overlaps(ious: np.ndarray) -> dict[str, np.ndarray]:
    """Return every box score: one set of formulas for the estimate and for each bootstrap resample.

    Args:
        ious: `(..., n)` float in 0..1, the overlaps of n boxes.

    Returns:
        Score name to `(...)`.
    """
    shares = {f"share_{round(100 * cut)}": (ious > cut).mean(axis=-1) for cut in CUTS}
    return {"mean_iou": ious.mean(axis=-1), "median_iou": np.median(ious, axis=-1), **shares}


def _plain(scores: dict[str, np.ndarray]) -> dict[str, float]:
    return {name: float(value) for name, value in scores.items()}


def _group(name: str, ious: np.ndarray, resamples: int, seed: int) -> dict[str, Any]:
    scores = _plain(score_overlaps(ious)) if len(ious) else dict.fromkeys(score.name for score in box_scores())
    return {"name": name, "n": len(ious), **scores, "ci95": _intervals(ious, resamples if len(ious) else 0, seed)}


def _intervals(ious: np.ndarray, resamples: int, seed: int) -> dict[str, list[float] | None]:
    if not resamples:
        return dict.fromkeys(score.name for score in box_scores())
    rng = np.random.default_rng(seed)
    size = max(1, _CHUNK // len(ious))
    chunks = [
        score_overlaps(ious[rng.integers(len(ious), size=(min(size, resamples - start), len(ious)))])
        for start in range(0, resamples, size)
    ]
    found = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}
    return {name: np.percentile(values, [2.5, 97.5]).tolist() for name, values in found.items()}

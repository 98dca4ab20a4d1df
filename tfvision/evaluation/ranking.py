"""Ranking scores: areas under the ROC and the precision-recall curve, and the curves themselves."""

import numpy as np


def ranking_areas(positive: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return ROC AUC and average precision for each column of weights.

    Equal scores count as one threshold. ROC AUC is the chance that a positive image ranks above a
    negative one, ties counting half (Hanley and McNeil, Radiology 1982). Average precision is the mean
    of the precision at each positive, without interpolation (Davis and Goadrich, ICML 2006, on why not).

    Args:
        positive: `(n,)` bool, which images belong to the class.
        scores: `(n,)` float, higher means more likely to belong to the class.
        weights: `(n, R)` float >= 0, how often each image counts.

    Returns:
        Two arrays `(R,)`; NaN where the weights leave no positive or no negative image.
    """
    order = np.argsort(-scores, kind="stable")
    total = np.zeros((len(order) + 1, weights.shape[1]))  # row i: weight of the i top-ranked images
    np.cumsum(weights[order], axis=0, out=total[1:])
    starts, ends, first_rows, rows = _positive_groups(positive[order], scores[order])
    if not len(rows):
        undefined = np.full(weights.shape[1], np.nan)
        return undefined, undefined
    hits = np.add.reduceat(weights[order[rows]], first_rows, axis=0)  # (groups, R)
    hits_so_far = np.cumsum(hits, axis=0)
    positives = hits_so_far[-1]
    negatives = total[-1] - positives
    misses_between = (total[ends] - hits_so_far + total[starts] - (hits_so_far - hits)) / 2
    precision = _ratio(hits_so_far, total[ends])
    defined = (positives > 0) & (negatives > 0)
    auc = _ratio((hits * (negatives - misses_between)).sum(axis=0), positives * negatives)
    average_precision = _ratio((hits * precision).sum(axis=0), positives)
    return np.where(defined, auc, np.nan), np.where(defined, average_precision, np.nan)


def ranking_counts(positive: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count the images at or above each distinct score, from the highest score to the lowest.

    Args:
        positive: `(n,)` bool, which images belong to the class.
        scores: `(n,)` float, higher means more likely to belong to the class.

    Returns:
        True positives and false positives, each `(thresholds,)` int64.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    hits = np.cumsum(positive[order])[ends]
    return hits, ends + 1 - hits


def _positive_groups(positive: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, ...]:
    """Find the runs of equal scores that contain a positive image, in ranked order.

    Returns:
        `starts`, `ends`: how many images rank before each run, and up to its end; `first_rows`: where each
        run begins in `rows`, the positions of all positive images.
    """
    new = np.append(True, np.diff(scores) != 0)
    group = np.cumsum(new) - 1
    first = np.append(np.flatnonzero(new), len(scores))
    rows = np.flatnonzero(positive)
    groups, first_rows = np.unique(group[rows], return_index=True)
    return first[groups], first[groups + 1], first_rows, rows


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)

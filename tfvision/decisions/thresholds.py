"""Thresholds: offsets of log-probabilities that maximize an objective on validation, without overfitting it.

For two classes, a threshold on p(positive) is an offset of its log-odds, so one search serves any number of classes.
"""

import numpy as np

from tfvision.decisions.objectives import Objective
from tfvision.errors import RunError
from tfvision.models.decision import log_probabilities

_SHARES = (
    0.0,
    0.25,
    0.5,
    0.75,
    1.0,
)  # of the way from the offsets that need no data to the best ones found on the data
_FOLDS, _REPEATS, _SWEEPS = 5, 4, 4
_EDGE = 1.0  # how far beyond the outermost image an offset may lie


def choose_offsets(probabilities: np.ndarray, labels: np.ndarray, objective: Objective, seed: int) -> tuple[float, ...]:
    """Return the offset of each class that is best for an objective on validation.

    A coordinate search finds the best offsets, and cross-validation within the validation images decides how much of
    the way there to go, possibly none: on few images the best offsets are mostly luck. For `precision`, the threshold
    with the highest recall among those that reach it is taken as is.

    Args:
        probabilities: float (n, K), probabilities of the validation images, calibrated or not.
        labels: int (n,) in 0..K-1.
        objective: What to maximize; see `parse_objective`.
        seed: Seed of the order of the search and of the folds.

    Returns:
        K numbers; for two classes, the first is 0.

    Raises:
        RunError: No threshold reaches the precision asked for.
    """
    scores = log_probabilities(probabilities)
    if objective.kind == "precision":
        return (0.0, _offset_for_precision(scores[:, 1] - scores[:, 0], labels == 1, objective.precision))
    start = np.zeros(scores.shape[1])
    start[1] = objective.prior
    step = _search(scores, labels, objective, start, seed) - start
    found = start + _worthwhile_share(scores, labels, objective, start, seed) * step
    found -= found[0] if len(found) == 2 else found.mean()
    return tuple(found.tolist())


def _worthwhile_share(
    scores: np.ndarray, labels: np.ndarray, objective: Objective, start: np.ndarray, seed: int
) -> float:
    """Return the share of the way that did best on held-out images; the smallest if several are equal."""
    gained = np.zeros(len(_SHARES))
    for repeat in range(_REPEATS):
        folds = _folds(labels, np.random.default_rng((seed, repeat)))
        predicted = np.empty((len(_SHARES), len(labels)), np.int64)
        for fold in range(_FOLDS):
            held = folds == fold
            step = _search(scores[~held], labels[~held], objective, start, seed) - start
            for row, share in enumerate(_SHARES):
                predicted[row, held] = (scores[held] + start + share * step).argmax(axis=1)
        gained += [objective.score(labels, row, scores.shape[1]) for row in predicted]
    return _SHARES[int(np.argmax(np.round(gained, 9)))]


def _folds(labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return the fold of each image, int (n,), with every class spread evenly over the folds."""
    order = generator.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    folds = np.empty(len(labels), np.int64)
    folds[order] = np.arange(len(labels)) % _FOLDS
    return folds


def _search(scores: np.ndarray, labels: np.ndarray, objective: Objective, start: np.ndarray, seed: int) -> np.ndarray:
    """Move one offset after another to where the objective is highest, until none moves."""
    offsets = start.copy()
    classes = [1] if len(start) == 2 else np.arange(len(start))
    generator = np.random.default_rng(seed)
    best = objective.score(labels, (scores + offsets).argmax(axis=1), len(start))
    for _ in range(_SWEEPS):
        before = best
        for k in generator.permutation(classes):
            value, reached = _best_offset(scores, labels, offsets, int(k), objective)
            if reached > best + 1e-12:
                offsets[k], best = value, reached
        if best <= before:
            break
    return offsets


def _best_offset(
    scores: np.ndarray, labels: np.ndarray, offsets: np.ndarray, k: int, objective: Objective
) -> tuple[float, float]:
    """Return the best value for the offset of class k, midway between two images, and the objective there.

    As the offset grows, class k takes over one image after another, the closest first; between two of them nothing
    changes.
    """
    others = scores + offsets
    others[:, k] = -np.inf
    rival = others.argmax(axis=1)
    needed = others.max(axis=1) - scores[:, k]  # the offset at which class k takes over the image
    order = np.argsort(needed, kind="stable")
    reached = _objective_along(labels[order], rival[order], k, scores.shape[1], objective)
    sorted_needed = needed[order]
    edges = np.concatenate([[sorted_needed[0] - 2 * _EDGE], sorted_needed, [sorted_needed[-1] + 2 * _EDGE]])
    values = (edges[:-1] + edges[1:]) / 2
    reached = np.where(np.diff(edges) > 0, reached, -np.inf)  # no offset lies between two equal ones
    best = np.flatnonzero(reached >= reached.max() - 1e-12)
    nearest = best[np.argmin(np.abs(values[best] - offsets[k]))]
    return float(values[nearest]), float(reached[nearest])


def _objective_along(
    labels: np.ndarray, rival: np.ndarray, k: int, num_classes: int, objective: Objective
) -> np.ndarray:
    """Return the objective, float (n + 1,), with the first 0, 1, ... n images taken over by class k.

    Args:
        labels: int (n,), in the order in which images are taken over.
        rival: int (n,), the class each image is taken from.
        k: The class that takes over.
        num_classes: K.
        objective: `f1`, `f1_macro` or `cost`.
    """
    taken = np.concatenate([[0], np.cumsum(labels == k)])  # images of class k among those taken over
    sizes = np.arange(len(labels) + 1)
    if objective.kind == "cost":
        missed = taken[-1] - taken
        return -(objective.false_positive * (sizes - taken) + objective.false_negative * missed) / len(labels)
    true = np.bincount(labels, minlength=num_classes)
    of_k = 2 * taken / np.maximum(sizes + true[k], 1)
    if objective.kind == "f1":
        return of_k
    right = labels == rival
    lost = _of_its_kind(rival, np.ones(len(rival)))  # images the rival has lost, this one included
    lost_right = _of_its_kind(rival, right.astype(np.float64))
    all_of, all_right = np.bincount(rival, minlength=num_classes), np.bincount(rival, right, num_classes)
    left = all_of[rival] - lost + true[rival]
    f1 = 2 * (all_right[rival] - lost_right) / np.maximum(left, 1)
    f1_before = 2 * (all_right[rival] - lost_right + right) / np.maximum(left + 1, 1)
    others = 2 * all_right / np.maximum(all_of + true, 1)
    total = np.delete(others, k).sum() + np.concatenate([[0], np.cumsum(f1 - f1_before)])
    # As in all macro scores here, a class counts if it occurs among labels or predictions.
    emptied = np.concatenate([[0], np.cumsum(left == 0)])
    present = np.delete(all_of + true > 0, k).sum() - emptied + (sizes + true[k] > 0)
    return (total + of_k) / present


def _of_its_kind(kind: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return running sums of values within each kind, in the order given."""
    order = np.argsort(kind, kind="stable")
    sums = np.cumsum(values[order])
    firsts = np.flatnonzero(np.concatenate([[True], np.diff(kind[order]) != 0]))
    before = (sums - values[order])[firsts]
    sums -= np.repeat(before, np.diff(np.append(firsts, len(kind))))
    result = np.empty(len(kind))
    result[order] = sums
    return result


def _offset_for_precision(log_odds: np.ndarray, positive: np.ndarray, wanted: float) -> float:
    """Return the offset with the highest recall among those that reach the wanted precision."""
    order = np.argsort(-log_odds, kind="stable")
    values = log_odds[order]
    hits = np.cumsum(positive[order])
    precision = hits / np.arange(1, len(order) + 1)
    last = np.append(np.diff(values) != 0, True)  # a threshold lies after all images of equal value
    able = np.flatnonzero(last & (precision >= wanted) & (hits > 0))
    if not len(able):
        best = precision[last].max()
        raise RunError(
            f"no threshold reaches a precision of {wanted:g} on the {len(order):,} validation images, "
            f"{best:.3f} is the highest; ask for less"
        )
    place = able[np.argmax(hits[able])]
    after = values[place + 1] if place + 1 < len(values) else values[place] - 2 * _EDGE
    return float(-(values[place] + after) / 2)

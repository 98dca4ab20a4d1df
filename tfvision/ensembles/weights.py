"""Weights of the members of an ensemble, fitted on images that none of them has learned from."""

import numpy as np

from tfvision.ensembles.objective import Goodness
from tfvision.models.combination import Combination

_STEPS = 1000  # of expectation maximization; it stops far earlier
_TOLERANCE = 1e-9
_ROUNDS = 10  # over all members
_SHARES = np.linspace(0, 1, 11)  # of what a member can be given or give away
_PICKS = 50  # of greedy selection


def fit_log_loss(probabilities: np.ndarray, labels: np.ndarray) -> Combination:
    """Find the weights of the mean that have the least log loss.

    The loss is convex in the weights, and expectation maximization for the proportions of a mixture never raises it
    (Dempster, Laird and Rubin, 1977).

    Args:
        probabilities: float (m, n, K) of each member.
        labels: int (n,) in 0..K-1.

    Returns:
        The weighted mean.
    """
    truth = np.maximum(probabilities[:, np.arange(len(labels)), labels], np.finfo(np.float64).tiny)
    weights = np.full(len(truth), 1 / len(truth))
    for _ in range(_STEPS):
        shares = weights[:, None] * truth
        updated = (shares / shares.sum(axis=0)).mean(axis=1)
        if np.abs(updated - weights).max() < _TOLERANCE:
            break
        weights = updated
    return Combination("mean", _normalized(weights))


def fit_accuracy(probabilities: np.ndarray, labels: np.ndarray) -> Combination:
    """Find weights of the mean that have a high accuracy, and among equal ones a low log loss.

    Accuracy is flat almost everywhere, so the search moves a share of the weight to one member or away from it, as long as
    that helps: from equal weights, from those of the least log loss and from the best member alone.

    Args:
        probabilities: float (m, n, K) of each member.
        labels: int (n,) in 0..K-1.

    Returns:
        The weighted mean.
    """
    models = len(probabilities)
    right = (probabilities.argmax(axis=2) == labels).mean(axis=1)
    starts = (
        np.full(models, 1 / models),
        np.array(fit_log_loss(probabilities, labels).weights),
        np.eye(models)[right.argmax()],
    )
    found = [_climb(start, probabilities, labels) for start in starts]
    return Combination("mean", _normalized(max(found, key=lambda each: each[0])[1]))


def fit_greedy(probabilities: np.ndarray, labels: np.ndarray, goodness: Goodness) -> Combination:
    """Select members greedily with replacement; the weights are how often each was taken.

    In each round the member is added with which the mean is best (Caruana, Niculescu-Mizil, Crew and Ksikes, 2004,
    Ensemble selection from libraries of models). Of equally good ones a member that is in already is taken, so that fewer
    are needed; of all rounds the first of the best counts.

    Args:
        probabilities: float (m, n, K) of each member.
        labels: int (n,) in 0..K-1.
        goodness: What is maximized.

    Returns:
        The weighted mean.
    """
    taken: list[int] = []
    total = np.zeros(probabilities.shape[1:])
    best: tuple[tuple[float, float], int] | None = None
    for count in range(1, _PICKS + 1):
        tried = [goodness((total + each) / count, labels) for each in probabilities]
        pick = max(range(len(tried)), key=lambda index: (tried[index], index in taken, -index))
        taken.append(pick)
        total += probabilities[pick]
        if best is None or tried[pick] > best[0]:
            best = tried[pick], count
    assert best is not None, "there is a round"
    counts = np.bincount(taken[: best[1]], minlength=len(probabilities))
    return Combination("mean", _normalized(counts.astype(np.float64)))


def _climb(
    weights: np.ndarray, probabilities: np.ndarray, labels: np.ndarray
) -> tuple[tuple[float, float], np.ndarray]:
    """Move weight while that helps; return accuracy and -log loss, and the weights."""
    best = (-1.0, 0.0)
    for _ in range(_ROUNDS):
        before = best
        for member in range(len(weights)):
            for direction in _directions(weights, member):
                found, share = _best_share(weights, direction, probabilities, labels)
                if found > best:
                    best, weights = found, weights + share * direction
        if best == before:
            break
    return best, weights


def _directions(weights: np.ndarray, member: int) -> list[np.ndarray]:
    """Return the change of the weights if all goes to one member, and if all of its own goes to the others."""
    alone = np.eye(len(weights))[member]
    others = weights * (1 - alone)
    away = [weights[member] * (others / others.sum() - alone)] if others.sum() > 0 and weights[member] > 0 else []
    return [alone - weights, *away]


def _best_share(
    weights: np.ndarray, direction: np.ndarray, probabilities: np.ndarray, labels: np.ndarray
) -> tuple[tuple[float, float], float]:
    """Return accuracy and -log loss at the best share of a change of the weights, and the share."""
    here, change = (np.einsum("m,mnk->nk", each, probabilities) for each in (weights, direction))
    answers = here + _SHARES[:, None, None] * change
    right = (answers.argmax(axis=2) == labels).mean(axis=1)
    truth = answers[:, np.arange(len(labels)), labels]
    gains = np.log(np.maximum(truth, np.finfo(np.float64).eps)).mean(axis=1)
    scores = [(float(share), float(gain)) for share, gain in zip(right, gains, strict=True)]
    best = max(range(len(scores)), key=scores.__getitem__)
    return scores[best], float(_SHARES[best])


def _normalized(weights: np.ndarray) -> tuple[float, ...]:
    weights = np.where(weights < 1e-6, 0, weights)  # what is left of members that do not help
    return tuple(float(weight) for weight in weights / weights.sum())

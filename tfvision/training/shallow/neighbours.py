"""The nearest neighbours."""

import numpy as np

from tfvision.models.heads.shallow_heads import NeighbourHead
from tfvision.training.shallow.problem import Candidate, Fitted, Problem, choose_candidate

_GRID = (1, 3, 5, 10, 20, 50)


def fit_knn(problem: Problem) -> Fitted:
    """Let the nearest training images vote, each by the weight of its class; their number is chosen on validation.

    One more vote is spread over all classes (Laplace), so that no class ever has the probability 0.
    """
    from sklearn.neighbors import NearestNeighbors

    count = len(problem.labels)
    wanted = problem.options.neighbours
    grid = [k for k in (_GRID if wanted is None else (wanted,)) if k <= count] or [count]
    search = NearestNeighbors(n_neighbors=max(grid), algorithm="brute").fit(problem.features)
    nearest = search.kneighbors(problem.validation, return_distance=False)
    weights = np.ones(count) if problem.weights is None else problem.weights
    votes = np.eye(problem.num_classes)[problem.labels] * weights[:, None]

    def fit(k: int) -> Candidate:
        smoothed = (votes + 1 / (problem.num_classes * k)).astype("float32")
        found = smoothed[nearest[:, :k]].sum(axis=1)
        head = NeighbourHead(problem.features, smoothed, k)
        return Candidate(head, found / found.sum(axis=1, keepdims=True), {"neighbours": k})

    return choose_candidate(problem, grid, fit)

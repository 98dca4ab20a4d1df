"""The support vector machine with radial basis functions."""

from itertools import combinations

import numpy as np

from tfvision.models.heads.shallow_heads import KernelHead
from tfvision.system.terminal import ProgressLine
from tfvision.training.shallow.calibration import apply_temperature, fit_scale
from tfvision.training.shallow.problem import Candidate, Fitted, Problem, choose_candidate

_GRID = (1.0, 3.0, 10.0)
_CHUNK = 1024  # rows of a kernel matrix computed at a time


def fit_svm(problem: Problem) -> Fitted:
    """Fit a support vector machine for each pair of classes; C is chosen on validation.

    The score of a class is the sum of its decision values against every other. Probabilities are calibrated like those
    of the linear machine. The kernel matrix of a pair is computed once, by matrix products, and serves every C: libsvm
    would compute it entry by entry, which takes ten times as long.
    """
    grid = _GRID if problem.options.c is None else (problem.options.c,)
    gamma = problem.options.gamma or 1 / (problem.features.shape[1] * float(problem.features.var()))
    columns = 1 if problem.num_classes == 2 else problem.num_classes
    coefficients = {c: np.zeros((len(problem.labels), columns)) for c in grid}
    biases = {c: np.zeros(columns) for c in grid}
    pairs = list(combinations(np.unique(problem.labels), 2))
    with ProgressLine("svm: pairs of classes", len(pairs), unit="pairs") as line:
        for done, pair in enumerate(pairs):
            rows = np.flatnonzero(np.isin(problem.labels, pair))
            matrix = _kernel_matrix(problem.features[rows], problem.features[rows], gamma)
            for c in grid:
                _add_pair(problem, pair, rows, matrix, c, (coefficients[c], biases[c]))
            line.report(done + 1)

    def finish(c: float) -> Candidate:
        used = np.flatnonzero(coefficients[c].any(axis=1))
        support, kernel, bias = problem.features[used], coefficients[c][used], biases[c]
        scores = _kernel_matrix(problem.validation, support, gamma) @ kernel + bias
        scale = fit_scale(scores, problem.validation_labels)
        note = (
            f"gamma {gamma:.3g}, {len(used):,} support vectors; "
            f"probabilities calibrated on validation: decision values times {scale:.3g}"
        )
        head = KernelHead(support, kernel * scale, bias * scale, gamma)
        return Candidate(head, apply_temperature(scores, scale), {"c": c, "gamma": gamma}, note)

    return choose_candidate(problem, grid, finish)


def _add_pair(
    problem: Problem,
    pair: tuple[int, int],
    rows: np.ndarray,
    matrix: np.ndarray,
    c: float,
    sums: tuple[np.ndarray, np.ndarray],
) -> None:
    """Fit the machine of two classes; add its decision function to the second's score, subtract it from the first's."""
    from sklearn.svm import SVC

    machine = SVC(C=c, kernel="precomputed", cache_size=500)
    weights = None if problem.weights is None else problem.weights[rows]
    machine.fit(matrix, problem.labels[rows] == pair[1], sample_weight=weights)
    coefficients, bias = sums
    places = rows[machine.support_]
    if coefficients.shape[1] == 1:
        coefficients[places, 0] += machine.dual_coef_[0]
        bias[0] += machine.intercept_[0]
        return
    for index, sign in ((pair[1], 1), (pair[0], -1)):
        coefficients[places, index] += sign * machine.dual_coef_[0]
        bias[index] += sign * machine.intercept_[0]


def _kernel_matrix(rows: np.ndarray, columns: np.ndarray, gamma: float) -> np.ndarray:
    """Return `exp(-gamma |r - c|^2)`, float64 `(rows, columns)`, from a float32 product."""
    result = np.empty((len(rows), len(columns)))
    squares = np.square(columns, dtype="float64").sum(axis=1)
    for start in range(0, len(rows), _CHUNK):
        chunk = rows[start : start + _CHUNK]
        distances = np.square(chunk, dtype="float64").sum(axis=1)[:, None] + squares - 2.0 * (chunk @ columns.T)
        result[start : start + _CHUNK] = np.exp(-gamma * np.maximum(distances, 0))
    return result

"""Linear classifiers: logistic regression and the linear support vector machine."""

import warnings
from typing import TYPE_CHECKING

from tfvision.models.heads.shallow_heads import LinearHead
from tfvision.training.shallow.calibration import apply_temperature, fit_scale
from tfvision.training.shallow.problem import Candidate, Fitted, Problem, choose_candidate

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

# Inverse strength of the penalty on standardized features, for half a dozen to some ten thousand images.
_LOGISTIC_GRID = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
_SVM_GRID = (1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 1e-1)
_ITERATIONS = 300
# For coordinate descent in the dual. On 17,000 images of 1,280 features it takes a fifth of the time of the primal, and
# a smaller tolerance changes no digit of the accuracy.
_SVM_ITERATIONS, _SVM_TOLERANCE = 50, 1e-2


def fit_logistic_regression(problem: Problem) -> Fitted:
    """Fit logistic regression with an L2 penalty; C is chosen on validation."""
    from sklearn.linear_model import LogisticRegression

    def fit(c: float) -> Candidate:
        # No warm start: the classifier of one C must not depend on which others were tried.
        regression = LogisticRegression(C=c, max_iter=_ITERATIONS, random_state=problem.seed)
        _quietly(regression, problem)
        head = LinearHead(regression.coef_.T, regression.intercept_)
        return Candidate(head, regression.predict_proba(problem.validation), {"c": c})

    return choose_candidate(problem, _values(problem, _LOGISTIC_GRID), fit)


def fit_linear_svm(problem: Problem) -> Fitted:
    """Fit a linear support vector machine per class against the rest (squared hinge loss); C is chosen on validation.

    Decision values become probabilities by a temperature that is fitted on validation: the classes stay the same.
    """
    from sklearn.svm import LinearSVC

    def fit(c: float) -> Candidate:
        machine = LinearSVC(C=c, dual=True, tol=_SVM_TOLERANCE, max_iter=_SVM_ITERATIONS, random_state=problem.seed)
        _quietly(machine, problem)
        kernel, bias = machine.coef_.T, machine.intercept_
        scores = problem.validation @ kernel + bias
        scale = fit_scale(scores, problem.validation_labels)
        note = f"probabilities calibrated on validation: decision values times {scale:.3g}"
        return Candidate(LinearHead(kernel * scale, bias * scale), apply_temperature(scores, scale), {"c": c}, note)

    return choose_candidate(problem, _values(problem, _SVM_GRID), fit)


def _values(problem: Problem, grid: tuple[float, ...]) -> tuple[float, ...]:
    return grid if problem.options.c is None else (problem.options.c,)


def _quietly(model: "LogisticRegression | LinearSVC", problem: Problem) -> None:
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        # Validation says how good a fit is, whether or not its last digits have settled.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(problem.features, problem.labels, sample_weight=problem.weights)

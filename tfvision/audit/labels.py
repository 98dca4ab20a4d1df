"""Likely label errors: out-of-fold probabilities of a linear head, and confident learning on them."""

import warnings
from collections.abc import Callable

import numpy as np

from tfvision.audit.findings import Finding
from tfvision.audit.options import LabelOptions

# Inverse strength of the penalty on standardized features, as for the linear head of `train`: with a weak penalty the
# model memorizes wrong labels.
_INVERSE_PENALTY = 0.01
_ITERATIONS = 300


def out_of_fold_probabilities(
    features: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray,
    learned: np.ndarray,
    *,
    folds: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Return class probabilities of each image from a logistic regression that saw neither it nor its copies or group.

    Args:
        features: float (n, d).
        labels: int (n,), 0 and up.
        groups: int (n,), images with the same number share a fold.
        learned: bool (n,), images to learn from; the others are only predicted.
        folds: Two or more.
        seed: Seed of the folds and the solver.
        progress: Called with the number of images done after each fold.

    Returns:
        float64 (n, classes).
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold

    found = np.zeros((len(labels), labels.max() + 1))
    split = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # Three digits of a probability are enough, so the solver need not converge; and folds miss classes of few groups.
        warnings.simplefilter("ignore")
        done = 0
        for train, held in split.split(features, labels, groups):
            train = train[learned[train]]
            mean, scale = features[train].mean(axis=0), features[train].std(axis=0)
            scale[scale < 1e-6] = 1
            model = LogisticRegression(C=_INVERSE_PENALTY, max_iter=_ITERATIONS, random_state=seed)
            model.fit((features[train] - mean) / scale, labels[train])
            found[np.ix_(held, model.classes_)] = model.predict_proba((features[held] - mean) / scale)
            done += len(held)
            if progress:
                progress(done)
    return found


def find_label_errors(
    labels: np.ndarray, probabilities: np.ndarray, class_names: tuple[str, ...], options: LabelOptions
) -> list[Finding]:
    """Find labels that are likely wrong, the worst first.

    Northcutt, Jiang, Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", 2021.

    Args:
        labels: int (n,), as given.
        probabilities: float (n, classes), out of fold.
        class_names: The name of each class.
        options: How cleanlab chooses.

    Returns:
        Findings; the note names the expected class.
    """
    from cleanlab.filter import find_label_issues

    chosen = find_label_issues(labels, probabilities, filter_by=options.filter, n_jobs=1)
    scores = 1 - probabilities[np.arange(len(labels)), labels]
    order = np.argsort(-scores, kind="stable")
    expected = probabilities.argmax(axis=1)
    return [
        Finding(int(i), "label_error", float(scores[i]), note=f"{class_names[labels[i]]} -> {class_names[expected[i]]}")
        for i in order
        if chosen[i]
    ]

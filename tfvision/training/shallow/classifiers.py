"""The shallow classifiers by name, and how they are fitted on features."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tfvision.data.batches.balance import image_weights
from tfvision.errors import RunError, UsageError, check_known
from tfvision.evaluation.predictions import class_probabilities
from tfvision.models.heads.shallow_heads import Scaling
from tfvision.training.config import TrainConfig
from tfvision.training.options import ShallowOptions
from tfvision.training.shallow.kernel import fit_svm
from tfvision.training.shallow.linear import fit_linear_svm, fit_logistic_regression
from tfvision.training.shallow.neighbours import fit_knn
from tfvision.training.shallow.problem import Fitted, Problem
from tfvision.training.shallow.trees import check_xgboost, fit_random_forest, fit_xgboost

if TYPE_CHECKING:
    import keras

_SMALLEST_SCALE = 1e-6  # a constant feature is not divided by almost nothing
# A feature within a rounding error of a threshold may fall on its other side, in a few images.
_CLOSE, _SHARE_CLOSE = 1e-3, 0.98


@dataclass(frozen=True)
class Classifier:
    """A kind of classifier.

    Attributes:
        fit: Fits it.
        scaled: Whether features are standardized for it; trees do not care.
        check: Raises if a package is missing.
    """

    fit: Callable[[Problem], Fitted]
    scaled: bool = True
    check: Callable[[], None] = lambda: None


CLASSIFIERS = {
    "logistic_regression": Classifier(fit_logistic_regression),
    "linear_svm": Classifier(fit_linear_svm),
    "svm": Classifier(fit_svm),
    "random_forest": Classifier(fit_random_forest, scaled=False),
    "xgboost": Classifier(fit_xgboost, scaled=False, check=check_xgboost),
    "knn": Classifier(fit_knn),
}


def classifier_names(text: str) -> list[str]:
    """Split a list of classifiers such as `logistic_regression,xgboost`.

    Args:
        text: Keys of CLASSIFIERS with commas between.

    Returns:
        The names.

    Raises:
        UsageError: An unknown name (the nearest is named), one given twice, or a package that is not installed.
    """
    names = [name.strip() for name in text.split(",")]
    for name in names:
        check_known("classifier", name, CLASSIFIERS)
        if names.count(name) > 1:
            raise UsageError(f"classifier {name} is given twice")
        CLASSIFIERS[name].check()
    return names


def fit_classifier(
    name: str,
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    num_classes: int,
    config: TrainConfig,
) -> tuple[Fitted, Scaling | None]:
    """Fit one classifier on features.

    Args:
        name: A key of CLASSIFIERS.
        train: Features float32 `(n, d)` and labels int `(n,)`.
        validation: The same of the validation part, which chooses among candidates.
        num_classes: K.
        config: Options of shallow classifiers, balance, monitor and seed.

    Returns:
        The chosen candidate with all that were tried, and the scaling of features before it, if any.

    Raises:
        UsageError: More principal components than features or images.
    """
    kind, options = CLASSIFIERS[name], config.shallow
    scaling = _scaling(train[0], options) if kind.scaled or options.pca else None
    apply = scaling.apply if scaling else lambda features: features
    weights = image_weights(train[1], num_classes) if config.balance == "class_weights" else None
    problem = Problem(
        apply(train[0]),
        train[1],
        weights,
        apply(validation[0]),
        validation[1],
        num_classes,
        options,
        config.seed,
        config.monitor,
    )
    return kind.fit(problem), scaling


def check_graph(name: str, tail: "keras.Model", features: np.ndarray, fitted: Fitted) -> None:
    """Check that the classifier gives the same in the model as in the library that fitted it.

    Args:
        name: The classifier.
        tail: Features in, probabilities out.
        features: float32 `(m, d)`, of the validation images.
        fitted: With the library's own probabilities of these images.

    Raises:
        RunError: The probabilities differ.
    """
    from tfvision.training.shallow.features import (
        run_tail,
    )  # imports TensorFlow, which `classifier_names` must not need

    expected = class_probabilities(fitted.best.probabilities, max(2, fitted.best.probabilities.shape[1]))
    found = class_probabilities(run_tail(tail, features, what=f"{name}: comparing"), expected.shape[1])
    close = (np.abs(found - expected).max(axis=1) <= _CLOSE).mean()
    if not close >= _SHARE_CLOSE:
        raise RunError(
            f"{name} as a part of the model gives other probabilities than its library for {1 - close:.1%} of the "
            "validation images; please report this with the versions in environment.json"
        )


def _scaling(features: np.ndarray, options: ShallowOptions) -> Scaling:
    mean, scale = features.mean(axis=0, dtype="float64"), features.std(axis=0, dtype="float64")
    scale[scale < _SMALLEST_SCALE] = 1.0
    scaling = Scaling(mean.astype("float32"), scale.astype("float32"))
    if options.pca is None:
        return scaling
    if options.pca > min(features.shape):
        raise UsageError(
            f"shallow.pca: expected at most {min(features.shape):,}, the number of features or training images, "
            f"got {options.pca}"
        )
    from sklearn.decomposition import PCA

    components = PCA(options.pca, svd_solver="full").fit(scaling.apply(features)).components_.T
    return replace(scaling, components=components.astype("float32"))

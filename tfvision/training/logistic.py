"""The linear head in one pass: logistic regression on the features of a frozen backbone."""

import warnings
from typing import TYPE_CHECKING

import numpy as np

from tfvision.errors import UsageError
from tfvision.models.heads import HEAD

if TYPE_CHECKING:
    import keras

# Inverse strength of the penalty on standardized features. A weak penalty overfits 1,280 features of some thousand
# images and leaves a head so sure of itself that fine-tuning starts from saturated probabilities.
_INVERSE_PENALTY = 0.01
_ITERATIONS = 300


def has_linear_head(model: "keras.Model") -> bool:
    """Tell whether a classifier's head is pooling and one dense layer."""
    names = {layer.name for layer in model.layers}
    return f"{HEAD}probabilities" in names and f"{HEAD}dense_1" not in names


def feature_model(model: "keras.Model") -> "keras.Model":
    """Return the part of a classifier with a linear head that ends before its dropout and output layer.

    Raises:
        UsageError: The head has hidden layers.
    """
    import keras

    if not has_linear_head(model):
        raise UsageError(
            "logistic_regression fits a linear head; this model's head has hidden layers: use solver gradient"
        )
    output = model.get_layer(f"{HEAD}probabilities")
    before = output.input._keras_history.operation
    return keras.Model(model.input, before.input if isinstance(before, keras.layers.Dropout) else output.input)


def fit_logistic_head(
    model: "keras.Model", features: np.ndarray, labels: np.ndarray, *, sample_weight: np.ndarray | None, seed: int
) -> None:
    """Set the output layer to the logistic regression of `labels` on `features`.

    Features are standardized for the fit; the standardization is folded into kernel and bias.

    Args:
        model: A classifier with a linear head.
        features: float `(n, d)`, what the output layer takes in.
        labels: int `(n,)`.
        sample_weight: float `(n,)` or None, against unequal classes.
        seed: Of the solver.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    mean, scale = features.mean(axis=0), features.std(axis=0)
    scale[scale < 1e-6] = 1.0
    regression = LogisticRegression(C=_INVERSE_PENALTY, max_iter=_ITERATIONS, random_state=seed)
    with warnings.catch_warnings():
        # Good to three digits is good enough: validation says how good, and fine-tuning goes on from here.
        warnings.simplefilter("ignore", ConvergenceWarning)
        regression.fit((features - mean) / scale, labels, sample_weight=sample_weight)
    kernel = regression.coef_.T / scale[:, None]
    bias = regression.intercept_ - mean @ kernel
    layer = model.get_layer(f"{HEAD}probabilities")
    layer.set_weights([kernel.astype("float32"), bias.astype("float32")])

"""The linear head in one pass: logistic regression on the features of a frozen backbone."""

import time
import warnings
from typing import TYPE_CHECKING

import numpy as np

from tfvision.data.batches.balance import image_weights
from tfvision.data.batches.pipeline import encode_labels
from tfvision.data.images.imageset import ImageSet
from tfvision.errors import UsageError
from tfvision.models.heads.heads import HEAD
from tfvision.system.terminal import console
from tfvision.training.checkpoints import PhaseState
from tfvision.training.epoch_rows import epoch_row, record_epoch
from tfvision.training.features.feeding import plain_features
from tfvision.training.objective import label_metrics
from tfvision.training.options import Phase
from tfvision.training.settings import TrainingSettings
from tfvision.training.softened import shares_of
from tfvision.training.training import Training

if TYPE_CHECKING:
    import keras

# Inverse strength of the penalty on standardized features. A weak penalty overfits 1,280 features of a few
# thousand images and leaves a head so confident that fine-tuning starts from saturated probabilities.
_INVERSE_PENALTY = 0.01
_ITERATIONS = 300
_LEAST_SHARE = (
    1e-3  # of a class in a soft label: ten thousands of images times hundreds of classes would fill the memory
)


def has_linear_head(model: "keras.Model") -> bool:
    """Tell whether a classifier's head is pooling and one dense layer."""
    names = {layer.name for layer in model.layers}
    return f"{HEAD}probabilities" in names and f"{HEAD}dense_1" not in names


def feature_model(model: "keras.Model") -> "keras.Model":
    """Cut a classifier with a linear head before its dropout and output layer.

    Args:
        model: The classifier.

    Returns:
        The part from pixels to features `(batch, d)`, which shares the classifier's layers.

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


def fit_closed(training: Training, phase: Phase, state: PhaseState) -> None:
    """Train a phase in one pass: features of the frozen backbone, then `fit_logistic_head`.

    Args:
        training: Its model has a linear head.
        phase: Gives the name.
        state: Marked as done afterwards.
    """
    model, train, settings = training.model, training.train, training.settings
    start = time.monotonic()
    what = f"{phase.name}: features"
    stored = plain_features(feature_model(model), (train, training.validation), settings, name=model.name, what=what)
    found = dict(zip(("train", "validation"), (each.matrix() for each in stored), strict=True))
    feature_seconds = time.monotonic() - start
    console.print(f"{phase.name}: fitting the logistic regression on {found['train'].shape[1]:,} features")
    weights = image_weights(train.labels, len(train.class_names)) if settings.balance != "none" else None
    learned = found["train"], train.labels, weights
    if train.soft_labels is not None:
        learned = of_soft_labels(found["train"], train.soft_labels, weights)
    fit_logistic_head(model, *learned, seed=settings.seed)
    of_validation = _scores(model, found["validation"], training.validation, settings)
    row = epoch_row(
        len(training.history.rows) + 1,
        phase.name,
        0.0,
        {**_scores(model, found["train"], train, settings), **{f"val_{k}": v for k, v in of_validation.items()}},
        seconds=time.monotonic() - start,
        images_per_second=(len(train) + len(training.validation)) / feature_seconds,
    )
    if record_epoch(training, row):
        training.keep_best()
    state.epochs, state.done = 1, True
    training.leave_checkpoint(state)


def of_soft_labels(
    features: np.ndarray, soft_labels: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each image once for each class that it may be of, with a weight as large as the class is probable.

    Args:
        features: float `(n, d)`.
        soft_labels: float `(n, K)`, or `(n, 1)` of the second of two classes.
        weights: float `(n,)` of the images, or None.

    Returns:
        Features `(m, d)`, labels int `(m,)` and weights `(m,)`; shares below a thousandth are left out.
    """
    shares = np.asarray(shares_of(soft_labels))
    rows, labels = np.nonzero(shares >= _LEAST_SHARE)
    found = shares[rows, labels]
    return features[rows], labels, found if weights is None else found * weights[rows]


def fit_logistic_head(
    model: "keras.Model", features: np.ndarray, labels: np.ndarray, sample_weight: np.ndarray | None, *, seed: int
) -> None:
    """Set the output layer to the logistic regression of `labels` on `features`.

    Features are standardized for the fit; the standardization is folded into kernel and bias.

    Args:
        model: A classifier with a linear head.
        features: float `(n, d)`, inputs of the output layer.
        labels: int `(n,)`.
        sample_weight: float `(n,)`, to balance unequal classes, or None.
        seed: Seed of the solver.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    mean, scale = features.mean(axis=0), features.std(axis=0)
    scale[scale < 1e-6] = 1.0
    regression = LogisticRegression(C=_INVERSE_PENALTY, max_iter=_ITERATIONS, random_state=seed)
    with warnings.catch_warnings():
        # Three digits are good enough: validation scores the result, and fine-tuning continues from it.
        warnings.simplefilter("ignore", ConvergenceWarning)
        regression.fit((features - mean) / scale, labels, sample_weight=sample_weight)
    kernel = regression.coef_.T / scale[:, None]
    bias = regression.intercept_ - mean @ kernel
    layer = model.get_layer(f"{HEAD}probabilities")
    layer.set_weights([kernel.astype("float32"), bias.astype("float32")])


def _scores(
    model: "keras.Model", features: np.ndarray, images: ImageSet, settings: TrainingSettings
) -> dict[str, float]:
    """Return loss and metrics of the output layer on stored features, as `fit` would report them."""
    num_classes = len(images.class_names)
    targets = encode_labels(images)
    probabilities = model.layers[-1](features)
    scores = {"loss": float(settings.build_loss(num_classes)(targets, probabilities))}
    for metric in label_metrics(settings, num_classes):
        metric.update_state(targets, probabilities)
        scores[metric.name] = float(metric.result())
    return scores

"""Losses and metrics for classes, by name."""

from typing import TYPE_CHECKING

from tfvision.errors import UsageError, worded

if TYPE_CHECKING:
    import keras


def build_loss(
    num_classes: int, *, kind: str = "cross_entropy", focal_gamma: float = 2.0, label_smoothing: float = 0.0
) -> "keras.losses.Loss":
    """Build a loss on probabilities; Keras computes cross-entropy from the logits behind them.

    Args:
        num_classes: Two give the binary loss, more the categorical one.
        kind: `cross_entropy`, or `focal`, which gives an image less weight the surer the model is of it
            (Lin et al., "Focal Loss for Dense Object Detection", 2017), without its class weights.
        focal_gamma: How much less; 0 gives cross-entropy.
        label_smoothing: Share of each label spread over all classes, 0 to under 1 (Szegedy et al., 2016).

    Returns:
        A loss for one-hot labels `(b, K)`, or `(b, 1)` for two classes.

    Raises:
        UsageError: An unknown kind.
    """
    from keras import losses

    if kind not in ("cross_entropy", "focal"):
        raise UsageError(f"unknown loss {worded(kind)}; expected cross_entropy or focal")
    binary = num_classes == 2
    if kind == "cross_entropy":
        cross_entropy = losses.BinaryCrossentropy if binary else losses.CategoricalCrossentropy
        return cross_entropy(label_smoothing=label_smoothing)
    options = {"gamma": focal_gamma, "label_smoothing": label_smoothing}
    # The categorical loss scales all classes by the same alpha: 1 keeps its units.
    return (
        losses.BinaryFocalCrossentropy(**options)
        if binary
        else losses.CategoricalFocalCrossentropy(alpha=1.0, **options)
    )


def build_metrics(num_classes: int, *, mixed: bool = False) -> "list[keras.metrics.Metric]":
    """Build the metrics of classes for history and plots.

    Args:
        num_classes: Number of classes.
        mixed: Whether labels may have shares of two classes. Accuracy is then the share that the predicted class has,
            and F1 counts an image toward each class by its share, as in Keras; for labels of one class nothing changes.

    Returns:
        Accuracy and F1 (macro, or of the positive class if there are two).
    """
    from keras import metrics

    if mixed:
        from tfvision.training.mixed_labels import mixed_accuracy

        f1 = metrics.F1Score(average="macro", threshold=0.5 if num_classes == 2 else None, name="f1")
        return [metrics.MeanMetricWrapper(mixed_accuracy, name="accuracy"), f1]
    if num_classes == 2:
        return [metrics.BinaryAccuracy(name="accuracy"), metrics.F1Score(average="macro", threshold=0.5, name="f1")]
    return [metrics.CategoricalAccuracy(name="accuracy"), metrics.F1Score(average="macro", name="f1")]

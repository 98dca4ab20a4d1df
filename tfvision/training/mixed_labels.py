"""Loss and accuracy for labels that have shares of two classes, as MixUp and CutMix make them."""

from collections.abc import Mapping

import keras
from keras import ops


class MixedLabelLoss(keras.losses.Loss):
    """The loss of a label with shares of classes: the sum of share times weight times the loss of each class alone.

    Weighting is split between this loss and the weight of each sample, as in Keras: the loss is the weighted mean over
    the shares, sum(share w loss) / sum(share w), and the sample's weight is sum(share w), see `weights_of_labels`. So
    labels of one class, as in validation, have the plain loss whatever the weights are.

    This equals the given loss of one label, `share w / sum(share w)`, if the loss is linear in its labels.
    Cross-entropy is, with label smoothing too, and so is Keras' focal loss for several classes; the one for two classes
    is not.

    The label still sums to 1: TensorFlow's gradient of cross-entropy from logits is wrong where it does not.

    Args:
        loss: Cross-entropy or focal loss, see `build_loss`.
        class_weights: Weight of each class; None for equal ones.
    """

    def __init__(self, loss: keras.losses.Loss, class_weights: Mapping[int, float] | None = None) -> None:
        super().__init__(name=loss.name, reduction=loss.reduction)
        self.loss = loss
        self.class_weights = [class_weights[k] for k in range(len(class_weights))] if class_weights else None

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return the loss of each image.

        Args:
            y_true: Labels (b, K), or (b, 1) for two classes: shares of the classes.
            y_pred: Probabilities of the same shape.

        Returns:
            float (b,).
        """
        labels = self._weighted(y_true) if self.class_weights else y_true
        if not isinstance(self.loss, keras.losses.BinaryFocalCrossentropy):
            return self.loss.call(labels, y_pred)
        share = ops.squeeze(labels, -1)
        positive, negative = (self.loss.call(ops.full_like(labels, value), y_pred) for value in (1.0, 0.0))
        return share * positive + (1 - share) * negative

    def _weighted(self, labels: keras.KerasTensor) -> keras.KerasTensor:
        assert self.class_weights, "only called where there are weights"
        if labels.shape[-1] > 1:
            weighted = labels * ops.convert_to_tensor(self.class_weights, labels.dtype)
            return weighted / ops.sum(weighted, axis=-1, keepdims=True)
        negative, positive = (1 - labels) * self.class_weights[0], labels * self.class_weights[1]
        return positive / (negative + positive)


def mixed_accuracy(labels: keras.KerasTensor, probabilities: keras.KerasTensor) -> keras.KerasTensor:
    """Return the share that the predicted class has in each label: plain accuracy if shares are 0 or 1.

    MixUp's authors measure it like this in training.

    Args:
        labels: float (b, K), or (b, 1) for two classes.
        probabilities: float of the same shape; for two classes the second is predicted above 0.5.

    Returns:
        float (b,), 0..1.
    """
    if labels.shape[-1] == 1:
        return ops.squeeze(ops.where(probabilities > 0.5, labels, 1 - labels), -1)
    predicted = ops.one_hot(ops.argmax(probabilities, axis=-1), labels.shape[-1], dtype=labels.dtype)
    return ops.sum(labels * predicted, axis=-1)

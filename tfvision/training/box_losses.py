"""Losses and metrics for boxes: Smooth L1, generalized IoU and their sum, on relative corners."""

from typing import TYPE_CHECKING

from tfvision.errors import check_known

if TYPE_CHECKING:
    import keras

BOX_LOSSES = ("smooth_l1", "giou", "smooth_l1+giou")
IOU_CUT = 0.5  # PASCAL VOC


def build_box_loss(kind: str, *, beta: float = 0.1) -> "keras.losses.Loss":
    """Build a loss on boxes.

    Args:
        kind: `smooth_l1`, the mean over the four of 0.5 d^2 / beta below beta and |d| - 0.5 beta above (Girshick,
            "Fast R-CNN", 2015); `giou`, 1 - GIoU (Rezatofighi et al., "Generalized Intersection over Union", 2019);
            or `smooth_l1+giou`, their sum.
        beta: Where Smooth L1 turns from a parabola into a line, as a share of the image's side.

    Returns:
        A loss on boxes `(b, 4)`, xmin, ymin, xmax, ymax as shares of the image's sides.

    Raises:
        UsageError: An unknown kind.
    """
    import keras

    check_known("box loss", kind, BOX_LOSSES)

    class BoxLoss(keras.losses.Loss):
        def call(self, y_true: "keras.KerasTensor", y_pred: "keras.KerasTensor") -> "keras.KerasTensor":
            parts = {"smooth_l1": lambda: smooth_l1(y_true, y_pred, beta), "giou": lambda: 1 - giou(y_true, y_pred)}
            return sum(parts[part]() for part in kind.split("+"))

    return BoxLoss(name="box_loss")


def build_box_metrics() -> "list[keras.metrics.Metric]":
    """Return mean IoU and the share of boxes with an IoU above one half, for history and plots."""
    from keras import metrics, ops

    def above(y_true: "keras.KerasTensor", y_pred: "keras.KerasTensor") -> "keras.KerasTensor":
        return ops.cast(iou(y_true, y_pred) > IOU_CUT, "float32")

    return [metrics.MeanMetricWrapper(iou, name="iou"), metrics.MeanMetricWrapper(above, name="iou_50")]


def smooth_l1(y_true: "keras.KerasTensor", y_pred: "keras.KerasTensor", beta: float) -> "keras.KerasTensor":
    """Return the mean Smooth L1 distance of the coordinates of boxes.

    Args:
        y_true: Boxes `(b, 4)`, xmin, ymin, xmax, ymax.
        y_pred: Boxes of the same shape and unit.
        beta: Where the parabola becomes a line, in that unit.

    Returns:
        Float `(b,)`, 0 or more.
    """
    from keras import ops

    distance = ops.abs(y_pred - ops.cast(y_true, y_pred.dtype))
    return ops.mean(ops.where(distance < beta, 0.5 * distance**2 / beta, distance - 0.5 * beta), axis=-1)


def iou(y_true: "keras.KerasTensor", y_pred: "keras.KerasTensor") -> "keras.KerasTensor":
    """Return the intersection over union of boxes.

    Args:
        y_true: Boxes `(b, 4)`, xmin, ymin, xmax, ymax.
        y_pred: Boxes of the same shape and unit.

    Returns:
        Float `(b,)`, 0..1.
    """
    both, either, _ = _overlap(y_true, y_pred)
    return both / either


def giou(y_true: "keras.KerasTensor", y_pred: "keras.KerasTensor") -> "keras.KerasTensor":
    """Return the generalized IoU of boxes: IoU minus the share of the enclosing box that neither box covers.

    Args:
        y_true: Boxes `(b, 4)`, xmin, ymin, xmax, ymax.
        y_pred: Boxes of the same shape and unit.

    Returns:
        Float `(b,)`, -1..1.
    """
    both, either, hull = _overlap(y_true, y_pred)
    return both / either - (hull - either) / hull


def _overlap(
    y_true: "keras.KerasTensor", y_pred: "keras.KerasTensor"
) -> "tuple[keras.KerasTensor, keras.KerasTensor, keras.KerasTensor]":
    """Return the areas `(b,)` of intersection, union and enclosing box; an inverted box counts as an empty one."""
    import keras
    from keras import ops

    true, found = ops.cast(y_true, y_pred.dtype), y_pred
    inner = ops.minimum(true[..., 2:], found[..., 2:]) - ops.maximum(true[..., :2], found[..., :2])
    # The corners of an inverted box are swapped, so that it is enclosed and its gradient leads back.
    outer = ops.maximum(true[..., 2:], ops.maximum(found[..., 2:], found[..., :2])) - ops.minimum(
        true[..., :2], ops.minimum(found[..., :2], found[..., 2:])
    )
    both = _area(inner)
    either = _area(true[..., 2:] - true[..., :2]) + _area(found[..., 2:] - found[..., :2]) - both
    tiny = keras.config.epsilon()
    return both, ops.maximum(either, tiny), ops.maximum(_area(outer), tiny)


def _area(sides: "keras.KerasTensor") -> "keras.KerasTensor":
    from keras import ops

    sides = ops.maximum(sides, 0)
    return sides[..., 0] * sides[..., 1]

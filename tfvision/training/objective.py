"""What is minimized and what is measured while a model learns its task."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, SupportsFloat

from tfvision.tasks import BOTH, BOX, PROBABILITIES, has_boxes, has_classes
from tfvision.training.box_losses import build_box_loss, build_box_metrics
from tfvision.training.losses import build_metrics

if TYPE_CHECKING:
    import keras

    from tfvision.training.settings import TrainingSettings


def build_objective(
    settings: "TrainingSettings", num_classes: int, class_weights: Mapping[int, float] | None = None
) -> dict[str, Any]:
    """Build loss and metrics of a task.

    Args:
        settings: Task and losses, and whether labels are mixed.
        num_classes: Number of classes; ignored if the task has none.
        class_weights: With mixed labels, the class weights behind the image weights in batches, see `MixedLabelLoss`.

    Returns:
        Keyword arguments for `compile`.
    """
    losses, metrics = {}, {}
    if has_boxes(settings.task):
        losses[BOX] = build_box_loss(settings.box.loss, beta=settings.box.beta)
        metrics[BOX] = build_box_metrics()
    if has_classes(settings.task):
        losses[PROBABILITIES] = settings.build_loss(num_classes)
        metrics[PROBABILITIES] = label_metrics(settings, num_classes)
        if settings.augmentation.mixing:
            from tfvision.training.mixed_labels import MixedLabelLoss

            losses[PROBABILITIES] = MixedLabelLoss(losses[PROBABILITIES], class_weights)
    if settings.task == BOTH:
        weights = {BOX: settings.box.weight, PROBABILITIES: 1.0}
        return {"loss": losses, "loss_weights": weights, "weighted_metrics": metrics}
    (loss,), (found,) = losses.values(), metrics.values()
    # An image whose box was lost counts neither in the loss nor in the metrics.
    return {"loss": loss, "weighted_metrics" if has_boxes(settings.task) else "metrics": found}


def label_metrics(settings: "TrainingSettings", num_classes: int) -> "list[keras.metrics.Metric]":
    """Build the metrics of labels, or of their most probable class where they are soft.

    Args:
        settings: Whether labels are mixed, or soft.
        num_classes: Number of classes.

    Returns:
        Accuracy and F1.
    """
    if settings.distill.teacher or settings.pseudo.soft:
        from tfvision.training.softened import hard_metrics

        return hard_metrics(num_classes)
    return build_metrics(num_classes, mixed=bool(settings.augmentation.mixing))


def plain_scores(logs: Mapping[str, SupportsFloat]) -> dict[str, float]:
    """Return the scores that Keras logs, by their plain names: `val_box_iou` -> `val_iou`, `box_loss` stays."""
    return {_plain(name): float(value) for name, value in logs.items()}


def _plain(name: str) -> str:
    validation = "val_" if name.startswith("val_") else ""
    bare = name.removeprefix("val_")
    if bare.endswith("_loss"):
        return validation + {f"{PROBABILITIES}_loss": "class_loss"}.get(bare, bare)
    return validation + bare.removeprefix(f"{BOX}_").removeprefix(f"{PROBABILITIES}_")

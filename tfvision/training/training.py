"""Training: a model, its images and where the results go."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tfvision.data.images.imageset import ImageSet
from tfvision.training.checkpoints import Checkpoints, PhaseState
from tfvision.training.history import History
from tfvision.training.pseudo_labels import PseudoLabels
from tfvision.training.settings import TrainingSettings

if TYPE_CHECKING:
    import keras
    import numpy as np

    from tfvision.training.defended import Defence


@dataclass(frozen=True)
class Training:
    """A model, its images, and where the results of training go.

    Attributes:
        model: Raw pixels in; probabilities, boxes or both out.
        train: Training images.
        validation: Images that choose the best epoch.
        settings: The options.
        history: Takes a row per epoch, and keeps the best weights.
        save: Called whenever an epoch was the best so far; the model then has its weights.
        checkpoints: Where to leave a checkpoint after each epoch, or None.
        pseudo: The images that phases with pseudo-labels label, or None.
        defence: What is done to the pixels of each step, or None.
    """

    model: "keras.Model"
    train: ImageSet
    validation: ImageSet
    settings: TrainingSettings
    history: History
    save: Callable[[], None] = lambda: None
    checkpoints: Checkpoints | None = None
    pseudo: PseudoLabels | None = None
    defence: "Defence | None" = None

    def keep_best(self) -> None:
        """Keep the weights the model has now, in memory and on disk."""
        self.history.best_weights = self._weights()
        self.save()

    def _weights(self) -> "list[np.ndarray]":
        """Return the model's weights; for frozen layers, which have not changed, the arrays kept before."""
        import keras

        kept = self.history.best_weights
        if kept is None or self.history.frozen_moved:
            self.history.frozen_moved = False
            return self.model.get_weights()
        layers = [layer for layer in self.model.layers if layer.trainable or layer.trainable_weights]
        changing = {id(weight) for layer in layers for weight in layer.weights}
        return [
            keras.ops.convert_to_numpy(weight) if id(weight) in changing else before
            for weight, before in zip(self.model.weights, kept, strict=True)
        ]

    def leave_checkpoint(self, state: PhaseState, optimizer: "keras.Optimizer | None" = None) -> None:
        """Write a checkpoint of the current state, if checkpoints are wanted.

        Args:
            state: How far the phase has come.
            optimizer: The optimizer of the model being fitted, which may be a part of the whole.
        """
        if self.checkpoints:
            self.checkpoints.save(self.model, self.history, state, optimizer)

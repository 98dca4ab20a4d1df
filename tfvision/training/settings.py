"""What stays the same through all phases of a training."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tfvision.data.augmentation.options import Augmentation
from tfvision.data.images.imageset import ImageSet
from tfvision.data.pixels.resize import Resize
from tfvision.models.options import BoxOptions
from tfvision.tasks import CLASSIFY
from tfvision.training.checkpoints import Checkpoints, PhaseState
from tfvision.training.config import TrainConfig
from tfvision.training.history import History
from tfvision.training.optimizers import build_loss
from tfvision.training.pseudo_labels import PseudoLabels

if TYPE_CHECKING:
    import keras
    import numpy as np


@dataclass(frozen=True)
class TrainingSettings:
    """The options of a training, without its phases.

    Attributes:
        resize: The one resize, to the model's input size.
        augmentation: Random changes of training images.
        batch_size: Images a step.
        seed: Of order, augmentation and solver.
        optimizer: See `build_optimizer`, as for the next three.
        weight_decay: Decoupled weight decay.
        clip_norm: Largest norm of all gradients together, or None.
        ema: Momentum of the average of the weights; 0 for none.
        loss: See `build_loss`, as for the next two.
        focal_gamma: 0 or more.
        label_smoothing: 0..1.
        balance: `none`, `oversample` or `class_weights`.
        cache: How features of a frozen trunk are stored: `float16`, `float32` or `none`.
        task: See `tfvision.tasks`.
        box: Head and loss of the box.
    """

    resize: Resize
    augmentation: Augmentation
    batch_size: int
    seed: int
    optimizer: str = "adam"
    weight_decay: float = 0.0
    clip_norm: float | None = None
    ema: float = 0.0
    loss: str = "cross_entropy"
    focal_gamma: float = 2.0
    label_smoothing: float = 0.0
    balance: str = "none"
    cache: str = "float16"
    task: str = CLASSIFY
    box: BoxOptions = field(default_factory=BoxOptions)

    @classmethod
    def from_config(cls, config: TrainConfig, resize: Resize) -> "TrainingSettings":
        """Take the settings from the options of a run."""
        names = [name for name in cls.__dataclass_fields__ if name not in ("resize", "augmentation")]
        return cls(resize=resize, augmentation=config.augment, **{name: getattr(config, name) for name in names})

    def build_loss(self, num_classes: int) -> "keras.losses.Loss":
        """Return the loss, as training and scores of stored features take it."""
        options = {"focal_gamma": self.focal_gamma, "label_smoothing": self.label_smoothing}
        return build_loss(num_classes, kind=self.loss, **options)


@dataclass(frozen=True)
class Training:
    """A model, its images, and where what comes out of the training goes.

    Attributes:
        model: Raw pixels in; probabilities, boxes or both out.
        train: Training images.
        validation: Images that choose the best epoch.
        settings: The options.
        history: Takes a row an epoch, and keeps the best weights.
        save: Called whenever an epoch was the best so far; the model then has its weights.
        checkpoints: Where to leave a checkpoint after each epoch, or None.
        tensorboard: Folder for TensorBoard's scalars, or None.
        pseudo: What phases with pseudo-labels label, or None.
    """

    model: "keras.Model"
    train: ImageSet
    validation: ImageSet
    settings: TrainingSettings
    history: History
    save: Callable[[], None] = lambda: None
    checkpoints: Checkpoints | None = None
    tensorboard: Path | None = None
    pseudo: PseudoLabels | None = None

    def keep_best(self) -> None:
        """Keep the weights the model has now, in memory and on disk."""
        self.history.best_weights = self._weights()
        self.save()

    def _weights(self) -> "list[np.ndarray]":
        """Return the model's weights; of frozen layers, which have not changed since, the arrays kept before."""
        import keras

        kept = self.history.best_weights
        if kept is None:
            return self.model.get_weights()
        layers = [layer for layer in self.model.layers if layer.trainable or layer.trainable_weights]
        changing = {id(weight) for layer in layers for weight in layer.weights}
        return [
            keras.ops.convert_to_numpy(weight) if id(weight) in changing else before
            for weight, before in zip(self.model.weights, kept, strict=True)
        ]

    def leave_checkpoint(self, state: PhaseState, optimizer: "keras.Optimizer | None" = None) -> None:
        """Write a checkpoint of the present moment, where checkpoints are wanted.

        Args:
            state: How far the phase has come.
            optimizer: That of the model being fitted, which may be a part of the whole.
        """
        if self.checkpoints:
            self.checkpoints.save(self.model, self.history, state, optimizer)

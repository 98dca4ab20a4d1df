"""What stays the same through all phases of a training."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tfvision.data.augmentation.options import Augmentation
from tfvision.data.pixels.resize import Resize
from tfvision.models.options import BoxOptions
from tfvision.tasks import CLASSIFY
from tfvision.training.config import TrainConfig
from tfvision.training.defence_options import DistillOptions
from tfvision.training.losses import build_loss
from tfvision.training.options import PseudoLabelOptions

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class TrainingSettings:
    """The options of a training, without its phases.

    Attributes:
        resize: The one resize, to the model's input size.
        augmentation: Random changes of training images.
        batch_size: Images a step.
        seed: Seed of order, augmentation and solver.
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
        distill: The temperature at which labels, or the softened probabilities of a teacher, are learned.
        pseudo: Whether images without labels get soft ones.
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
    distill: DistillOptions = field(default_factory=DistillOptions)
    pseudo: PseudoLabelOptions = field(default_factory=PseudoLabelOptions)

    @classmethod
    def from_config(cls, config: TrainConfig, resize: Resize) -> "TrainingSettings":
        """Take the settings from the options of a run.

        Args:
            config: The options.
            resize: The one resize, to the model's input size.

        Returns:
            The settings.
        """
        names = [name for name in cls.__dataclass_fields__ if name not in ("resize", "augmentation", "batch_size")]
        given = {name: getattr(config, name) for name in names}
        return cls(resize=resize, augmentation=config.augment, batch_size=config.images_a_step, **given)

    def build_loss(self, num_classes: int) -> "keras.losses.Loss":
        """Return the loss for training, and for scores of stored features."""
        if self.distill.at is not None:
            from tfvision.training.softened import SoftenedLoss

            return SoftenedLoss(self.distill.at)
        options = {"focal_gamma": self.focal_gamma, "label_smoothing": self.label_smoothing}
        return build_loss(num_classes, kind=self.loss, **options)

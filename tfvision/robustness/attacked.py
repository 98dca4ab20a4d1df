"""What is attacked: an object that gives logits of pixels, differentiably, and predicts as its run does."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tfvision.errors import UsageError
from tfvision.models.heads.shallow_heads import is_stepped
from tfvision.models.model_file import ModelFacts
from tfvision.prediction.predictors import ClassPredictor, KerasPredictor
from tfvision.robustness.logits import recover_logits, shift_logits

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


class Attackable(Protocol):
    """What an attack needs; an ensemble can be one too."""

    @property
    def name(self) -> str:
        """The run as the user wrote it."""
        ...

    @property
    def predictor(self) -> ClassPredictor:
        """Predicts images as files, with all rounding; it scores the attack and is never differentiated."""
        ...

    @property
    def differentiable(self) -> bool:
        """Whether logits have a gradient at all; not where they are steps, as those of trees."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know, one line each."""
        ...

    def logits(self, images: "tf.Tensor") -> "tf.Tensor":
        """Return logits whose largest is that of the class that is taken.

        Args:
            images: float32 (b, height, width, 1 | 3) of any size, in 0..255.

        Returns:
            float32 (b, classes).
        """
        ...


@dataclass(frozen=True)
class AttackedModel:
    """A Keras model of a run: resize, preprocessing, logits, temperature and offsets in one differentiable function.

    Attributes:
        name: The run as the user wrote it.
        predictor: Predicts as the run does.
        model: Pixels of the model's size to logits, see `recover_logits`.
        facts: What is stored with the model.
        differentiable: Whether its logits have a gradient at all.
        notes: What a user should know.
    """

    name: str
    predictor: ClassPredictor
    model: "keras.Model"
    facts: ModelFacts
    differentiable: bool = True
    notes: tuple[str, ...] = ()

    def logits(self, images: "tf.Tensor") -> "tf.Tensor":
        """Return logits whose largest is that of the class that is taken, see `Attackable`."""
        from tfvision.data.pixels.smooth_resize import resize_smoothly

        found = self.model(resize_smoothly(images, self.facts.resize), training=False)
        return shift_logits(found, self.facts.decision)


def attacked_model(name: str, predictor: ClassPredictor) -> AttackedModel:
    """Make a loaded run attackable.

    Args:
        name: The run as the user wrote it.
        predictor: What `load_predictor` returns.

    Returns:
        The model as attacks see it.

    Raises:
        UsageError: It is a SavedModel, whose gradients are not known.
    """
    if not isinstance(predictor, KerasPredictor):
        raise UsageError(f"{name} is a SavedModel, through which no gradient goes; attack the run it was exported from")
    recovered, notes = recover_logits(predictor.model), []
    if not recovered.recovered:
        notes.append(
            f"{name}: no sigmoid or softmax at the end, so that logarithms of its probabilities are attacked; where they "
            "are 0 or 1 no gradient is left"
        )
    stepped = is_stepped(predictor.model)
    if stepped:
        notes.append(f"{name}: its probabilities are steps, which have no gradient; trust only square and transfer")
    return AttackedModel(name, predictor, recovered.model, predictor.facts, not stepped, tuple(notes))

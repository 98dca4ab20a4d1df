"""What is attacked: an object that gives logits of pixels, differentiably, and predicts as its run does."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tfvision.errors import UsageError
from tfvision.models.heads.shallow_heads import is_stepped
from tfvision.models.model_file import ModelFacts
from tfvision.prediction.ensemble import EnsemblePredictor
from tfvision.prediction.predictors import ClassPredictor, KerasPredictor
from tfvision.robustness.logits import combine_logarithms, recover_logits, shift_logits

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
        return shift_logits(self._plain(images), self.facts.decision)

    def calibrated(self, images: "tf.Tensor") -> "tf.Tensor":
        """Return logits divided by the stored temperature, without offsets, as an ensemble takes them."""
        decision = self.facts.decision
        return self._plain(images) / (decision.temperature if decision else 1.0)

    def _plain(self, images: "tf.Tensor") -> "tf.Tensor":
        from tfvision.data.pixels.smooth_resize import resize_smoothly

        return self.model(resize_smoothly(images, self.facts.resize), training=False)


@dataclass(frozen=True)
class AttackedEnsemble:
    """An ensemble: every member's resize, preprocessing and logits, and the rule, in one differentiable function.

    Attributes:
        name: The run as the user wrote it.
        predictor: Predicts as the ensemble does.
        members: Those that have a weight.
        differentiable: Whether any gradient goes through it.
        notes: What a user should know.
    """

    name: str
    predictor: EnsemblePredictor
    members: tuple[AttackedModel, ...]
    differentiable: bool = True
    notes: tuple[str, ...] = ()

    def logits(self, images: "tf.Tensor") -> "tf.Tensor":
        """Return logits whose largest is that of the class that is taken, see `Attackable`."""
        import tensorflow as tf

        answers = []
        for member in self.members:
            columns = [member.facts.class_names.index(name) for name in self.predictor.facts.class_names]
            answers.append(tf.nn.log_softmax(tf.gather(member.calibrated(images), columns, axis=1)))
        combined = combine_logarithms(tf.stack(answers), self.predictor.combination)
        return shift_logits(combined, self.predictor.facts.decision)


def attacked_model(name: str, predictor: ClassPredictor) -> AttackedModel | AttackedEnsemble:
    """Make a loaded run or ensemble attackable.

    Args:
        name: The run as the user wrote it.
        predictor: What `load_predictor` returns.

    Returns:
        The model as attacks see it.

    Raises:
        UsageError: It is a SavedModel, whose gradients are not known, or has one for a member.
    """
    if isinstance(predictor, EnsemblePredictor):
        return _attacked_ensemble(name, predictor)
    return _attacked_run(name, predictor)


def _attacked_ensemble(name: str, predictor: EnsemblePredictor) -> AttackedEnsemble:
    members = tuple(_attacked_run(f"{name}, member {i}", each) for i, each in enumerate(predictor.members, start=1))
    notes = [note for member in members for note in member.notes]
    if predictor.combination.kind == "vote":
        notes.append(
            f"{name}: votes have no gradient; that of the mean probability is taken in its place (Athalye et al., 2018)"
        )
    return AttackedEnsemble(name, predictor, members, any(each.differentiable for each in members), tuple(notes))


def _attacked_run(name: str, predictor: ClassPredictor) -> AttackedModel:
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

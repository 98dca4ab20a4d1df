"""Prediction with an ensemble: every member sees the images, and their probabilities are combined."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfvision.data.images.imageset import ImageSet
from tfvision.models.combination import Combination
from tfvision.models.model_file import ModelFacts
from tfvision.prediction.predictors import ClassPredictor
from tfvision.tasks import PROBABILITIES


@dataclass(frozen=True)
class EnsemblePredictor:
    """Predicts classes with several models.

    Attributes:
        members: The models that have a weight; each resizes and preprocesses the images in its own way.
        combination: How their probabilities become those of the ensemble; its weights are in the order of `members`.
        facts: Class names and decision of the ensemble.
    """

    members: Sequence[ClassPredictor]
    combination: Combination
    facts: ModelFacts

    def probabilities(self, images: ImageSet) -> np.ndarray:
        """Return float64 (n, classes), see `ClassPredictor`."""
        combined = self.combination.combine(np.stack([self._answers(member, images) for member in self.members]))
        return self.facts.decision.calibrate(combined) if self.facts.decision else combined

    def outputs(self, images: ImageSet, what: str = "predicting") -> dict[str, np.ndarray]:
        """Return the probabilities, see `Predictor`.

        Args:
            images: The images.
            what: Ignored: each member shows its own progress.

        Returns:
            `probabilities`, float64 (n, classes).
        """
        return {PROBABILITIES: self.probabilities(images)}

    def _answers(self, member: ClassPredictor, images: ImageSet) -> np.ndarray:
        """Return the probabilities of a member, classes in the order of the ensemble."""
        columns = [member.facts.class_names.index(name) for name in self.facts.class_names]
        return member.probabilities(images)[:, columns]

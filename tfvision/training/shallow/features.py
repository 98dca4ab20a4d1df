"""Features: outputs of the frozen part of a classifier for each image, computed once for all classifiers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from tfvision.data.images.imageset import ImageSet
from tfvision.evaluation.inference import run_model
from tfvision.training.features.feeding import plain_features
from tfvision.training.settings import TrainingSettings

if TYPE_CHECKING:
    import keras

_ROWS = 256  # that pass through the tail at a time


@dataclass
class ShallowFeatures:
    """The features of each part, computed or read when they are first asked for: those of the test part last.

    Attributes:
        trunk: Raw pixels in, features `(batch, d)` out.
        parts: Images of each part.
        settings: Resize, batch size, and how features are stored.
        name: The backbone.
    """

    trunk: "keras.Model"
    parts: Mapping[str, ImageSet]
    settings: TrainingSettings
    name: str
    _known: dict[str, np.ndarray] = field(default_factory=dict)

    def of(self, part: str) -> np.ndarray:
        """Return the features of a part, float32 `(n, d)`."""
        if part not in self._known:
            what = f"{part}: features"
            (found,) = plain_features(self.trunk, [self.parts[part]], self.settings, name=self.name, what=what)
            self._known[part] = found.matrix()
        return self._known[part]


def run_tail(tail: "keras.Model", features: np.ndarray, *, what: str) -> np.ndarray:
    """Return the outputs of the part of a model that follows the features.

    Args:
        tail: Features `(batch, d)` in.
        features: float32 `(n, d)`.
        what: Name of the work, for the progress line.

    Returns:
        float32 `(n, ...)`.
    """
    batches = (features[start : start + _ROWS] for start in range(0, len(features), _ROWS))
    return run_model(tail, batches, what=what, total=len(features))

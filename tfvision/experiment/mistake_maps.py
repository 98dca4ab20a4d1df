"""Where a model looked when it was wrong: a map over each of the worst mistakes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfvision.data.images.imageset import ImageSet
from tfvision.errors import UsageError
from tfvision.evaluation.predictions import Predictions
from tfvision.experiment.class_pictures import LookFunction
from tfvision.explain.explain import explain_images
from tfvision.explain.options import ExplainOptions
from tfvision.models.model_file import ModelFacts
from tfvision.prediction.predictors import KerasPredictor

if TYPE_CHECKING:
    import keras


def look_of(model: "keras.Model", facts: ModelFacts) -> LookFunction:
    """Return what says where a model looked; of one without feature maps or gradient, such as a forest, it says nothing.

    Args:
        model: The model.
        facts: What is stored with it.

    Returns:
        A function for `plot_classes`.
    """

    def look(images: ImageSet, found: Predictions) -> Sequence[np.ndarray]:
        try:
            return explain_images(KerasPredictor(model, facts), images, ExplainOptions(), found).overlays()
        except UsageError:
            return ()

    return look

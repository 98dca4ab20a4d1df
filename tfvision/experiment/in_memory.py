"""Training in memory: as `tfvision train` trains, without a run folder, for rooms that train many models on one set."""

import gc
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tfvision.errors import RunError
from tfvision.evaluation.box_predictions import BoxPredictions
from tfvision.evaluation.parts import judged_part, scored_parts
from tfvision.evaluation.predictions import Predictions
from tfvision.experiment.building import suit_images, suited_backbone, suited_model
from tfvision.experiment.experiment import Experiment
from tfvision.experiment.preparation import Prepared
from tfvision.experiment.rates import with_found_rates
from tfvision.experiment.resolving import phases_of
from tfvision.experiment.results import predict_parts, trained_predictor
from tfvision.experiment.shallow import predict_shallow
from tfvision.experiment.unwritten import unwritten_training
from tfvision.system.device import set_seed
from tfvision.training.checkpoints import restore
from tfvision.training.config import TrainConfig
from tfvision.training.history import History
from tfvision.training.views import resolve_views

if TYPE_CHECKING:
    import keras

    from tfvision.models.classifier import OpenBackbone

# What a backbone is built from; a training that changes none of it puts a new head on the backbone of the last one.
_BACKBONE = ("backbone", "weights", "image_size", "channels", "precision", "small_cnn")


class SharedBackbone:
    """The backbone of the last training, built and loaded again only when a training needs another one.

    Args:
        data: The images, shared by all trainings.
    """

    def __init__(self, data: Prepared) -> None:
        self.data = data
        self._key: list[Any] | None = None
        self._built: OpenBackbone
        self._random: tuple[Any, ...]
        self._variables: list[keras.Variable]
        self._values: list[np.ndarray]
        self._opened = False  # whether the last training may have trained a part of it

    def of(self, config: TrainConfig) -> "OpenBackbone":
        """Return the backbone of a configuration as if newly built, including the state of the random numbers."""
        key = [getattr(config, name) for name in _BACKBONE]
        opened, self._opened = self._opened, any(phase.unfreeze != "none" for phase in phases_of(config))
        if opened:
            gc.collect()  # only this frees what the last training trained, with its optimizer
        if key == self._key:
            if opened:
                restore(self._variables, self._values)
            random.setstate(self._random)  # from it Keras seeds the layers that follow
            return self._built
        self._key = None
        self._built = suited_backbone(config, self.data)
        self._random = random.getstate()
        self._variables = _variables(self._built)
        self._values = [np.array(variable) for variable in self._variables]
        self._key = key
        return self._built


def build_in_memory(config: TrainConfig, data: Prepared, backbone: SharedBackbone) -> Experiment:
    """Build the model of a configuration, on the backbone that several trainings share.

    Args:
        config: Options whose phases are filled in.
        data: The images and their split.
        backbone: For images of the same sizes.

    Returns:
        The model, its images and its options, with learning rates that are to be found; it is not trained yet.
    """
    config = suit_images(config, data)
    set_seed(config.seed)
    model = suited_model(config, data, backbone.of(config))
    config = replace(config, phases=resolve_views(phases_of(config), model, config), views=None)
    return with_found_rates(Experiment(model, data, config))


def train_in_memory(experiment: Experiment) -> History:
    """Train a model through its phases and leave it with its best weights.

    Args:
        experiment: From `build_in_memory`.

    Returns:
        The epochs.

    Raises:
        RunError: The loss became NaN, or memory ran out.
    """
    from tfvision.training.fit import fit_phases

    training = unwritten_training(experiment)
    fit_phases(training, phases_of(experiment.config))
    return training.history


def answers_in_memory(config: TrainConfig, data: Prepared, backbone: SharedBackbone) -> Predictions | BoxPredictions:
    """Train a configuration and let it predict the part that it is judged by: test, or validation where there is no test.

    Args:
        config: Options whose phases are filled in, or with one shallow classifier.
        data: The images and their split.
        backbone: For images of the same sizes.

    Returns:
        Classes, or boxes where the model finds them.

    Raises:
        RunError: The loss became NaN, the model predicts NaN, or memory ran out.
    """
    from tfvision.training.settings import TrainingSettings

    experiment = build_in_memory(config, data, backbone)
    config, facts = experiment.config, experiment.facts
    scored = scored_parts(experiment.parts)
    part = judged_part(scored)
    if config.classifier:
        return predict_shallow(experiment, part)
    train_in_memory(experiment)
    # Only in full precision the trained part predicts from stored features exactly what the whole model does.
    stored = config.cache == "float32" and phases_of(config)[-1].views != "fresh"
    settings = TrainingSettings.from_config(config, facts.resize)
    predictor = trained_predictor(experiment.model, facts, settings, stored=stored)
    predictions = predict_parts(predictor, {part: scored[part]})
    values = predictions.predicted if isinstance(predictions, BoxPredictions) else predictions.probabilities
    if not np.isfinite(values).all():
        raise RunError("the model predicts NaN; training diverged, try a lower --learning-rate")
    return predictions


def _variables(backbone: "OpenBackbone") -> "list[keras.Variable]":
    import keras

    return keras.Model(backbone.pixels, backbone.features).variables

"""Trials: one configuration trained on images that have been read and split before."""

import gc
import random
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfvision.experiment.building import suit_images, suited_backbone, suited_model
from tfvision.experiment.defending import defence_of, taught
from tfvision.experiment.experiment import Experiment
from tfvision.experiment.preparation import Prepared
from tfvision.experiment.rates import with_found_rates
from tfvision.experiment.resolving import phases_of
from tfvision.models.model_file import save_model
from tfvision.search.stages import Trained
from tfvision.system.device import set_seed
from tfvision.system.terminal import quiet
from tfvision.training.checkpoints import restore
from tfvision.training.config import TrainConfig
from tfvision.training.history import History
from tfvision.training.views import resolve_views

if TYPE_CHECKING:
    import keras

    from tfvision.models.classifier import OpenBackbone

_NO_SCORES = ("epoch", "learning_rate", "seconds", "images_per_second")
# What a backbone is built from; a trial that changes none of it puts a new head on the backbone of the last one.
_BACKBONE = ("backbone", "weights", "image_size", "channels", "precision", "small_cnn")


class TrialRunner:
    """Trains configurations as `tfvision train` would, without a run folder and without the test part.

    Args:
        data: The images, shared by all trials.
    """

    def __init__(self, data: Prepared) -> None:
        self.data = data
        self._backbones = _Backbones(data)

    def __call__(self, config: TrainConfig) -> Trained:
        """Train a configuration.

        Args:
            config: Options whose phases are filled in.

        Returns:
            The scores of its best epoch, and how to save its model.

        Raises:
            TfvisionError: The model cannot be built, or its training diverged or ran out of memory.
        """
        from tfvision.training.fit import fit_phases
        from tfvision.training.settings import TrainingSettings
        from tfvision.training.training import Training

        config = suit_images(config, self.data)
        set_seed(config.seed)
        with quiet():
            model = suited_model(config, self.data, self._backbones.of(config))
            config = replace(config, phases=resolve_views(phases_of(config), model, config), views=None)
            experiment = with_found_rates(Experiment(model, self.data, config))
            config = experiment.config
            facts, parts = experiment.facts, experiment.parts
            training = Training(
                model,
                taught(parts["train"], config),
                parts["validation"],
                TrainingSettings.from_config(config, facts.resize),
                History(config.monitor),
                defence=defence_of(config),
            )
            fit_phases(training, phases_of(config))
        best = training.history.best
        assert best is not None, "a phase trains one epoch or more"
        scores = {name: value for name, value in best.items() if isinstance(value, float) and name not in _NO_SCORES}

        def save(path: Path) -> None:
            save_model(model, path, facts)

        return Trained(scores, len(training.history.rows), save)


class _Backbones:
    """The backbone of the last trial, built and loaded again only when a trial needs another one."""

    def __init__(self, data: Prepared) -> None:
        self.data = data
        self._key: list[Any] | None = None
        self._built: OpenBackbone
        self._random: tuple[Any, ...]
        self._variables: list[keras.Variable]
        self._values: list[np.ndarray]
        self._opened = False  # whether the last trial may have trained a part of it

    def of(self, config: TrainConfig) -> "OpenBackbone":
        """Return the backbone of a configuration as if newly built, including the state of the random numbers."""
        key = [getattr(config, name) for name in _BACKBONE]
        opened, self._opened = self._opened, any(phase.unfreeze != "none" for phase in phases_of(config))
        if opened:
            gc.collect()  # only this frees what the last trial trained, with its optimizer
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


def full_config(config: TrainConfig, data: Prepared) -> TrainConfig:
    """Return the configuration of a trial as `config.yaml` of its run would contain it.

    Args:
        config: Options whose phases are filled in.
        data: The images, which decide image size and channels where the options do not.

    Returns:
        The complete options, without the output folder.
    """
    return replace(suit_images(config, data), output=None)


def _variables(backbone: "OpenBackbone") -> "list[keras.Variable]":
    import keras

    return keras.Model(backbone.pixels, backbone.features).variables

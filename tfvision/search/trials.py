"""Trials: one configuration trained on images that have been read and split before."""

from dataclasses import replace
from pathlib import Path

from tfvision.experiment.building import suit_images
from tfvision.experiment.in_memory import SharedBackbone, build_in_memory, train_in_memory
from tfvision.experiment.preparation import Prepared
from tfvision.models.model_file import save_model
from tfvision.search.stages import Trained
from tfvision.system.terminal import quiet
from tfvision.training.config import TrainConfig

_NO_SCORES = ("epoch", "learning_rate", "seconds", "images_per_second")


class TrialRunner:
    """Trains configurations as `tfvision train` would, without a run folder and without the test part.

    Args:
        data: The images, shared by all trials.
    """

    def __init__(self, data: Prepared) -> None:
        self.data = data
        self._backbone = SharedBackbone(data)

    def __call__(self, config: TrainConfig) -> Trained:
        """Train a configuration.

        Args:
            config: Options whose phases are filled in.

        Returns:
            The scores of its best epoch, and how to save its model.

        Raises:
            TfvisionError: The model cannot be built, or its training diverged or ran out of memory.
        """
        with quiet():
            experiment = build_in_memory(config, self.data, self._backbone)
            history = train_in_memory(experiment)
        best, model, facts = history.best, experiment.model, experiment.facts
        assert best is not None, "a phase trains one epoch or more"
        scores = {name: value for name, value in best.items() if isinstance(value, float) and name not in _NO_SCORES}

        def save(path: Path) -> None:
            save_model(model, path, facts)

        return Trained(scores, len(history.rows), save)


def full_config(config: TrainConfig, data: Prepared) -> TrainConfig:
    """Return the configuration of a trial as `config.yaml` of its run would contain it.

    Args:
        config: Options whose phases are filled in.
        data: The images, which decide image size and channels where the options do not.

    Returns:
        The complete options, without the output folder.
    """
    return replace(suit_images(config, data), output=None)

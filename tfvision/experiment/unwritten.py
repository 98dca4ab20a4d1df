"""The training of an experiment that writes nothing: for a sweep, and for rooms that train many models on one set."""

from typing import TYPE_CHECKING

from tfvision.experiment.defending import defence_of, taught
from tfvision.training.history import History

if TYPE_CHECKING:
    from tfvision.experiment.experiment import Experiment
    from tfvision.training.training import Training


def unwritten_training(experiment: "Experiment") -> "Training":
    """Return the training of an experiment's model, without files, checkpoints or pseudo-labels."""
    from tfvision.training.settings import TrainingSettings
    from tfvision.training.training import Training

    config, parts = experiment.config, experiment.parts
    return Training(
        experiment.model,
        taught(parts["train"], config),
        parts["validation"],
        TrainingSettings.from_config(config, experiment.facts.resize),
        History(config.monitor),
        defence=defence_of(config),
    )

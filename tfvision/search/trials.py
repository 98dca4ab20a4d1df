"""Trials: one configuration trained on images that are read and split already."""

import contextlib
import gc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tfvision.config import TrainConfig
from tfvision.data.imageset import ImageSet
from tfvision.experiment import Experiment, build_model, set_seed, suit_images
from tfvision.preparation import Prepared
from tfvision.progress import console
from tfvision.runs import save_model
from tfvision.search.stages import Trained
from tfvision.training.history import History

_NO_SCORES = ("epoch", "learning_rate", "seconds", "images_per_second")


class TrialRunner:
    """Trains configurations as `tfvision train` would, without a run folder and without the test part.

    Args:
        data: The images, shared by all trials.
    """

    def __init__(self, data: Prepared) -> None:
        self.data = data
        self.parts: dict[str, ImageSet] = {
            part: data.images.select(data.split == part) for part in ("train", "validation")
        }

    def __call__(self, config: TrainConfig) -> Trained:
        """Train a configuration whose phases are filled in.

        Raises:
            TfvisionError: It cannot be built, diverged, or ran out of memory.
        """
        from tfvision.training.fit import fit_phases
        from tfvision.training.settings import Training, TrainingSettings

        gc.collect()  # the model of the trial before is only let go of here
        config = suit_images(config, self.data)
        set_seed(config.seed)
        with quiet():
            experiment = Experiment(build_model(config, self.data), self.data, config)
            facts = experiment.facts
            training = Training(
                experiment.model,
                self.parts["train"],
                self.parts["validation"],
                TrainingSettings.from_config(config, facts.resize),
                History(config.monitor),
            )
            fit_phases(training, config.phases)
        best = training.history.best
        scores = {name: value for name, value in best.items() if isinstance(value, float) and name not in _NO_SCORES}

        def save(path: Path) -> None:
            save_model(experiment.model, path, facts)

        return Trained(scores, len(training.history.rows), save)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep a training from printing its epochs."""
    before, console.quiet = console.quiet, True
    try:
        yield
    finally:
        console.quiet = before


def full_config(config: TrainConfig, data: Prepared) -> TrainConfig:
    """Return the configuration of a trial with all that `config.yaml` of its run would hold."""
    return replace(suit_images(config, data), output=None)

"""Experiment: a model, its images and its options, and the run folder they start."""

import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tfvision.config.yaml import to_yaml
from tfvision.data.images.imageset import ImageSet
from tfvision.data.pixels.resize import Resize
from tfvision.data.splits.split import HELD_OUT
from tfvision.data.splits.splits_file import describe_splits
from tfvision.data.splits.stratify import PARTS
from tfvision.experiment.data_facts import describe_data
from tfvision.experiment.plan import describe_plan, summarize
from tfvision.experiment.preparation import Prepared
from tfvision.experiment.unlabelled import with_labels
from tfvision.models.model_file import MOST_TRAINING_BOXES, ModelFacts
from tfvision.runs.folder import Run, create_run
from tfvision.runs.names import CONFIG, DATA_FACTS, ENVIRONMENT, RATES, SPLITS, SUMMARY
from tfvision.runs.resume import check_config, check_data, open_unfinished
from tfvision.system.csv_table import read_mappings
from tfvision.system.environment import describe_environment
from tfvision.system.files import to_json
from tfvision.system.terminal import console
from tfvision.tasks import has_boxes, has_classes
from tfvision.training.config import TrainConfig

if TYPE_CHECKING:
    import keras

    from tfvision.training.rate_curves import RateCurve


@dataclass(frozen=True)
class Experiment:
    """A model, the images with their split, and the resolved options.

    Attributes:
        model: Raw pixels in; probabilities, boxes or both out.
        data: Images, split, hashes, notes.
        config: Resolved: phases and image size are filled in.
        rates: The curves that learning rates were found from; none if the options gave them.
    """

    model: "keras.Model"
    data: Prepared
    config: TrainConfig
    rates: "tuple[RateCurve, ...]" = ()

    @cached_property
    def parts(self) -> dict[str, ImageSet]:
        """The images of each part whose labels may be used; `held_out` is among them only where folds hold images out."""
        usable, split = with_labels(self.data, self.config), self.data.split
        names = (*PARTS, HELD_OUT) if (split == HELD_OUT).any() else PARTS
        return {part: self.data.images.select((split == part) & usable) for part in names}

    @cached_property
    def plan(self) -> str:
        """What is trained on what, as text of several lines."""
        return describe_plan(self.model, self.parts, self.config, self.facts, self.data.notes)

    @property
    def splits(self) -> str:
        """The text of splits.csv."""
        return describe_splits(self.data.images, self.data.split, self.data.hashes)

    @property
    def facts(self) -> ModelFacts:
        """What is stored with the model."""
        height, width, channels = self.model.input_shape[1:]
        resize = Resize(height, width, **vars(self.config.resize), channels=channels)
        rule, task = self.config.source.pixel_rule, self.config.task
        names = self.data.images.class_names if has_classes(task) else ()
        boxes = training_boxes(self.parts["train"], self.config.seed) if has_boxes(task) else ()
        return ModelFacts(names, resize, self.config.backbone, rule, task, boxes)


def training_boxes(train: ImageSet, seed: int) -> tuple[tuple[float, ...], ...]:
    """Return boxes of training images, `MOST_TRAINING_BOXES` at most, for the baselines of a model.

    Args:
        train: The training images, with boxes.
        seed: Seed of the draw where there are more.

    Returns:
        xmin, ymin, xmax, ymax of each, as shares of the image's width and height.
    """
    assert train.boxes is not None and train.frames is not None, "the images of a run that finds boxes are scanned"
    shares = train.boxes / np.tile(train.frames[:, :2], 2)
    chosen = np.sort(np.random.default_rng(seed).permutation(len(shares))[:MOST_TRAINING_BOXES])
    return tuple(tuple(round(float(side), 6) for side in box) for box in shares[chosen])


def first_files(experiment: Experiment) -> dict[str, str]:
    """Return the text of the first files of a run folder by their names."""
    found = {RATES: to_json({"phases": [curve.to_dict() for curve in experiment.rates]})} if experiment.rates else {}
    return {
        **found,
        CONFIG: to_yaml(experiment.config, comments=True),
        SPLITS: experiment.splits,
        DATA_FACTS: to_json(describe_data(experiment.data, experiment.config)),
        SUMMARY: f"{experiment.plan}\n\n{summarize(experiment.model)}",
        ENVIRONMENT: to_json(describe_environment()),
    }


def begin_run(experiment: Experiment, output: Path, *, resume: bool) -> Run:
    """Print the plan and create the run folder, or check that the run to resume has the same options and data.

    Args:
        experiment: What is trained.
        output: The run folder.
        resume: Whether an unfinished run is there.

    Returns:
        The run, with its first files.

    Raises:
        UsageError: There is nothing to resume, or its options differ.
        DataError: The data of the run to resume differ.
    """
    if not resume:
        console.print(experiment.plan)
        return create_run(output, first_files(experiment))
    run = open_unfinished(output)
    check_config(run, experiment.config)
    check_data(run, read_mappings(io.StringIO(experiment.splits, newline="")))
    console.print(experiment.plan)
    return run

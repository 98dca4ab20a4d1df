"""Measuring a learning curve: one training for each share and repeat, on the same validation and test images."""

import io
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tfvision.config.options import from_dict
from tfvision.config.yaml import load_written_yaml, to_yaml
from tfvision.data.splits.nested import NestedSubsets
from tfvision.data.splits.split import LEFT_OUT
from tfvision.data.splits.splits_file import describe_splits
from tfvision.errors import DataError
from tfvision.evaluation.parts import judged_part
from tfvision.experiment.in_memory import SharedBackbone, answers_in_memory
from tfvision.experiment.preparation import Prepared, read_images
from tfvision.learning_curve.plan import CurvePlan
from tfvision.learning_curve.points import MeasuredPoint, PointFiles, score_name
from tfvision.runs.folder import Run, create_run, training_alone
from tfvision.runs.names import CURVE_OPTIONS, ENVIRONMENT, SPLITS
from tfvision.runs.resume import check_data, refuse_changed, resumable
from tfvision.system.csv_table import read_mappings
from tfvision.system.device import load_tensorflow
from tfvision.system.environment import describe_environment
from tfvision.system.files import remove_leftovers, to_json
from tfvision.system.terminal import console, duration, quiet
from tfvision.training.config import TrainConfig

_SEED = 20  # beside the seed of the run, so that subsets are not drawn from the numbers that drew the split


class Measured(NamedTuple):
    """The points of a learning curve, and what they are points of.

    Attributes:
        points: By share and repeat.
        part: The part that all are scored on, `test` or `validation`.
        score: Name of the score.
        images: All training images that there are.
    """

    points: tuple[MeasuredPoint, ...]
    part: str
    score: str
    images: int


def measure_points(config: TrainConfig, plan: CurvePlan, folder: Path, *, resume: bool) -> Measured:
    """Read the images, and train and score a model for each share and repeat that is not done yet.

    Args:
        config: Options of each training, with the phases filled in.
        plan: Shares and repeats.
        folder: The folder of the curve.
        resume: Whether to go on with what is in it.

    Returns:
        The points.

    Raises:
        UsageError: The options of the curve that is gone on with were others.
        DataError: Unreadable images, others than before, or too few for the smallest share.
        RunError: The loss became NaN, or memory or disk space ran out.
    """
    config, data = read_images(config)
    subsets = _Subsets(data, config.seed)
    subsets.check(plan)
    load_tensorflow()
    with resumable(Run(folder), kept="trainings"), ExitStack() as held:
        _begin(config, data, folder, resume=resume)
        held.enter_context(training_alone(folder))
        remove_leftovers(folder)
        console.print(f"{subsets.describe(plan)}\nfolder: {folder}\n")
        points = _measure(config, data, plan, subsets, PointFiles(folder, config.task))
    return Measured(points, subsets.scored, score_name(config.task), len(subsets.rows))


class _Subsets:
    """The training images that each share and repeat uses; each repeat has an order of its own, its shares are nested."""

    def __init__(self, data: Prepared, seed: int) -> None:
        self.data, self.seed = data, seed
        self.rows = np.flatnonzero(data.split == "train")
        self.images = data.images.select(self.rows)
        self.hashes = [data.hashes[row] for row in self.rows]
        self.scored = judged_part(set(data.split.tolist()))
        self._known: dict[int, NestedSubsets] = {}

    def of(self, share: float, repeat: int) -> np.ndarray:
        """Return the rows of the training images of a share."""
        if repeat not in self._known:
            self._known[repeat] = NestedSubsets(self.images, self.hashes, (_SEED, self.seed, repeat))
        return self.rows[self._known[repeat].take(share)]

    def check(self, plan: CurvePlan) -> None:
        """Refuse shares that hold the same images, since they are no points of a curve."""
        sizes = [len(self.of(share, 1)) for share in plan.shares]
        for smaller, larger, share in zip(sizes, sizes[1:], plan.shares[1:], strict=False):
            if larger <= smaller:
                raise DataError(
                    f"shares: {share:g} of the {len(self.rows):,} training images are no more than the share before it, "
                    f"{larger:,}: copies and groups stay together, and each class is in every share; give larger shares, "
                    "further apart, or add images"
                )

    def describe(self, plan: CurvePlan) -> str:
        """Return lines about what is trained on what."""
        sizes = ", ".join(
            f"{len(self.of(share, 1)):,} (x{plan.repeats_of(share)})" if plan.repeats_of(share) > 1
            else f"{len(self.of(share, 1)):,}"
            for share in plan.shares
        )  # fmt: skip
        count = len(plan.trainings)
        return (
            f"{count} trainings on {sizes} of {len(self.rows):,} training images; all are scored on the same "
            f"{(self.data.split == self.scored).sum():,} {self.scored} images"
        )


def _measure(
    config: TrainConfig, data: Prepared, plan: CurvePlan, subsets: _Subsets, files: PointFiles
) -> tuple[MeasuredPoint, ...]:
    backbone, points, shown = SharedBackbone(data), [], False
    for place, (share, repeat) in enumerate(plan.trainings, start=1):
        start = time.monotonic()
        rows = subsets.of(share, repeat)
        values = files.read(share, repeat)
        known = values is not None
        if values is None:
            split = np.where(data.split == "train", LEFT_OUT, data.split)
            split[rows] = "train"
            of_point = replace(data, split=split)
            options = replace(config, seed=(config.seed + repeat - 1) % 2**32)
            if shown:
                with quiet():
                    predictions = answers_in_memory(options, of_point, backbone)
            else:  # the first one computes the features of all images
                predictions = answers_in_memory(options, of_point, backbone)
                shown = True
            values = files.write(share, repeat, predictions)
        point = MeasuredPoint(share, repeat, len(rows), values)
        took = "done before" if known else duration(time.monotonic() - start)
        console.print(f"training {place} of {len(plan.trainings)}: {point.images:,} images, {point.score:.4f} ({took})")
        points.append(point)
    if len({len(point.values) for point in points}) > 1:
        raise DataError(f"the trainings in {files.folder} are scored on different images; begin another --output")
    return tuple(sorted(points, key=lambda point: (point.share, point.repeat)))


def _begin(config: TrainConfig, data: Prepared, folder: Path, *, resume: bool) -> Run:
    """Make the folder, or check that options and images are those that it was begun with."""
    splits = describe_splits(data.images, data.split, data.hashes)
    config = replace(config, output=None)
    for note in data.notes:
        console.print(note)
    if not resume:
        files = {CURVE_OPTIONS: to_yaml(config), SPLITS: splits, ENVIRONMENT: to_json(describe_environment())}
        return create_run(folder, files)
    if not (folder / CURVE_OPTIONS).is_file():
        raise DataError(
            f"cannot resume {folder}: it has no {CURVE_OPTIONS}; expected a folder written by `tfvision learning-curve`"
        )
    was = from_dict(TrainConfig, load_written_yaml(folder / CURVE_OPTIONS))
    refuse_changed(folder, was, config)
    check_data(Run(folder), read_mappings(io.StringIO(splits, newline="")))
    return Run(folder)

"""The main path: labelled images in, a run folder with an honest score out."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfvision.config import Phase, TrainConfig
from tfvision.data.decoding import Scan, scan
from tfvision.data.imageset import ImageSet
from tfvision.data.resize import Resize
from tfvision.data.sources import open_images
from tfvision.data.splits import Split, read_splits, split_images, write_splits
from tfvision.environment import describe_environment
from tfvision.errors import DataError, RunError, UsageError
from tfvision.files import write_json, write_text
from tfvision.models.backbones import backbone_facts, default_image_size
from tfvision.models.weights import find_weights
from tfvision.options import from_dict, to_yaml
from tfvision.plan import describe_plan
from tfvision.progress import ProgressLine, console, duration
from tfvision.runs import (
    CONFIG,
    ENVIRONMENT,
    HISTORY,
    MODEL,
    SPLITS,
    SUMMARY,
    ModelFacts,
    Run,
    create_run,
    refuse_existing,
    save_model,
)
from tfvision.training.phases import resolve_phases

if TYPE_CHECKING:
    import keras

PARTS = ("train", "validation", "test")
_BUILT = ("backbone", "weights", "image_size", "head", "small_cnn")  # options that a built model has behind it


@dataclass(frozen=True)
class Experiment:
    """A model, the images with their split, and the resolved options.

    Attributes:
        model: Raw pixels in, probabilities out.
        images: All readable images.
        split: str (n,), the part of each image; "" for one left out.
        config: Resolved: phases and image size are filled in.
        notes: Lines about the data for the plan.
    """

    model: "keras.Model"
    images: ImageSet
    split: np.ndarray
    config: TrainConfig
    notes: tuple[str, ...]

    @cached_property
    def parts(self) -> dict[str, ImageSet]:
        """The images of `train`, `validation` and `test`."""
        return {part: self.images.select(self.split == part) for part in PARTS}

    @property
    def facts(self) -> ModelFacts:
        """What is stored with the model."""
        height, width = self.model.input_shape[1:3]
        resize = Resize(height, width, **vars(self.config.resize))
        return ModelFacts(self.images.class_names, resize, self.config.backbone)


def train_from_config(config: TrainConfig, *, dry_run: bool = False) -> Run | None:
    """Do all that `tfvision train` does.

    Args:
        config: The options.
        dry_run: Resolve, scan, build, run one batch and print the plan; write nothing.

    Returns:
        The finished run; None for a dry run.

    Raises:
        UsageError, DataError, RunError: One clear line each.
    """
    # What can be refused at once is refused before any image is read.
    phases = resolve_phases(config, pretrained=config.weights != "none", linear_head=not config.head.units)
    backbone_facts(config.backbone)
    find_weights(config.backbone, config.weights)
    output = _output_folder(config)
    images = open_images(config.data, **config.source.columns())
    found, split, notes = _prepare(images, config)
    image_size = config.image_size or default_image_size(config.backbone, int(np.median(found.sizes.max(axis=1))))
    config = replace(
        config, image_size=image_size, phases=phases, epochs=None, learning_rate=None, unfreeze=None, output=None
    )
    set_seed(config.seed)
    model = _build(config, len(images.class_names), _input_size(found.sizes, image_size))
    return _run(Experiment(model, found.images, split, config, notes), output, dry_run=dry_run)


def train(
    model: "keras.Model",
    images: ImageSet,
    *,
    phases: Sequence[Phase | dict[str, Any]] | None = None,
    output: str | Path | None = None,
    **options: Any,
) -> Run:
    """Train a classifier on images and write a run folder: the notebook's `tfvision train`.

    Args:
        model: From `build_classifier`, or a functional Keras model with raw pixels in and probabilities out.
        images: From `open_images`.
        phases: `Phase` objects or dictionaries with their fields; default by whether the backbone is pretrained.
        output: The run folder; default `runs/<data>-<backbone>-<time>`.
        **options: Other options of the command line: `seed=1`, `batch_size=32`, `augment={"rotation": 10}`. The seed
            reaches all but the model's initial weights: for those call `keras.utils.set_random_seed` before building.

    Returns:
        The finished run.

    Raises:
        UsageError: An unknown option (the nearest is named), an existing folder, a model with other outputs.
        DataError: Unreadable images, a class with fewer than 3 images.
        RunError: NaN loss, no memory, full disk.
    """
    from tfvision.models.classifier import is_pretrained
    from tfvision.models.freezing import unfreeze
    from tfvision.training.logistic import has_linear_head

    if built := [name for name in _BUILT if name in options]:
        raise UsageError(f"{built[0]}: the model is built already; give it to build_classifier, not to train")
    enlarged = [layer.output.shape[1] for layer in model.layers if layer.name == "enlarge"]
    values = {"data": images.source, "backbone": model.name, "source": dict(images.columns), **options}
    if phases is not None:
        values["phases"] = [vars(phase) if isinstance(phase, Phase) else phase for phase in phases]
    config = from_dict(TrainConfig, values)
    pretrained = is_pretrained(model)
    config = replace(
        config,
        weights="imagenet" if pretrained else "none",
        image_size=int([*enlarged, model.input_shape[1]][0]),
        phases=resolve_phases(config, pretrained=pretrained, linear_head=has_linear_head(model)),
        epochs=None,
        learning_rate=None,
        unfreeze=None,
    )
    if config.train_batch_norm is not None:
        unfreeze(model, "all", batch_norm=config.train_batch_norm)
    classes = len(images.class_names)
    if model.output_shape[-1] != (1 if classes == 2 else classes):
        raise UsageError(
            f"the model has {model.output_shape[-1]} outputs, the images have {classes} classes; "
            f"build it with num_classes={classes}"
        )
    folder = _output_folder(replace(config, output=str(output) if output else None))
    found, split, notes = _prepare(images, config)
    set_seed(config.seed)
    notes = (*notes, "the model came from Python: config.yaml repeats its training, not its architecture")
    return _run(Experiment(model, found.images, split, config, notes), folder, dry_run=False)


def set_seed(seed: int) -> None:
    """Seed Python, NumPy and Keras, and make TensorFlow's kernels deterministic on a CPU."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    if not keras.distribution.list_devices("gpu"):
        tf.config.experimental.enable_op_determinism()


def _prepare(images: ImageSet, config: TrainConfig) -> tuple[Scan, np.ndarray, tuple[str, ...]]:
    """Scan and split: what was found, the part of each readable image, and notes for the plan."""
    if len(images.class_names) < 2:
        raise DataError(
            f"{config.data} has the one class {images.class_names[0]}; expected two or more, one folder each"
        )
    with ProgressLine("reading images", len(images)) as line:
        found = scan(images, on_bad=config.source.on_bad, progress=line.report)
    notes = []
    if found.unreadable:
        names = ", ".join(f"{name} ({reason})" for name, reason in found.unreadable[:5])
        notes.append(f"{len(found.unreadable):,} unreadable left out: {names}{' ...' * (len(found.unreadable) > 5)}")
    if config.split.file:
        split = Split(read_splits(config.split.file, found.images, found.hashes), (f"split as in {config.split.file}",))
    else:
        shares = {"validation": config.split.validation, "test": config.split.test}
        split = split_images(found.images, found.hashes, **shares, seed=config.seed)
    if not (split.parts == "validation").any():
        raise UsageError("no images for validation, which chooses the best epoch; set split.validation above 0")
    return found, split.parts, (*notes, *split.notes)


def _build(config: TrainConfig, num_classes: int, input_size: int) -> "keras.Model":
    from tfvision.models.classifier import build_classifier
    from tfvision.models.freezing import unfreeze

    model = build_classifier(
        config.backbone,
        num_classes,
        image_size=config.image_size,
        input_size=min(input_size, config.image_size),
        weights=config.weights,
        backbone_options=vars(config.small_cnn) if config.backbone == "small_cnn" else None,
        **{f"head_{key}": value for key, value in vars(config.head).items()},
    )
    if config.train_batch_norm is not None:
        unfreeze(model, "all", batch_norm=config.train_batch_norm)
    return model


def _input_size(sizes: np.ndarray, image_size: int) -> int:
    """Return the side at which images enter the model: their own if all are equal squares that it enlarges."""
    side = int(sizes.flat[0])
    return side if side < image_size and (sizes == side).all() else image_size


def _run(experiment: Experiment, output: Path, *, dry_run: bool) -> Run | None:
    from tfvision.results import plot_samples, write_results
    from tfvision.training.fit import TrainingSettings, fit_phases, try_one_batch
    from tfvision.training.history import History

    model, config, parts = experiment.model, experiment.config, experiment.parts
    settings = TrainingSettings.from_config(config, experiment.facts.resize)
    plan = describe_plan(model, parts, config, experiment.facts, experiment.notes)
    console.print(plan)
    if dry_run:
        loss = try_one_batch(model, parts["train"], config.phases[-1], settings)
        console.print(f"dry run: one batch passed with loss {loss:.4f}; nothing was written, {output} would be")
        return None
    start = time.monotonic()
    run = create_run(output)
    environment = describe_environment()
    write_text(run.folder / CONFIG, to_yaml(config, comments=True))
    write_splits(run.folder / SPLITS, experiment.images, experiment.split)
    write_text(run.folder / SUMMARY, f"{plan}\n\n{_summary(model)}")
    write_json(run.folder / ENVIRONMENT, environment)
    plot_samples(run.folder, parts["train"], settings)
    console.print(f"run folder: {run.folder}\n")
    try:
        fit_phases(
            model,
            parts["train"],
            parts["validation"],
            config.phases,
            settings=settings,
            history=History(config.monitor, run.folder / HISTORY),
            save=lambda: save_model(model, run.folder / MODEL, experiment.facts),
        )
    except RunError as error:
        raise RunError(f"{error} (run folder: {run.folder})") from error
    environment["seconds"] = round(time.monotonic() - start)
    write_json(run.folder / ENVIRONMENT, environment)
    write_results(run, model, parts, settings)
    console.print(f"done in {duration(time.monotonic() - start)}")
    return run


def _summary(model: "keras.Model") -> str:
    """Return the layers as a table; `model.summary()` cuts names at 80 columns where there is no terminal."""
    rows = [("layer", "type", "output", "parameters")]
    rows += [(x.name, type(x).__name__, str(x.output.shape), f"{x.count_params():,}") for x in model.layers]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "".join(f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:<{widths[2]}}  {d:>{widths[3]}}\n" for a, b, c, d in rows)


def _output_folder(config: TrainConfig) -> Path:
    if config.output:
        folder = Path(config.output)
    else:
        name = Path(config.data).name.split(".")[0] or "data"
        folder = Path("runs") / f"{name}-{config.backbone}-{datetime.now():%Y%m%d-%H%M%S}"
    refuse_existing(folder)
    return folder

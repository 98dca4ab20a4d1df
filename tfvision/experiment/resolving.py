"""What can be refused before an image is read and TensorFlow is loaded, and what follows from the options alone.

`train`, `tfvision.train`, `crossval` and `search` all come through here, so each reports a mistake in the same words.
"""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from tfvision.data.augmentation.options import Augmentation
from tfvision.data.sources.digits import refuse_missing_data
from tfvision.errors import UsageError
from tfvision.evaluation.score_names import LAST_EPOCH
from tfvision.experiment.defending import find_teacher
from tfvision.models.backbones.table import backbone_facts, plain_name
from tfvision.models.weights_location import find_weights
from tfvision.runs.folder import refuse_existing
from tfvision.system.files import refuse_no_text
from tfvision.tasks import has_boxes
from tfvision.tracking.trackers import tracker_names
from tfvision.training.config import TrainConfig, check_task
from tfvision.training.options import Phase
from tfvision.training.phases import resolve_phases


def resolve_options(config: TrainConfig) -> TrainConfig:
    """Return the options of a run whose model is yet to be built, with its phases filled in.

    Args:
        config: Options as the user gave them.

    Returns:
        The options with `phases`, empty for a shallow classifier, in place of `preset`, `epochs`, `learning_rate` and
        `unfreeze`.

    Raises:
        UsageError: Options that do not go together, an unknown backbone, or missing weights.
        DataError: A missing file, see `check_files`.
    """
    config = with_phases(config)
    backbone_facts(config.backbone)
    find_weights(config.backbone, config.weights)
    check_files(config)
    return config


def with_phases(config: TrainConfig) -> TrainConfig:
    """Return options of a model that is yet to be built as `resolve_training` fills them in; no file is looked at.

    Args:
        config: Options as the user gave them.

    Returns:
        The options with `phases` in place of `preset`, `epochs`, `learning_rate` and `unfreeze`.

    Raises:
        UsageError: As `resolve_training`.
    """
    linear_head = not config.head.units and not has_boxes(config.task)
    return resolve_training(config, pretrained=config.weights != "none", linear_head=linear_head)


def resolve_training(config: TrainConfig, *, pretrained: bool, linear_head: bool) -> TrainConfig:
    """Return options with the phases of training filled in.

    Args:
        config: Options as the user gave them.
        pretrained: Whether the backbone has weights.
        linear_head: Whether the head is one dense layer on pooled features, which can be fitted in one pass.

    Returns:
        The options with `phases` in place of `preset`, `epochs`, `learning_rate` and `unfreeze`.

    Raises:
        UsageError: Options that do not go with the task, with one another or with a shallow classifier.
    """
    check_task(config)
    if config.classifier:
        config, phases = _resolve_shallow(config, config.classifier), []
    else:
        phases = resolve_phases(config, pretrained=pretrained, linear_head=linear_head)
    return replace(config, phases=phases, preset=None, epochs=None, learning_rate=None, unfreeze=None)


def phases_of(config: TrainConfig) -> list[Phase]:
    """Return the phases of options in which `resolve_options` has filled them in."""
    assert config.phases is not None, "options are resolved before their phases are asked for"
    return config.phases


def check_files(config: TrainConfig) -> None:
    """Refuse files other than the data that are missing or not in the expected form, and trackers that are missing.

    Args:
        config: Options, which name a split, images without labels or a teacher.

    Raises:
        UsageError: The teacher does not predict classes, or a tracker is unknown or not installed.
        DataError: The split, the images without labels or the teacher do not exist, or the split is malformed.
    """
    tracker_names(config.trackers)  # whether they are installed
    if config.split.file:
        from tfvision.data.splits.splits_file import read_parts  # with NumPy

        read_parts(config.split.file)
    if config.pseudo.data:
        refuse_missing_data(config.pseudo.data)
    find_teacher(config)


def output_folder(config: TrainConfig, resume: Path | None = None) -> Path:
    """Return the run folder that options ask for, or one named by data, backbone and time.

    Args:
        config: Options.
        resume: The folder of a run to resume, which is returned as it is.

    Returns:
        The run folder.

    Raises:
        UsageError: It exists already and is not resumed.
    """
    if resume:
        return resume
    folder = Path(config.output) if config.output else default_folder(config.data, plain_name(config.backbone))
    refuse_existing(folder)
    return folder


def default_folder(data: str, what: str) -> Path:
    """Return `runs/<data>-<what>-<time>`.

    Args:
        data: Path of the data; its name up to the first dot is used.
        what: A backbone or a verb.

    Returns:
        A path that need not exist; the time is local, to the second.
    """
    name = (Path(data).name or Path(data).resolve().name).split(".")[0] or "data"
    refuse_no_text(name)
    return Path("runs") / f"{name}-{what}-{datetime.now():%Y%m%d-%H%M%S}"


def _resolve_shallow(config: TrainConfig, names: str) -> TrainConfig:
    """Return the options of a run of shallow classifiers.

    Raises:
        UsageError: An unknown classifier, a missing package, or an option that only training by epochs has.
    """
    from tfvision.training.shallow.classifiers import classifier_names  # with NumPy

    classifier_names(names)
    default = TrainConfig()
    head = "a classifier takes the pooled features as they are"
    unused = (
        ("task", config.task == "classify", "it predicts classes"),
        ("preset", config.preset is None, "nothing is trained by epochs"),
        ("phases", not config.phases, "nothing is trained by epochs"),
        ("epochs", config.epochs is None, "nothing is trained by epochs"),
        ("learning_rate", config.learning_rate is None, "nothing is trained by epochs"),
        ("views", config.views is None, "features are computed once, of the images as they are"),
        ("monitor", config.monitor != LAST_EPOCH, "there are no epochs; the monitor chooses its settings"),
        ("unfreeze", config.unfreeze in (None, "none"), "the backbone stays frozen"),
        (
            "augment",
            config.augment.active in ({}, default.augment.active),
            "features are computed once, of the images as they are",
        ),
        ("balance", config.balance != "oversample", "features are computed once; use class_weights"),
        ("adversarial.attack", not config.adversarial.changes_pixels, "pixels are not changed for it"),
        ("distill", config.distill.at is None, "it learns labels"),
        ("head.units", not config.head.units, head),
        ("head.pool_batch_norm", not config.head.pool_batch_norm, head),
    )
    for key, holds, reason in unused:
        if not holds:
            raise UsageError(f"{key}: means nothing with classifier {names}: {reason}; leave it out")
    # In full precision: for rounded features a tree may answer differently.
    cache = "float32" if config.cache == "float16" else config.cache
    return replace(config, augment=Augmentation(horizontal_flip=False), cache=cache)

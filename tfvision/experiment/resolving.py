"""What can be refused before an image is read, and what follows from the options alone."""

from dataclasses import replace

from tfvision.data.augmentation.options import Augmentation
from tfvision.errors import UsageError
from tfvision.training.config import TrainConfig
from tfvision.training.shallow.classifiers import classifier_names


def resolve_shallow(config: TrainConfig) -> TrainConfig:
    """Return the options of a run of shallow classifiers.

    Raises:
        UsageError: An unknown classifier, a missing package, or an option that only training by epochs has.
    """
    classifier_names(config.classifier)
    default = TrainConfig()
    head = "a classifier takes the pooled features as they are"
    unused = (
        ("task", config.task == "classify", "it tells classes"),
        ("phases", not config.phases, "nothing is trained by epochs"),
        ("epochs", config.epochs is None, "nothing is trained by epochs"),
        ("learning_rate", config.learning_rate is None, "nothing is trained by epochs"),
        ("views", config.views is None, "features are computed once, of the images as they are"),
        ("unfreeze", config.unfreeze in (None, "none"), "the backbone stays frozen"),
        (
            "augment",
            config.augment.active in ({}, default.augment.active),
            "features are computed once, of the images as they are",
        ),
        ("balance", config.balance != "oversample", "features are computed once; use class_weights"),
        ("head.units", not config.head.units, head),
        ("head.pool_batch_norm", not config.head.pool_batch_norm, head),
    )
    for key, holds, reason in unused:
        if not holds:
            raise UsageError(f"{key}: means nothing with classifier {config.classifier}: {reason}; leave it out")
    # In full precision: a tree may answer otherwise for features that were rounded.
    cache = "float32" if config.cache == "float16" else config.cache
    return replace(config, augment=Augmentation(horizontal_flip=False), cache=cache)

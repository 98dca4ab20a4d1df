"""The options of a run, as a model card tells them in words."""

from dataclasses import fields
from functools import lru_cache

from tfvision.config.options import from_dict
from tfvision.config.yaml import parse_yaml
from tfvision.data.augmentation.options import Augmentation
from tfvision.errors import UsageError
from tfvision.report.folder import RunFiles
from tfvision.report.words import plain
from tfvision.training.config import TrainConfig


def config_of(files: RunFiles) -> TrainConfig | None:
    """Return the options of a run; None of an ensemble, or where another version wrote them."""
    return _parsed(files.config_text) if files.config_text else None


@lru_cache(maxsize=4)  # one card asks several times, and parsing takes a tenth of a second
def _parsed(text: str) -> TrainConfig | None:
    try:
        return from_dict(TrainConfig, parse_yaml(text, "config.yaml"))
    except UsageError:
        return None


def augmentation_in_words(options: Augmentation) -> list[str]:
    """Return a line for each change of training images, with what it does."""
    helps = {item.name: item.metadata["help"] for item in fields(options)}
    return [
        f"{name.replace('_', ' ')}{'' if value is True else f' {plain(value)}'}: {helps[name]}"
        for name, value in options.active.items()
        if value != "opencv"
    ]

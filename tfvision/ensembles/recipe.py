"""A file that describes an ensemble: options of training that all members share, and those of each."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tfvision.config.nested import merge, to_plain
from tfvision.config.options import from_dict
from tfvision.config.recipes import find_recipe
from tfvision.config.yaml import load_yaml
from tfvision.ensembles.options import COMBINING, MEMBERS, EnsembleOptions
from tfvision.errors import UsageError, worded
from tfvision.experiment.resolving import resolve_options
from tfvision.tasks import has_boxes
from tfvision.training.config import TrainConfig

_NAME = re.compile(r"[\w.-]+")


@dataclass(frozen=True)
class PlannedMember:
    """A member to be trained.

    Attributes:
        name: Name of its folder.
        config: Its options, checked but not resolved.
    """

    name: str
    config: TrainConfig


@dataclass(frozen=True)
class Recipe:
    """What a file of an ensemble describes.

    Attributes:
        members: Two or more to be trained.
        options: How they are combined.
        data: The data that all of them share.
    """

    members: tuple[PlannedMember, ...]
    options: EnsembleOptions
    data: str


def read_recipe(config: str | Path, given: Mapping[str, Any], combined: Mapping[str, Any]) -> Recipe:
    """Read a file of an ensemble and check every member's options, before any is trained.

    Args:
        config: A YAML file with `members`, a list of options of training; `ensemble`, how they are combined; and options
            of training that all members share. Or the name of a recipe.
        given: Options of training that override those of the file, for all members.
        combined: Options of `EnsembleOptions` that override those of the file.

    Returns:
        The members to train, and how to combine them.

    Raises:
        UsageError: Fewer than two members, an unknown or wrong option, two of one name, or a backbone or weights that are
            not there.
    """
    return parse_recipe(load_yaml(find_recipe(str(config))), str(config), given, combined)


def parse_recipe(
    values: Mapping[str, Any], config: str, given: Mapping[str, Any], combined: Mapping[str, Any]
) -> Recipe:
    """Check the content of a file of an ensemble, see `read_recipe`.

    Args:
        values: Its keys and values.
        config: What to call it in messages.
        given: Options of training that override those of the file.
        combined: Options of `EnsembleOptions` that override those of the file.

    Returns:
        The members to train, and how to combine them.

    Raises:
        UsageError: As `read_recipe`.
    """
    in_file = dict(values)
    members, section = in_file.pop(MEMBERS, None), in_file.pop(COMBINING, None) or {}
    if not isinstance(members, list) or len(members) < 2 or not all(isinstance(one, dict) for one in members):
        raise UsageError(f"{config}: {MEMBERS}: expected a list of two or more members, each with options of training")
    shared = merge(in_file, to_plain(dict(given)))
    planned = [_planned(one, shared, f"{config}: {MEMBERS}[{number}]") for number, one in enumerate(members)]
    names = [one.name for one in planned]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"{config}: two members are called {twice}; give each a name of its own")
    if len({(one.config.data, repr(one.config.source)) for one in planned}) > 1:
        raise UsageError(f"{config}: data and source are shared by all members; give them once, outside of {MEMBERS}")
    options = from_dict(EnsembleOptions, {"seed": planned[0].config.seed, **section, **combined}, COMBINING)
    return Recipe(tuple(planned), options, planned[0].config.data)


def _planned(member: Mapping[str, Any], shared: Mapping[str, Any], where: str) -> PlannedMember:
    own = dict(member)
    name = str(own.pop("name", own.get("classifier") or own.get("backbone") or ""))
    name = Path(name).name
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{where}: a member needs a name of letters, digits, dots, - and _, or a backbone; got {worded(name)}"
        )
    if own.get("output") or shared.get("output"):
        raise UsageError(f"{where}: output: each member has a folder of its own in --output; leave it out")
    config = from_dict(TrainConfig, merge(dict(shared), own), where)
    if has_boxes(config.task):
        raise UsageError(f"{where}: task {config.task}: only models that predict classes alone can be combined")
    resolve_options(replace(config))  # a mistake in the last member is not found after the first has been trained
    return PlannedMember(name, config)

"""ensemble.json: what an ensemble's folder holds in place of a model."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tfvision.errors import DataError, one_line
from tfvision.models.combination import Combination
from tfvision.models.decision import Decision
from tfvision.models.model_file import ModelFacts
from tfvision.runs.names import ENSEMBLE
from tfvision.system.files import read_json, write_json


@dataclass(frozen=True)
class StoredMember:
    """A member as the ensemble knows it.

    Attributes:
        path: Its run folder or SavedModel, relative to the folder of the ensemble, or absolute.
        decision: The temperature and offsets it had when the ensemble was made.
    """

    path: str
    decision: Decision | None = None


@dataclass(frozen=True)
class EnsembleFile:
    """The content of `ensemble.json`.

    Attributes:
        facts: Class names and the decision of the ensemble; `resize` is that of the member with the largest images, and each has
            its own.
        members: In the order of the weights.
        combination: How their probabilities become those of the ensemble.
        options: Options of the training that say where the images are: `data`, `source`, `seed`.
        results: What was found when the ensemble was made, for its report.
    """

    facts: ModelFacts
    members: tuple[StoredMember, ...]
    combination: Combination
    options: Mapping[str, Any] = field(default_factory=dict)
    results: Mapping[str, Any] = field(default_factory=dict)


def write_ensemble(folder: Path, ensemble: EnsembleFile) -> None:
    """Write `ensemble.json`, whole or not at all.

    Args:
        folder: The folder of the ensemble.
        ensemble: Its content.

    Raises:
        WriteError: It cannot be written.
    """
    members = [
        {"path": one.path, "decision": one.decision.to_dict() if one.decision else None} for one in ensemble.members
    ]
    content = {
        "model": json.loads(ensemble.facts.to_json()),
        "members": members,
        "combination": ensemble.combination.to_dict(),
        "options": dict(ensemble.options),
        **ensemble.results,
    }
    write_json(folder / ENSEMBLE, content)


def read_ensemble(folder: Path) -> EnsembleFile:
    """Read `ensemble.json`.

    Args:
        folder: The folder of an ensemble.

    Returns:
        Its content.

    Raises:
        DataError: There is no such file, or it is damaged.
    """
    path = folder / ENSEMBLE
    try:
        values = read_json(path)
        members = [
            StoredMember(str(one["path"]), Decision.from_dict(one["decision"]) if one["decision"] else None)
            for one in values.pop("members")
        ]
        facts = ModelFacts.from_json(json.dumps(values.pop("model")))
        combination = Combination.from_dict(values.pop("combination"))
        if len(members) != len(combination.weights):
            raise ValueError(f"{len(combination.weights)} weights for {len(members)} members")
        options = values.pop("options")
        if not isinstance(options, dict):
            raise ValueError("options are no mapping")
        return EnsembleFile(facts, tuple(members), combination, options, values)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            f"{path} is damaged: it does not describe an ensemble ({one_line(error)}); "
            "make it again with `tfvision ensemble`"
        ) from None


def replace_ensemble_facts(folder: Path, facts: ModelFacts) -> None:
    """Replace the facts in `ensemble.json`; the rest stays.

    Args:
        folder: The folder of the ensemble.
        facts: The new facts.

    Raises:
        DataError: The file is damaged.
        WriteError: It cannot be written.
    """
    write_ensemble(folder, replace(read_ensemble(folder), facts=facts))

"""What a tracker is sent of a run folder, finished or not."""

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfvision.config.yaml import load_written_yaml
from tfvision.errors import DataError
from tfvision.evaluation.score_names import SCORES
from tfvision.runs.names import (
    COMPARISON,
    CONFIG,
    DECISION,
    ENSEMBLE,
    ENVIRONMENT,
    HISTORY,
    METRICS,
    MISTAKES,
    MODEL,
    PLOTS,
    PREDICTIONS,
    REPORT,
    SPLITS,
    SUMMARY,
)
from tfvision.system.files import read_json, read_written_rows

_TABLES = (CONFIG, ENSEMBLE, SPLITS, HISTORY, METRICS, PREDICTIONS, MISTAKES, DECISION, SUMMARY, ENVIRONMENT, REPORT)
_ONE_OF_SEVERAL = re.compile(r"(?:seed|fold)_\d+")


@dataclass(frozen=True)
class RunContent:
    """The content of a run folder, as trackers take it.

    Attributes:
        folder: The run folder.
        options: Options by dotted key, plain values; those of phases as `phases.0.epochs`.
        facts: Date, command and versions.
        rows: Rows of history.csv, numbers as float.
        scores: Scores of each part by names such as `test/accuracy`, the ends of their 95 % intervals as
            `test/accuracy_low` and `test/accuracy_high`; empty until the run is finished.
        finished: Whether the run is finished.
    """

    folder: Path
    options: Mapping[str, Any]
    facts: Mapping[str, str]
    rows: tuple[Mapping[str, float | str], ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    finished: bool = False

    @property
    def name(self) -> str:
        """What it is called: the folder's name, with that of the folder above if it is one of several seeds or folds."""
        return f"{self.group}/{self.folder.name}" if self.group else self.folder.name

    @property
    def group(self) -> str:
        """The folder of seeds or folds that it is one of; "" if it is alone."""
        absolute = self.folder.absolute()
        return absolute.parent.name if _ONE_OF_SEVERAL.fullmatch(absolute.name) else ""

    @property
    def model(self) -> Path | None:
        """The model file; None if there is none."""
        path = self.folder / MODEL
        return path if path.is_file() else None

    def tables(self) -> list[Path]:
        """Return the files beside model and pictures that exist."""
        return [self.folder / name for name in _TABLES if (self.folder / name).is_file()]

    def pictures(self) -> list[Path]:
        """Return the pictures, SVG and PNG, without the single mistakes."""
        return sorted(path for path in (self.folder / PLOTS).glob("*") if path.suffix in (".svg", ".png"))

    def signature(self) -> str:
        """Return a hash of the results: what was sent before need not be sent again."""
        found = hashlib.blake2b(digest_size=16)
        for name in (METRICS, DECISION):
            path = self.folder / name
            found.update(path.read_bytes() if path.is_file() else b"-")
        return found.hexdigest()


def read_content(folder: Path) -> RunContent:
    """Read what there is of a run.

    Args:
        folder: A run folder, also one that is being written: its files are whole at any time.

    Returns:
        Its content.

    Raises:
        DataError: It is no run folder, or a file is damaged.
    """
    if (folder / ENSEMBLE).is_file():
        options = read_json(folder / ENSEMBLE).get("options") or {}
    elif (folder / CONFIG).is_file():
        options = load_written_yaml(folder / CONFIG)
    else:
        raise DataError(f"{folder} is not a run; expected a folder written by `tfvision train`")
    environment = read_json(folder / ENVIRONMENT) if (folder / ENVIRONMENT).is_file() else {}
    versions = environment.get("versions") or {}
    facts = {
        "folder": str(folder.absolute()),
        **{name: str(environment[name]) for name in ("date", "command") if environment.get(name)},
        **{f"version.{name}": str(version) for name, version in versions.items()},
    }
    finished = (folder / METRICS).is_file() and (folder / REPORT).is_file()
    return RunContent(
        folder,
        dict(_flat(options)),
        facts,
        tuple(_rows(folder / HISTORY)),
        dict(_scores(read_json(folder / METRICS))) if finished else {},
        finished,
    )


def runs_in(folder: Path) -> list[Path]:
    """Return the runs in a folder: itself, or those of several seeds, folds, classifiers or members.

    Args:
        folder: A run folder, or one with runs in it.

    Returns:
        Run folders, one or more, in order.

    Raises:
        DataError: There is none.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} does not exist; expected a folder written by `tfvision train`")
    if _is_run(folder) and not (folder / COMPARISON).is_file():
        return [folder]
    found = [path for path in folder.iterdir() if path.is_dir() and _is_run(path)]
    if not found:
        raise DataError(f"{folder} holds no run; expected a folder written by `tfvision train`, or one with runs in it")
    return sorted(
        found, key=lambda path: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.name)]
    )


def _is_run(folder: Path) -> bool:
    return (folder / CONFIG).is_file() or (folder / ENSEMBLE).is_file()


def _flat(options: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield options by dotted key, those of a list of sections with their number."""
    if isinstance(options, Mapping) and options:
        for name, value in options.items():
            yield from _flat(value, f"{key}.{name}" if key else str(name))
    elif isinstance(options, list) and options and all(isinstance(each, Mapping) for each in options):
        for number, value in enumerate(options):
            yield from _flat(value, f"{key}.{number}")
    else:
        yield key, json.dumps(options) if isinstance(options, (list, Mapping)) or options is None else options


def _rows(path: Path) -> Iterator[dict[str, float | str]]:
    if not path.is_file():
        return
    for row in read_written_rows(path, ("epoch",)):
        yield {name: _number(value) for name, value in row.items()}


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _scores(metrics: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for part, found in metrics.items():
        if not isinstance(found, Mapping):
            continue
        for scores in (found, found.get("classes")):  # those of boxes have the scores of classes below them
            if isinstance(scores, Mapping):
                yield from _with_intervals(part, scores)


def _with_intervals(part: str, scores: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    intervals = scores.get("ci95") or {}
    for name in ("n", *SCORES):
        value = scores.get(name)
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
            continue
        yield f"{part}/{name}", float(value)
        for end, bound in zip(("low", "high"), intervals.get(name) or (), strict=False):
            yield f"{part}/{name}_{end}", float(bound)

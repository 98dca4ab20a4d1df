"""Checkpoints: everything a killed run needs to continue bit for bit.

Keras' own saves are not atomic, and its `BackupAndRestore` forgets callbacks, the order of the data and the state of
dropout. Here one file holds everything, is written under another name and renamed, and the previous one is kept.
"""

import hashlib
import json
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tfvision.errors import UsageError, one_line
from tfvision.system.files import replacing
from tfvision.system.terminal import console
from tfvision.training.history import History, Row

if TYPE_CHECKING:
    import keras

_KEPT = 2
_META = "meta"
_MEMBERS = "members.json"  # names, lengths and checksums of the others, which no flipped bit may change unseen
# Parts of a layer's configuration that do not change what it computes; Keras numbers names through the process.
_INCIDENTAL = ("name", "trainable", "shared_object_id", "build_config")


@dataclass
class PhaseState:
    """How far a phase has come.

    Attributes:
        phase: Index of the phase.
        epochs: Number of its finished epochs.
        waited: Epochs since the best one, for early stopping.
        plateau_best: Best monitored score of the phase, higher being better, for the plateau schedule.
        plateau_waited: Epochs since that best one or since the last drop.
        done: Whether the phase is finished.
    """

    phase: int = 0
    epochs: int = 0
    waited: int = 0
    plateau_best: float | None = None
    plateau_waited: int = 0
    done: bool = False


@dataclass(frozen=True)
class Checkpoint:
    """The state of a run between two epochs.

    Attributes:
        state: How far which phase has come.
        rows: The history so far.
        model: Digest of the model's layers and their options.
        variables: All variables of the model, the states of its random generators included.
        optimizer: The optimizer's variables; empty before the first gradient phase.
        best: The weights of the best epoch; empty if they are those of `variables`.
    """

    state: PhaseState
    rows: list[Row]
    model: str
    variables: list[np.ndarray]
    optimizer: list[np.ndarray] = field(default_factory=list)
    best: list[np.ndarray] = field(default_factory=list)


class Checkpoints:
    """The checkpoints of a run: the newest and the one before it.

    Args:
        folder: Where they are; made when the first is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(
        self,
        model: "keras.Model",
        history: History,
        state: PhaseState,
        optimizer: "keras.Optimizer | None" = None,
    ) -> None:
        """Write a checkpoint of the current state, whole or not at all.

        Args:
            model: The whole model.
            history: The epochs so far, and the best weights.
            state: How far the phase has come.
            optimizer: The optimizer of the phase, if it has one.

        Raises:
            RunError: The file cannot be written.
        """
        variables = [np.array(variable) for variable in model.variables]
        weights = model.get_weights()
        # Right after the best epoch the model holds the best weights, unless those are averaged ones.
        assert history.best_weights is not None, "the first epoch of a run is its best so far"
        best = [] if _same(weights, history.best_weights) else history.best_weights
        of_optimizer = [np.array(variable) for variable in optimizer.variables] if optimizer else []
        self._write(Checkpoint(state, history.rows, digest(model), variables, of_optimizer, best))

    def newest(self) -> Checkpoint | None:
        """Return the newest intact checkpoint, or None; a damaged one is reported and renamed."""
        paths = self._paths()
        for number, path in enumerate(paths, start=1):
            try:
                return _read(path)
            except Exception as error:  # whatever a damaged archive raises: `zipfile` alone knows seven ways
                reason = one_line(error, 120) or type(error).__name__
                way_on = "from the checkpoint before it" if number < len(paths) else "from the beginning"
                console.print(f"{path} is damaged ({reason}), renamed to {path.stem}.damaged: going on {way_on}")
                with suppress(OSError):
                    path.replace(path.with_suffix(".damaged"))
        return None

    def remove(self) -> None:
        """Remove all checkpoints once the run is finished."""
        if not self.folder.is_dir():
            return
        with suppress(OSError):
            for path in self.folder.iterdir():
                path.unlink()
            self.folder.rmdir()

    def _write(self, checkpoint: Checkpoint) -> None:
        meta = {"state": asdict(checkpoint.state), "rows": checkpoint.rows, "model": checkpoint.model, "listed": True}
        arrays = {_META: np.frombuffer(json.dumps(meta).encode(), np.uint8)}
        for group in ("variables", "optimizer", "best"):
            arrays |= {f"{group}/{number:05}": value for number, value in enumerate(getattr(checkpoint, group))}
        with replacing(self.folder / f"{len(checkpoint.rows):05}.npz") as temporary:
            np.savez(temporary, **arrays)  # type: ignore[arg-type]  # no array is called allow_pickle
            with zipfile.ZipFile(temporary, "a") as archive:
                archive.writestr(_MEMBERS, json.dumps(_members(archive)))
        for path in self._paths()[_KEPT:]:
            path.unlink(missing_ok=True)

    def _paths(self) -> list[Path]:
        """Return the files, the newest first; hidden ones were never finished."""
        return sorted(self.folder.glob("[0-9]*.npz"), reverse=True)


def restore(variables: "Sequence[keras.Variable]", values: Sequence[np.ndarray]) -> None:
    """Set variables of a model or optimizer to the values of a checkpoint.

    Args:
        variables: Variables, changed in place.
        values: One array of the same shape for each.

    Raises:
        UsageError: They belong to another model.
    """
    if [tuple(v.shape) for v in variables] != [value.shape for value in values]:
        raise other_model()
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def other_model() -> UsageError:
    """Return the error for a checkpoint that does not fit."""
    return UsageError(
        "the checkpoint is of another model; resume with the options and versions the run began with, "
        "or, if the model was built in Python, with tfvision.train(model, ..., output=..., resume=True)"
    )


def digest(model: "keras.Model") -> str:
    """Return a hash of a model's layers and their options, without names and without what is frozen."""
    layers = [(type(layer).__name__, _essential(layer.get_config())) for layer in model.layers]
    return hashlib.blake2b(json.dumps(layers, sort_keys=True, default=str).encode(), digest_size=16).hexdigest()


def _essential(value: object) -> object:
    if isinstance(value, dict):
        return {key: _essential(each) for key, each in value.items() if key not in _INCIDENTAL}
    return [_essential(each) for each in value] if isinstance(value, (list, tuple)) else value


def _read(path: Path) -> Checkpoint:
    groups: dict[str, list[np.ndarray]] = {"variables": [], "optimizer": [], "best": []}
    with zipfile.ZipFile(path) as archive:
        meta = json.loads(_array(archive, f"{_META}.npy").tobytes())
        # Those of older versions have no list of their members.
        if meta.get("listed") and json.loads(archive.read(_MEMBERS)) != _members(archive):
            raise ValueError("its members are not those that were written")
        for name in sorted(archive.namelist()):
            group = name.partition("/")[0]
            if group in groups:
                groups[group].append(_array(archive, name))
    return Checkpoint(PhaseState(**meta["state"]), meta["rows"], meta["model"], **groups)


def _members(archive: zipfile.ZipFile) -> list[list[str | int]]:
    return [[one.filename, one.file_size, one.CRC] for one in archive.infolist() if one.filename != _MEMBERS]


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """Read an array to the end of its member: there the checksum is compared, and not where a wrong header ends it."""
    with archive.open(name) as stream:
        values: np.ndarray = np.lib.format.read_array(stream, allow_pickle=False)
        if stream.read(1):
            raise ValueError(f"{name} is longer than its header says")
    return values


def _same(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))

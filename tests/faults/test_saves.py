"""Every kind of save, killed at each of its steps and at many of its bytes, and on a disk that gets full at each byte."""

import os
import resource
import signal
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import forked
import numpy as np
import pytest
from test_search import SPACES, Fake, essence, models
from test_search import run as run_search

from tfvision.data.pixels.resize import Resize
from tfvision.errors import WriteError
from tfvision.models.model_file import ModelFacts, read_facts, replace_facts
from tfvision.runs.folder import create_run
from tfvision.search.log import Trial, TrialLog
from tfvision.system.digests import DIGESTS
from tfvision.system.files import appearing, write_text
from tfvision.training.checkpoints import Checkpoint, Checkpoints, PhaseState
from tfvision.training.features.store import FeatureStore

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that fork")

_KEYS = [bytes([number]) * 16 for number in range(60)]
_ROWS = np.arange(60 * 32, dtype=np.float16).reshape(60, 32)


@dataclass(frozen=True)
class Save:
    """A kind of save.

    Attributes:
        old: Writes what is there before.
        new: Writes what is to replace it.
        read: Raises, or returns what is there now: `old`, `new`, or what is right in between.
        leaves: What the folder holds after a save that failed, with names that differ by the process left out.
    """

    old: Callable[[Path], None]
    new: Callable[[Path], None]
    read: Callable[[Path], object]


def _checkpoint(number: int) -> Checkpoint:
    rows = [{"epoch": epoch, "phase": "a"} for epoch in range(number)]
    return Checkpoint(PhaseState(epochs=number), rows, "digest", [np.full((40, 25), number, np.float32)])


def _facts(*names: str) -> ModelFacts:
    return ModelFacts(names, Resize(16, 16), "small_cnn")


def _model(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.weights.h5", bytes(4000))
        archive.writestr("tfvision.json", _facts("a", "b").to_json())


def _read_model(folder: Path) -> object:
    with zipfile.ZipFile(folder / "model.keras") as archive:
        assert archive.testzip() is None
    return read_facts(folder / "model.keras").class_names


def _store(folder: Path, places: slice) -> None:
    store = FeatureStore(folder / "store", 32, "float16", {"backbone": "x"})
    with store.writing():
        store.append(_KEYS[places], _ROWS[places])


def _read_store(folder: Path) -> object:
    table, rows = FeatureStore(folder / "store", 32, "float16", {"backbone": "x"}).find(_KEYS)
    assert (rows[:20] >= 0).all()
    for place, row in enumerate(rows):
        assert row < 0 or np.array_equal(table[row], _ROWS[place])
    return "old" if (rows[20:] < 0).all() else "new" if (rows >= 0).all() else "some"


def _read_run(folder: Path) -> object:
    if not (folder / "run").exists():
        return "old"
    names = sorted(path.name for path in (folder / "run").iterdir() if path.name != DIGESTS)
    assert names == ["a.txt", "b.txt", "plots"]
    return (folder / "run" / "b.txt").read_text()


def _two(folder: Path) -> None:
    with appearing(folder / "run") as temporary:
        (temporary / "plots").mkdir()
        for name in ("a.txt", "b.txt"):
            write_text(temporary / name, "new" * 1000)


SAVES = {
    "checkpoint": Save(
        lambda folder: [Checkpoints(folder)._write(_checkpoint(number)) for number in (1, 2)],
        lambda folder: Checkpoints(folder)._write(_checkpoint(3)),
        lambda folder: float(Checkpoints(folder).newest().variables[0].mean()),
    ),
    "text": Save(
        lambda folder: write_text(folder / "x.csv", "old," * 1000),
        lambda folder: write_text(folder / "x.csv", "new," * 1000),
        lambda folder: (folder / "x.csv").read_text(),
    ),
    "trial": Save(
        lambda folder: TrialLog(folder).write(Trial(1, 0, {"x": 1}, None, "failed", "x" * 2000)),
        lambda folder: TrialLog(folder).write(Trial(2, 0, {"x": 2}, None, "failed", "x" * 2000)),
        lambda folder: [trial.values for trial in TrialLog(folder).trials],
    ),
    "decision": Save(
        lambda folder: _model(folder / "model.keras"),
        lambda folder: replace_facts(folder / "model.keras", _facts("c", "d")),
        _read_model,
    ),
    "store": Save(
        lambda folder: _store(folder, slice(0, 20)), lambda folder: _store(folder, slice(20, 60)), _read_store
    ),
    "run": Save(
        lambda folder: None,
        lambda folder: create_run(folder / "run", {"a.txt": "new" * 1000, "b.txt": "new" * 1000}),
        _read_run,
    ),
    "folder": Save(lambda folder: None, _two, _read_run),
}


def _largest(folder: Path) -> int:
    return max(path.stat().st_size for path in folder.rglob("*") if path.is_file())


# Besides every step, so many places within the files are tried.
@pytest.mark.parametrize("places", [8, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", SAVES)
def test_a_killed_save_leaves_the_old_or_the_new(kind: str, places: int, tmp_path: Path) -> None:
    save = SAVES[kind]
    save.old(tmp_path / "whole")
    before = save.read(tmp_path / "whole") if kind not in ("run", "folder") else "old"
    save.new(tmp_path / "whole")
    after = save.read(tmp_path / "whole")
    assert before != after
    seen, kills = set(), 0
    ways: list[Callable[[Path], None]] = [
        lambda folder, change=change: forked.kill_at_change(change, folder)() for change in range(1, 12)
    ]
    ways += [
        lambda folder, size=size: forked.kill_at_byte(size)
        for size in np.unique(np.linspace(0, _largest(tmp_path / "whole"), places).astype(int)).tolist()
    ]
    for number, prepare in enumerate(ways):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        save.old(folder)

        def work(folder: Path = folder, prepare: Callable[[Path], None] = prepare) -> None:
            prepare(folder)
            save.new(folder)

        status = forked.do(work)
        assert status in (0, -signal.SIGKILL, -signal.SIGXFSZ)
        found = save.read(folder)
        assert found in (before, after, "some"), f"{kind}, {number}: {found!r}"
        assert status or found == after
        kills += status != 0
        seen.add(str(found))
        save.new(folder) if found != after or kind not in ("run", "folder") else None  # it can be done again
        assert save.read(folder) == after
        assert not [
            path for path in folder.rglob(".*") if path.suffix != ".lock" and path.name not in (".lock", DIGESTS)
        ], "leftovers"
    assert kills >= 0.9 * places and str(before) in seen and str(after) in seen


@pytest.mark.parametrize("kind", SAVES)
def test_a_full_disk_leaves_the_old_and_nothing_else(kind: str, tmp_path: Path) -> None:
    save = SAVES[kind]
    save.old(tmp_path / "whole")
    before = save.read(tmp_path / "whole") if kind not in ("run", "folder") else "old"
    save.new(tmp_path / "whole")
    largest, full = _largest(tmp_path / "whole"), 0
    for size in range(0, largest + 200, largest // 12):
        folder = tmp_path / f"{size}"
        folder.mkdir()
        save.old(folder)
        names = {path.relative_to(folder) for path in folder.rglob("*")}

        def work(folder: Path = folder, size: int = size) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
            try:
                save.new(folder)
            except WriteError as error:
                right = "\n" not in str(error) and "free some space" in str(error)
                os._exit(28 if right else 29)

        status = forked.do(work)
        assert status in (0, 28), f"{kind}, {size} bytes: {status}"
        if status:
            full += 1
            assert save.read(folder) in (before, "some")
            if kind != "store":  # which keeps the rows that it could write
                assert {path.relative_to(folder) for path in folder.rglob("*")} == names
    assert full >= 5


@pytest.mark.parametrize("algorithm", ["random", pytest.param("bayesian", marks=pytest.mark.slow)])
def test_a_search_killed_at_any_step_loses_and_doubles_no_trial(algorithm: str, tmp_path: Path) -> None:
    options = {**SPACES[algorithm], "search": {"algorithm": algorithm, "trials": 5}}
    reference = run_search(options, tmp_path / "whole", Fake())
    killed = 0
    for change in range(1, 200, 3):
        folder = tmp_path / f"{change}"
        folder.mkdir()

        def work(folder: Path = folder, change: int = change) -> None:
            forked.kill_at_change(change, folder)()
            run_search(options, folder, Fake())

        if forked.do(work) == 0:
            break
        killed += 1
        outcome = run_search(options, folder, Fake())
        assert essence(outcome) == essence(reference) and models(folder) == models(tmp_path / "whole")
        names = sorted(path.name for path in (folder / "trials").iterdir() if path.name != DIGESTS)
        assert names == [f"{n:04}.json" for n in range(1, 6)]
    assert killed > 8

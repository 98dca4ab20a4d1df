"""Locks: held by one process, gone with it however it ends, and said where a file system knows none."""

import errno
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tfvision.errors import UsageError, WriteError
from tfvision.runs.folder import training_alone
from tfvision.system.locks import locked

HOLD = """
import sys, time
from pathlib import Path
from tfvision.system.locks import locked
with locked(Path(sys.argv[1]), lambda: None):
    print("held", flush=True)
    time.sleep(60)
"""


class Busy(Exception):
    """The lock is held."""


def refuse() -> None:
    raise Busy


def test_the_file_is_there_while_the_lock_is_held(tmp_path: Path) -> None:
    with locked(tmp_path / "x", refuse):
        assert [path.name for path in tmp_path.iterdir()] == ["x"]
        with pytest.raises(Busy), locked(tmp_path / "x", refuse):
            raise AssertionError("held twice")
        with pytest.raises(Busy), locked(tmp_path / "x", refuse):  # the first refusal freed nothing
            raise AssertionError("held twice")
    assert not list(tmp_path.iterdir())


def test_a_killed_holder_leaves_a_file_that_the_next_one_takes(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "x")], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(Busy), locked(tmp_path / "x", refuse):
            raise AssertionError("held twice")
        holder.kill()
    assert (tmp_path / "x").exists()
    with locked(tmp_path / "x", refuse):
        pass
    assert not (tmp_path / "x").exists()


def test_one_at_a_time_however_many_wait(tmp_path: Path) -> None:
    inside: list[int] = []

    def count(_: int) -> int:
        with locked(tmp_path / "x", lambda: None):
            inside.append(len(inside))
            most = len(inside)
            inside.pop()
        return most

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(count, range(40))) == {1}
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="flock is POSIX's")
def test_a_file_system_without_locks_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    import fcntl

    def unknown(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unknown)
    done = []
    for _ in range(2):
        with training_alone(tmp_path):
            done.append(True)
    said = " ".join(capsys.readouterr().out.split())  # as wide as the terminal
    assert len(done) == 2 and said.count("cannot be locked (No locks available): see to it that no other process") == 1
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match=r"cannot write .*\.lock: "), training_alone(tmp_path / "file"):
        raise AssertionError("no folder to train in")


def test_the_refusal_of_a_second_process_names_the_folder(tmp_path: Path) -> None:
    refused = pytest.raises(UsageError, match=f"another process is training in {re.escape(str(tmp_path))}")
    with training_alone(tmp_path), refused, training_alone(tmp_path):
        raise AssertionError("held twice")

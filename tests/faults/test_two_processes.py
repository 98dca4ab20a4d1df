"""Two processes on one folder: one works, the other waits or is refused in a line, and nothing is mixed."""

import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from tfvision.audit.audit import audit
from tfvision.errors import TfvisionError, UsageError, WriteError
from tfvision.runs.folder import create_run, making_alone, training_alone, writing_in_turn
from tfvision.training.features.store import FeatureStore

HOLD = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from tfvision.runs import folder
    with getattr(folder, sys.argv[1])(Path(sys.argv[2])):
        print("held", flush=True)
        sys.stdin.read()
""")


def holding(what: str, folder: Path) -> subprocess.Popen:
    """Start a process that holds a folder until its input ends."""
    command = [sys.executable, "-c", HOLD, what, str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_of_two_audits_on_one_folder_one_is_refused(colours: Path, tmp_path: Path) -> None:
    output = tmp_path / "found"
    process = holding("making_alone", output)
    try:
        with pytest.raises(
            UsageError, match=f"another process is making {output}; wait for it, or choose another --output"
        ):
            audit(colours, output=output, weights="none")
    finally:
        process.communicate("")
    assert not output.exists() and not list(tmp_path.iterdir())
    audit(colours, output=output, weights="none")
    assert [path.name for path in tmp_path.iterdir()] == ["found"]


def test_two_audits_at_the_same_time_leave_the_files_of_one(colours: Path, tmp_path: Path) -> None:
    said: list[str] = []

    def run() -> None:
        try:
            audit(colours, output=tmp_path / "found", weights="none")
            said.append("done")
        except TfvisionError as error:
            said.append(str(error))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(text.split()[0] for text in said) in (["another", "done"], [str(tmp_path / "found"), "done"])


def test_a_killed_audit_blocks_nothing(tmp_path: Path) -> None:
    process = holding("making_alone", tmp_path / "found")
    process.kill()
    process.communicate()
    with making_alone(tmp_path / "found"):
        pass


def test_a_folder_made_meanwhile_is_refused(tmp_path: Path) -> None:
    (tmp_path / "found").mkdir()
    with pytest.raises(UsageError, match="exists already"), making_alone(tmp_path / "found"):
        pass


def test_files_that_belong_together_are_written_in_turn(tmp_path: Path) -> None:
    process = holding("writing_in_turn", tmp_path)
    began: list[float] = []

    def write() -> None:
        with writing_in_turn(tmp_path):
            began.append(time.monotonic())

    thread = threading.Thread(target=write)
    thread.start()
    time.sleep(0.3)
    assert not began
    ended = time.monotonic()
    process.communicate("")
    thread.join(20)
    assert began and began[0] >= ended and not list(tmp_path.iterdir())


def test_of_two_processes_on_a_run_one_is_refused(tmp_path: Path) -> None:
    run = create_run(tmp_path / "run", {"config.yaml": ""})
    process = holding("training_alone", run.folder)
    try:
        with pytest.raises(UsageError, match="another process is training in"), training_alone(run.folder):
            pass
        with pytest.raises(UsageError, match="exists already"):
            create_run(tmp_path / "run", {"config.yaml": "other"})
    finally:
        process.communicate("")
    assert (run.folder / "config.yaml").read_text() == ""


def test_two_processes_on_a_store_lose_nothing(tmp_path: Path) -> None:
    """Each writes its own rows in blocks; all of both are found, and each is what was written."""
    script = textwrap.dedent("""
        import sys
        from pathlib import Path
        import numpy as np
        from tfvision.training.features.store import FeatureStore
        store, first = FeatureStore(Path(sys.argv[1]), 4, "float32", {"backbone": "b"}), int(sys.argv[2])
        for start in range(first, first + 200, 20):
            with store.writing():
                numbers = range(start, start + 20)
                rows = np.repeat(np.array(numbers, np.float32)[:, None], 4, axis=1)
                store.append([n.to_bytes(16, "little") for n in numbers], rows)
    """)
    processes = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "s"), str(n)]) for n in (0, 1000)]
    assert [process.wait(60) for process in processes] == [0, 0]
    store = FeatureStore(tmp_path / "s", 4, "float32", {"backbone": "b"})
    numbers = [*range(200), *range(1000, 1200)]
    table, rows = store.find([n.to_bytes(16, "little") for n in numbers])
    assert np.array_equal(table[rows], np.repeat(np.array(numbers, np.float32)[:, None], 4, axis=1))


def test_a_folder_that_is_read_only_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The administrator, who runs tests in containers, may write everywhere: the system's answer is given in its place."""
    from tfvision.runs import folder

    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(folder, "locked", refused)
    for alone in (making_alone, writing_in_turn):
        with (
            pytest.raises(WriteError, match="Permission denied; free some space or choose another --output"),
            alone(tmp_path / "x"),
        ):
            pass

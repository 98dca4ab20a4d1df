"""The store on disk: found by content, never a wrong row, whatever a kill, a full disk or another process leaves."""

import errno
import json
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tfvision.cli import main
from tfvision.errors import WriteError
from tfvision.training.features.store import FeatureStore, clear_stores, list_stores, stores_folder

FACTS = {"backbone": "mobilenet_v2", "last": "head_pool", "image_size": 96, "dtype": "float16", "values": 3}
KEYS = [bytes([number]) * 16 for number in range(6)]
ROWS = np.arange(18, dtype=np.float16).reshape(6, 3)


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    monkeypatch.setenv("TFVISION_CACHE", str(tmp_path))
    yield stores_folder() / "0123456789abcdef"


def store(folder: Path) -> FeatureStore:
    return FeatureStore(folder, 3, "float16", FACTS)


def fill(folder: Path, places: slice = slice(None)) -> None:
    with store(folder).writing():
        store(folder).append(KEYS[places], ROWS[places])


def found(folder: Path, keys: list[bytes] = KEYS) -> list[list[float] | None]:
    table, rows = store(folder).find(keys)
    return [None if row < 0 else table[row].tolist() for row in rows]


def test_rows_are_found_by_their_keys_in_any_order_and_added_to(folder: Path) -> None:
    assert found(folder) == [None] * 6
    fill(folder, slice(0, 4))
    assert found(folder, KEYS[::-1]) == [None, None, *ROWS[3::-1].tolist()]
    fill(folder, slice(4, 6))
    assert found(folder) == ROWS.tolist()


@pytest.mark.parametrize("cut", [1, 5, 6, 7, 17])
def test_a_kill_in_the_middle_of_a_row_or_an_entry_costs_only_that_row(folder: Path, cut: int) -> None:
    fill(folder)
    for name, size in (("features.bin", 6), ("index.bin", 20)):
        saved = (folder / name).read_bytes()
        (folder / name).write_bytes(saved[: len(saved) - min(cut, size)])
        assert found(folder)[:5] == ROWS[:5].tolist() and found(folder)[5] is None
        fill(folder, slice(5, 6))
        assert found(folder) == ROWS.tolist()
        assert (folder / "features.bin").stat().st_size == ROWS.nbytes


def test_features_without_an_entry_are_overwritten(folder: Path) -> None:
    fill(folder, slice(0, 2))
    with open(folder / "features.bin", "ab") as file:
        file.write(b"\xff" * 9)  # killed before the entries were written
    fill(folder, slice(2, 6))
    assert found(folder) == ROWS.tolist()


@pytest.mark.parametrize("name", ["features.bin", "index.bin"])
def test_a_flipped_bit_anywhere_never_gives_a_wrong_row(folder: Path, name: str) -> None:
    fill(folder)
    saved = bytearray((folder / name).read_bytes())
    for place in range(0, len(saved), 3):
        damaged = saved.copy()
        damaged[place] ^= 16
        (folder / name).write_bytes(damaged)
        rows = found(folder)
        assert rows.count(None) == 1
        assert all(row is None or row == want for row, want in zip(rows, ROWS.tolist(), strict=True))
    lost = rows.index(None)
    fill(folder, slice(lost, lost + 1))
    assert found(folder) == ROWS.tolist()


def test_one_file_without_the_other_is_an_empty_store(folder: Path) -> None:
    for name in ("features.bin", "index.bin"):
        fill(folder)
        (folder / name).unlink()
        assert found(folder) == [None] * 6
        fill(folder, slice(2, 3))
        assert found(folder) == [None, None, ROWS[2].tolist(), None, None, None]
        shutil.rmtree(folder)


def test_what_the_disk_cannot_hold_is_refused_with_the_numbers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9 - 1_000, 1_000))
    store(folder).require_space(38)  # 26 bytes each
    with pytest.raises(WriteError, match=r"1,014 bytes.*1,000 free.*--no-cache"):
        store(folder).require_space(39)


def test_a_disk_that_gets_full_is_one_line_and_what_was_written_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(folder, slice(0, 2))
    from tfvision.training.features import store as module

    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "open_own", full)
    with pytest.raises(WriteError, match=r"No space left on device; free some space"):
        fill(folder, slice(2, 6))
    monkeypatch.undo()
    assert found(folder) == [*ROWS[:2].tolist(), None, None, None, None]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match=r"cannot store features.*TFVISION_CACHE"):
        fill(tmp_path / "file" / "x")


def _fill_one_by_one(folder: Path) -> None:
    for place in range(6):
        with store(folder).writing():
            if found(folder, [KEYS[place]]) == [None]:
                store(folder).append([KEYS[place]], ROWS[place : place + 1])


def test_two_writers_of_one_store_and_neither_repeats_a_row(folder: Path) -> None:
    # Threads hold locks of their own, as processes do.
    with ThreadPoolExecutor(2) as pool:
        for ended in [pool.submit(_fill_one_by_one, folder) for _ in range(2)]:
            ended.result(timeout=60)
    assert found(folder) == ROWS.tolist()
    assert (folder / "features.bin").stat().st_size == ROWS.nbytes


def test_a_store_cleared_while_another_waits_for_it_is_made_anew(folder: Path, capsys: pytest.CaptureFixture) -> None:
    fill(folder)
    with ThreadPoolExecutor(1) as pool:
        with store(folder).writing():
            waiting = pool.submit(fill, folder, slice(0, 1))
            while "waiting for it" not in capsys.readouterr().out:
                assert not waiting.done()
                time.sleep(0.01)
            shutil.rmtree(folder)
        waiting.result(timeout=60)
    assert found(folder)[:2] == [ROWS[0].tolist(), None]


def test_the_command_line_lists_and_clears(folder: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["cache", "list"]) == 0 and "0 stores" in capsys.readouterr().out
    fill(folder)
    other = folder.with_name("older")
    other.mkdir()
    (other / "store.json").write_text("{ not JSON")
    assert main(["cache", "list"]) == 0
    listed = " ".join(capsys.readouterr().out.split())  # as wide as the terminal
    assert (
        "mobilenet_v2 up to head_pool, 96 px, float16" in listed and "not readable" in listed and "2 stores" in listed
    )
    assert [facts.rows for facts in list_stores()] in ([6, 0], [0, 6])
    assert main(["cache", "clear"]) == 0 and "2 stores" in capsys.readouterr().out
    assert not any(stores_folder().iterdir()) and clear_stores() == (0, 0)


def test_facts_are_written_once_and_say_what_it_is(folder: Path) -> None:
    fill(folder)
    assert json.loads((folder / "store.json").read_text()) == FACTS
    assert not [name for name in os.listdir(folder) if name.startswith(".")]

"""The cache and other places that are shared: no link is followed, and nothing is read where others may write."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tfvision.data.sources.digits import write_digits
from tfvision.doctor.storage import check_caches
from tfvision.errors import DataError, TfvisionError, UsageError, WriteError
from tfvision.runs.folder import create_run
from tfvision.system import files
from tfvision.system.cache import make_own_folder, own_cache, shared_by, write_temporary
from tfvision.system.files import below, replacing, write_text
from tfvision.system.locks import locked
from tfvision.training.features.store import FeatureStore, clear_stores, list_stores, stores_folder

KEYS = [bytes([number]) * 16 for number in range(3)]
ROWS = np.arange(9, dtype=np.float16).reshape(3, 3)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, that is not there yet."""
    monkeypatch.setenv("TFVISION_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def fill(folder: Path) -> FeatureStore:
    store = FeatureStore(folder, 3, "float16", {"backbone": "b"})
    store.require_space(3)
    with store.writing():
        store.append(KEYS, ROWS)
    return store


def found(mode: int, user: int = 1000, group: int = 1000) -> os.stat_result:
    return SimpleNamespace(st_mode=stat.S_IFDIR | mode, st_uid=user, st_gid=group)  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("stats", "words"),
    [
        (found(0o700), ""),
        (found(0o755), ""),
        (found(0o700, user=0), ""),  # the administrator's
        (found(0o775), ""),  # a group of the user alone
        (found(0o775, group=50), "may be written by the group 50"),
        (found(0o770, group=50), "may be written by the group 50"),
        (found(0o777), "may be written by all users"),
        (found(0o1777, user=0), "may be written by all users"),
        (found(0o1777), "may be written by all users"),
        (found(0o700, user=1001), "belongs to another user"),
        (found(0o755, user=1001, group=1001), "belongs to another user"),
    ],
)
def test_whose_a_cache_is(stats: os.stat_result, words: str) -> None:
    said = shared_by(stats, 1000)
    assert words in said and bool(said) == bool(words)


@pytest.mark.parametrize(
    ("stats", "is_safe"),
    [(found(0o1777, user=0), True), (found(0o777, user=0), False), (found(0o775, user=0, group=50), True),
     (found(0o755, user=1001), False)],
)  # fmt: skip
def test_whose_the_folders_above_a_cache_are(stats: os.stat_result, is_safe: bool) -> None:
    assert bool(shared_by(stats, 1000, is_above=True)) != is_safe


@pytest.mark.skipif(os.name == "nt", reason="no modes")
def test_a_cache_that_all_may_write_is_refused_and_says_how_to_mend_it(cache: Path) -> None:
    cache.mkdir()
    cache.chmod(0o777)
    for use in (stores_folder, own_cache, write_digits, lambda: write_temporary([b"x"], 1, "x"), list_stores):
        with pytest.raises(UsageError, match=rf"chmod go-w {cache}") as error:
            use()
        assert "\n" not in str(error.value)
    (check,), _ = check_caches()
    assert check.state == "wrong" and check.remedy == f"chmod go-w {cache}"
    cache.chmod(0o755)
    assert stores_folder() == cache / "features"


@pytest.mark.skipif(os.name == "nt", reason="no modes")
def test_what_the_cache_holds_is_for_its_user_alone(cache: Path) -> None:
    fill(stores_folder() / "key")
    write_temporary([b"x"], 1, "x").close()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (cache, *cache.rglob("*"))}
    assert {modes[name] for name in ("cache", "features", "key")} == {0o700}
    assert {modes[name] for name in ("features.bin", "index.bin")} == {0o600}
    for number in range(2):  # whatever makes it first
        folder = cache.with_name(f"cache_{number}") / "a" / "b"
        make_own_folder(folder)
        assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("names", [["features.bin"], ["index.bin"], ["store.json"], ["features.bin", "index.bin"]])
def test_a_link_in_a_store_is_not_followed(names: list[str], cache: Path, tmp_path: Path) -> None:
    folder, target = stores_folder() / "key", tmp_path / "target"
    target.write_text("mine" * 100)
    make_own_folder(folder)
    for name in names:
        (folder / name).symlink_to(target)
    if len(names) == 1:  # half a store is made anew, and facts that are there are left alone
        store = fill(folder)
        assert store.find(KEYS)[1].tolist() == [0, 1, 2]
        assert names == ["store.json"] or not (folder / names[0]).is_symlink()
    else:
        with pytest.raises(WriteError, match=r"\.bin is a link, which somebody else may have planted; remove it"):
            fill(folder)
    assert target.read_text() == "mine" * 100


def test_a_link_in_place_of_a_store_is_not_followed(cache: Path, tmp_path: Path) -> None:
    folder, target = stores_folder() / "key", tmp_path / "target"
    target.mkdir()
    make_own_folder(folder.parent)
    folder.symlink_to(target)
    with pytest.raises(WriteError, match="is a link"):
        fill(folder)
    assert not list(target.iterdir()) and list_stores() == [] and clear_stores() == (0, 0) and target.is_dir()


def test_a_store_that_is_read_is_not_followed_either(cache: Path, tmp_path: Path) -> None:
    folder = stores_folder() / "key"
    store = fill(folder)
    (folder / "features.bin").rename(tmp_path / "elsewhere")
    (folder / "features.bin").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(WriteError, match="is a link"):
        store.find(KEYS)


def test_a_link_in_place_of_the_digits_is_not_followed(cache: Path, tmp_path: Path) -> None:
    make_own_folder(cache)
    (tmp_path / "target").mkdir()
    (cache / "digits").symlink_to(tmp_path / "target")
    with pytest.raises(DataError, match="is a link"):
        write_digits()
    assert not list((tmp_path / "target").iterdir())


def test_a_link_under_the_name_of_a_temporary_file_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("mine")
    (tmp_path / f".out.{os.getpid()}.json").symlink_to(target)
    write_text(tmp_path / "out.json", "new")
    assert (target.read_text(), (tmp_path / "out.json").read_text()) == ("mine", "new")
    assert not (tmp_path / "out.json").is_symlink()


def test_a_link_that_cannot_be_removed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a folder like /tmp, where the link of another user stays."""
    target = tmp_path / "target"
    target.write_text("mine")
    (tmp_path / f".out.{os.getpid()}.json").symlink_to(target)
    monkeypatch.setattr(files, "remove_abandoned", lambda *_: None)
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
    with pytest.raises(WriteError, match="File exists"), replacing(tmp_path / "out.json") as temporary:
        temporary.write_text("new")
    assert target.read_text() == "mine"


def test_a_link_under_the_name_of_a_run_that_is_made_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (tmp_path / f".run.{os.getpid()}").symlink_to(target)
    try:
        create_run(tmp_path / "run", {"config.yaml": "a: 1\n"})
    except TfvisionError:
        pass
    else:
        assert (tmp_path / "run" / "config.yaml").is_file() and not (tmp_path / "run").is_symlink()
    assert not list(target.iterdir())


def test_a_link_in_place_of_a_lock_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("mine")
    (tmp_path / "x.lock").symlink_to(target)
    with pytest.raises(OSError), locked(tmp_path / "x.lock", lambda: None):
        pass
    assert target.read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a/1.png", "a/1.png"),
        ("../1.png", "1.png"),
        ("/etc/1.png", "etc/1.png"),
        ("a/../../1", "a/1"),
        ("..\\1", "1"),
        ("..", "_"),
    ],
)
def test_pictures_named_after_images_stay_below_their_folder(name: str, path: str, tmp_path: Path) -> None:
    assert below(tmp_path, name) == tmp_path / path


@pytest.fixture(autouse=True)
def usual_mask() -> Iterator[None]:
    """Whatever the mask of the process: what is private is made so."""
    before = os.umask(0o022)
    yield
    os.umask(before)

"""What fuzzing began with, and what it found, is read without a crash, a hang or a traceback."""

from pathlib import Path

import pytest
from targets import TARGETS, finding

CORPUS = Path(__file__).with_name("corpus")


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_in_the_corpus_is_taken_or_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFVISION_MAX_PIXELS", "4_000_000")
    target = TARGETS[name]
    target.prepare(tmp_path)
    seeds = list(target.seeds())
    stored = sorted((CORPUS / name).glob("*"))
    assert seeds
    for what, data in [*enumerate(seeds), *((path.name, path.read_bytes()) for path in stored)]:
        assert not (found := finding(target, target.mend(data), tmp_path)), f"{what}: {found}"
        assert not (found := finding(target, data, tmp_path)), f"{what}: {found}"


def test_the_corpus_belongs_to_targets() -> None:
    assert {path.name for path in CORPUS.iterdir() if path.is_dir()} <= TARGETS.keys()


@pytest.mark.parametrize("name", TARGETS)
def test_each_target_takes_a_whole_file(name: str, tmp_path: Path) -> None:
    # Else it would refuse all that is made from its files, and find nothing.
    target, taken = TARGETS[name], 0
    target.prepare(tmp_path)
    for data in target.seeds():
        try:
            target.read(data, tmp_path)
        except Exception:
            continue
        taken += len(data) > 0
    assert taken

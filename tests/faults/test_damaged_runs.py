"""A damaged file of a run is refused by its name, or does not matter: it never changes a result.

Every verb that takes a run, with every file of it damaged in every way, ends with 3 and one line that names the file, or as it
ends with the whole run.
"""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import small_config
from damages import flips, how_many

from tfvision.cli import main
from tfvision.errors import DataError
from tfvision.prediction.stored import load_predictor
from tfvision.runs.folder import open_run

FILES = (
    "config.yaml", "splits.csv", "metrics.json", "predictions.csv", "history.csv", "data.json", "environment.json",
    "summary.txt", "model.keras", ".digests",
)  # fmt: skip
# By the files that they read; `{run}` is the damaged one, `{other}` a whole one.
QUICK = {
    "calibrate": "calibrate {run}",
    "threshold": "threshold {run} --objective f1_macro",
    "compare": "compare {run} {other}",
    "ensemble": "ensemble {run} {other} --method mean --output {out}",
    "push": "push {run} me/model --dry-run",
    "resume": "train --resume {run}",
}
SLOW = {
    "evaluate": "evaluate {run}",
    "predict": "predict {run} {image}",
    "explain": "explain {run} {image} --output {out}",
    "export": "export {run} --output {out}",
    "attack": "attack {run} --method fgsm --limit 4",
    "certify": "certify {run} --limit 2 --samples 20",
    "texture": "texture {run} --limit 4 --output {out}",
    "track": "track {run} --to tensorboard",
}


def damages(path: Path, count: int = 1) -> Iterator[tuple[str, bytes]]:
    """Yield what is done to a file, and what it then is."""
    whole = path.read_bytes()
    yield "cut in half", whole[: len(whole) // 2]
    yield "emptied", b""
    yield "not UTF-8", whole[: len(whole) // 3] + b"\xff\xfe" + whole[len(whole) // 3 :]
    yield from flips(whole, count)
    if path.suffix == ".csv":
        lines = whole.splitlines(keepends=True)
        yield "a row lost", b"".join([*lines[:3], *lines[4:]])
        yield "a line cut", b"".join([*lines[:-1], lines[-1][: len(lines[-1]) // 2]])
        yield "a field of text", b"".join([*lines[:2], re.sub(rb"[^,]+\n", b"text\n", lines[2]), *lines[3:]])
    if path.suffix == ".json":
        yield "a field of text", re.sub(rb"\d+\.\d+", b'"text"', whole, count=1)
        yield "a list", b"[]\n"
        yield "nothing in it", b"{}\n"
    if path.suffix == ".yaml":
        yield "a field of text", whole.replace(b"seed: 0", b"seed: text")
        yield "another value", whole.replace(b"seed: 0", b"seed: 1")


# The row of a training image that is gone, and a hash that no verb compares here, which `check` has seen.
_CHANGE_NOTHING = {("splits.csv", "a row lost"), ("splits.csv", "a field of text")}


_TIMES = re.compile(r"[\d.,]+ s\b( an image)?")  # differ from run to run


class Verbs:
    """A run that is damaged and restored in its place, and what each verb says of it when it is whole."""

    def __init__(self, run: Path, image: Path, folder: Path, capsys: pytest.CaptureFixture) -> None:
        self.kept, self.run, self.out = folder / "kept", folder / "run", folder / "out"
        shutil.copytree(run, self.kept)
        shutil.copytree(run, folder / "other")
        self.names = {"run": self.run, "other": folder / "other", "out": self.out, "image": image}
        self.capsys = capsys
        self._whole: dict[str, tuple[int, str, object]] = {}

    def restore(self) -> None:
        for folder in (self.run, self.out):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.kept, self.run)

    def ask(self, line: str) -> tuple[int, str, str, object]:
        """Return the exit status, what is printed, what is complained, and the decision that the model has then."""
        self.capsys.readouterr()
        status = main([word.format(**self.names) for word in line.split()])
        printed = self.capsys.readouterr()
        said = "\n".join(line for line in printed.out.splitlines() if "done in" not in line and " s" not in line[-4:])
        try:
            decision = open_run(self.run).facts.decision
        except DataError:
            decision = None
        return status, said, printed.err, decision

    def check(self, line: str, name: str, what: str, data: bytes, *, kept: bool = True) -> bool:
        """Damage a file, ask, and return whether it was refused."""
        if line not in self._whole:
            self.restore()
            status, said, error, decision = self.ask(line)
            assert status == 0, error
            self._whole[line] = status, _TIMES.sub("", said), decision
        self.restore()
        if not kept:
            (self.run / ".digests").unlink()
        (self.run / name).write_bytes(data)
        status, said, error, decision = self.ask(line)
        said = _TIMES.sub("", said)
        case = f"{line} with {name} {what}: {status} {error or said}"
        if status == 3:
            assert error.count("\n") == 1 and name in error, case
            return True
        assert (status, said, decision) == self._whole[line], case
        return False


@pytest.fixture
def verbs(small_run: Path, colours: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> Verbs:
    return Verbs(small_run, next((colours / "red").iterdir()), tmp_path, capsys)


def try_all(
    verbs: Verbs, lines: dict[str, str], files: tuple[str, ...], *, most: int = 1000, count: int = 1
) -> dict[str, int]:
    """Try damages of every file with every verb, `most` of them; return how many were refused by each verb."""
    found = {}
    for seed, (verb, line) in enumerate(lines.items()):
        cases = [(name, *case) for name in files for case in damages(verbs.kept / name, count)]
        if len(cases) > most:
            cases = [cases[i] for i in np.random.default_rng(seed).permutation(len(cases))[:most]]
        found[verb] = sum(verbs.check(line, name, what, data) for name, what, data in cases)
        found[f"{verb}, of"] = len(cases)
    return found


def test_a_damaged_file_never_changes_a_result(verbs: Verbs) -> None:
    found = try_all(verbs, {"compare": QUICK["compare"]}, ("splits.csv", "predictions.csv", "config.yaml"))
    assert found["compare"] > 0.7 * found["compare, of"]


def test_calibrate_refuses_what_it_would_be_wrong_about(verbs: Verbs) -> None:
    for name in ("predictions.csv", "metrics.json", "splits.csv"):
        for what, data in damages(verbs.kept / name):
            assert verbs.check(QUICK["calibrate"], name, what, data), (name, what)


@pytest.mark.slow
def test_no_damaged_file_changes_a_result_of_a_quick_verb(verbs: Verbs) -> None:
    found = try_all(verbs, QUICK, FILES, most=how_many(20))
    with verbs.capsys.disabled():
        print(f"\n{found}")


@pytest.mark.slow
def test_no_damaged_file_changes_a_result_of_a_slow_verb(verbs: Verbs) -> None:
    found = try_all(verbs, SLOW, ("config.yaml", "splits.csv", "predictions.csv", "model.keras"), most=how_many(2))
    with verbs.capsys.disabled():
        print(f"\n{found}")


def test_a_run_of_an_older_version_is_checked_by_what_it_holds(verbs: Verbs) -> None:
    """Without digests a digit that became another is not seen, but what is cut, lost or no number is."""
    for name in ("predictions.csv", "metrics.json", "splits.csv"):
        for what, data in damages(verbs.kept / name):
            if "flipped" not in what:
                refused = verbs.check(QUICK["calibrate"], name, what, data, kept=False)
                # The row of a training image that is gone changes nothing here, which `check` has seen.
                assert refused or (name, what) in _CHANGE_NOTHING, (name, what)


@pytest.mark.slow
def test_flipped_bits_of_a_run_are_found(small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    run = shutil.copytree(small_run, tmp_path / "run")
    counts = {}
    for name in ("predictions.csv", "splits.csv", "metrics.json", "config.yaml"):
        whole, refused = (run / name).read_bytes(), 0
        for what, data in flips(whole, how_many(100)):
            (run / name).write_bytes(data)
            opened = open_run(run)
            with pytest.raises(DataError, match=re.escape(name)):
                _ = opened.metrics, opened.predictions, opened.config, opened.splits, what
            refused += 1
        (run / name).write_bytes(whole)
        counts[name] = refused
    with capsys.disabled():
        print(f"\nflipped bits that were found: {counts}")


def saved_model_damages(version: Path, count: int) -> Iterator[tuple[str, str, bytes]]:
    for path in sorted(path for path in version.rglob("*") if path.is_file()):
        whole = path.read_bytes()
        for what, data in [("cut in half", whole[: len(whole) // 2]), ("emptied", b""), *flips(whole, count)]:
            if data != whole:
                yield path.relative_to(version).as_posix(), what, data


@pytest.mark.slow
def test_a_damaged_savedmodel_is_refused_by_name(small_run: Path, tmp_path: Path) -> None:
    from tfvision.export.export import export

    export(small_run, output=tmp_path / "served")
    version = tmp_path / "served" / "1"
    assert load_predictor(version)
    for name, what, data in saved_model_damages(version, 2):
        if (name, what) == ("assets.extra/digests.txt", "emptied"):
            continue  # it says nothing, as in an older version, and all else is whole
        whole = (version / name).read_bytes()
        (version / name).write_bytes(data)
        with pytest.raises(DataError) as error:
            load_predictor(version)
        assert "\n" not in str(error.value) and str(version) in str(error.value), (name, what)
        (version / name).write_bytes(whole)
    # One that was exported by an older version has no list: what TensorFlow itself finds is said in a line.
    (version / "assets.extra" / "digests.txt").unlink()
    for name in ("saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"):
        whole = (version / name).read_bytes()
        (version / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(DataError, match="damaged") as error:
            load_predictor(version)
        assert "\n" not in str(error.value)
        (version / name).write_bytes(whole)


def test_what_is_written_again_has_its_digest(small_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(small_run, tmp_path / "run")
    assert main(["calibrate", str(run)]) == main(["calibrate", str(run), "--off"]) == 0
    lines = (run / ".digests").read_text().splitlines()
    assert sum(line.endswith(" decision.json") for line in lines) == 2
    assert open_run(run).metrics and json.loads((run / "decision.json").read_text())
    assert main(["calibrate", str(run)]) == 0


def test_a_kill_between_digest_and_file_leaves_the_old_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tfvision.system import files
    from tfvision.system.digests import keep_digests

    keep_digests(tmp_path)
    files.write_json(tmp_path / "a.json", {"a": 1})
    monkeypatch.setattr(files.os, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        files.write_json(tmp_path / "a.json", {"a": 2})
    assert files.read_json(tmp_path / "a.json") == {"a": 1}


@pytest.mark.slow
def test_a_damaged_config_ends_a_resumed_training(two_colours: Path, tmp_path: Path) -> None:
    """Options that a run is resumed with come from its own file: a digit that became another would train on."""
    from tfvision.experiment.train import train_from_config

    folder = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tfvision.experiment.running._fit", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            train_from_config(small_config(two_colours, folder))
    for name in ("config.yaml", "splits.csv"):
        whole = (folder / name).read_bytes()
        for what, data in damages(folder / name, 3):
            (folder / name).write_bytes(data)
            assert main(["train", "--resume", str(folder)]) == 3, (name, what)
        (folder / name).write_bytes(whole)


def test_every_probability_is_looked_at(tmp_path: Path) -> None:
    from tfvision.evaluation.predictions import read_predictions

    for row, message in (
        ("x,a,0.5,0.6", "sum to 1.1"),
        ("x,a,nan,0.5", "outside of 0..1"),
        ("x,a,-0.5,1.5", "outside of 0..1"),
        ("x,a,1,1e999", "outside of 0..1"),
        ("x,a,1", "has 3 cells"),
        ("x,a,one,0", "not a number"),
    ):
        (tmp_path / "p.csv").write_text(f"id,label,p_a,p_b\n{row}\n")
        with pytest.raises(DataError, match=re.escape(message)):
            read_predictions(tmp_path / "p.csv")
    (tmp_path / "p.csv").write_text("id,label,p_a,p_b\nx,a,0.5,0.5")
    with pytest.raises(DataError, match="in the middle of a line"):
        read_predictions(tmp_path / "p.csv")

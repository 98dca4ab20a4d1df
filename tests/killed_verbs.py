"""Every verb that writes: how it is begun, how it goes on, and whether what it left is what an undisturbed one leaves."""

import csv
import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from conftest import write_tree
from forked import run

from tfvision.system.digests import DIGESTS, differs, first_changed

TIMES = ("seconds", "images_per_second", "seconds_per_image")  # what differs between any two runs
# Counted once more by a decision that is made again.
_COUNTED = "times_scored_on_test"
# These hold paths or times; that they are whole is all that is asked.
_UNEQUAL = (
    "environment.json",
    "config.yaml",
    "summary.txt",
    "seeds.yaml",
    "learning_curve.yaml",
    "search.yaml",
    "ensemble.json",
)
_MODEL = [
    "--backbone", "small_cnn", "--weights", "none", "--image-size", "16", "--small-cnn.filters", "[4,4]",
    "--head.units", "[8]", "--head.dropout", "0.3", "--batch-size", "16",
]  # fmt: skip
_PHASES = "[{name: a, epochs: 1, learning_rate: 0.01}, {name: b, epochs: 2, learning_rate: 0.01, unfreeze: none}]"
_SPACE = (
    "{backbone: small_cnn, weights: none, image_size: 16, small_cnn: {filters: [4, 4]}, head: {units: [8]}, batch_size: 16, "
    "epochs: 1, learning_rate: {float: [1e-4, 1e-1], log: true}, search: {algorithm: random, trials: 2, keep: 2}}"
)
_MEMBERS = (
    "{backbone: small_cnn, weights: none, image_size: 16, small_cnn: {filters: [4, 4]}, head: {units: [8]}, epochs: 1, "
    "members: [{name: one}, {name: two, learning_rate: 0.01}]}"
)


@dataclass(frozen=True)
class Place:
    """What all commands share: images, runs that are finished, files of options."""

    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "colours"

    @property
    def run(self) -> Path:
        return self.folder / "runs" / "one"

    @property
    def other(self) -> Path:
        return self.folder / "runs" / "other"


@dataclass(frozen=True)
class Verb:
    """A verb that writes.

    Attributes:
        name: What it is called here.
        begin: The words of its command, given where it writes.
        go_on: The words that go on with what a killed one left; None if the same command is given again.
        before: Makes what is there before it begins.
        result: Returns what is compared of where it writes.
    """

    name: str
    begin: Callable[[Place, Path], list[object]]
    go_on: Callable[[Place, Path], list[object]] | None = None
    before: Callable[[Place, Path], None] | None = None
    result: Callable[[Path], Path] = lambda out: out

    def prepare(self, place: Place, output: Path) -> None:
        """Make what is there before the verb begins."""
        output.parent.mkdir(parents=True, exist_ok=True)
        if self.before:
            self.before(place, output)

    def next_words(self, place: Place, output: Path) -> list[object]:
        """Return the words that finish what was killed."""
        begun = output.is_dir() and any(output.iterdir())
        return self.go_on(place, output) if self.go_on and begun else self.begin(place, output)


def _trained(*more: object) -> Callable[[Place, Path], list[object]]:
    return lambda at, out: ["train", "--data", at.data, *_MODEL, *more, "--output", out]


def _classified(names: str) -> Callable[[Place, Path], list[object]]:
    words = [*_MODEL[: _MODEL.index("--head.units")], "--classifier", names]
    return lambda at, out: ["train", "--data", at.data, *words, "--output", out]


def _resumed(at: Place, out: Path) -> list[object]:
    return ["train", "--resume", out]


def _again(begin: Callable[[Place, Path], list[object]]) -> Callable[[Place, Path], list[object]]:
    return lambda at, out: [*begin(at, out), "--resume"]


def _crossval(at: Place, out: Path) -> list[object]:
    return ["crossval", "--data", at.data, *_MODEL, "--epochs", 1, "--folds", 2, "--output", out]


def _curve(at: Place, out: Path) -> list[object]:
    return [
        "learning-curve",
        "--data",
        at.data,
        *_MODEL,
        "--epochs",
        1,
        "--shares",
        "0.4,0.7,1",
        "--repeats",
        "1",
        "--output",
        out,
    ]


def _recipe(at: Place, out: Path) -> list[object]:
    return ["ensemble", "--config", at.folder / "members.yaml", "--data", at.data, "--output", out]


def _copy_run(at: Place, out: Path) -> None:
    shutil.copytree(at.run, out)


def _of_run(*words: object, file: str = "") -> Callable[[Place, Path], list[object]]:
    """Return the command of a verb that asks the finished run and writes to its own place."""
    return lambda at, out: [words[0], at.run, *words[1:], "--output", out / file if file else out]


def _attack(at: Place, out: Path) -> list[object]:
    return ["attack", at.run, "--method", "fgsm", "--epsilon", "2", "--limit", "6", "--output", out / "attack.json"]


VERBS = (
    Verb("train", _trained("--phases", _PHASES, "--ema", "0.9"), _resumed),
    Verb("one classifier", _classified("knn"), _resumed),
    Verb("two classifiers", _classified("knn,random_forest"), _resumed),
    Verb("seeds", _trained("--epochs", 1, "--seeds", 2), _resumed),
    Verb("crossval", _crossval, _again(_crossval)),
    Verb(
        "search",
        lambda at, out: ["search", "--config", at.folder / "space.yaml", "--data", at.data, "--output", out],
        lambda at, out: ["search", "--resume", out],
    ),
    Verb(
        "pseudo-label",
        lambda at, out: ["pseudo-label", at.run, "--data", at.folder / "unlabelled", "--labels", "6", "--output", out],
        _resumed,
    ),
    Verb("learning-curve", _curve, _again(_curve)),
    Verb("ensemble of members", _recipe, _again(_recipe)),
    Verb("ensemble of runs", lambda at, out: ["ensemble", at.run, at.other, "--output", out]),
    Verb("audit", lambda at, out: ["audit", at.data, "--weights", "none", "--output", out]),
    Verb("explain", lambda at, out: ["explain", at.run, at.data / "red", "--limit", "4", "--output", out]),
    Verb("export", _of_run("export"), result=lambda out: max(out.glob("[0-9]*"))),  # done twice if killed at its end
    Verb(
        "predict",
        lambda at, out: ["predict", at.run, at.data, "--output", out / "answers.csv"],
    ),
    Verb(
        "evaluate",
        lambda at, out: [
            "evaluate",
            at.run,
            "--output",
            out / "scores.json",
            "--predictions",
            out / "predictions.csv",
        ],
    ),
    Verb("attack", _attack),
    Verb("certify", _of_run("certify", "--samples", 64, "--n0", 16, "--limit", 4, file="certify.json")),
    Verb("texture", _of_run("texture", "--limit", 6)),
    Verb("compare", lambda at, out: ["compare", at.run, at.other, "--output", out]),
    Verb("threshold", lambda at, out: ["threshold", out], before=_copy_run),
    Verb("calibrate", lambda at, out: ["calibrate", out], before=_copy_run),
    Verb("lr-find", lambda at, out: ["lr-find", "--data", at.data, *_MODEL, "--output", out]),
)


def make_place(folder: Path) -> Place:
    """Write the images and options that the commands share, and train their runs in children."""
    place = Place(folder)
    write_tree(place.data)
    write_tree(folder / "labelled", 4)
    (folder / "unlabelled").mkdir()
    for number, path in enumerate(sorted((folder / "labelled").glob("*/*.png"))):
        pixels = path.read_bytes()
        (folder / "unlabelled" / f"{number}.png").write_bytes(_other_pixels(pixels))
    (folder / "space.yaml").write_text(_SPACE)
    (folder / "members.yaml").write_text(_MEMBERS)
    for run_folder, more in ((place.run, []), (place.other, ["--seed", 1, "--split.file", place.run / "splits.csv"])):
        ended = run(_trained("--epochs", 2, "--learning-rate", 0.01, *more)(place, run_folder))
        assert ended.status == 0, ended.errors
    return place


def difference(reference: Path, found: Path) -> str | None:
    """Say how what was left differs from what an undisturbed command leaves; None if it does not."""
    expected, names = _names(reference), _names(found)
    if expected != names:
        return f"missing {sorted(expected - names)[:5]}, left over {sorted(names - expected)[:5]}"
    return next((name for name in sorted(names) if not _alike(reference / name, found / name)), None)


def _names(folder: Path) -> set[str]:
    if folder.is_file():
        return {"."}
    # The lock of a killed process stays until the next one takes it.
    return {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir() and path.name != ".lock"
    }


def _alike(first: Path, second: Path) -> bool:
    name = first.name
    # Digests are of files that hold times and of each that was ever written: they are to be those of what is there.
    if name == DIGESTS:
        return not any(differs(path, path.read_bytes()) for path in second.parent.iterdir() if path.is_file())
    if name == "digests.txt":
        return not first_changed(second.parents[1], second)
    if name in _UNEQUAL or first.suffix == ".html" or name == "MODEL_CARD.md":
        return second.stat().st_size > 0
    if first.suffix == ".keras":
        return all(np.array_equal(a, b) for a, b in zip(weights(first), weights(second), strict=True))
    if first.suffix == ".csv":
        return read_rows(first) == read_rows(second)
    if first.suffix == ".json":
        return _plain(json.loads(first.read_text())) == _plain(json.loads(second.read_text()))
    if name == "saved_model.pb" or "variables" in first.parts or name == "fingerprint.pb":
        return second.stat().st_size > 0
    return first.read_bytes() == second.read_bytes()


def weights(model: Path) -> list[np.ndarray]:
    """Return the arrays of a .keras file, read without Keras: this process is to compute nothing."""
    import io
    import zipfile

    import h5py

    found: list[np.ndarray] = []
    with zipfile.ZipFile(model) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
        file.visititems(lambda name, item: found.append(item[()]) if isinstance(item, h5py.Dataset) else None)
    return found


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a table without the columns of times."""
    with open(path, newline="") as file:
        return [{key: value for key, value in row.items() if key not in TIMES} for row in csv.DictReader(file)]


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items() if key not in (*TIMES, _COUNTED)}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return re.sub(r".*/", "", value) if isinstance(value, str) else value


def _other_pixels(data: bytes) -> bytes:
    import cv2

    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return cv2.imencode(".png", pixels[:, ::-1] // 2 + 60)[1].tobytes()


def cache(folder: Path) -> None:
    """Let the children fill a cache of their own."""
    os.environ["TFVISION_CACHE"] = str(folder)

"""Files of a run: the first letter of the data says which, the rest is the file."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from PIL import Image

from targets.models import FACTS
from targets.target import Target
from tfvision.config.yaml import load_written_yaml
from tfvision.data.sources.open import open_images
from tfvision.data.splits.splits_file import read_parts
from tfvision.evaluation.box_predictions import read_box_predictions
from tfvision.evaluation.predictions import read_predictions
from tfvision.runs.ensemble import read_ensemble
from tfvision.runs.wholeness import check_predictions, checked_metrics, checked_splits
from tfvision.search.log import Trial, TrialLog
from tfvision.system.files import read_json, read_written_rows

_SPLITS = [{"id": "a.png", "part": "test", "label": "cat"}, {"id": "b.png", "part": "validation", "label": "dog"}]


def _prepare(folder: Path) -> None:
    """Write the images that a list of images names."""
    for name in ("cat", "dog"):
        (folder / "data" / name).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(folder / "data" / name / "0.png")


def _predictions(path: Path) -> None:
    check_predictions(read_predictions(path), FACTS, _SPLITS, path)


def _boxes(path: Path) -> None:
    found = read_box_predictions(path)
    check_predictions(found, FACTS, _SPLITS, path)
    assert len(found.ious) == len(found)


def _splits(path: Path) -> None:
    checked_splits(read_written_rows(path, ("id", "part")), path)
    read_parts(path)


def _trial(path: Path) -> None:
    assert len(TrialLog(path.parent).trials) <= 1


# A letter: the name of the file, what reads it, and whole ones.
_KINDS: dict[str, tuple[str, Callable[[Path], object], list[str]]] = {
    "p": ("predictions.csv", _predictions, [
        "id,part,label,predicted,p_cat,p_dog\na.png,test,cat,cat,0.75,0.25\nb.png,validation,dog,cat,1,0\n",
        "id,predicted,p_cat,p_dog\na.png,cat,nan,1e999\n",
    ]),
    "b": ("predictions.csv", _boxes, [
        "id,part,label,width,height,xmin,ymin,xmax,ymax,true_xmin,true_ymin,true_xmax,true_ymax,predicted,p_cat,p_dog\n"
        "a.png,test,cat,8,8,1,1,5,5,1,2,5,6,cat,1,0\nb.png,validation,dog,8,8,1,1,5,5,1,2,5,6,dog,0,1\n",
        "id,width,height,xmin,ymin,xmax,ymax\na.png,0,99999999999999999999,nan,inf,-1,x\n",
    ]),
    "s": ("splits.csv", _splits, ["id,part,label,hash\na.png,test,cat,\nb.png,train,'=dog,\n", "id,part\na,test\n\"b"]),
    "m": ("metrics.json", lambda path: checked_metrics(read_json(path), path), ['{"test": {"n": 2, "accuracy": 0.5}}\n']),
    "y": ("config.yaml", load_written_yaml, ["seed: 0\nphases: [{epochs: 1}]\n"]),
    "e": ("ensemble.json", lambda path: read_ensemble(path.parent), [json.dumps({
        "model": json.loads(FACTS.to_json()),
        "members": [{"path": "a", "decision": {"temperature": 1.5, "offsets": [0.1, 0], "objective": "f1"}}, {"path": "b", "decision": None}],
        "combination": {"kind": "stack", "weights": [0.5, 0.5], "coefficients": [[1, 0]] * 4, "intercepts": [0, 0]},
        "options": {},
    })]),
    "t": ("0001.json", _trial, [json.dumps(asdict(Trial(1, 0, {"a": 1}, None, "completed", "", {"val_loss": 0.5}, 1)))]),
    "c": ("clean.csv", open_images, ["id,label,dataset\ncat/0.png,cat,data\ndog/0.png,dog,data\n", "id,decision,label,dataset\ncat/0.png,keep,,data\n"]),
}  # fmt: skip


def _read(data: bytes, folder: Path) -> None:
    name, read, _ = _KINDS.get(chr(data[0]) if data else "", _KINDS["p"])
    (folder / name).write_bytes(data[1:])
    try:
        read(folder / name)
    finally:
        (folder / name).unlink()


def _seeds() -> Iterator[bytes]:
    for letter, (_, _, texts) in _KINDS.items():
        yield from (f"{letter}{text}".encode() for text in texts)


TARGETS = {"run_files": Target(_read, _seeds, _prepare)}

"""Run verbs that draw twice in one process, once in another and once with another seed: python tests/twice.py"""

import json
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import forked
from killed_verbs import Place, cache, difference, make_place

_SMALL = ["--backbone", "small_cnn", "--weights", "none", "--image-size", "16", "--small-cnn.filters", "[4,4]"]
# All that draws at once: split, initial weights, order, copies, each kind of augmentation, dropout, mixing.
_DRAWS = [
    "--augment.rotation", "20", "--augment.zoom", "0.2", "--augment.shift", "0.1", "--augment.brightness", "0.2",
    "--augment.erasing", "0.5", "--head.units", "[8]", "--head.dropout", "0.4", "--balance", "oversample",
]  # fmt: skip
_TRAIN = ["train", *_SMALL, *_DRAWS, "--epochs", "2", "--batch-size", "16"]
VERBS: dict[str, tuple[list[str], str]] = {  # the words, and what must differ for another seed
    "train": (_TRAIN, "model.keras"),
    "train with CutMix": ([*_TRAIN, "--cutmix", "1.0"], "model.keras"),
    "train with AugMix": ([*_TRAIN, "--augmix", "0.8"], "model.keras"),
    "train with RandAugment": ([*_TRAIN, "--augment.rand-magnitude", "0.4"], "model.keras"),
    "crossval": (["crossval", *_SMALL, "--folds", "2", "--epochs", "1"], "predictions.csv"),
    "search": (["search", "--config", "{place}/space.yaml"], "trials/0001.json"),
    "learning-curve": (["learning-curve", *_SMALL, "--epochs", "1", "--shares", "0.4,0.7,1", "--repeats", "1"], "learning_curve.csv"),
    "attack": (["attack", "{place}/runs/one", "--method", "pgd", "--epsilon", "4", "--limit", "6"], "attack_images.png"),
    "certify": (["certify", "{place}/runs/one", "--samples", "64", "--n0", "16", "--limit", "4"], "certify.csv"),
    "evaluate": (["evaluate", "{place}/runs/one", "--corrupt", "noise"], "scores.json"),
}  # fmt: skip


_FILES = {"attack": "attack.json", "certify": "certify.json", "evaluate": "scores.json"}  # these are given a file


def compare(folder: Path, names: list[str]) -> dict[str, str]:
    """Return what is wrong, by verb; nothing is right."""
    forked.load()
    place, wrong = make_place(folder), {}
    for name in names or VERBS:
        words, differing = VERBS[name]
        if error := _compare(place, name, words, differing):
            wrong[name] = error
        print(f"{name}: {error or 'equal for equal seeds, different for different ones'}", file=sys.stderr, flush=True)
    return wrong


def _compare(place: Place, name: str, words: list[str], differing: str) -> str:
    from tfvision.cli import main

    base = place.folder / "twice" / name
    runs = [base / each / "out" for each in ("first", "second", "elsewhere", "other")]

    def command(output: Path, seed: int) -> list[str]:
        cache(output.parent / "cache")
        output.parent.mkdir(parents=True)
        filled = [word.replace("{place}", str(place.folder)) for word in words]
        data = [] if "{place}/runs/one" in words else ["--data", str(place.data)]
        target = output / _FILES[name] if name in _FILES else output
        return [*filled, *data, "--seed", str(seed), "--output", str(target)]

    def first() -> None:
        assert main(command(runs[0], 3)) == 0

    for inside, output, seed in ((first, runs[1], 3), (lambda: None, runs[2], 3), (lambda: None, runs[3], 4)):
        ended = forked.run(command(output, seed), inside=inside)
        if ended.status:
            return ended.errors[-300:]
    for other, where in ((runs[1], "in one process"), (runs[2], "in two processes")):
        if differs := difference(runs[0], other):
            return f"{differs} differs {where}"
    same = [output / differing for output in (runs[0], runs[3])]
    return f"{differing} is the same for another seed" if difference(*same) is None else ""


def run_all() -> int:
    """Print what is wrong as JSON; 1 if anything is."""
    with tempfile.TemporaryDirectory() as folder:
        wrong = compare(Path(folder), sys.argv[1:])
    print(json.dumps(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(run_all())

"""The audit against the known contamination of blood cells, and what it leaves out of clean sets and marks in them.

TFVISION_DATA=... python benchmarks/audit.py [--seeds 1 2 3 4 5] [--clean eurosat.zip cactus.zip animals.zip] [--weights none]

The generator (`make_blood_npz.py` in the folder of data) blends foreign pictures into 2 to 15 % of the images, flips 2 %
of the labels, and adds 4 % of copies: exact, re-encoded or shifted, half of them under another label. Clean sets are
audited as they are, and once more with a frame, a border, a watermark or the bars of a screenshot on every tenth image
(1,500 images at most): none of these makes an image a blend.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")

import cv2
import numpy as np

from tfvision.audit.audit import Audit, audit_images
from tfvision.audit.findings import Finding
from tfvision.audit.options import AuditConfig
from tfvision.data.sources.open import open_images

STRANGE, COPIES = ("foreign", "blended"), ("exact_duplicate", "near_duplicate")
OVERLAYS = ("border", "frame", "polaroid", "corner mark", "mark across", "screenshot")
WHITE = (255, 255, 255)


@dataclass(frozen=True)
class Score:
    """Precision and recall of a found set against the true one."""

    precision: float
    recall: float

    @classmethod
    def of(cls, found: Iterable, true: Iterable) -> "Score":
        """Compare two sets."""
        found, true = set(found), set(true)
        hits = len(found & true)
        return cls(hits / max(1, len(found)), hits / max(1, len(true)))

    def __str__(self) -> str:
        return f"{self.precision:.3f} / {self.recall:.3f}"


def score(findings: Iterable[Finding], truth: list[dict[str, str]]) -> dict[str, Score]:
    """Score findings against the rows of truth.csv.

    Pairs of two blended images do not count, nor do blended images and copies among the label errors.
    """
    kinds = [row["kind"] for row in truth]
    blended = {i for i, kind in enumerate(kinds) if kind == "blended"}
    made = {frozenset((i, int(row["of"]))) for i, row in enumerate(truth) if row["of"]}
    plain = {i for i, kind in enumerate(kinds) if kind in ("clean", "flipped")}
    found = list(findings)
    pairs = {frozenset((f.index, f.other)) for f in found if f.problem in COPIES}
    return {
        "blended": Score.of({f.index for f in found if f.problem in STRANGE}, blended),
        "copy pairs": Score.of({pair for pair in pairs if not pair <= blended}, made),
        "label errors": Score.of(
            {f.index for f in found if f.problem == "label_error"} & plain,
            {i for i, kind in enumerate(kinds) if kind == "flipped"},
        ),
    }


def contaminated(data: Path, folder: Path, seed: int) -> tuple[Path, list[dict[str, str]]]:
    """Run the generator; return the path of the `.npz` and the rows of truth.csv."""
    images, truth = folder / f"blood{seed}.npz", folder / f"truth{seed}.csv"
    if not images.exists():
        zips = [str(data / name) for name in ("blood_cells.zip", "photos.zip")]
        command = [sys.executable, str(data / "make_blood_npz.py"), *zips, str(images), str(truth), str(seed)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with open(truth, newline="") as file:
        return images, list(csv.DictReader(file))


def overlaid(path: Path, kind: str, picture: np.ndarray, folder: Path, most: int = 1500) -> Path:
    """Write images of a clean set, every tenth with something over it, as an `.npz`; return its path."""
    images = open_images(path)
    chosen = np.sort(np.random.default_rng(0).permutation(len(images))[:most])
    pixels = [images.read(int(index)) for index in chosen]
    side = int(np.median([max(one.shape[:2]) for one in pixels]))
    pixels = [cv2.resize(one, (side, side), interpolation=cv2.INTER_AREA) for one in pixels]
    pixels = [put_over(one, kind, picture) if place % 10 == 0 else one for place, one in enumerate(pixels)]
    labels = np.array(images.class_names)[images.labels[chosen]]
    np.savez(folder / "overlaid.npz", images=np.stack(pixels), labels=labels)
    return folder / "overlaid.npz"


def put_over(pixels: np.ndarray, kind: str, picture: np.ndarray) -> np.ndarray:
    """Return a square image with something over it, one of OVERLAYS."""
    side, scale, font = len(pixels), len(pixels) / 200, cv2.FONT_HERSHEY_SIMPLEX
    image = np.ascontiguousarray(pixels)
    sides = {"border": (0.07, 0.07, 0.07), "frame": (0.12, 0.12, 0.12), "polaroid": (0.06, 0.2, 0.06)}
    if kind in sides:
        top, bottom, left = (int(share * side) for share in sides[kind])
        inside = np.zeros((side, side), bool)
        inside[top : side - bottom, left : side - left] = True
        image[~inside] = cv2.resize(picture, (side, side))[~inside] if kind == "frame" else 250
    elif kind == "corner mark":
        cv2.putText(
            image, "(c) club", (int(0.5 * side), int(0.93 * side)), font, 0.7 * scale, WHITE, max(1, int(2 * scale))
        )
    elif kind == "mark across":
        marked = image.copy()
        cv2.putText(
            marked, "SAMPLE", (int(0.12 * side), int(0.58 * side)), font, 1.4 * scale, WHITE, max(1, int(4 * scale))
        )
        image = cv2.addWeighted(image, 0.5, marked, 0.5, 0)
    else:
        image[: int(0.1 * side)], image[-int(0.1 * side) :] = 30, 240
        cv2.putText(image, "9:41", (int(0.03 * side), int(0.07 * side)), font, 0.5 * scale, WHITE, 1)
    return image


def audit(path: Path, weights: str) -> tuple[Audit, float]:
    """Audit a data set with the default options; return also the seconds it took."""
    start = time.monotonic()
    config = AuditConfig(data=str(path), weights=weights)
    return audit_images(open_images(path), config), time.monotonic() - start


def main() -> None:
    """Print one line per seed, the means, and one line per clean set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3, 4, 5])
    parser.add_argument("--clean", nargs="*", default=["eurosat.zip", "cactus.zip", "animals.zip"])
    parser.add_argument("--weights", default="imagenet")
    args = parser.parse_args()
    data = Path(os.environ["TFVISION_DATA"])
    os.environ.setdefault("TFVISION_WEIGHTS", str(data / "weights"))
    scores: list[dict[str, Score]] = []
    print(f"{'seed':>5} {'share':>6}  " + "  ".join(f"{name + ' P / R':>20}" for name in score([], [])))
    with tempfile.TemporaryDirectory() as folder:
        for seed in args.seeds:
            path, truth = contaminated(data, Path(folder), seed)
            found, seconds = audit(path, args.weights)
            scores.append(score(found.findings, truth))
            share = sum(row["kind"] == "blended" for row in truth) / sum(not row["of"] for row in truth)
            cells = "  ".join(f"{value!s:>20}" for value in scores[-1].values())
            print(f"{seed:>5} {share:>6.1%}  {cells}  {seconds:.0f} s", flush=True)
    if scores:
        means = {name: [(s[name].precision, s[name].recall) for s in scores] for name in scores[0]}
        rows = [Score(*(sum(values) / len(values) for values in zip(*pairs, strict=True))) for pairs in means.values()]
        print(f"{'mean':>5} {'':>6}  " + "  ".join(f"{value!s:>20}" for value in rows))
    for name in args.clean:
        say(name, *audit(data / name, args.weights))
    with tempfile.TemporaryDirectory() as folder:
        photos = open_images(data / "photos.zip", labelled=False)
        for name in args.clean:
            for kind in OVERLAYS:
                path = overlaid(data / name, kind, photos.read(0), Path(folder))
                say(f"{name}, {kind}", *audit(path, args.weights))


def say(name: str, found: Audit, seconds: float) -> None:
    """Print what is left out of a clean set, and what is marked in it."""
    gone = set(np.flatnonzero(~found.kept))
    problems = Counter((f.problem, f.index in gone) for f in found.findings)
    left_out, marked = (
        ", ".join(f"{problem} {count}" for (problem, out), count in problems.items() if out == wanted) or "none"
        for wanted in (True, False)
    )
    share = len(gone) / len(found.images)
    print(
        f"{name}: {len(found.images):,} images, {len(gone)} left out ({share:.2%}): {left_out}; marked: {marked}  {seconds:.0f} s",
        flush=True,
    )


if __name__ == "__main__":
    main()

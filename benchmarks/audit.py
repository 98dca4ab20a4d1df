"""The audit against the known contamination of blood cells, and what it reports in clean sets.

TFVISION_DATA=... python benchmarks/audit.py [--seeds 1 2 3 4 5] [--clean eurosat.zip cactus.zip animals.zip] [--weights none]

The generator (`make_blood_npz.py` in the folder of data) blends foreign pictures into 2 to 15 % of the images, flips 2 %
of the labels, and adds 4 % of copies: exact, re-encoded or shifted, half of them under another label.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")

from tfvision.audit.audit import Audit, audit_images
from tfvision.audit.findings import Finding
from tfvision.audit.options import AuditConfig
from tfvision.data.sources.open import open_images

STRANGE, COPIES = ("foreign", "blended"), ("exact_duplicate", "near_duplicate")


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
        found, seconds = audit(data / name, args.weights)
        called = {
            problem: len({f.index for f in found.findings if f.problem == problem}) for problem in (*STRANGE, *COPIES)
        }
        shares = "  ".join(f"{problem} {count} ({count / len(found.images):.2%})" for problem, count in called.items())
        print(f"{name}: {len(found.images):,} images  {shares}  {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()

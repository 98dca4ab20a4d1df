"""Kill `tfvision train` and `tfvision export` with SIGKILL at random instants, go on, and compare with a run that
nobody killed:  python tests/kills.py --kills 50
"""

import argparse
import csv
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
TRAIN = [
    "train",
    "--backbone",
    "small_cnn",
    "--weights",
    "none",
    "--image-size",
    "16",
    "--small-cnn.filters",
    "[4,4]",
    "--head.units",
    "[16]",
    "--head.dropout",
    "0.3",
    "--ema",
    "0.9",
    "--balance",
    "class_weights",
    "--batch-size",
    "32",
    "--limit",
    "600",
    "--phases",
]
PHASES = (
    "[{name: a, epochs: 8, learning_rate: 0.01, schedule: cosine}, "
    "{name: b, epochs: 8, learning_rate: 0.01, schedule: plateau, plateau_patience: 1, patience: 6, "
    "unfreeze: none}]"
)
TIMES = ("seconds", "images_per_second")  # what differs between any two runs


@dataclass(frozen=True)
class Outcome:
    """What came of the kills.

    Attributes:
        kills: Number of processes killed, by what they were doing.
        runs: Runs that were killed and then finished.
        lost: Runs that could not be finished or exported, one line each.
        different: Runs that ended with other weights, history or predictions.
    """

    kills: Counter
    runs: int
    lost: list[str]
    different: list[str]


def kill_and_resume(folder: Path, reference: Path, *, kills: int, seed: int, exports: bool = False) -> Outcome:
    """Kill training and export of runs until `kills` processes died, finish each run and compare it with `reference`.

    Args:
        folder: Where the runs go.
        reference: A run with the options `TRAIN`, never killed.
        kills: How many processes to kill.
        seed: Seed of the instants.
        exports: Whether to kill exports, too.
    """
    generator = random.Random(seed)
    found = Outcome(Counter(), 0, [], [])
    runs = 0
    while found.kills.total() < kills:
        run = folder / f"run {runs} ü"
        os.environ["TFVISION_CACHE"] = str(folder / f"cache {runs}")  # phase b fills a store of its own
        for _ in range(min(3, kills - found.kills.total())):
            command = ["train", "--resume", run] if run.exists() else [*TRAIN, PHASES, "--output", run]
            # One in five dies on its way to the first epoch, the others in the epochs, saves and results after it.
            early = generator.random() < 0.2
            delay = generator.uniform(0.0, 2.0 if early else 4.0)
            _kill(command, run if early else run / "history.csv", delay, found.kills)
        if error := _finish(run, [*TRAIN, PHASES, "--output", run]):
            found.lost.append(error)
        elif difference := _difference(reference, run):
            found.different.append(f"{run}: {difference}")
        if exports and found.kills.total() < kills:
            saved = folder / "saved" / run.name
            _kill(["export", run, "--output", saved], saved, generator.uniform(0.0, 5.0), found.kills)
            versions = (
                [path.name for path in saved.iterdir() if not path.name.startswith(".")] if saved.exists() else []
            )
            error = _call("export", run, "--output", saved)
            if error or versions not in ([], ["1"]) or not (saved / "1" / "saved_model.pb").is_file():
                found.lost.append(f"export of {run}: {error or versions}")
        runs += 1
    return Outcome(found.kills, runs, found.lost, found.different)


def read_history(run: Path) -> list[dict[str, str]]:
    """Return the rows of history.csv without their times."""
    with open(run / "history.csv", newline="") as file:
        return [{key: value for key, value in row.items() if key not in TIMES} for row in csv.DictReader(file)]


def _difference(reference: Path, run: Path) -> str | None:
    from tfvision.runs.folder import open_run

    if read_history(reference) != read_history(run):
        return "another history"
    pairs = zip(open_run(reference).model().get_weights(), open_run(run).model().get_weights(), strict=True)
    if not all(np.array_equal(a, b) for a, b in pairs):
        return "other weights"
    same = (reference / "predictions.csv").read_bytes() == (run / "predictions.csv").read_bytes()
    return None if same else "other predictions"


def _kill(command: list, watched: Path, delay: float, kills: Counter) -> None:
    """Start a command, and kill it some seconds after it has begun to write what is watched."""
    history = watched.with_name("history.csv") if watched.name == "history.csv" else watched / "history.csv"
    before, epochs_before = _newest(watched), _newest(history)
    process = subprocess.Popen(
        _words(*command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=_environment()
    )
    while process.poll() is None and _newest(watched) == before:
        time.sleep(0.01)
    time.sleep(delay)
    if process.poll() is None:
        process.kill()
        doing = "training or saving"
        if command[0] == "export":
            doing = "exporting"
        elif _newest(history) == epochs_before:
            doing = "before its first epoch"
        elif (history.parent / "predictions.csv").exists():
            doing = "writing the results"
        kills[doing] += 1
    process.wait()


def _finish(run: Path, command: list) -> str | None:
    """Go on until the run is finished; a run killed before its folder was there is begun again."""
    error = _call(*(["train", "--resume", run] if run.exists() else command))
    return error if error or (run / "report.html").is_file() else f"{run}: no report"


def _call(*words: object) -> str | None:
    """Run a command to its end; return what went wrong."""
    done = subprocess.run(_words(*words), capture_output=True, text=True, check=False, env=_environment())
    return f"{words[0]}: {done.stderr.strip()}" if done.returncode else None


def _words(*words: object) -> list[str]:
    return [sys.executable, "-m", "tfvision", *map(str, words)]


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def _newest(folder: Path) -> float:
    times = [path.stat().st_mtime for path in (folder, *folder.rglob("*")) if path.exists()] if folder.exists() else []
    return max(times, default=0.0)


def main() -> int:
    """Print the outcome as one paragraph; 1 if anything was lost or differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        reference = Path(folder) / "reference"
        if error := _call(*TRAIN, PHASES, "--output", reference):
            print(error)
            return 1
        found = kill_and_resume(Path(folder), reference, kills=args.kills, seed=args.seed, exports=True)
    print(f"{found.kills.total()} kills: {', '.join(f'{n} while {what}' for what, n in sorted(found.kills.items()))}")
    print(f"{found.runs} runs finished, {len(found.lost)} lost, {len(found.different)} different")
    print("\n".join(found.lost + found.different))
    return 1 if found.lost or found.different else 0


if __name__ == "__main__":
    sys.exit(main())

"""The presets of `tfvision train` on four data sets: accuracy and minutes, beside older defaults and a recipe of fastai's.

    python benchmarks/presets.py ../shared/data --output presets.csv [--settings fast,balanced] [--sets blood] [--seeds 1]
    python benchmarks/presets.py ../shared/data --try "ema=--preset balanced --ema 0.99" --settings ema --seeds 0

Each training is a process of its own: `tfvision train`, and `one_cycle.py` for fastai's recipe. Those that the output
holds already are not repeated, so a benchmark that was stopped goes on. Choose by validation, on other seeds than those
whose test is reported. Minutes are of CPU time over all cores, and of the clock.
"""

import argparse
import csv
import json
import os
import re
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev

# Animals have few photos: more of them are kept for validation and test.
SETS = {
    "eurosat": "{data}/eurosat.zip --limit 3000",
    "animals": "{data}/animals.zip --split.validation 0.15 --split.test 0.3",
    "blood": "{data}/blood_cells.zip --source.group-column slide",
    "cactus": "{data}/cactus.zip --limit 3000",
}
BEFORE = (
    "--batch-size 64 --resize.mode stretch --phases '[{name: head, solver: logistic_regression, unfreeze: none}, "
    "{name: fine-tune, epochs: 8, learning_rate: 1e-4, schedule: cosine, warmup: 1, unfreeze: all, patience: 4}]'"
)
SETTINGS = {
    "before": BEFORE,
    "fast": "--preset fast",
    "balanced": "--preset balanced",
    "best": "--preset best",
    "one_cycle": "",
}
ROOT = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=os.path.abspath, help="the folder of the data sets and of weights/")
    parser.add_argument("--output", type=Path, default=Path("presets.csv"))
    parser.add_argument("--settings", default=",".join(SETTINGS))
    parser.add_argument("--try", action="append", default=[], dest="tried", metavar="NAME=OPTIONS")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--also", default="", help="options of all trainings, such as a backbone")
    parser.add_argument("--print", action="store_true", dest="only_print", help="train nothing")
    args = parser.parse_args()
    os.environ.setdefault("TFVISION_WEIGHTS", f"{args.data}/weights")
    settings = SETTINGS | dict(tried.split("=", 1) for tried in args.tried)
    done = read_rows(args.output)
    for seed in args.seeds.split(","):  # one seed of everything first
        for name in args.sets.split(","):
            for setting in args.settings.split(","):
                known = any((row["data"], row["setting"], row["seed"]) == (name, setting, seed) for row in done)
                if known or args.only_print:
                    continue
                script = ["benchmarks/one_cycle.py"] if setting == "one_cycle" else ["-m", "tfvision", "train"]
                words = shlex.split(f"{SETS[name]} {settings[setting]} {args.also}".replace("{data}", args.data))
                row = {"data": name, "setting": setting, "seed": seed, **train([*script, *words, "--seed", seed])}
                done.append({key: str(value) for key, value in row.items()})
                write_rows(args.output, done)
                print(row, flush=True)
    print_table(done)


def train(words: Sequence[str]) -> dict[str, float]:
    """Train in a process of its own; return its accuracies, number of test images and minutes."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "TFVISION_CACHE": f"{folder}/cache", "PYTHONPATH": str(ROOT)}
        output = [] if "one_cycle" in words[0] else ["--quiet", "--output", f"{folder}/run"]
        begun, used = time.monotonic(), cpu_seconds()
        done = subprocess.run(
            [sys.executable, *words, *output], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"{shlex.join(words)}: {done.stderr.strip()}")
        minutes = {"cpu_minutes": (cpu_seconds() - used) / 60, "minutes": (time.monotonic() - begun) / 60}
        return {**(read_metrics(Path(folder, "run")) if output else read_line(done.stdout)), **minutes}


def read_metrics(run: Path) -> dict[str, float]:
    """Return the scores of a run."""
    scores = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    accuracies = {part: scores[part]["accuracy"] for part in ("validation", "test")}
    return {**accuracies, "n": scores["test"]["n"]}


def read_line(text: str) -> dict[str, float]:
    """Return the scores that `one_cycle.py` printed."""
    return {name: float(value) for name, value in re.findall(r"(validation|test|n) ([\d.]+)", text)}


def cpu_seconds() -> float:
    """Return the CPU time of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the trainings that a file holds; none if there is no file."""
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_rows(path: Path, rows: Sequence[dict[str, str]]) -> None:
    """Write trainings to a file, all or nothing."""
    with open(part := path.with_suffix(".part"), "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    os.replace(part, path)


def print_table(rows: Sequence[dict[str, str]]) -> None:
    """Print the mean and the standard deviation of each setting's accuracies on each data set, and its mean minutes."""
    print("data      setting       seeds     validation        test              n  CPU min   min")
    for name, setting in dict.fromkeys((row["data"], row["setting"]) for row in rows):
        own = [row for row in rows if (row["data"], row["setting"]) == (name, setting)]
        seeds, scores = ",".join(row["seed"] for row in own), [spread(own, part) for part in ("validation", "test")]
        cpu, wall = (mean(float(row[key]) for row in own) for key in ("cpu_minutes", "minutes"))
        count = float(own[0]["n"])
        print(f"{name:<10}{setting:<14}{seeds:<10}{scores[0]:<18}{scores[1]:<16}{count:>4.0f} {cpu:>8.1f} {wall:>5.1f}")


def spread(rows: Sequence[dict[str, str]], key: str) -> str:
    """Return the mean and the standard deviation of a column."""
    values = [float(row[key]) for row in rows]
    return f"{mean(values):.4f} ± {stdev(values):.4f}" if len(values) > 1 else f"{values[0]:.4f}"


if __name__ == "__main__":
    main()

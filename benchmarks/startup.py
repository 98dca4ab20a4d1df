"""Seconds until `tfvision --help` answers, against `import tensorflow`, which most tools begin with.

Then the CPU seconds, user and system, that it takes to refuse a mistake: nobody should wait for TensorFlow to learn
that a path has a typing error. At last, the CPU seconds of an answer to the TAB key.

python benchmarks/startup.py [--rounds 5]
"""

import argparse
import os
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile

from measure import paired, print_table

MISTAKES = (
    "train --data nosuch",
    "train --backbone mobilenet_v9",
    "train --weights nosuch.h5",
    "train --epoch 3",
    "train --split.test 1.5",
    "train --split.file nosuch.csv",
    "train --positive-class purple",
    "train --output .",
    "train --config nosuch",
    "train --resume runs/nosuch",
    "predict runs/nosuch x.jpg",
    "evaluate runs/nosuch",
    "compare runs/a runs/b",
    "threshold runs/nosuch",
    "export runs/nosuch",
    "crossval --data nosuch",
    "search --config nosuch",
    "audit --data nosuch",
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()

    def run(*words: str) -> None:
        subprocess.run([sys.executable, *words], capture_output=True, check=True)

    row = paired(
        "tfvision --help / import tensorflow",
        lambda: run("-m", "tfvision", "--help"),
        lambda: run("-c", "import tensorflow"),
        options.rounds,
    )
    print_table([row])
    print("\nCPU seconds to refuse")
    for line in MISTAKES:
        print(f"{_refused(line, options.rounds):.2f}  tfvision {line}")
    print("\nCPU seconds to complete")
    for line in ("tfvision tr", "tfvision train --backbone mobilenet_v2_0"):
        print(f"{_completed(line, options.rounds):.2f}  {line}<TAB>")


def _refused(line: str, rounds: int) -> float:
    """Return the median CPU seconds of a command that is refused for its usage or its data."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            command = [sys.executable, "-m", "tfvision", *shlex.split(line)]
            done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            if done.returncode not in (2, 3):
                raise SystemExit(f"tfvision {line} was not refused: exit status {done.returncode}\n{done.stderr}")
            found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(found)


def _completed(line: str, rounds: int) -> float:
    """Return the median CPU seconds of an answer to the TAB key, asked as bash does."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        answer = os.path.join(folder, "answer")
        asked = {
            "COMP_LINE": line,
            "COMP_POINT": str(len(line)),
            "_ARGCOMPLETE": "1",
            "_ARGCOMPLETE_STDOUT_FILENAME": answer,
        }
        for _ in range(rounds):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(
                [sys.executable, "-m", "tfvision"], env={**os.environ, **asked}, stderr=subprocess.DEVNULL, check=True
            )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            with open(answer) as file:
                if not file.read().strip():
                    raise SystemExit(f"nothing was offered for {line}")
            found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(found)


if __name__ == "__main__":
    main()

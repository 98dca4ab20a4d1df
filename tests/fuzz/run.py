"""Fuzz what reads the files of strangers: `python tests/fuzz/run.py [--target png] [--seconds 600] [--jobs 1]`.

Each target is fuzzed in a process of its own, which may take so much CPU time and a gigabyte of memory above what Python has.
It begins with files made by the target and those of `corpus/`. A file that ends the process, is read in more than ten seconds,
or raises anything but an error of one line is written to the folder of findings. Needs the extra `fuzz`.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import atheris
import cv2  # noqa: F401  # libraries first, which are not looked at
import h5py  # noqa: F401
import numpy  # noqa: F401
import PIL.Image  # noqa: F401
import scipy  # noqa: F401

with atheris.instrument_imports(include=["tfvision", "zipfile", "tarfile", "ruamel"]):
    from fuzzing import STATE, fuzz_here
    from targets import TARGETS

CORPUS = Path(__file__).with_name("corpus")
MOST_RESTARTS = 20  # of a process that was ended by what it read
MOST_PIXELS = 4_000_000  # larger images are refused by the same line of code at any limit
OUTCOME = "outcome.json"


@dataclass
class Outcome:
    """What came of a target: files read, CPU seconds, the most memory in bytes, before and with files."""

    target: str
    executions: int = 0
    cpu: float = 0.0
    base: int = 0
    peak: int = 0
    unexplained: int = 0  # ends of the process without a file that did it

    def line(self, findings: Path) -> str:
        """Return a line for a person."""
        memory = f"peak {self.peak >> 20:,} MiB ({self.base >> 20:,} before the first file)"
        crashes = self.unexplained + count(findings, "crash-", "oom-")
        return (
            f"{self.target}: {self.executions:,} executions in {self.cpu:,.0f} s of CPU, {crashes} crashes, "
            f"{count(findings, 'timeout-', 'slow-')} hangs, {count(findings, 'traceback-')} tracebacks, {memory}"
        )


def count(findings: Path, *starts: str) -> int:
    """Return how many files that were found begin so."""
    return sum(path.name.startswith(starts) and path.suffix != ".txt" for path in findings.iterdir())


def fuzz(name: str, seconds: float, findings: Path) -> None:
    """Fuzz a target.

    Args:
        name: Its name.
        seconds: CPU time.
        findings: Where what is found is written, in a folder for the target.
    """
    own, outcome = findings / name, Outcome(name)
    own.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        corpus = Path(work, "corpus")
        corpus.mkdir()
        for number, data in enumerate(TARGETS[name].seeds()):
            (corpus / f"seed{number}").write_bytes(data)
        for path in sorted((CORPUS / name).glob("*")):
            (corpus / path.name).write_bytes(path.read_bytes())
        for _ in range(MOST_RESTARTS):
            if (left := seconds - outcome.cpu) < 1:
                break
            before = count(own, "crash-", "oom-", "timeout-")
            if not _run(name, corpus, own, left, work, outcome):
                break
            outcome.unexplained += count(own, "crash-", "oom-", "timeout-") == before
    (own / OUTCOME).write_text(json.dumps(asdict(outcome)))
    print(outcome.line(own), flush=True)


def _run(name: str, corpus: Path, findings: Path, seconds: float, work: str, outcome: Outcome) -> int:
    """Let a process fuzz until its time is over or something ends it; return its exit status."""
    state = findings / STATE
    state.unlink(missing_ok=True)
    if not (process := os.fork()):
        os.environ |= {"TFVISION_CACHE": f"{work}/cache", "TFVISION_MAX_PIXELS": str(MOST_PIXELS)}
        tempfile.tempdir = work
        with (findings / "log.txt").open("ab") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        fuzz_here(TARGETS[name], corpus, findings, seconds)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if not state.exists():  # it ended before the first second
        outcome.cpu += 1
        return status or 1
    done = json.loads(state.read_text())
    outcome.executions += done["executions"]
    outcome.cpu += done["cpu"]
    outcome.base, outcome.peak = done["base"], max(outcome.peak, done["peak"])
    return status


def fuzz_all(names: Sequence[str], seconds: float, findings: Path, jobs: int) -> list[Outcome]:
    """Fuzz some targets, each in a process of its own, `jobs` at a time; see `fuzz`."""
    pending, running = list(names), 0
    while pending or running:
        if pending and running < jobs:
            name = pending.pop(0)
            if not os.fork():
                fuzz(name, seconds, findings)
                os._exit(0)
            running += 1
        else:
            os.wait()
            running -= 1
    return [Outcome(**json.loads((findings / name / OUTCOME).read_text())) for name in names]


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz the targets that are asked for.

    Args:
        arguments: Of the command line.

    Returns:
        1 if anything was found, else 0.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", action="append", choices=list(TARGETS), help="one of them; may be repeated")
    parser.add_argument("--seconds", type=float, default=600, help="CPU time of each target; default 600")
    parser.add_argument("--all", type=float, metavar="SECONDS", help="CPU time of all targets together instead")
    parser.add_argument("--jobs", type=int, default=1, help="targets at a time")
    parser.add_argument("--findings", type=Path, default=Path("build/fuzz"), help="default build/fuzz")
    asked = parser.parse_args(arguments)
    names = asked.target or list(TARGETS)
    seconds = asked.all / len(names) if asked.all else asked.seconds
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    outcomes = fuzz_all(names, seconds, asked.findings.absolute(), asked.jobs)
    found = [
        path
        for name in names
        for path in sorted((asked.findings / name).iterdir())
        if "-" in path.name and path.suffix != ".txt"
    ]
    print(
        f"{sum(each.executions for each in outcomes):,} executions in {sum(each.cpu for each in outcomes):,.0f} s of CPU"
    )
    for path in found:
        print(f"found {path}")
    return int(bool(found) or any(each.unexplained for each in outcomes))


if __name__ == "__main__":
    sys.exit(main())

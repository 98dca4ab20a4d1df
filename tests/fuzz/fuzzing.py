"""The process in which one target is fuzzed."""

import hashlib
import json
import os
import random
import resource
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

import atheris
from targets import Target, finding

from tfvision.system.terminal import quiet

MEMORY = 1 << 30  # bytes that reading a file may take, above what Python and its libraries have
SLOW = 10  # seconds of CPU for one file that are a finding
ENDLESS = 300  # seconds after which the process is ended, of a clock: other work may hold it up
STATE = "state.json"  # in the folder of findings: what was done


class Fuzzing:
    """Counts what is done, and writes down what is found.

    Args:
        target: What reads the files.
        findings: Where what is found is written.
        seconds: CPU time after which the process ends.
    """

    def __init__(self, target: Target, findings: Path, seconds: float) -> None:
        self.target, self.findings, self.seconds = target, findings, seconds
        self.folder = Path(mkdtemp())  # in that of run.py, which removes it
        target.prepare(self.folder)
        self.executions, self.found, self.written = 0, set[str](), 0.0
        self.base, self.begun, self.start = _peak(), time.process_time(), time.monotonic()

    def try_file(self, data: bytes) -> None:
        """Read one file; what goes wrong is noted once for each place in the code where it does."""
        before = time.process_time()
        said = finding(self.target, data, self.folder)
        now = time.process_time()
        self.executions += 1
        if said:
            self._note("traceback", _place(said), data, said)
        if now - before > SLOW:
            self._note("slow", "", data, f"{now - before:.1f} s")
        # What other processes do for this one counts as CPU time only after they end.
        is_over = max(now - self.begun, (time.monotonic() - self.start) / 20) > self.seconds
        if is_over or now - self.written > 1:
            self.written = now
            self._write_state(now - self.begun)
        if is_over:
            os._exit(0)

    def _note(self, kind: str, place: str, data: bytes, said: str) -> None:
        if (key := kind + place) not in self.found:
            self.found.add(key)
            name = f"{kind}-{hashlib.sha1(data).hexdigest()[:12]}"
            (self.findings / name).write_bytes(data)
            (self.findings / f"{name}.txt").write_text(said, errors="backslashreplace")

    def _write_state(self, cpu: float) -> None:
        state = {"executions": self.executions, "cpu": cpu, "peak": _peak(), "base": self.base}
        (self.findings / STATE).write_text(json.dumps(state))


def mutator(mend: Callable[[bytes], bytes]) -> Callable[[bytes, int, int], bytes]:
    """Return what changes a file, and makes its checksums right again every other time."""

    def mutate(data: bytes, largest: int, seed: int) -> bytes:
        changed: bytes = atheris.Mutate(data, largest)
        return mend(changed)[:largest] if random.Random(seed).random() < 0.5 else changed

    return mutate


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _place(said: str) -> str:
    """Return the kind of an error and the last lines of our code that it went through."""
    frames = [line for line in said.splitlines() if line.startswith('  File "')]
    ours = [line for line in frames if "tfvision" in line.rpartition("/tests/")[2]]
    return said.splitlines()[-1].partition(":")[0] + "".join(ours[-2:])


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def fuzz_here(target: Target, corpus: Path, findings: Path, seconds: float) -> None:
    """Fuzz a target until the time is over, and end this process.

    Args:
        target: What reads the files.
        corpus: A folder of files to begin with; those that reach new code are added.
        findings: Where what is found is written.
        seconds: CPU time.
    """
    with quiet():
        fuzzing = Fuzzing(target, findings, seconds)
        options = {"custom_mutator": mutator(target.mend)} if target.mend is not Target.mend else {}
        command = ["fuzz", str(corpus), f"-artifact_prefix={findings}/", f"-timeout={ENDLESS}", "-rss_limit_mb=0"]
        atheris.Setup(command, fuzzing.try_file, **options)
        _limit_memory()
        atheris.Fuzz()

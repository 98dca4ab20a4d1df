"""Decode files in a process of its own, and tell what came of it, how long it took and how much memory."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

MEMORY_LIMIT, SECONDS = 6 << 30, 100
_SCRIPT = """
import json, sys, time
from pathlib import Path
from tfvision.data.pixels.decoding import UnreadableImage, decode
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]),) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
except ImportError:
    pass

def peak():
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except OSError:
        return 0

for path in sorted(Path(sys.argv[1]).iterdir()):
    data = path.read_bytes()
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass
    before, start, size, said = peak(), time.process_time(), 0, ""
    try:
        size = decode(data, path.name).nbytes
    except UnreadableImage as error:
        said = error.reason
    except BaseException as error:
        said = f"{type(error).__name__}: {error}"
    print(json.dumps([path.name, said, time.process_time() - start, peak() - before - size]), flush=True)
"""


@dataclass(frozen=True)
class Outcome:
    """What came of a file: why it was refused ("" if it was not), CPU seconds, and bytes above its pixels."""

    said: str
    seconds: float
    memory: int


def decode_watched(files: dict[str, bytes], folder: Path) -> dict[str, Outcome]:
    """Decode files; one that ends the process is said to have done so."""
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    found: dict[str, Outcome] = {}
    while len(found) < len(files):
        command = [sys.executable, "-c", _SCRIPT, str(folder), str(MEMORY_LIMIT)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
        for line in done.stdout.splitlines():
            name, *rest = json.loads(line)
            found[name] = Outcome(*rest)
            (folder / name).unlink()
        if done.returncode:
            name = min(path.name for path in folder.iterdir())
            found[name] = Outcome(f"ended the process ({done.returncode}): {done.stderr[-300:]}", 0, 0)
            (folder / name).unlink()
    return found

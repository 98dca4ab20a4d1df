"""The process beside a training that sends its run folder to one tracker, as it grows.

`python -m tfvision.tracking.following RUN TRACKER` sends until its standard input ends, which happens too when the
training is killed. The training shares no memory with it, so that nothing in a tracker can harm it.
"""

import json
import os
import signal
import sys
import threading
from pathlib import Path

from tfvision.errors import one_line
from tfvision.runs.names import HISTORY
from tfvision.tracking.session import Session, alone

_EVERY_SECONDS = 1.0  # between two looks at the date of history.csv


def main() -> int:
    """Follow a run, and print what there is to say as one line of JSON.

    Returns:
        0, or 1 if the tracker failed.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the training, whose last words are sent after it
    folder, name = Path(sys.argv[1]), sys.argv[2]
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what trackers print is no answer
    try:
        said = {"where": _follow(folder, name)}
    except Exception as error:  # whatever a tracker raises, the training is told in one line
        said = {"error": f"{type(error).__name__}: {one_line(error)}"}
    print(json.dumps(said), file=answer, flush=True)
    return 1 if "error" in said else 0


def _follow(folder: Path, name: str) -> str:
    ended = threading.Event()
    threading.Thread(target=_wait_for_the_end, args=(ended,), daemon=True).start()
    with alone(folder, name):
        session, seen = Session(folder, name), _written(folder)
        while not ended.wait(_EVERY_SECONDS):
            if (now := _written(folder)) != seen:
                session.look()
                seen = now
        session.close()
    return session.where


def _wait_for_the_end(ended: threading.Event) -> None:
    sys.stdin.buffer.read()
    ended.set()


def _written(folder: Path) -> int:
    try:
        return (folder / HISTORY).stat().st_mtime_ns
    except OSError:
        return 0


if __name__ == "__main__":
    sys.exit(main())

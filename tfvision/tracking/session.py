"""A session with a tracker: what of a run folder it does not have yet is sent, and what it has is written down there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tfvision.errors import UsageError
from tfvision.runs.names import TRACKING
from tfvision.system.files import read_json, write_json
from tfvision.system.locks import locked
from tfvision.tracking.folder import RunContent, read_content
from tfvision.tracking.trackers import Tracker, open_tracker


class Session:
    """A tracker's run, open.

    Args:
        folder: The run folder.
        name: A key of `TRACKERS`.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        content = read_content(folder)
        stored = _stored(folder, name)
        self._tracker: Tracker = open_tracker(name, content, stored.get("tracker") or {})
        # A tracker that knows nothing of the earlier session gets all of it again.
        self._epochs = 0 if self._tracker.began else int(stored.get("epochs", 0))
        self._results = "" if self._tracker.began else str(stored.get("results", ""))
        self._write_down()
        self._send(content, results=False)

    @property
    def where(self) -> str:
        """Where to look at the run."""
        return self._tracker.where

    def look(self) -> None:
        """Send the epochs that were added since."""
        self._send(read_content(self.folder), results=False)

    def close(self) -> bool:
        """Send what is left, with the results if the run is finished, and end the session.

        Returns:
            Whether the run is finished.
        """
        content = read_content(self.folder)
        self._send(content, results=content.finished)
        self._tracker.close(finished=content.finished)
        return content.finished

    def _send(self, content: RunContent, *, results: bool) -> None:
        # A run that was resumed from an earlier epoch repeats the later ones bit for bit: what was sent of them holds.
        if rows := content.rows[self._epochs :]:
            self._tracker.send_epochs(rows)
            self._epochs = len(content.rows)
            self._write_down()
        if results and (signature := content.signature()) != self._results:
            self._tracker.send_results(content)
            self._results = signature
            self._write_down()

    def _write_down(self) -> None:
        sent = {"tracker": dict(self._tracker.state), "epochs": self._epochs, "results": self._results}
        write_json(_state_file(self.folder, self.name), sent)


@contextmanager
def alone(folder: Path, name: str) -> Iterator[None]:
    """Keep other processes from sending the same run to the same tracker.

    Args:
        folder: The run folder.
        name: The tracker.

    Yields:
        Nothing.

    Raises:
        UsageError: Another process sends it.
    """

    def refuse() -> None:
        raise UsageError(f"{folder} is being sent to {name} by another process, a training most likely; wait for it")

    with locked(_state_file(folder, name).with_name(f".{name}.lock"), refuse):
        yield


def _state_file(folder: Path, name: str) -> Path:
    return folder / TRACKING / f"{name}.json"


def _stored(folder: Path, name: str) -> dict[str, Any]:
    path = _state_file(folder, name)
    return read_json(path) if path.is_file() else {}

"""The trackers by name, and whether what each needs is installed."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

from tfvision.errors import UsageError, check_known
from tfvision.tracking.folder import RunContent


class Tracker(Protocol):
    """A run of a tracker that is open for writing.

    Attributes:
        began: Whether it is new there; one that is not has what was sent before.
    """

    began: bool

    @property
    def state(self) -> Mapping[str, Any]:
        """What is needed to go on with this run later: its id and such, plain values."""

    @property
    def where(self) -> str:
        """Where to look at the run, for a line of output."""

    def send_epochs(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Send epochs that were not sent before.

        Args:
            rows: Rows of history.csv, numbers as float.
        """

    def send_results(self, content: RunContent) -> None:
        """Send scores, pictures, files and the model of a finished run.

        Args:
            content: The run.
        """

    def close(self, *, finished: bool) -> None:
        """End the session.

        Args:
            finished: Whether the run is; otherwise it was interrupted, and may go on later.
        """


@dataclass(frozen=True)
class TrackerFacts:
    """What is known of a tracker.

    Attributes:
        title: What it calls itself.
        package: The module it needs.
        install: What pip installs for it.
        module: The module here that sends to it, with a function `open_<name>`.
    """

    title: str
    package: str
    install: str
    module: str


TRACKERS = {
    "tensorboard": TrackerFacts("TensorBoard", "tensorboard", "tensorboard", "to_tensorboard"),
    "mlflow": TrackerFacts("MLflow", "mlflow", "tfvision[mlflow]", "to_mlflow"),
    "wandb": TrackerFacts("Weights & Biases", "wandb", "tfvision[wandb]", "to_wandb"),
}


def tracker_names(given: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the trackers that an option names.

    Args:
        given: `mlflow`, `mlflow,wandb` or a list of names; None or "" for none.

    Returns:
        Each once, in order.

    Raises:
        UsageError: An unknown tracker, or one whose package is not installed.
    """
    words = given.split(",") if isinstance(given, str) else (given or ())
    names = tuple(dict.fromkeys(word.strip() for word in words if word.strip()))
    for name in names:
        check_known("tracker", name, tuple(TRACKERS))
        facts = TRACKERS[name]
        if find_spec(facts.package) is None:
            raise UsageError(f"track: {name} is not installed; run `pip install '{facts.install}'`, or leave it out")
    if "mlflow" in names and find_spec("sqlalchemy") is None and "://" not in os.environ.get("MLFLOW_TRACKING_URI", ""):
        raise UsageError(
            "track: this mlflow is mlflow-skinny, which can only send to a server; run `pip install 'tfvision[mlflow]'`, "
            "or set MLFLOW_TRACKING_URI"
        )
    return names


def open_tracker(name: str, content: RunContent, state: Mapping[str, Any]) -> Tracker:
    """Open the run of a tracker.

    Args:
        name: A key of `TRACKERS`.
        content: The run folder's content; its options are sent if the run is new there.
        state: `Tracker.state` of an earlier session; empty for a new one.

    Returns:
        The open run.
    """
    module = import_module(f"tfvision.tracking.{TRACKERS[name].module}")  # with the tracker's own package
    opened: Callable[[RunContent, Mapping[str, Any]], Tracker] = getattr(module, f"open_{name}")
    return opened(content, state)

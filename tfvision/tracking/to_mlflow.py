"""MLflow: parameters, metrics and artifacts, in `mlflow.db` of the current folder unless MLFLOW_TRACKING_URI names a store."""

import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from tfvision.tracking.folder import RunContent

if TYPE_CHECKING:
    from tfvision.tracking.trackers import Tracker

_LONGEST = 500  # characters of a value that every store takes
_METRICS, _PARAMS = 500, 100  # at most so many in one call, by the limits of the server

_Item = TypeVar("_Item")


def open_mlflow(content: RunContent, state: Mapping[str, Any]) -> "Tracker":
    """Create a run in MLflow, or open the one that was created before.

    Args:
        content: The run.
        state: Of an earlier session.

    Returns:
        The open run.
    """
    logging.getLogger("mlflow").setLevel(logging.WARNING)  # each step of making a database is told otherwise
    asked = os.environ.get("MLFLOW_TRACKING_URI")
    # The store of the first session, wherever the second is started from.
    uri = asked or state.get("uri") or f"sqlite:///{Path('mlflow.db').absolute().as_posix()}"
    client = MlflowClient(tracking_uri=uri)
    if state.get("uri") == uri and (known := _find(client, state["run"])):
        client.update_run(known, status="RUNNING")
        return _OpenRun(client, known, uri, began=False)
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or "tfvision"
    experiment = client.get_experiment_by_name(name)
    place = experiment.experiment_id if experiment else client.create_experiment(name)
    tags = {**content.facts, **({"group": content.group} if content.group else {})}
    run = client.create_run(
        place, run_name=content.name, tags={f"tfvision.{key}": value for key, value in tags.items()}
    )
    params = [Param(key, str(value)[:_LONGEST]) for key, value in content.options.items()]
    for some in _pieces(params, _PARAMS):
        client.log_batch(run.info.run_id, params=some)
    if cut := [key for key, value in content.options.items() if len(str(value)) > _LONGEST]:
        client.log_batch(run.info.run_id, tags=[RunTag("tfvision.cut_short", ", ".join(cut)[:_LONGEST])])
    return _OpenRun(client, run.info.run_id, uri, began=True)


class _OpenRun:
    def __init__(self, client: MlflowClient, run: str, uri: str, *, began: bool) -> None:
        self.client, self.run, self.uri = client, run, uri
        self.began = began

    @property
    def state(self) -> dict[str, Any]:
        return {"run": self.run, "uri": self.uri}

    @property
    def where(self) -> str:
        return f"run {self.run}; look at it with `mlflow ui --backend-store-uri {self.uri}`"

    def send_epochs(self, rows: Sequence[Mapping[str, Any]]) -> None:
        found = [
            (name, value, int(row["epoch"]))
            for row in rows
            for name, value in row.items()
            if isinstance(value, float) and name != "epoch"
        ]
        self._log(found)

    def send_results(self, content: RunContent) -> None:
        self._log([(name, value, len(content.rows)) for name, value in content.scores.items()])
        for path in content.tables():
            self.client.log_artifact(self.run, str(path))
        for path in content.pictures():
            self.client.log_artifact(self.run, str(path), "plots")
        if content.model:
            self.client.log_artifact(self.run, str(content.model), "model")

    def close(self, *, finished: bool) -> None:
        self.client.set_terminated(self.run, status="FINISHED" if finished else "KILLED")

    def _log(self, found: Sequence[tuple[str, float, int]]) -> None:
        now = int(time.time() * 1000)
        for some in _pieces([Metric(name, value, now, step) for name, value, step in found], _METRICS):
            self.client.log_batch(self.run, metrics=some)


def _find(client: MlflowClient, run: str) -> str | None:
    """Return the id of a run that still exists."""
    try:
        found = client.get_run(run)
    except MlflowException:
        return None
    return run if found.info.lifecycle_stage == "active" else None


def _pieces(items: Sequence[_Item], size: int) -> Iterator[list[_Item]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])

"""Weights & Biases: options, history, summary, pictures and the model; offline where no key is known."""

import os
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import wandb

from tfvision.tracking.folder import RunContent
from tfvision.tracking.pictures import png_pictures

if TYPE_CHECKING:
    from tfvision.tracking.trackers import Tracker


def open_wandb(content: RunContent, state: Mapping[str, Any]) -> "Tracker":
    """Begin a run in Weights & Biases, or go on with the one that was begun before.

    Args:
        content: The run.
        state: Of an earlier session.

    Returns:
        The open run.
    """
    identity = state.get("run") or secrets.token_hex(4)
    mode = os.environ.get("WANDB_MODE") or ("online" if _has_key() else "offline")
    run = wandb.init(
        project=os.environ.get("WANDB_PROJECT") or "tfvision",
        id=identity,
        name=content.name,
        group=content.group or None,
        config={**content.options, **{f"tfvision.{key}": value for key, value in content.facts.items()}},
        resume="allow" if mode == "online" else None,
        mode=mode,
        settings=wandb.Settings(silent=True, console="off"),
    )
    return _OpenRun(run, identity, began=not getattr(run, "resumed", False))


class _OpenRun:
    def __init__(self, run: Any, identity: str, *, began: bool) -> None:
        self.run, self.identity = run, identity
        self.began = began

    @property
    def state(self) -> dict[str, Any]:
        return {"run": self.identity}

    @property
    def where(self) -> str:
        if getattr(self.run, "offline", False):
            folder = Path(self.run.dir).parent  # beside its files
            return f"run {self.identity}, offline; send it on with `wandb sync {folder}`"
        return str(getattr(self.run, "url", None) or f"run {self.identity}")

    def send_epochs(self, rows: Sequence[Mapping[str, Any]]) -> None:
        for row in rows:
            self.run.log({name: value for name, value in row.items() if name != "epoch"}, step=int(row["epoch"]))

    def send_results(self, content: RunContent) -> None:
        self.run.summary.update(dict(content.scores))
        with tempfile.TemporaryDirectory() as folder:
            found, _ = png_pictures(content, Path(folder))
            self.run.log({f"pictures/{name}": wandb.Image(str(path)) for name, path in found.items()})
        name = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in content.name)
        results = wandb.Artifact(f"{name}-results", type="results")
        for path in (*content.tables(), *content.pictures()):
            results.add_file(str(path), str(path.relative_to(content.folder)))
        self.run.log_artifact(results)
        if content.model:
            model = wandb.Artifact(f"{name}-model", type="model")
            model.add_file(str(content.model))
            self.run.log_artifact(model)

    def close(self, *, finished: bool) -> None:
        self.run.finish(exit_code=0 if finished else 1)


def _has_key() -> bool:
    """Tell whether `wandb login` or WANDB_API_KEY gave a key; without one, being asked for it would stop everything."""
    return bool(os.environ.get("WANDB_API_KEY") or wandb.api.api_key)

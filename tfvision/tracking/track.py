"""Sending a run that is there already to trackers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tfvision.errors import RunError, TfvisionError, UsageError, one_line
from tfvision.runs.folder import Run
from tfvision.system.terminal import console, in_one_output, waiting
from tfvision.tracking.beside import send_command
from tfvision.tracking.folder import runs_in
from tfvision.tracking.session import Session, alone
from tfvision.tracking.trackers import TRACKERS, tracker_names


@dataclass(frozen=True)
class Sent:
    """A run that a tracker has.

    Attributes:
        run: The run folder.
        tracker: The name of the tracker.
        where: Where to look at it.
        finished: Whether the run was finished; else scores, pictures and the model are yet to come.
    """

    run: Path
    tracker: str
    where: str
    finished: bool


@in_one_output
def track(run: str | Path | Run, to: str | Sequence[str] = "tensorboard") -> tuple[Sent, ...]:
    """Send a run to trackers, finished or not: options, epochs, and of a finished one scores, pictures and the model.

    What a tracker has already is not sent again, so that this goes on where a tracker failed.

    Args:
        run: A run folder, or one that holds runs, such as those of several seeds or folds.
        to: `tensorboard`, `mlflow`, `wandb`, or several (`mlflow,wandb`).

    Returns:
        What was sent where, a record for each run and tracker.

    Raises:
        UsageError: An unknown tracker, one that is not installed, or a run that is being sent by its training.
        DataError: No such run.
        RunError: A tracker failed; the others have the run.
    """
    names = tracker_names(to)
    if not names:
        raise UsageError(f"to: expected one or several of {', '.join(TRACKERS)}, got none")
    folders = runs_in(Path(run))
    sent, failed = [], []
    for folder in folders:
        for name in names:
            try:
                with waiting(f"sending {folder} to {name}"):
                    sent.append(_send(folder, name))
            except TfvisionError:
                raise
            except Exception as error:  # trackers raise anything
                failed.append(f"{folder} to {name}: {type(error).__name__}: {one_line(error)}")
                if len(folders) * len(names) > 1:
                    console.print(f"not sent: {failed[-1]}")
    if failed:
        again = send_command(folders[0] if len(folders) == 1 else folders[0].parent, ",".join(names))
        raise RunError(f"{len(failed)} of {len(failed) + len(sent)} not sent ({failed[0]}); try again with `{again}`")
    return tuple(sent)


def _send(folder: Path, name: str) -> Sent:
    with alone(folder, name):
        session = Session(folder, name)
        finished = session.close()
        return Sent(folder, name, session.where, finished)

"""Learning from images without labels: rounds added to a finished run, and what they brought."""

import csv
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from tfvision.config.yaml import to_yaml
from tfvision.errors import UsageError
from tfvision.runs.folder import Run, create_run
from tfvision.runs.names import (
    CHECKPOINTS,
    CONFIG,
    ENVIRONMENT,
    HISTORY,
    MODEL,
    SPLITS,
    SUMMARY,
)
from tfvision.training.options import PseudoLabelOptions
from tfvision.training.phases import pseudo_label_phases


@dataclass(frozen=True)
class Rounds:
    """How a finished run goes on with pseudo-labels.

    Attributes:
        count: How often the unlabelled images are labelled anew and learned from.
        restart: Whether each begins from the initial weights.
    """

    count: int = 1
    restart: bool = True


def pseudo_label(run: Run, options: PseudoLabelOptions, rounds: Rounds, output: Path) -> Run:
    """Go on with a finished run as a new one that has phases with pseudo-labels.

    The new run begins at the end of the old one, as if it had been interrupted there; its config.yaml repeats both.

    Args:
        run: A finished run whose data is at hand.
        options: The images without labels, and which to keep.
        rounds: How often.
        output: The folder of the new run.

    Returns:
        The new run; `pseudo_labels.json` says what it brought.

    Raises:
        UsageError: The folder exists, there are no images without labels, or the run came from Python.
        DataError: The data is gone or has changed.
    """
    from tfvision.experiment.train import train_from_config

    _ = run.metrics  # says how to finish a run that is not
    if rounds.count < 1:
        raise UsageError(f"--rounds {rounds.count}: expected 1 or more")
    config = run.config
    plain = [phase for phase in config.phases or () if not phase.pseudo_labels]
    if options.labels is None:
        options = replace(options, labels=config.pseudo.labels)
    added = pseudo_label_phases(plain, rounds.count, restart=rounds.restart)
    config = replace(config, pseudo=options, phases=[*plain, *added])
    names = (SPLITS, SUMMARY, ENVIRONMENT)
    files = {name: (run.folder / name).read_text(encoding="utf-8") for name in names}
    created = create_run(output, {CONFIG: to_yaml(config, comments=True), **files})
    shutil.copyfile(run.folder / MODEL, created.folder / MODEL)
    _leave_checkpoint(run, created.folder, phase=len(plain) - 1)
    return train_from_config(config, resume=created.folder)


def _leave_checkpoint(run: Run, folder: Path, phase: int) -> None:
    """Write the end of a finished run as a checkpoint of the last phase it had."""
    from tfvision.training.checkpoints import Checkpoints, PhaseState
    from tfvision.training.history import History

    with open(run.folder / HISTORY, newline="", encoding="utf-8") as file:
        rows = [{key: _value(text) for key, text in row.items()} for row in csv.DictReader(file)]
    history, model = History(run.config.monitor), run.model()
    history.resume(rows)
    history.best_weights = model.get_weights()
    state = PhaseState(phase=phase, epochs=(run.config.phases or [])[phase].epochs, done=True)
    Checkpoints(folder / CHECKPOINTS).save(model, history, state)


def _value(text: str) -> str | int | float:
    """Return a cell of history.csv as the history had it."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text

"""Learning from images without labels: rounds added to a finished run, and what they brought."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from tfvision.config.options import from_dict
from tfvision.config.yaml import to_yaml
from tfvision.errors import UsageError
from tfvision.experiment.resolving import phases_of, resolve_options
from tfvision.experiment.train import train_from_config
from tfvision.runs.folder import Run, create_run, open_run, refuse_existing
from tfvision.runs.names import (
    CHECKPOINTS,
    CONFIG,
    DATA_FACTS,
    ENVIRONMENT,
    HISTORY,
    MODEL,
    SPLITS,
    SUMMARY,
)
from tfvision.runs.resume import resumable
from tfvision.system.device import load_tensorflow, set_seed
from tfvision.system.files import read_written, read_written_rows
from tfvision.system.terminal import in_one_output
from tfvision.training.config import TrainConfig
from tfvision.training.options import PseudoLabelOptions
from tfvision.training.phases import pseudo_label_phases


@in_one_output
def pseudo_label(
    run: Run | str | Path,
    *,
    rounds: int = 1,
    go_on: bool = False,
    output: str | Path | None = None,
    **options: Any,
) -> Run:
    """Continue a finished run as a new one that labels images itself where it is sure, and learns from them.

    The new run begins at the end of the old one, as if it had been interrupted there; its config.yaml reproduces both.

    Args:
        run: A finished run, or its folder, whose data is at hand.
        rounds: How often the unlabelled images are labelled again and learned from.
        go_on: Continue from the best weights; without it each round begins from the initial ones.
        output: The folder of the new run; default the run's with `_pseudo` appended.
        **options: The images without labels and which of them to keep, `data="unlabelled.npy"`, `precision=0.95`: the keys of
            the section `pseudo`.

    Returns:
        The new run; `pseudo_labels.json` says what it brought.

    Raises:
        UsageError: The folder exists already, there are no images without labels, or the run came from Python or is an
            ensemble.
        DataError: The data is gone or has changed.
        RunError: The loss became NaN, or memory or disk space ran out.
    """
    run = open_run(run)
    if run.is_ensemble:
        raise UsageError(f"{run.folder} is an ensemble, which was not trained; continue one of its members")
    wanted = from_dict(PseudoLabelOptions, options)
    folder = Path(output) if output else run.folder.with_name(f"{run.folder.resolve().name}_pseudo")
    config = _with_rounds(run, wanted, rounds, restart=not go_on)
    resolve_options(config)
    refuse_existing(folder)
    load_tensorflow()
    set_seed(config.seed)  # before the model is loaded: its dropout draws its state then
    names = (SPLITS, DATA_FACTS, SUMMARY, ENVIRONMENT, HISTORY)
    present = [name for name in names if (run.folder / name).is_file()]  # older runs lack data.json
    files = {name: read_written(run.folder / name) for name in present}
    plain = [phase for phase in config.phases or () if not phase.pseudo_labels]

    def begin_at_its_end(created: Path) -> None:
        shutil.copyfile(run.folder / MODEL, created / MODEL)
        _leave_checkpoint(run, created, phase=len(plain) - 1)

    with resumable(Run(folder)):
        create_run(folder, {CONFIG: to_yaml(config, comments=True), **files}, begin_at_its_end)
        trained = train_from_config(config, resume=folder)
    assert trained is not None, "only a dry run leaves no run"
    return trained


def _with_rounds(run: Run, wanted: PseudoLabelOptions, rounds: int, *, restart: bool) -> TrainConfig:
    """Return the options of a finished run with phases that learn from pseudo-labels."""
    _ = run.metrics  # raises for an unfinished run, and says how to finish it
    if rounds < 1:
        raise UsageError(f"--rounds {rounds}: expected 1 or more")
    config = run.config
    plain = [phase for phase in config.phases or () if not phase.pseudo_labels]
    if wanted.labels is None:
        wanted = replace(wanted, labels=config.pseudo.labels)
    added = pseudo_label_phases(plain, rounds, restart=restart)
    return replace(config, pseudo=wanted, phases=[*plain, *added])


def _leave_checkpoint(run: Run, folder: Path, phase: int) -> None:
    """Write the end of a finished run as a checkpoint of the last phase it had."""
    from tfvision.training.checkpoints import Checkpoints, PhaseState
    from tfvision.training.history import History

    rows = [
        {key: _value(text) for key, text in row.items()} for row in read_written_rows(run.folder / HISTORY, ("epoch",))
    ]
    history, model = History(run.config.monitor), run.model()
    history.resume(rows)
    history.best_weights = model.get_weights()
    state = PhaseState(phase=phase, epochs=phases_of(run.config)[phase].epochs, done=True)
    Checkpoints(folder / CHECKPOINTS).save(model, history, state)


def _value(text: str) -> str | int | float:
    """Return a cell of history.csv as the number or text that it was written from."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text

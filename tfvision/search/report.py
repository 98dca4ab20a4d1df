"""The report of a search: one self-contained page in the style of a run's."""

import json
import shlex
from pathlib import Path
from typing import Any

from tfvision.config.nested import flatten
from tfvision.config.yaml import to_yaml
from tfvision.evaluation.score_names import MONITORS, column_words
from tfvision.experiment.resolving import phases_of
from tfvision.report.pictures import embed_plot
from tfvision.report.template import page_template
from tfvision.report.words import long_duration
from tfvision.runs.names import ENVIRONMENT, PLOTS, REPORT
from tfvision.search.log import Trial
from tfvision.search.messages import show_value
from tfvision.search.plan import Search
from tfvision.search.reading import BEST
from tfvision.search.stages import Outcome, rank_trials
from tfvision.system.files import write_text
from tfvision.training.config import TrainConfig
from tfvision.version import __version__

_SCORES = MONITORS[::-1]  # the loss last


def write_search_report(folder: Path, search: Search, outcome: Outcome, config: TrainConfig, objective: str) -> Path:
    """Write `report.html` into a search folder; its plots are there already.

    Args:
        folder: The search folder.
        search: What was searched.
        outcome: All trials and the best one.
        config: The complete configuration of the best one.
        objective: Name of the score.

    Returns:
        The path of the page. It needs no other file and no network.
    """
    best = outcome.best
    page = page_template("search.html", "search").render(
        title=f"Search on {Path(config.data).name} with {config.backbone}",
        figure=f"{best.scores[objective]:.4f}",
        headline=f"is the best validation {column_words(objective)} of {len(outcome.trials)} trials, reached by trial {best.number}.",
        remarks=_remarks(search, outcome, objective),
        tiles=_tiles(outcome),
        best=[(key, show_value(value)) for key, value in _searched(outcome, config).items()],
        stages=[_stage(search, outcome, number, objective) for number in range(len(search.stages))],
        plots={path.stem: embed_plot(path) for path in sorted((folder / PLOTS).glob("*.*"))},
        usage=_usage(folder, outcome, search),
        command=_command(folder),
        config_text=to_yaml(config),
        folder=folder.as_posix(),
        version=__version__,
    )
    write_text(folder / REPORT, page)
    return folder / REPORT


def _remarks(search: Search, outcome: Outcome, objective: str) -> list[str]:
    failed = sum(trial.status == "failed" for trial in outcome.trials)
    remarks = [
        "It was chosen among many on the validation images, so expect a little less on new images; the test part was "
        "not looked at. Train the best configuration to see its test score.",
    ]
    if search.options.epochs_scale != 1:
        remarks.append(
            f"Epochs were scaled by {search.options.epochs_scale:g}: what is best in few epochs need not be best in many."
        )
    if failed:
        remarks.append(f"{failed} of {len(outcome.trials)} trials failed; the tables say why.")
    close = [trial for trial in rank_trials(outcome.trials, objective) if trial.same_as is None][1:2]
    if close:
        remarks.append(f"The second best: trial {close[0].number} with {close[0].scores[objective]:.4f}.")
    return remarks


def _tiles(outcome: Outcome) -> list[tuple[str, str]]:
    best, trials = outcome.best, outcome.trials
    found = [
        (f"{best.scores[name]:.4f}", f"{column_words(name)}, validation") for name in _SCORES if name in best.scores
    ]
    found.append((str(len(trials)), "trials"))
    found.append((f"{sum(trial.epochs for trial in trials if trial.same_as is None):,}", "epochs in all"))
    found.append((long_duration(sum(trial.seconds for trial in trials)), "training time"))
    return found


def _searched(outcome: Outcome, config: TrainConfig) -> dict[str, Any]:
    """Return the value that each searched option has in the best configuration."""
    flat = flatten(config)
    last = f"phases[{len(phases_of(config)) - 1}]"
    found: dict[str, Any] = {}
    for key in dict.fromkeys(key for trial in outcome.trials for key in trial.values):
        # The values of a list belong together; the short options of a phase are those of the last phase.
        names = (key, key.rsplit("[", 1)[0], f"{last}.{key}")
        name = next((name for name in names if flat.get(name) is not None), None)
        if name:
            found[name] = flat[name]
    return found


def _stage(search: Search, outcome: Outcome, number: int, objective: str) -> dict[str, Any]:
    """Return name, algorithm and table of a stage, the best trial first, failed ones last."""
    trials = [trial for trial in outcome.trials if trial.stage == number]
    keys = list(dict.fromkeys(key for trial in trials for key in trial.values))
    known = {name for trial in trials for name in trial.scores}
    scores = [objective, *(name for name in _SCORES if name != objective and name in known)]
    order = [*rank_trials(trials, objective), *(trial for trial in trials if trial.status == "failed")]
    return {
        "name": search.stages[number].name,
        "algorithm": search.stages[number].algorithm,
        "keys": keys,
        "scores": [column_words(name) for name in scores],
        "rows": [_row(trial, keys, scores) for trial in order],
        "best": order[0].number if order else None,
        "heat_map": f"heat_map_{number + 1}",
    }


def _row(trial: Trial, keys: list[str], scores: list[str]) -> dict[str, Any]:
    return {
        "number": trial.number,
        "values": [show_value(trial.values[key]) if key in trial.values else "–" for key in keys],
        "scores": [f"{trial.scores[name]:.4f}" if name in trial.scores else "–" for name in scores],
        "epochs": trial.epochs or "–",
        "time": long_duration(trial.seconds) if trial.seconds else "–",
        "failed": trial.status == "failed",
        "reason": trial.reason,
    }


def _usage(folder: Path, outcome: Outcome, search: Search) -> dict[str, str]:
    best = shlex.quote((folder / BEST).as_posix())
    epochs = sum(phase.epochs for phase in phases_of(outcome.config) if phase.solver == "gradient")
    full = round(epochs / search.options.epochs_scale) if search.options.epochs_scale != 1 else 0
    return {
        "train": f"tfvision train --config {best} --output runs/best",
        "longer": f"tfvision train --config {best} --epochs {full} --output runs/best" if full else "",
    }


def _command(folder: Path) -> str:
    try:
        return str(json.loads((folder / ENVIRONMENT).read_text(encoding="utf-8")).get("command") or "")
    except (OSError, ValueError):
        return ""

"""What a search leaves behind: a table of its trials, its best configuration, plots and a report."""

import io
from pathlib import Path

from tfvision.config.yaml import to_yaml
from tfvision.runs.names import PLOTS
from tfvision.search.importance import importances
from tfvision.search.log import Trial
from tfvision.search.messages import describe_values, show_value
from tfvision.search.plan import Search
from tfvision.search.plots import heat_map, plot_best_so_far, plot_heat_map, plot_importance
from tfvision.search.reading import BEST
from tfvision.search.report import write_search_report
from tfvision.search.stages import Outcome
from tfvision.system.csv_table import TableWriter
from tfvision.system.files import write_text
from tfvision.training.config import TrainConfig

TRIALS_TABLE = "trials.csv"


def write_search_results(folder: Path, search: Search, outcome: Outcome, config: TrainConfig, objective: str) -> Path:
    """Write everything that follows from the trials into the search folder.

    Args:
        folder: The search folder.
        search: What was searched.
        outcome: All trials and the best one.
        config: The complete configuration of the best one.
        objective: Name of the score.

    Returns:
        The path of the report.
    """
    names = [stage.name for stage in search.stages]
    write_text(folder / TRIALS_TABLE, trial_table(outcome.trials, names))
    write_text(folder / BEST, _best_header(outcome, names, objective, search) + to_yaml(config, comments=True))
    stages = [[trial for trial in outcome.trials if trial.stage == number] for number in range(len(names))]
    found = {
        name: shares for name, trials in zip(names, stages, strict=True) if (shares := importances(trials, objective))
    }
    plots = folder / PLOTS
    plot_best_so_far(outcome.trials, names, objective, plots / "best_so_far.svg")
    if found:
        plot_importance(found, objective, plots / "importance.svg")
    for number, (name, trials) in enumerate(zip(names, stages, strict=True), start=1):
        if (heat := heat_map(trials, objective, found.get(name, {}))) is not None:
            plot_heat_map(heat, objective, plots / f"heat_map_{number}.svg", name)
    return write_search_report(folder, search, outcome, config, objective)


def trial_table(trials: list[Trial], names: list[str]) -> str:
    """Return the text of trials.csv: every trial with its values, scores, epochs, seconds, status and reason.

    Args:
        trials: In the order of the rows.
        names: Names of the stages.

    Returns:
        CSV; a cell is empty where a trial has no such value or score.
    """
    keys = list(dict.fromkeys(key for trial in trials for key in trial.values))
    scores = list(dict.fromkeys(name for trial in trials for name in trial.scores))
    text = io.StringIO(newline="")
    writer = TableWriter(text)
    writer.writerow(["trial", "stage", *keys, *scores, "epochs", "seconds", "status", "reason"])
    for trial in trials:
        writer.writerow(
            [
                trial.number,
                names[trial.stage],
                *(show_value(trial.values[key]) if key in trial.values else "" for key in keys),
                *(f"{trial.scores[name]:.6g}" if name in trial.scores else "" for name in scores),
                trial.epochs,
                f"{trial.seconds:.3g}",
                trial.status,
                trial.reason,
            ]
        )
    return text.getvalue()


def _best_header(outcome: Outcome, names: list[str], objective: str, search: Search) -> str:
    best = outcome.best
    lines = [
        f"The best of {len(outcome.trials)} trials: trial {best.number} ({names[best.stage]}), "
        f"{objective} {best.scores[objective]:.4f}; {describe_values(best.values)}.",
        "`tfvision train --config` on it trains what the trial trained, and scores it on the test part.",
    ]
    if search.options.epochs_scale != 1 or best.budget:
        lines.append("The trial had fewer epochs than the search file says; `phases` gives its own.")
    return "".join(f"# {line}\n" for line in lines)

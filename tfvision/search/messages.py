"""What a search prints as it runs: its plan, and a line for each trial."""

import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

from tfvision.experiment.preparation import Prepared
from tfvision.search.log import Trial
from tfvision.search.plan import Search, epochs_of
from tfvision.search.proposals import count_proposals
from tfvision.search.ranges import Range
from tfvision.search.stages import best_trial
from tfvision.system.terminal import console, duration
from tfvision.training.config import TrainConfig


def describe_search(search: Search, config: TrainConfig, data: Prepared, objective: str) -> str:
    """Return the plan of a search as aligned lines.

    Args:
        search: What is searched.
        config: What its trials have in common, see `Search.first_config`.
        data: The images and their split.
        objective: Name of the score.

    Returns:
        Lines for the data, for each stage with its ranges, and for how the best trial is chosen.
    """
    counts = Counter(data.split.tolist())
    parts = f"{counts['train']:,} train, {counts['validation']:,} validation; the test part is not looked at"
    lines = [("data", f"{config.data}: {parts}"), *(("", note) for note in data.notes)]
    base = search.base
    for number, stage in enumerate(search.stages):
        space = search.space(number, base)
        base = space.options(next(space.corners()))
        trials = count_stages(search)[number]
        most = "at most " if stage.algorithm in ("random", "bayesian") else ""
        lines.append((f"stage {number + 1}", f"{stage.name}: {stage.algorithm}, {most}{trials} trials"))
        lines += [("", describe_range(each)) for each in space.ranges]
    epochs = epochs_of(config)
    lines.append(("best by", f"{objective}; seed {config.seed}, {epochs} epoch{'s' * (epochs != 1)} a trial"))
    return "\n".join(f"{name:<9} {text}" for name, text in lines)


def describe_range(each: Range) -> str:
    """Return a range as a person writes it: `head.dropout 0.1 .. 0.7`."""
    values = each.values
    if each.bounds is None or (values and len(values) <= 12):
        text = ", ".join(show_value(value) for value in values)
    else:
        text = f"{show_value(each.bounds[0])} .. {show_value(each.bounds[1])}{', log' if each.log else ''}"
    condition = f" (with {each.parent} {', '.join(show_value(value) for value in each.when)})" if each.parent else ""
    return f"{each.key}: {text}{condition}"


def count_stages(search: Search) -> list[int]:
    """Return how many trials each stage will have, as far as that is known before it runs."""
    base, counts = search.base, []
    for number, stage in enumerate(search.stages):
        space = search.space(number, base)
        corner = next(space.corners())
        epochs = epochs_of(search.train_config(space.config(corner)))
        factor = search.options.factor
        counts.append(count_proposals(space, stage.algorithm, trials=stage.trials, epochs=epochs, factor=factor))
        base = space.options(corner)
    return counts


class TrialLines:
    """Prints a line for each trial: its values, its score, the best so far, the time left.

    Args:
        search: What is searched.
        objective: Name of the score.
    """

    def __init__(self, search: Search, objective: str) -> None:
        self.search, self.objective = search, objective
        self.total = sum(count_stages(search))
        self._trials: list[Trial] = []
        self._seconds: list[float] = []
        self._started = time.monotonic()

    def __call__(self, trial: Trial, new: bool) -> None:
        """Print a finished trial.

        Args:
            trial: The trial.
            new: Whether it was run just now, and not before the search was interrupted.
        """
        if not self._trials or self._trials[-1].stage != trial.stage:
            console.print(f"{self.search.stages[trial.stage].name}:")
        self._trials.append(trial)
        if new:
            self._seconds.append(trial.seconds)
        best = best_trial(self._trials, self.objective)
        parts = [
            f"trial {trial.number:>{len(str(self.total))}}/{self.total}",
            describe_values(trial.values),
            f"{trial.epochs} epochs" if trial.budget else "",
            f"{self.objective} {trial.scores[self.objective]:.4f}" if trial.scores else f"failed: {trial.reason}",
            f"({trial.reason})" if trial.same_as else "",
            f"best {best.scores[self.objective]:.4f} (trial {best.number})" if best else "",
            duration(trial.seconds) if new else "done before",
            self._left(),
        ]
        console.print("  ".join(part for part in parts if part))

    def _left(self) -> str:
        left = self.total - len(self._trials)
        if left <= 0 or not self._seconds:
            return ""
        return f"{duration(left * sum(self._seconds) / len(self._seconds))} left"


def describe_values(values: dict[str, Any]) -> str:
    """Return the values of a trial, each under its shortest unambiguous name."""
    names = short_names(values)
    return "  ".join(f"{names[key]} {show_value(value)}" for key, value in values.items())


def short_names(keys: Iterable[str]) -> dict[str, str]:
    """Return the last part of each dotted key, or the whole key where two share it."""
    keys = list(keys)
    last = Counter(key.rsplit(".", 1)[-1] for key in keys)
    return {key: name if last[name := key.rsplit(".", 1)[-1]] == 1 else key for key in keys}


def show_value(value: Any) -> str:
    """Return a value as a table shows it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return "[" + ", ".join(map(show_value, value)) + "]"
    return str(value)

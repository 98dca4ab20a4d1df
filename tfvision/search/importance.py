"""Importance: how much of the score each searched option explains."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfvision.search.log import Trial

_FEWEST = 8  # trials; a forest fitted to fewer means nothing
_EPOCHS = "epochs"


def importances(trials: list[Trial], objective: str) -> dict[str, float]:
    """Return the permutation importance of each option in a random forest fitted to the trials.

    A forest (Breiman, "Random Forests", 2001) learns the score from the values; the importance of an option is how
    much worse it explains the same trials once the option's values are shuffled. It tells what mattered within these
    ranges and trials, not why.

    Args:
        trials: The trials of one stage.
        objective: Name of the score.

    Returns:
        The share of each option, 0..1, the largest first; where Hyperband gave trials different epochs, also of
        `epochs`. Empty for fewer than 8 completed trials, fewer than two options, or equal scores.
    """
    done = [trial for trial in trials if trial.status == "completed"]
    columns: dict[str, list[Any]] = {key: [trial.values.get(key) for trial in done] for key in _keys(done)}
    if any(trial.budget for trial in done):
        columns[_EPOCHS] = [trial.budget for trial in done]
    table = {key: numbers(values) for key, values in columns.items()}
    table = {key: column for key, column in table.items() if np.ptp(column) > 0}
    scores = np.array([trial.scores[objective] for trial in done])
    if len(done) < _FEWEST or len(table) < 2 or np.ptp(scores) == 0:
        return {}
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance

    features = np.stack(list(table.values()), axis=1)
    forest = RandomForestRegressor(100, random_state=0).fit(features, scores)
    found = permutation_importance(forest, features, scores, n_repeats=10, random_state=0)
    worse = np.maximum(found.importances_mean, 0)
    shares = worse / worse.sum() if worse.sum() > 0 else worse
    return dict(sorted(zip(table, shares.tolist(), strict=True), key=lambda pair: -pair[1]))


def numbers(values: Sequence[Any]) -> np.ndarray:
    """Return values as float64: numbers as they are, others by order of appearance, missing ones below all others."""
    known = [value for value in values if value is not None]
    if all(isinstance(value, (int, float)) for value in known):
        lowest = min(known, default=0)
        return np.array([lowest - 1 if value is None else value for value in values], dtype=np.float64)
    order = list(dict.fromkeys(map(repr, known)))
    return np.array([-1 if value is None else order.index(repr(value)) for value in values], dtype=np.float64)


def _keys(trials: list[Trial]) -> list[str]:
    return list(dict.fromkeys(key for trial in trials for key in trial.values))

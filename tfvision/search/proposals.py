"""Proposals: the next values to try, from the oracles of KerasTuner.

KerasTuner's own `Tuner.search` is not used: it builds models its own way, writes a folder and a TensorBoard log for
each trial, does not write its JSON atomically, and does not resume a killed search where it stopped. An oracle by itself
is a pure function of its seed and the scores it was told, so telling it the same scores again restores its state.
"""

import math
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from tfvision.evaluation.score_names import lower_is_better
from tfvision.search.ranges import Range
from tfvision.search.space import Space

if TYPE_CHECKING:
    import keras_tuner

_EPOCHS = "tuner/epochs"  # KerasTuner's name for what Hyperband gives a trial
_UNLIMITED = 10**9


class Proposal(NamedTuple):
    """What to try next.

    Attributes:
        values: The value of each range that applies, by its key.
        epochs: How many epochs Hyperband gives the trial, or None for all.
    """

    values: dict[str, Any]
    epochs: int | None


class Proposer:
    """Proposes values, one trial at a time.

    Args:
        space: What is searched.
        algorithm: `random`, `grid` in the order of the ranges, the last one fastest; `hyperband` (Li et al., 2018)
            or `bayesian`, a Gaussian process with upper confidence bound (Srinivas et al., 2010).
        objective: Name of the score, see `lower_is_better`.
        seed: The same seed and scores give the same proposals.
        epochs: Most epochs of a trial, for `hyperband`.
        factor: One in `factor` trials is trained further, for `hyperband`.
    """

    def __init__(
        self,
        space: Space,
        algorithm: str,
        objective: str,
        *,
        seed: int | tuple[int, ...],
        epochs: int = 1,
        factor: int = 3,
    ) -> None:
        self.space, self.objective = space, objective
        # From adjacent seeds KerasTuner draws the same numbers shifted by one, and it replaces a seed of 0.
        self._seed = 1 + int(np.random.SeedSequence(seed).generate_state(1)[0] % 2**31)
        self._random = max(3, 3 * len(space.ranges)) if algorithm == "bayesian" else None
        self._oracle = self._build_oracle(algorithm, epochs, factor)
        self._trial: Any = None
        self._asked = self._completed = 0

    def propose(self, known: Proposal | None = None) -> Proposal | None:
        """Return what to try next, or None when nothing is left; `tell` its score before asking for the next.

        Args:
            known: What was proposed here when the search ran before. It spares a Gaussian process the seconds that a
                proposal takes; the other algorithms are fast and propose again, with the same result.

        Returns:
            The values of the next trial, or None.
        """
        if self._random is not None:
            # So that a proposal depends only on its number and the trials before it.
            self._oracle._random_state = np.random.RandomState(self._seed + self._asked)
        self._asked += 1
        raw = self._encode(known) if known and self._random is not None and self._completed >= self._random else None
        # A warning that the Gaussian process has not converged calls for no action; its matrices are too small for threads.
        with warnings.catch_warnings(), threadpool_limits(1):
            warnings.simplefilter("ignore")
            if raw:
                self._oracle.populate_space = lambda trial: {"status": "RUNNING", "values": raw}
            self._trial = self._oracle.create_trial("search")
            self._oracle.__dict__.pop("populate_space", None)
        if self._trial.status != "RUNNING":
            return None
        drawn = self._trial.hyperparameters.values
        values = {e.key: _decode(e, drawn[e.key]) for e in self.space.ranges if e.key in drawn}
        proposal = Proposal(values, drawn.get(_EPOCHS))
        drawn |= self._encode(proposal)  # the oracle learns from the rounded values, which are the ones tried
        return proposal

    def tell(self, score: float | None) -> None:
        """Tell the score of the last proposal, or None if it failed."""
        failed = score is None or not math.isfinite(score)
        if not failed:
            self._oracle.update_trial(self._trial.trial_id, {self.objective: score})
            self._completed += 1
        self._trial.status = "FAILED" if failed else "COMPLETED"
        self._oracle.end_trial(self._trial)

    def _encode(self, proposal: Proposal) -> dict[str, Any] | None:
        """Return values in the form the oracle uses, or None if they do not belong to this space."""
        by_key = {each.key: each for each in self.space.ranges}
        try:
            return {key: _index(by_key[key], value) for key, value in proposal.values.items()}
        except (KeyError, ValueError):
            return None

    def _build_oracle(self, algorithm: str, epochs: int, factor: int) -> "keras_tuner.Oracle":
        import keras_tuner
        from keras_tuner import oracles

        kinds: dict[str, tuple[Any, dict[str, Any]]] = {
            "random": (oracles.RandomSearchOracle, {"max_trials": None}),
            "grid": (oracles.GridSearchOracle, {}),
            "hyperband": (oracles.HyperbandOracle, {"max_epochs": epochs, "factor": factor}),
            "bayesian": (
                oracles.BayesianOptimizationOracle,
                {"max_trials": None, "num_initial_points": self._random},
            ),
        }
        kind, extra = kinds[algorithm]
        oracle = kind(
            objective=keras_tuner.Objective(self.objective, "min" if lower_is_better(self.objective) else "max"),
            hyperparameters=_hyperparameters(self.space),
            seed=self._seed,
            max_consecutive_failed_trials=_UNLIMITED,  # the search decides, and shows what failed
            **extra,
        )
        oracle.verbose = 0
        # Its files are not written atomically, and the trials have a log of their own.
        oracle.save = lambda: None
        oracle._save_trial = lambda trial: None
        return oracle


def count_proposals(space: Space, algorithm: str, *, trials: int | None, epochs: int, factor: int) -> int:
    """Return how many trials a stage will have, or at most have: random and Bayesian ones can exhaust a small space.

    Args:
        space: What is searched.
        algorithm: `random`, `grid`, `hyperband` or `bayesian`.
        trials: Most trials of the stage; None for no limit.
        epochs: Most epochs of a trial, for `hyperband`.
        factor: One in `factor` trials is trained further, for `hyperband`.

    Returns:
        A number of trials, 1 or more.
    """
    most = _UNLIMITED if trials is None else trials
    if algorithm == "hyperband":
        proposer, count = Proposer(space, algorithm, "val_loss", seed=0, epochs=epochs, factor=factor), 0
        while count < most and proposer.propose():
            proposer.tell(0.0)
            count += 1
        return count
    counts = [0 if not each.values else len(each.values) for each in space.ranges]
    return min(most, _combinations(space)) if all(counts) else most


def _combinations(space: Space) -> int:
    """Return the number of combinations of countable ranges."""
    product = 1
    for each in space.ranges:
        if each.parent:
            continue
        children = [child for child in space.ranges if child.parent == each.key]
        product *= sum(
            math.prod(len(child.values) for child in children if value in child.when) for value in each.values
        )
    return product


def _index(each: Range, value: Any) -> Any:
    return each.values.index(value) if each.values else value


def _decode(each: Range, drawn: Any) -> Any:
    return each.values[drawn] if each.values else each.clean(drawn)


def _hyperparameters(space: Space) -> "keras_tuner.HyperParameters":
    """Declare the ranges; those whose values can be counted, as indexes of their values.

    KerasTuner takes neither lists nor null as values, and miscounts steps of 0.1 from 0.3.
    """
    import keras_tuner

    found = keras_tuner.HyperParameters()
    by_key = {each.key: each for each in space.ranges}
    for each in space.ranges:
        condition: dict[str, Any] = {}
        if each.parent:
            parent = by_key[each.parent]
            condition = {"parent_name": parent.key, "parent_values": [_index(parent, value) for value in each.when]}
        if each.values:
            found.Choice(each.key, list(range(len(each.values))), **condition)
        else:
            assert each.bounds is not None, "a range without choices has bounds"
            declare = found.Int if each.kind == "int" else found.Float
            declare(each.key, *each.bounds, sampling="log" if each.log else "linear", **condition)
    return found

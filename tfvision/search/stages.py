"""The course of a search: stage by stage, trial by trial, each logged before the next begins."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from tfvision.errors import DataError, RunError, TfvisionError, UsageError, WriteError, one_line
from tfvision.evaluation.score_names import goodness
from tfvision.search.best_models import BestModels
from tfvision.search.log import Trial, TrialLog
from tfvision.search.plan import PlannedStage, Search, epochs_of
from tfvision.search.proposals import Proposal, Proposer
from tfvision.search.space import Space
from tfvision.system.interruption import raise_if_interrupted
from tfvision.training.config import TrainConfig


class Trained(NamedTuple):
    """What came of training a trial.

    Attributes:
        scores: Scores of the best epoch, by their names in the history.
        epochs: Epochs trained.
        save: Writes the best model to a `.keras` file.
    """

    scores: Mapping[str, float]
    epochs: int
    save: Callable[[Path], None]


class Outcome(NamedTuple):
    """A finished search.

    Attributes:
        trials: All of them, in order.
        best: The best of all stages; of equal ones, the first.
        config: The configuration that the best one was trained with.
    """

    trials: list[Trial]
    best: Trial
    config: TrainConfig


class SearchLoop:
    """Runs the trials of a search.

    Args:
        search: What is searched.
        objective: Name of the score.
        seed: Seed of the proposals.
        log: Trials in it are not run again, as long as they are what the search would run.
        models: Keeps the models of the best trials.
        run_trial: Trains one configuration.
        on_trial: Called with each trial, and whether it was run just now.
    """

    def __init__(
        self,
        search: Search,
        *,
        objective: str,
        seed: int,
        log: TrialLog,
        models: BestModels,
        run_trial: Callable[[TrainConfig], Trained],
        on_trial: Callable[[Trial, bool], None] = lambda trial, new: None,
    ) -> None:
        self.search, self.objective, self.seed = search, objective, seed
        self.log, self.models, self.run_trial, self.on_trial = log, models, run_trial, on_trial
        self.trials: list[Trial] = []
        self._configs: dict[int, TrainConfig] = {}
        self._done: dict[str, Trial] = {}  # by the configuration that was trained

    def run(self) -> Outcome:
        """Run all stages.

        Returns:
            All trials and the best one.

        Raises:
            RunError: All trials of a stage failed.
            DataError, WriteError: Every other trial would fail in the same way.
        """
        base = self.search.base
        for number, stage in enumerate(self.search.stages):
            space = self.search.space(number, base)
            trials = self._run_stage(number, stage, space)
            best = best_trial(trials, self.objective)
            if best is None:
                raise RunError(
                    f"all {len(trials)} trials of {stage.name} failed, the first as {trials[0].reason or 'unknown'}"
                )
            base = space.options(best.values)
        best = best_trial(self.trials, self.objective)
        assert best is not None, "every stage has a completed trial"
        self.log.drop(len(self.trials) + 1)
        self.models.prune(self.trials)
        for trial in self.models.missing(self.trials):  # removed by hand
            self.run_trial(self._configs[trial.number]).save(self.models.path(trial))
        return Outcome(self.trials, best, self._configs[best.number])

    def _run_stage(self, number: int, stage: PlannedStage, space: Space) -> list[Trial]:
        first = self.search.train_config(space.config(next(space.corners())))
        epochs, factor = epochs_of(first), self.search.options.factor
        proposer = Proposer(
            space, stage.algorithm, self.objective, seed=(self.seed, number), epochs=epochs, factor=factor
        )
        trials: list[Trial] = []
        while stage.trials is None or len(trials) < stage.trials:
            logged = self.log.get(len(self.trials) + 1)
            known = Proposal(logged.values, logged.budget) if logged and logged.stage == number else None
            proposal = proposer.propose(known)
            if proposal is None:
                break
            if logged and proposal != known:
                # From another course of the search (fewer trials, or a score not reproduced), as are all after it.
                self.log.drop(logged.number)
            share = proposal.epochs / epochs if proposal.epochs else 1.0
            trial = self._trial(number, space, proposal, share)
            proposer.tell(trial.scores.get(self.objective))
            trials.append(trial)
        return trials

    def _trial(self, stage: int, space: Space, proposal: Proposal, share: float) -> Trial:
        """Return the trial of a proposal: from the log, from a trial with the same training, or run now."""
        number = len(self.trials) + 1
        config: TrainConfig | None = None
        reason = ""
        try:
            config = self.search.train_config(space.config(proposal.values), share)
        except UsageError as error:  # values that do not go together
            reason = str(error)
        trial = logged = self.log.get(number)
        if trial is None:
            begun = Trial(number, stage, proposal.values, proposal.epochs, "failed", reason)
            trial = begun if config is None else self._train(begun, config)
            self.log.write(trial)
            self.models.prune(self.log.trials)
        self.trials.append(trial)
        if config is not None:
            self._configs[number] = config
            self._done.setdefault(repr(config), trial)
        self.on_trial(trial, trial is not logged)
        return trial

    def _train(self, begun: Trial, config: TrainConfig) -> Trial:
        same = self._done.get(repr(config))
        if same:
            return replace(begun, **_result(same), reason=same.reason or f"as trial {same.number}", same_as=same.number)
        start = time.monotonic()
        try:
            trained = self.run_trial(config)
        except (DataError, WriteError):
            raise
        except Exception as error:
            raise_if_interrupted()  # or else it would be logged as a trial that failed
            return replace(begun, reason=_reason(error), seconds=time.monotonic() - start)
        trial = replace(
            begun,
            status="completed",
            scores={name: float(value) for name, value in trained.scores.items()},
            epochs=trained.epochs,
            seconds=time.monotonic() - start,
        )
        # Saved before the trial is logged, so that a logged trial among the best always has its model.
        self.models.offer(trial, trained.save, self.log.trials)
        return trial


def best_trial(trials: list[Trial], objective: str) -> Trial | None:
    """Return the best trial, of equal ones the first, or None if all failed.

    Args:
        trials: In any order.
        objective: Name of the score.

    Returns:
        A completed trial, or None.
    """
    return next(iter(rank_trials(trials, objective)), None)


def rank_trials(trials: list[Trial], objective: str) -> list[Trial]:
    """Return the completed trials, the best first, equal ones by their numbers.

    Args:
        trials: In any order; failed ones are left out.
        objective: Name of the score.

    Returns:
        A new list.
    """
    found = [trial for trial in trials if trial.status == "completed"]
    return sorted(found, key=lambda trial: (-goodness(objective, trial.scores[objective]), trial.number))


def _result(trial: Trial) -> dict[str, Any]:
    return {"status": trial.status, "scores": trial.scores, "epochs": trial.epochs}


def _reason(error: Exception) -> str:
    text = one_line(error, 300)
    return text if isinstance(error, TfvisionError) else f"{type(error).__name__}: {text}"

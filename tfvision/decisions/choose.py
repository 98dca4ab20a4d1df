"""Choose on the validation images of a finished run how its probabilities become classes, and store that in the run."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from tfvision.decisions.objectives import parse_objective
from tfvision.decisions.thresholds import choose_offsets
from tfvision.errors import DataError, UsageError
from tfvision.evaluation.paired import Difference, paired_differences
from tfvision.evaluation.predictions import Predictions
from tfvision.evaluation.score_names import compared_scores
from tfvision.evaluation.temperature import fit_temperature
from tfvision.models.decision import Decision
from tfvision.runs.folder import Run, open_run, training_alone
from tfvision.runs.names import CALIBRATION_AFTER, DECISION, PLOTS, PREDICTIONS
from tfvision.system.files import read_json, write_json
from tfvision.system.terminal import in_one_output
from tfvision.tasks import has_boxes


@in_one_output
def threshold(run: Run | str | Path, objective: str = "f1") -> Run:
    """Choose a threshold for two classes, or offsets for more, on validation, and store it in the run's folder.

    Args:
        run: A finished run, or the path of its folder.
        objective: See `parse_objective`; `none` undoes an earlier choice.

    Returns:
        The run, opened again: its facts hold the decision, and its predictions follow it. The temperature is unchanged.

    Raises:
        UsageError: An unknown objective, or a run that predicts boxes.
        DataError: There is no such run, or it has no predictions for labelled validation images.
        RunError: No threshold reaches the precision asked for.
    """
    run = _opened(run)
    was = run.facts.decision or Decision()
    if objective == "none":
        return _store(run, Decision(was.temperature))
    wanted = parse_objective(objective, len(run.facts.class_names))
    validation = _validation(run)
    calibrated = was.calibrate(validation.probabilities)
    offsets = choose_offsets(calibrated, validation.labels, wanted, run.config.seed)
    return _store(run, Decision(was.temperature, offsets, objective))


@in_one_output
def calibrate(run: Run | str | Path, *, off: bool = False) -> Run:
    """Fit the temperature on validation, and store it in the run's folder; predicted classes do not change.

    Args:
        run: A finished run, or the path of its folder.
        off: Remove the temperature instead.

    Returns:
        The run, opened again: its facts hold the decision, and its predictions follow it.

    Raises:
        UsageError: The run predicts boxes.
        DataError: There is no such run, or it has no predictions for labelled validation images.
    """
    run = _opened(run)
    was = run.facts.decision or Decision()
    if off:
        return _store(run, was.with_temperature(1.0))
    validation = _validation(run)
    return _store(run, was.with_temperature(fit_temperature(validation.probabilities, validation.labels)))


def describe_decision(run: Run) -> str:
    """Say in lines what was chosen for a run, on how many images, and each score before and after."""
    decision = run.facts.decision
    if decision is None:
        return "as trained: nothing has been chosen"
    stored = read_json(run.folder / DECISION)
    chosen = decision.describe(run.facts.class_names)
    lines = [f"{chosen}; chosen on {stored['validation_images']:,} validation images"]
    if decision.objective and not any(decision.offsets):
        lines.append("classes stay as they were: no other choice held up within the validation images")
    for part in ("validation", "test"):
        if part in stored:
            lines += _score_lines(part, stored[part], run.facts.class_names)
    return "\n".join(lines)


def _opened(run: Run | str | Path) -> Run:
    """Open a finished run that predicts only classes."""
    run = open_run(run)
    _ = run.metrics  # raises for an unfinished run
    if has_boxes(run.facts.task):
        raise UsageError(
            f"{run.folder} finds boxes; thresholds and temperatures are for runs that predict only classes"
        )
    return run


def _validation(run: Run) -> Predictions:
    """Return the model's own predictions for the labelled validation images, without a decision."""
    found = _plain(run).part("validation")
    if not len(found) or (found.labels < 0).any():
        raise DataError(f"{run.folder / PREDICTIONS} has no labelled validation images to choose on")
    return found


def _plain(run: Run) -> Predictions:
    found = run.plain_predictions
    assert isinstance(found, Predictions)  # `_opened` refuses runs that find boxes
    return found


def _store(run: Run, decision: Decision) -> Run:
    """Write a decision into the model file, its scores beside it and both into the report; return the run reopened."""
    from tfvision.plots.classes import plot_calibration  # with matplotlib
    from tfvision.report.page import write_report

    with training_alone(run.folder):
        decided = run.store_facts(replace(run.facts, decision=None if decision.is_neutral else decision))
        write_json(run.folder / DECISION, _scores(decided, decision))
        answers = decided.predictions
        assert isinstance(answers, Predictions)  # `_opened` refuses runs that find boxes
        after = answers.part("test")
        after = after if len(after) else answers.part("validation")
        title = f"Calibration at temperature {decision.temperature:.3g}"
        path = run.folder / PLOTS / CALIBRATION_AFTER
        plot_calibration(after.labels, after.probabilities, after.class_names, path, title=title)
        write_report(run.folder)
    return decided


def _scores(run: Run, decision: Decision) -> dict[str, Any]:
    """Return the content of decision.json: what was chosen, and each score as trained and with the decision."""
    plain = _plain(run)
    path = run.folder / DECISION
    times = read_json(path).get("times_scored_on_test", 0) if path.is_file() else 0
    times += not decision.is_neutral
    content: dict[str, Any] = {**decision.to_dict(), "class_names": list(plain.class_names)}
    if decision.threshold is not None:
        content["threshold"] = decision.threshold
    content |= {"validation_images": len(plain.part("validation")), "times_scored_on_test": times}
    costs = parse_objective(decision.objective, len(plain.class_names)).costs if decision.objective else None
    for part in ("validation", "test"):
        before = plain.part(part)
        if len(before):
            found = paired_differences(before, before.decide(decision), costs=costs, seed=run.config.seed)
            scores = {name: difference.to_dict() for name, difference in found.items()}
            content[part] = {"n": len(before), "scores": scores}
    return content


def _score_lines(part: str, stored: dict[str, Any], class_names: tuple[str, ...]) -> list[str]:
    """Return a line for each score that changed, and one for all that did not."""
    lines = [f"{part}, {stored['n']:,} images, as trained -> now (difference with its 95 % interval)"]
    unchanged = []
    for score in compared_scores():
        if score.name not in stored["scores"]:
            continue
        difference = Difference.from_dict(stored["scores"][score.name])
        name = score.label(class_names[-1])
        if difference.is_none:
            unchanged.append(f"{name} {difference.first:.4f}")
        else:
            lines.append(f"  {name:<24} {difference}")
    return lines + ([f"  unchanged: {', '.join(unchanged)}"] if unchanged else [])

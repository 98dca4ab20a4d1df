"""Combining members: the rule chosen, everything scored, and the folder of the ensemble written."""

import io
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tfvision.ensembles.choose import FittedRule, choose_rule, fit_rules
from tfvision.ensembles.members import Member, MemberAnswers, gather
from tfvision.ensembles.objective import make_objective
from tfvision.ensembles.options import CHOOSE, EnsembleOptions
from tfvision.ensembles.results import Results, combine, judge
from tfvision.ensembles.rules import RULES, Learned, best_member
from tfvision.errors import DataError
from tfvision.evaluation.joining import join_parts
from tfvision.evaluation.parts import compute_part
from tfvision.evaluation.predictions import Predictions, read_predictions, write_predictions
from tfvision.experiment.class_pictures import plot_classes
from tfvision.report.ensemble import describe_ensemble
from tfvision.report.page import write_report
from tfvision.runs.ensemble import EnsembleFile, StoredMember, write_ensemble
from tfvision.runs.folder import Run, create_run, training_alone
from tfvision.runs.images import open_part
from tfvision.runs.names import CARD, ENSEMBLE, ENVIRONMENT, METRICS, MISTAKES, PLOTS, PREDICTIONS, REPORT, SPLITS
from tfvision.system.csv_table import TableWriter
from tfvision.system.environment import describe_environment
from tfvision.system.files import to_json, write_json
from tfvision.system.terminal import console, say_result

_BEFORE_ITS_REPORT = {SPLITS, ENVIRONMENT, PLOTS, ENSEMBLE, PREDICTIONS, METRICS, MISTAKES, CARD}


@dataclass(frozen=True)
class _Chosen:
    """The candidates, the one chosen of them, and what is to be said about how."""

    candidates: list[FittedRule]
    one: FittedRule
    skipped: dict[str, str]
    best: int


def combine_members(members: Sequence[Member], options: EnsembleOptions, folder: Path) -> Run:
    """Combine members and write the folder of the ensemble.

    Args:
        members: Two or more.
        options: The rule, or how it is chosen.
        folder: The folder of the ensemble, which must not exist.

    Returns:
        The ensemble.

    Raises:
        UsageError: The folder exists, or cannot be made.
        DataError: The members do not go together, or a rule that learns has nothing to learn from.
        RunError: The folder cannot be written.
    """
    answers = gather(members)
    chosen = _choose(answers, options)
    results = judge(members, answers, chosen.candidates, chosen.best)
    predictions = _predictions(answers, chosen.one)
    run = create_run(folder, {SPLITS: _split_rows(predictions, members), ENVIRONMENT: to_json(describe_environment())})
    content = _content(members, answers, options, chosen, results, folder)
    with training_alone(folder):
        write_ensemble(folder, content)
        write_predictions(folder / PREDICTIONS, predictions)
        found = read_predictions(folder / PREDICTIONS)  # every figure is computed from the file
        metrics = {part: compute_part(found.part(part), run.facts) for part in dict.fromkeys(found.parts.tolist())}
        write_json(folder / METRICS, metrics)
        _draw(run, found, results.part)
        report = write_report(folder)
    say_result(f"{describe_ensemble(content.results)}\nreport: {report}")
    return run


def remove_unfinished(folder: Path) -> None:
    """Remove the folder of an ensemble that was killed before its report: combining takes seconds, and is done again.

    Args:
        folder: Where an ensemble is to be written. What is not an unfinished ensemble's is left alone.

    Raises:
        UsageError: Another process is writing it.
    """
    if not folder.is_dir() or folder.is_symlink():
        return
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    if REPORT in names or not {SPLITS, ENVIRONMENT} <= names <= _BEFORE_ITS_REPORT:
        return
    with training_alone(folder):
        shutil.rmtree(folder)


def _choose(answers: MemberAnswers, options: EnsembleOptions) -> _Chosen:
    """Fit the rules on validation and choose one; without shared validation images only rules that learn nothing remain."""
    if not len(answers.validation[0]):
        return _without_validation(answers, options)
    probabilities = np.stack([each.probabilities for each in answers.validation])
    given = Learned(probabilities, answers.validation[0].labels, make_objective(options.objective), options.seed)
    candidates, skipped = fit_rules(given, list(RULES))
    if options.method in skipped:
        raise DataError(f"--method {options.method}: {skipped[options.method]}; choose another, or choose")
    one = choose_rule(candidates, options.objective) if options.method == CHOOSE else _named(candidates, options.method)
    return _Chosen(candidates, one, skipped, best_member(given))


def _without_validation(answers: MemberAnswers, options: EnsembleOptions) -> _Chosen:
    count = len(answers.test)
    names = [name for name, rule in RULES.items() if not rule.learns]
    method = "mean" if options.method == CHOOSE else options.method
    if method not in names:
        raise DataError(
            f"--method {method} learns from validation images that no member was trained on, and there are none; "
            f"choose {', '.join(names)}"
        )
    if options.method == CHOOSE:
        console.print("no validation images that no member was trained on: the mean, which learns nothing")
    nothing = Learned(np.empty((count, 0, 2)), np.empty(0, np.int64), make_objective(options.objective))
    candidates = [FittedRule(name, RULES[name].fit(nothing), {}) for name in names]
    # Which member is best is not known; the first stands for all.
    return _Chosen(
        candidates, _named(candidates, method), {name: "no validation images" for name in RULES if name not in names}, 0
    )


def _named(candidates: Sequence[FittedRule], rule: str) -> FittedRule:
    return next(each for each in candidates if each.rule == rule)


def _predictions(answers: MemberAnswers, one: FittedRule) -> Predictions:
    parts = [each for each in (answers.validation, answers.test) if len(each[0])]
    return join_parts(combine(each, one.combination) for each in parts)


def _split_rows(predictions: Predictions, members: Sequence[Member]) -> str:
    """Return the text of `splits.csv`: the images that the ensemble was chosen and tested on; it was trained on none."""
    text = io.StringIO(newline="")
    writer = TableWriter(text)
    writer.writerow(("id", "part", "label", "hash"))
    names = predictions.class_names
    hashes = {name: key for member in members for name, key in member.hashes.items()}
    for image_id, part, label in zip(predictions.ids, predictions.parts, predictions.labels, strict=True):
        writer.writerow((image_id, part, names[label], hashes.get(image_id, "")))
    return text.getvalue()


def _content(
    members: Sequence[Member],
    answers: MemberAnswers,
    options: EnsembleOptions,
    chosen: _Chosen,
    results: Results,
    folder: Path,
) -> EnsembleFile:
    largest = max((member.facts.resize for member in members), key=lambda resize: resize.height * resize.width)
    facts = replace(
        members[0].facts,
        backbone="ensemble",
        resize=largest,
        decision=None,
        class_names=answers.validation[0].class_names,
    )
    stored = tuple(StoredMember(_relative(member.path, folder), member.facts.decision) for member in members)
    own = next((member.options for member in members if member.options), {})
    found = {
        "method": options.method,
        "objective": options.objective,
        "rule": chosen.one.rule,
        "best_member": members[chosen.best].name,
        "part": results.part,
        "rules": [{**each.to_dict(), "words": RULES[each.name].words} for each in results.rules],
        "skipped": chosen.skipped,
        "member_scores": [
            {**each.to_dict(), "backbone": member.facts.backbone, "kind": _kind(member)}
            for each, member in zip(results.members, members, strict=True)
        ],
        "diversity": results.diversity.to_dict(),
        "notes": list(answers.notes),
    }
    return EnsembleFile(facts, stored, chosen.one.combination, {**own, "seed": options.seed}, found)


def _kind(member: Member) -> str:
    """Return what a member is, such as `knn on features of mobilenet_v2`."""
    backbone = member.facts.backbone
    return f"{member.classifier} on features of {backbone}" if member.classifier else backbone


def _relative(path: Path, folder: Path) -> str:
    """Return the path from the folder of the ensemble, so that both can be moved together; absolute on another drive."""
    try:
        return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
    except ValueError:
        return path.resolve().as_posix()


def _draw(run: Run, found: Predictions, part: str) -> None:
    try:
        images = open_part(run, part)
    except DataError as error:
        console.print(f"without a picture of the worst mistakes: {error}")
        images = None
    plot_classes(run.folder / PLOTS, found.part(part), run.metrics[part], images, part)

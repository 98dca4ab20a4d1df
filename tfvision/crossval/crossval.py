"""Cross-validation: a run for each fold, each image predicted by the one model that did not see it.

No model has seen the images held out of all folds: on these, all models vote.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from tfvision.audit.options import WORDS, AuditConfig
from tfvision.config.options import from_dict
from tfvision.config.yaml import load_yaml
from tfvision.crossval.scores import CrossvalScores, FoldScores
from tfvision.data.splits.split import HELD_OUT
from tfvision.errors import UsageError
from tfvision.evaluation.box_predictions import BoxPredictions, write_box_predictions
from tfvision.evaluation.joining import join_parts
from tfvision.evaluation.parts import compute_part
from tfvision.evaluation.predictions import Predictions, write_predictions
from tfvision.evaluation.spread import Spread, score_of
from tfvision.experiment.resolving import default_folder, resolve_options
from tfvision.experiment.train import alike, train_part
from tfvision.models.backbones.table import plain_name
from tfvision.models.combination import Combination, Kind
from tfvision.runs.folder import Run, refuse_existing
from tfvision.runs.names import FOLDS_TABLE, METRICS, PREDICTIONS, VOTES
from tfvision.runs.resume import part_of, resume_command
from tfvision.system.csv_table import TableWriter
from tfvision.system.files import write_json, write_text
from tfvision.system.terminal import console, in_one_output, say_result
from tfvision.tasks import has_boxes
from tfvision.training.config import TrainConfig

AUDIT = "audit"

_VOTES: dict[str, Kind] = {"majority": "vote", "mean": "mean"}
_Found = TypeVar("_Found", Predictions, BoxPredictions)


@in_one_output
def crossval(
    data: str | Path,
    *,
    backbone: str | Sequence[str] = TrainConfig.backbone,
    folds: int = 5,
    audit: bool | str | Path | Mapping[str, Any] | None = None,
    output: str | Path | None = None,
    resume: bool = False,
    **options: Any,
) -> CrossvalScores:
    """Train a run for each of several folds: mean and spread of every score, and each image predicted unseen.

    Args:
        data: Labelled images, see `open_images`.
        backbone: One or several (a list, or `a,b`) to compare on the same folds.
        folds: Number of folds, 2 or more.
        audit: Audit the images first and use only the clean ones: True, `certain` or `likely` (see `audit --remove`),
            or options of the audit as a mapping or YAML file.
        output: The folder of the folds; default `runs/<data>-crossval-<time>`.
        resume: Resume in `output`; folds that are finished are kept.
        **options: Other options of the command line: `unfreeze="15"`, `head={"units": [256]}`.

    Returns:
        The scores of each backbone, in order.

    Raises:
        UsageError: Options that are unknown or do not go together, or a folder that exists already.
        DataError: No such data, unreadable images, or too few images of a class for the folds.
        RunError: The loss became NaN, or memory or disk space ran out.
    """
    backbones = backbone.split(",") if isinstance(backbone, str) else list(backbone)
    if not backbones:
        raise UsageError("backbone: expected one or several, got none")
    # In full precision the trained part predicts from stored features exactly what the whole model does.
    given = {"cache": "float32", **options, "data": str(data), "backbone": backbones[0].strip()}
    config = from_dict(TrainConfig, given | ({} if output is None else {"output": str(output)}))
    names = [name.strip() for name in backbones]
    return cross_validate(config, backbones=names, folds=folds, audit=_audit_options(audit), resume=resume)


def cross_validate(
    config: TrainConfig, *, backbones: Sequence[str], folds: int, audit: AuditConfig | None = None, resume: bool = False
) -> CrossvalScores:
    """Do all that `tfvision crossval` does.

    Each fold is a run as `tfvision train --split.folds K --split.fold k` would make it. Features of frozen layers are
    stored in full precision and shared: each image passes the frozen part once.

    Args:
        config: The options of each run.
        backbones: One or several to compare, on the same folds.
        folds: Number of folds, 2 or more.
        audit: Audit the images first, into `audit/`, and use only the clean ones; data, output, source and seed are
            taken from `config`.
        resume: Resume in an existing folder: finished folds are kept, an unfinished one is continued.

    Returns:
        The scores of each backbone, in order.

    Raises:
        UsageError, DataError, RunError: One clear line each.
    """
    if folds < 2:
        raise UsageError(f"--folds {folds}: expected 2 or more")
    backbones = list(dict.fromkeys(backbones))
    for backbone in () if resume else backbones:  # finished folds need nothing that may be gone by now
        resolve_options(replace(config, backbone=backbone))
    if config.split.held_out and has_boxes(config.task):
        raise UsageError("split.held_out: the models of the folds vote on classes, not on boxes; leave it out")
    output = Path(config.output or default_folder(config.data, "crossval"))
    if not resume:
        refuse_existing(output)
    with part_of(output, resume_command(output, "crossval")):
        if audit:
            audit = replace(audit, data=config.data, output=str(output / AUDIT), source=config.source, seed=config.seed)
            config = replace(config, data=_audited(audit))
        scores = _cross_validate(config, backbones, output, folds, resume)
    say_result(f"\n{scores.describe()}\nreport: {scores.written[0]}")
    return scores


def _cross_validate(
    config: TrainConfig, backbones: Sequence[str], output: Path, folds: int, resume: bool
) -> CrossvalScores:
    """Train all folds of each backbone, and write what they say together."""
    found: list[FoldScores] = []
    first: TrainConfig | None = None
    for backbone in backbones:
        folder = output / plain_name(backbone) if len(backbones) > 1 else output
        runs = _folds(replace(config, backbone=backbone), folder, folds, resume)
        found.append(_collect(backbone, folder, runs))
        first = first or runs[0].config
    _write(output, found)
    from tfvision.crossval.page import write_crossval_report

    assert first is not None, "one backbone or more is cross-validated"
    report = write_crossval_report(output, found, first)
    return CrossvalScores(output, tuple(found), (report,))


def _audit_options(given: bool | str | Path | Mapping[str, Any] | None) -> AuditConfig | None:
    if given is None or given is False:
        return None
    if isinstance(given, str) and given in WORDS:
        given = {"remove": [given]}
    if isinstance(given, (str, Path)):
        given = load_yaml(given)
    return from_dict(AuditConfig, {} if given is True else dict(given))


def _audited(options: AuditConfig) -> str:
    """Return the path of the list of clean images; an audit that was done before is not repeated."""
    from tfvision.audit.audit import CLEAN, audit_from_config

    clean = Path(options.output) / CLEAN
    if not clean.is_file():
        audit_from_config(options)
    return str(clean)


def _folds(config: TrainConfig, folder: Path, folds: int, resume: bool) -> list[Run]:
    runs: list[Run] = []
    for number in range(1, folds + 1):
        runs.append(_fold(config, folder, number, folds, resume))
        config = alike(config, runs[0].config)
    return runs


def _fold(config: TrainConfig, folder: Path, number: int, folds: int, resume: bool) -> Run:
    output = folder / f"fold_{number}"
    console.print(f"\n{config.backbone}, fold {number} of {folds}")
    split = replace(config.split, folds=folds, fold=number)
    return train_part(replace(config, split=split), output, resume=resume)


def _collect(backbone: str, folder: Path, runs: Sequence[Run]) -> FoldScores:
    """Write and score the out-of-fold predictions of all images, and the votes on those held out of all folds.

    The baselines for boxes know the training boxes of all folds.
    """
    if len({run.facts.class_names for run in runs}) > 1:
        raise UsageError(f"the folds in {folder} have different classes; cross-validate again into another --output")
    facts = replace(runs[0].facts, training_boxes=tuple(box for run in runs for box in run.facts.training_boxes))
    tests = tuple(run.metrics["test"] for run in runs)
    answers = [run.plain_predictions for run in runs]
    if has_boxes(runs[0].config.task):
        boxes = _out_of_fold([one for one in answers if isinstance(one, BoxPredictions)])
        write_box_predictions(folder / PREDICTIONS, boxes)
        return FoldScores(backbone, tests, compute_part(boxes, facts))
    found = [one for one in answers if isinstance(one, Predictions)]
    together = _out_of_fold(found)
    write_predictions(folder / PREDICTIONS, together)
    tested = FoldScores(backbone, tests, compute_part(together, facts))
    if not runs[0].config.split.held_out:
        return tested
    votes = _vote([one.part(HELD_OUT) for one in found])
    write_predictions(folder / VOTES, join_parts(votes.values()))
    scores = {kind: compute_part(one, facts) for kind, one in votes.items()}
    return replace(tested, alone=tuple(run.metrics[HELD_OUT] for run in runs), votes=scores)


def _vote(found: Sequence[Predictions]) -> dict[str, Predictions]:
    """Let the models of all folds answer together: the name of each rule to its predictions, which have it as their part."""
    probabilities = np.stack([one.probabilities for one in found])
    return {
        name: replace(found[0], probabilities=Combination.equal(kind, len(found)).combine(probabilities)).called(name)
        for name, kind in _VOTES.items()
    }


def _out_of_fold(found: Sequence[_Found]) -> _Found:
    """Return the test images of all folds, each as the part of its fold."""
    return join_parts(one.part("test").called(f"fold_{number}") for number, one in enumerate(found, start=1))


def _write(output: Path, found: Sequence[FoldScores]) -> None:
    text = io.StringIO(newline="")
    writer = TableWriter(text)
    names = found[0].names
    writer.writerow(("backbone", "fold", "n", *names))
    for each in found:
        rows = [(str(number), fold) for number, fold in enumerate(each.folds, start=1)]
        for label, scores in (*rows, ("all", each.together)):
            writer.writerow((each.backbone, label, scores["n"], *(f"{score_of(scores, score):.6g}" for score in names)))
        for label in Spread._fields:
            writer.writerow(
                (each.backbone, label, "", *(f"{getattr(each.spread(score), label):.6g}" for score in names))
            )
        held_out = [(f"{number} on held out", scores) for number, scores in enumerate(each.alone, start=1)]
        for label, scores in (*held_out, *((f"{kind} vote on held out", one) for kind, one in each.votes.items())):
            writer.writerow((each.backbone, label, scores["n"], *(f"{scores[score]:.6g}" for score in names)))
    write_text(output / FOLDS_TABLE, text.getvalue())
    write_json(output / METRICS, {each.backbone: _to_dict(each) for each in found})


def _to_dict(found: FoldScores) -> dict[str, Any]:
    """Return what metrics.json says about one backbone."""
    facts = {
        "folds": {score: found.spread(score)._asdict() for score in found.names},
        "out_of_fold": found.together,
    }
    if found.votes:
        facts[HELD_OUT] = {
            "one_model": {score: found.spread_alone(score)._asdict() for score in found.names},
            **found.votes,
        }
    return facts

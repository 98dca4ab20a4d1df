"""The members of an ensemble: what each said about the same images, and whether it had learned from one of them."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tfvision.errors import DataError, UsageError, listing
from tfvision.evaluation.predictions import Predictions, read_predictions
from tfvision.models.model_file import ModelFacts
from tfvision.prediction.stored import StoredModel, find_model
from tfvision.runs.folder import open_run
from tfvision.runs.names import ENSEMBLE, MODEL, PREDICTIONS
from tfvision.tasks import has_boxes

_VALIDATION, _TEST, _HELD_OUT, _TRAIN = "validation", "test", "held_out", "train"


@dataclass(frozen=True)
class Member:
    """A finished model and what it said about images.

    Attributes:
        path: Where it is: a run folder, or a SavedModel beside a `predictions.csv`.
        stored: The model.
        predictions: Of labelled images of every part, calibrated by the temperature stored with the model.
        rows: Rows of its `splits.csv`; none for a SavedModel.
        options: Where its images are: `data`, `source` and `seed` of its training; none for a SavedModel.
        classifier: Name of a shallow classifier; "" for others.
    """

    path: Path
    stored: StoredModel
    predictions: Predictions
    rows: Sequence[Mapping[str, str]] = field(repr=False, default=())
    options: Mapping[str, Any] = field(default_factory=dict)
    classifier: str = ""

    @property
    def name(self) -> str:
        """The path as the user gave it."""
        return self.path.as_posix()

    @property
    def facts(self) -> ModelFacts:
        """What is stored with the model."""
        return self.stored.facts

    @property
    def hashes(self) -> dict[str, str]:
        """The content hash of each image by id; none for a SavedModel."""
        return {row["id"]: row["hash"] for row in self.rows if row.get("hash")}

    def learned_ids(self) -> set[str]:
        """The ids of the images it was trained on, as far as they are known."""
        return {row["id"] for row in self.rows if row["part"] == _TRAIN}

    def learned_hashes(self) -> set[str]:
        """The content hashes of the images it was trained on, as far as they are known."""
        return {row["hash"] for row in self.rows if row["part"] == _TRAIN and row.get("hash")}


@dataclass(frozen=True)
class MemberAnswers:
    """What all members said about the same images, images and classes in the same order.

    Attributes:
        validation, test: The predictions of each member; of no images if there is no such part.
        notes: What a user should know about how they were brought together, one line each.
    """

    validation: tuple[Predictions, ...]
    test: tuple[Predictions, ...]
    notes: tuple[str, ...] = ()


def read_member(path: Path | str, *, trust: bool = False) -> Member:
    """Read a member.

    Args:
        path: A finished run, or a SavedModel in whose folder `predictions.csv` says what it said of validation and test
            images.
        trust: Take a SavedModel even if its graph might read files, open connections or run Python.

    Returns:
        The member.

    Raises:
        UsageError: It finds boxes, or is an ensemble.
        DataError: There is no such model, or it has no predictions.
    """
    path = Path(path)
    stored = find_model(path, trust=trust)
    if stored.is_ensemble:  # nothing here tells on which images its members learned
        raise UsageError(f"{path} is an ensemble; name its members instead, see its {ENSEMBLE}")
    if stored.file.suffix != ".keras":  # nothing is loaded here
        stored.refuse_programs()
    if has_boxes(stored.facts.task):
        raise UsageError(f"{path} finds boxes; only models that predict classes alone can be combined")
    if (path / MODEL).is_file():
        run = open_run(path)
        _ = run.metrics  # refuses a run that is not finished
        found = run.predictions
        assert isinstance(found, Predictions), "it finds no boxes"
        config = run.config
        options = {"data": config.data, "source": dataclasses.asdict(config.source), "seed": config.seed}
        return Member(path, stored, _labelled(found), run.splits, options, config.classifier or "")
    file = _predictions_file(path)
    return Member(path, stored, _labelled(_with_facts(read_predictions(file), stored.facts)))


def gather(members: Sequence[Member]) -> MemberAnswers:
    """Bring together what members said about the same images.

    Args:
        members: Two or more.

    Returns:
        Their answers, images and classes in the order of the first run among them.

    Raises:
        DataError: Classes, images or labels differ, or a member was trained on an image that the ensemble would be
            chosen or tested on.
    """
    first = next((member for member in members if member.rows), members[0])  # a run knows its parts best
    for other in members:
        _check_classes(first, other)
    test_part = _test_part(members)
    _refuse_leaks(members, test_part)
    test = tuple(_part(member, first, test_part).called(_TEST) for member in members)
    notes = []
    if test_part == _TEST:
        validation = tuple(_part(member, first, _VALIDATION) for member in members)
    else:
        validation = tuple(each.select(np.array([], np.int64)) for each in test)
        notes.append(
            f"the members are folds: their test is the {len(test[0]):,} images held out of all of them, and each learned "
            "from validation images of the others"
        )
    notes += [
        f"{member.name} has no splits.csv: whether it was trained on test images is not known"
        for member in members
        if not member.rows
    ]
    return MemberAnswers(validation, test, tuple(notes))


def _test_part(members: Sequence[Member]) -> str:
    """Return `held_out` if the members are folds that share such a part, else `test`."""
    return _HELD_OUT if all((member.predictions.parts == _HELD_OUT).any() for member in members) else _TEST


def _refuse_leaks(members: Sequence[Member], test_part: str) -> None:
    """Refuse a member that learned from an image on which the ensemble is chosen or tested."""
    learned = [(member, member.learned_ids(), member.learned_hashes()) for member in members]
    for judge in members:
        judged = [_TEST, _VALIDATION] if test_part == _TEST else [_HELD_OUT]
        found = judge.predictions
        ids = {name for name, part in zip(found.ids, found.parts, strict=True) if part in judged}
        hashes = judge.hashes
        for member, known_ids, known_hashes in learned:
            same = ids & known_ids
            same |= {name for name in ids if hashes.get(name) in known_hashes}
            if same:
                raise DataError(
                    f"{member.name} was trained on {len(same):,} images that are validation or test images of {judge.name}: "
                    f"{listing(sorted(same))}; train all with the same --split.file (or --seed, or "
                    "--split.held-out for the folds of a cross-validation)"
                )


def _part(member: Member, first: Member, part: str) -> Predictions:
    """Return the answers of a member for the images of a part, images and classes in the order of the first member."""
    wanted, found = first.predictions.part(part), member.predictions.part(part)
    if not member.rows and not len(found):  # a SavedModel's file may say nothing about parts
        found = member.predictions
    known = set(found.ids)
    if missing := [name for name in wanted.ids if name not in known]:
        raise DataError(
            f"{member.name} says nothing about {len(missing):,} {part} images of {first.name}: {listing(missing)}; "
            "train with the same --split.file"
        )
    if member.rows and len(found) > len(wanted):
        more = sorted(known - set(wanted.ids))
        raise DataError(
            f"{member.name} has {len(more):,} {part} images more than {first.name}: {listing(more)}; "
            "train with the same --split.file"
        )
    answers = replace(found, decided=None).aligned(wanted.ids, wanted.class_names)
    if relabelled := [wanted.ids[i] for i in np.flatnonzero(answers.labels != wanted.labels)]:
        raise DataError(
            f"{first.name} and {member.name} give {len(relabelled):,} images other labels: {listing(relabelled)}; "
            "train both on the same labels"
        )
    _check_content(first, member, wanted.ids)
    return replace(answers, parts=wanted.parts)


def _check_content(first: Member, member: Member, ids: Sequence[str]) -> None:
    ours, theirs = first.hashes, member.hashes
    changed = [name for name in ids if name in ours and name in theirs and ours[name] != theirs[name]]
    if changed:
        raise DataError(
            f"{first.name} and {member.name} call {len(changed):,} different images by the same id: {listing(changed)}; "
            "train both on the same data"
        )


def _check_classes(first: Member, other: Member) -> None:
    ours, theirs = set(first.predictions.class_names), set(other.predictions.class_names)
    if ours != theirs:
        raise DataError(
            f"{first.name} and {other.name} have other classes ({listing(sorted(ours ^ theirs))} in only one of them); "
            "only models of the same classes can be combined"
        )


def _predictions_file(path: Path) -> Path:
    """Return the `predictions.csv` of a SavedModel, in its folder or in that of its versions."""
    places = [path / PREDICTIONS, path.parent / PREDICTIONS] if path.name.isdigit() else [path / PREDICTIONS]
    for place in places:
        if place.is_file():
            return place
    raise DataError(
        f"{path} has no {PREDICTIONS}; write what it says of validation and test images there: "
        f"`tfvision evaluate {path} --data ... --predictions {places[0]}`"
    )


def _with_facts(found: Predictions, facts: ModelFacts) -> Predictions:
    if set(found.class_names) != set(facts.class_names):
        raise DataError(
            f"predictions of the classes {listing(list(found.class_names))} lie beside a model of "
            f"{listing(list(facts.class_names))}; write them again with that model"
        )
    return found


def _labelled(found: Predictions) -> Predictions:
    return found.select(np.flatnonzero(found.labels >= 0))

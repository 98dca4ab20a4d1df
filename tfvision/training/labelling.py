"""Labelling images before a phase that learns from them."""

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tfvision.data.batches.pipeline import encode_labels, evaluation_batches
from tfvision.data.images.imageset import ImageSet
from tfvision.data.images.joined import join_images
from tfvision.data.splits.folds import draw_folds
from tfvision.errors import DataError, RunError, one_line
from tfvision.evaluation.inference import run_model
from tfvision.evaluation.predictions import class_probabilities
from tfvision.evaluation.temperature import fit_temperature
from tfvision.models.decision import Decision
from tfvision.system.digests import differs
from tfvision.system.files import replacing
from tfvision.system.terminal import console, quiet
from tfvision.training.checkpoints import restore
from tfvision.training.history import History
from tfvision.training.options import Phase
from tfvision.training.pseudo_labels import (
    Chosen,
    PseudoLabels,
    _read,
    _write,
    choose_sure,
    repeat_labels,
    thresholds_for,
)

if TYPE_CHECKING:
    from tfvision.training.checkpoints import PhaseState
    from tfvision.training.training import Training

FitAfresh = Callable[["Training"], None]
_FOLDS, _FEWEST = 5, 4  # folds; images of a class, so that each fold learns and validates it


def with_pseudo_labels(
    training: "Training", phases: Sequence[Phase], state: "PhaseState", fit_afresh: FitAfresh
) -> "Training | None":
    """Add pseudo-labelled images to the training of a phase that asks for them.

    Args:
        training: Its model has the best weights so far, and has them again afterwards.
        phases: All phases of the run.
        state: Which phase, and whether it has begun: an interrupted phase keeps the labels it began with.
        fit_afresh: Trains the model of a training from the initial weights, as it was trained before pseudo-labels.

    Returns:
        The training of the phase; the given one if the phase asks for no pseudo-labels; None if no image is added, so
        that there is nothing to learn that the model has not learned.
    """
    phase, pseudo = phases[state.phase], training.pseudo
    if not phase.pseudo_labels or pseudo is None:
        return training
    names = training.train.class_names
    if state.epochs:
        rows, labels, soft = _read(pseudo, names, state.phase)
    elif in_one_round(phases, state.phase):
        rows, labels, soft = repeat_labels(pseudo, names, state.phase)
    else:
        pseudo.keep_before()
        chosen = _label(training, pseudo, fit_afresh)
        _write(pseudo, names, state.phase, chosen)
        _say(phase, names, chosen)
        rows, labels, soft = chosen.rows, chosen.labels, chosen.soft
    if not len(rows):
        console.print(f"{phase.name}: no image is added, so the phase is left out and the model stays as it is")
        return None
    added = replace(pseudo.images.select(rows), labels=labels, class_names=names)
    own = training.train
    if soft is not None:
        own = replace(own, soft_labels=encode_labels(own))
        added = replace(added, soft_labels=soft[:, 1:] if soft.shape[1] == 2 else soft)
    return replace(training, train=join_images([own, added]))


def in_one_round(phases: Sequence[Phase], place: int) -> bool:
    """Tell whether a phase goes on with the round of the phase before it: from its weights, with its labels.

    Args:
        phases: All phases of the run.
        place: Index of the phase.

    Returns:
        True for a phase of pseudo-labels that begins nothing anew, behind one that began a round from the initial weights.
    """
    if not phases[place].pseudo_labels or phases[place].restart:
        return False
    for phase in reversed(phases[:place]):
        if not phase.pseudo_labels:
            return False
        if phase.restart:
            return True
    return False


def _label(training: "Training", pseudo: PseudoLabels, fit_afresh: FitAfresh) -> Chosen:
    labels = training.validation.labels
    validation = _predict(training, training.validation, "thresholds on validation")
    found, options = _predict(training, pseudo.images, "labelling"), pseudo.options
    decision = Decision(fit_temperature(validation, labels))
    if options.soft:
        rows, chosen = np.arange(len(found)), found.argmax(axis=1)
        thresholds = np.zeros(found.shape[1])
    else:
        if options.thresholds:
            measured, thresholds = found, np.array(options.thresholds)
        else:
            thresholds = thresholds_for(decision.calibrate(validation), labels, options.precision)
            if (thresholds > 1).any() and (fitted := _cross_fitted(training, pseudo, fit_afresh)) is not None:
                probabilities, labels = fitted
                decision = Decision(fit_temperature(probabilities, labels))
                thresholds = thresholds_for(decision.calibrate(probabilities), labels, options.precision)
            measured = decision.calibrate(found)
        given = np.bincount(training.train.labels, minlength=len(thresholds))
        shares = given / given.sum() if options.keep_shares else None
        rows, chosen = choose_sure(measured, thresholds, options.most, shares)
    kept = found[rows]
    expected = decision.calibrate(kept) if len(rows) else kept
    place = np.arange(len(rows)), chosen
    soft = kept.astype(np.float32) if options.soft else None
    return Chosen(rows, chosen, kept[place], expected[place], thresholds, soft)


def _cross_fitted(
    training: "Training", pseudo: PseudoLabels, fit_afresh: FitAfresh
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return what `cross_fitted` does, once for all phases and attempts of a run; None, and a line why, where it cannot."""
    labels = np.concatenate([training.train.labels, training.validation.labels])
    counts = np.bincount(labels, minlength=len(training.train.class_names))
    # Laplace's rule: of so many images all must be right, or no threshold is found.
    wanted = int(np.ceil((2 * pseudo.options.precision - 1) / (1 - pseudo.options.precision) - 1e-9))
    enough = counts >= max(wanted, _FEWEST)
    if not (enough.all() if pseudo.options.keep_shares else enough.any()):
        console.print(
            f"no thresholds: a precision of {pseudo.options.precision:g} needs {wanted} labelled images of a class, and the "
            f"rarest has {counts.min()}"
        )
        return None
    if (known := _known_answers(pseudo.cross_fitted, (len(labels), len(counts)))) is not None:
        return known, labels
    try:
        found, _ = cross_fitted(training, fit_afresh)
    except (DataError, RunError) as error:  # too few groups, or a fold that diverged; the run itself is sound
        console.print(f"no thresholds by cross-fitting: {error}")
        return None
    with replacing(pseudo.cross_fitted) as temporary, temporary.open("wb") as file:
        np.save(file, found)
    return found, labels


def _known_answers(path: Path, shape: tuple[int, int]) -> np.ndarray | None:
    """Return the answers that an earlier attempt wrote; None if there are none, or the file is damaged."""
    if not path.is_file():
        return None
    try:
        data = path.read_bytes()
        found: np.ndarray = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
        if differs(path, data) or found.shape != shape or not np.isfinite(found).all():
            raise ValueError("it is not what was written")
    except Exception as error:  # whatever a damaged file raises
        console.print(f"{path} is damaged ({one_line(error, 120)}): its models are trained again")
        return None
    return found


def cross_fitted(training: "Training", fit_afresh: FitAfresh) -> tuple[np.ndarray, np.ndarray]:
    """Return what models say of all labelled images, each asked only about images that it did not learn.

    The images of training and validation are divided into five folds, or as many as the rarest class has images; copies
    and groups stay together. For each fold a model is trained afresh on the others, of which it keeps the usual share to
    validate with.

    Args:
        training: Its model has the best weights so far, and is the same again afterwards.
        fit_afresh: Trains the model of a training from the initial weights.

    Returns:
        float64 (n, K) probabilities, and int64 (n,) labels, of training and then validation.

    Raises:
        DataError: There are too few images or groups to divide.
        RunError: The training of a fold diverged.
    """
    labelled, seed = _labelled(training), training.settings.seed
    labels = labelled.labels
    parts = round(len(labelled) / len(training.validation))
    before = [np.array(variable) for variable in training.model.variables]  # the states of dropout too
    found = np.empty((len(labelled), len(labelled.class_names)))
    fold = _divide(labelled, _FOLDS, seed)
    try:
        for number in range(int(fold.max()) + 1):
            console.print(
                f"validation is too small for thresholds: cross-fitting them, fold {number + 1} of {fold.max() + 1}"
            )
            rest = labelled.select(fold != number)
            kept = _divide(rest, parts, seed) == 0
            part = replace(
                training,
                train=rest.select(~kept),
                validation=rest.select(kept),
                history=History(training.history.monitor),
                save=lambda: None,
                checkpoints=None,
                pseudo=None,
            )
            with quiet():
                fit_afresh(part)
                found[fold == number] = _predict(part, labelled.select(fold == number), "cross-fitting")
    finally:  # also if a fold diverged: the run goes on with its own model
        restore(training.model.variables, before)
    return found, labels


def _labelled(training: "Training") -> ImageSet:
    """Return the images of training and validation as one set, with their groups and the hashes of their content."""
    both = (training.train, training.validation)
    groups = None if any(one.groups is None for one in both) else np.concatenate([one.groups for one in both])
    joined = join_images(both)
    return replace(joined, groups=groups, hashes=joined.hashes or joined.ids)


def _divide(images: ImageSet, folds: int, seed: int) -> np.ndarray:
    """Return a fold for each image, fewer folds than wanted where a class has fewer images."""
    fewest = int(np.bincount(images.labels, minlength=len(images.class_names)).min())
    return draw_folds(images, images.hashes or images.ids, max(2, min(folds, fewest)), seed)


def _predict(training: "Training", images: ImageSet, what: str) -> np.ndarray:
    settings = training.settings
    batches = evaluation_batches(images, resize=settings.resize, batch_size=settings.batch_size, labelled=False)
    outputs = run_model(training.model, batches, what=what, total=len(images))
    return class_probabilities(outputs, len(training.train.class_names))


def _say(phase: Phase, class_names: tuple[str, ...], chosen: Chosen) -> None:
    counts = np.bincount(chosen.labels, minlength=len(class_names))
    if chosen.soft is not None:
        console.print(f"{phase.name}: {len(chosen.rows):,} images labelled by probabilities, all there are")
        return
    parts = [
        f"{name} {count:,} ({f'p >= {threshold:.3g}' if threshold <= 1 else 'no threshold is precise enough'})"
        for name, count, threshold in zip(class_names, counts, chosen.thresholds, strict=True)
    ]
    console.print(f"{phase.name}: {len(chosen.rows):,} images labelled: {', '.join(parts)}")

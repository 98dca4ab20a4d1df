"""Labelling images before a phase that learns from them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tfvision.data.batches.pipeline import encode_labels, evaluation_batches
from tfvision.data.images.imageset import ImageSet
from tfvision.data.images.joined import join_images
from tfvision.evaluation.inference import run_model
from tfvision.evaluation.predictions import class_probabilities
from tfvision.evaluation.temperature import fit_temperature
from tfvision.models.decision import Decision
from tfvision.system.terminal import console, quiet
from tfvision.training.history import History
from tfvision.training.options import Phase
from tfvision.training.pseudo_labels import Chosen, PseudoLabels, _read, _write, choose_sure, thresholds_for

if TYPE_CHECKING:
    from tfvision.training.checkpoints import PhaseState
    from tfvision.training.training import Training

FitAfresh = Callable[["Training"], None]
_FOLDS = 5


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
            if (thresholds > 1).any():
                probabilities, labels = cross_fitted(training, fit_afresh)
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


def cross_fitted(training: "Training", fit_afresh: FitAfresh) -> tuple[np.ndarray, np.ndarray]:
    """Return what models say of all labelled images, each asked only about images that it did not learn.

    The images of training and validation are divided into five folds, or as many as the rarest class has images. For
    each fold a model is trained afresh on the others, of which it keeps the usual share to validate with.

    Args:
        training: Its model has the best weights so far, and has them again afterwards.
        fit_afresh: Trains the model of a training from the initial weights.

    Returns:
        float64 (n, K) probabilities, and int64 (n,) labels, of training and then validation.
    """
    from sklearn.model_selection import StratifiedKFold, train_test_split

    labelled, seed = join_images([training.train, training.validation]), training.settings.seed
    labels, classes = labelled.labels, len(labelled.class_names)
    folds = min(_FOLDS, int(np.bincount(labels, minlength=classes).min()))
    share = len(training.validation) / len(labelled)
    best = training.history.best_weights
    found = np.empty((len(labelled), classes))
    split = StratifiedKFold(folds, shuffle=True, random_state=seed).split(labels, labels)
    for number, (rest, asked) in enumerate(split, start=1):
        console.print(f"validation is too small for thresholds: cross-fitting them, fold {number} of {folds}")
        size = max(classes, round(share * len(rest)))
        learned, kept = train_test_split(rest, test_size=size, stratify=labels[rest], random_state=seed)
        part = replace(
            training,
            train=labelled.select(np.sort(learned)),
            validation=labelled.select(np.sort(kept)),
            history=History(training.history.monitor),
            save=lambda: None,
            checkpoints=None,
            tensorboard=None,
            pseudo=None,
        )
        with quiet():
            fit_afresh(part)
            found[asked] = _predict(part, labelled.select(asked), "cross-fitting")
    training.model.set_weights(best)
    return found, labels


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

"""Labelling images before a phase that learns from them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tfvision.data.batches.pipeline import evaluation_batches
from tfvision.data.images.imageset import ImageSet
from tfvision.data.images.joined import join_images
from tfvision.evaluation.inference import run_model
from tfvision.evaluation.predictions import class_probabilities
from tfvision.evaluation.temperature import fit_temperature
from tfvision.models.decision import Decision
from tfvision.system.terminal import console
from tfvision.training.options import Phase
from tfvision.training.pseudo_labels import Chosen, PseudoLabels, _read, _write, choose_sure, thresholds_for

if TYPE_CHECKING:
    from tfvision.training.checkpoints import PhaseState
    from tfvision.training.training import Training


def with_pseudo_labels(training: "Training", phases: Sequence[Phase], state: "PhaseState") -> "Training":
    """Add pseudo-labelled images to the training of a phase that asks for them.

    Args:
        training: Its model has the best weights so far.
        phases: All phases of the run.
        state: Which phase, and whether it has begun: an interrupted phase keeps the labels it began with.

    Returns:
        The training of the phase; the given one if the phase asks for no pseudo-labels.
    """
    phase, pseudo = phases[state.phase], training.pseudo
    if not phase.pseudo_labels or pseudo is None:
        return training
    names = training.train.class_names
    if state.epochs:
        rows, labels = _read(pseudo, names, state.phase)
    else:
        pseudo.keep_before()
        chosen = _label(training, pseudo)
        _write(pseudo, names, state.phase, chosen)
        _say(phase, names, chosen)
        rows, labels = chosen.rows, chosen.labels
    added = replace(pseudo.images.select(rows), labels=labels, class_names=names)
    return replace(training, train=join_images([training.train, added] if len(added) else [training.train]))


def _label(training: "Training", pseudo: PseudoLabels) -> Chosen:
    validation = _predict(training, training.validation, "thresholds on validation")
    found = _predict(training, pseudo.images, "labelling")
    options = pseudo.options
    thresholds = (
        np.array(options.thresholds)
        if options.thresholds
        else thresholds_for(validation, training.validation.labels, options.precision)
    )
    given = np.bincount(training.train.labels, minlength=len(thresholds))
    shares = given / given.sum() if options.keep_shares else None
    rows, labels = choose_sure(found, thresholds, options.most, shares)
    decision = Decision(fit_temperature(validation, training.validation.labels))
    expected = decision.calibrate(found[rows]) if len(rows) else found[rows]
    place = np.arange(len(rows)), labels
    return Chosen(rows, labels, found[rows][place], expected[place], thresholds)


def _predict(training: "Training", images: ImageSet, what: str) -> np.ndarray:
    settings = training.settings
    batches = evaluation_batches(images, resize=settings.resize, batch_size=settings.batch_size, labelled=False)
    outputs = run_model(training.model, batches, what=what, total=len(images))
    return class_probabilities(outputs, len(training.train.class_names))


def _say(phase: Phase, class_names: tuple[str, ...], chosen: Chosen) -> None:
    counts = np.bincount(chosen.labels, minlength=len(class_names))
    parts = [
        f"{name} {count:,} ({f'p >= {threshold:.3g}' if threshold <= 1 else 'no threshold is precise enough'})"
        for name, count, threshold in zip(class_names, counts, chosen.thresholds, strict=True)
    ]
    console.print(f"{phase.name}: {len(chosen.rows):,} images labelled: {', '.join(parts)}")

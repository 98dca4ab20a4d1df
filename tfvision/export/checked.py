"""Write a SavedModel, check it against its model, and only then publish it."""

import shutil
from pathlib import Path

import keras
import numpy as np

from tfvision.data.images.imageset import ImageSet
from tfvision.data.images.scan import scan
from tfvision.data.sources.open import open_images
from tfvision.errors import DataError
from tfvision.export.check import Agreement, check_saved_model
from tfvision.export.ensemble import ensemble_endpoints, jumps
from tfvision.export.savedmodel import Endpoints, model_endpoints, publish, write_saved_model
from tfvision.models.decision import Decision
from tfvision.models.heads.shallow_heads import is_stepped
from tfvision.prediction.ensemble import EnsemblePredictor
from tfvision.prediction.predictors import KerasPredictor, Predictor
from tfvision.prediction.stored import load_ensemble
from tfvision.runs.folder import Run
from tfvision.tasks import has_boxes

_COMPARED = 400  # images: enough that one disagreement through serve_bytes is not a failure
_DECODED = 512 * 2**20  # bytes of pixels, which are written to the temporary folder


def export_run(run: Run, output: Path, *, data: str | None = None, trust: bool = False) -> tuple[Path, Agreement]:
    """Export a run as `output/<version>/` and compare it with its model on real images.

    Args:
        run: A run with a model.
        output: The folder of the SavedModel's versions, such as `saved_models/<name>`.
        data: Images to compare on; default up to 400 of the run's own, its test images first.
        trust: See `load_ensemble`.

    Returns:
        The folder of the new version, and how closely it agrees with the model.

    Raises:
        DataError: There are no images to compare on.
        RunError: Model and SavedModel disagree, or the disk is full; nothing is left behind.
    """
    facts = run.facts
    predictor: Predictor = (
        load_ensemble(run.folder, trust=trust) if run.is_ensemble else KerasPredictor(run.model(), facts)
    )
    found = scan(_images(run, data), on_bad="fail" if data else "skip", frames=has_boxes(facts.task))
    images = found.images.select(_fitting(found.sizes))
    with keras.device("cpu:0"):
        expected = predictor.outputs(images)
    endpoints, stepped = _served(predictor)
    temporary = write_saved_model(endpoints, facts, output)
    try:
        decision = facts.decision or Decision()
        agreement = check_saved_model(temporary, images, expected, decision, stepped=stepped)
        return publish(temporary, output), agreement
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _served(predictor: Predictor) -> tuple[Endpoints, bool]:
    """Return what to serve, and whether its probabilities jump."""
    if isinstance(predictor, EnsemblePredictor):
        return ensemble_endpoints(predictor), jumps(predictor)
    assert isinstance(predictor, KerasPredictor), "a run has a model or is an ensemble"
    return model_endpoints(predictor.model, predictor.facts), is_stepped(predictor.model)


def _images(run: Run, data: str | None) -> ImageSet:
    """Return images spread over the given data, or else over the run's own, from its test part first."""
    if data:
        images = open_images(data, labelled=False)
        return images.select(_spread(np.arange(len(images)), _COMPARED))
    try:
        images = open_images(run.config.data, **run.config.source.columns(), boxes=has_boxes(run.config.task))
    except DataError as error:
        raise DataError(f"{error} (to compare on other images than the run's own, give them with --data)") from None
    parts = run.parts
    test = np.array([i for i, name in enumerate(images.ids) if parts.get(name) == "test"], int)
    others = np.array([i for i, name in enumerate(images.ids) if parts.get(name) in ("train", "validation")], int)
    test = _spread(test, _COMPARED)
    return images.select(np.concatenate([test, _spread(others, _COMPARED - len(test))]))


def _fitting(sizes: np.ndarray) -> np.ndarray:
    """Return the indexes of as many images, spread over all, as fit into `_DECODED` bytes decoded; at least one."""
    pixels, every = 3 * sizes.prod(axis=1), np.arange(len(sizes))
    chosen = (_spread(every, count) for count in range(len(sizes), 1, -1))
    return next((indexes for indexes in chosen if pixels[indexes].sum() <= _DECODED), every[[pixels.argmin()]])


def _spread(indexes: np.ndarray, count: int) -> np.ndarray:
    places = np.linspace(0, len(indexes) - 1, min(count, len(indexes)))
    return indexes[np.unique(places.astype(int))]

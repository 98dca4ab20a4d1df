"""What a finished model is worth: predictions, and from them metrics, pictures and the report."""

import functools
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tfvision.data.images.imageset import ImageSet
from tfvision.errors import RunError
from tfvision.evaluation.box_predictions import BoxPredictions, read_box_predictions, write_box_predictions
from tfvision.evaluation.joining import join_parts
from tfvision.evaluation.parts import compute_part, describe_scores, scored_parts
from tfvision.evaluation.predictions import Predictions, read_predictions, write_predictions
from tfvision.experiment.mistake_maps import look_of
from tfvision.experiment.pictures import plot_results
from tfvision.experiment.pseudo_results import write_pseudo_results
from tfvision.models.model_file import ModelFacts, load_model
from tfvision.prediction.answers import predict_boxes
from tfvision.prediction.predictors import KerasPredictor
from tfvision.report.page import write_advised_report
from tfvision.runs.folder import Run
from tfvision.runs.names import METRICS, PREDICTIONS, SUPERVISED
from tfvision.system.files import write_json
from tfvision.system.terminal import console, say_result
from tfvision.tasks import PROBABILITIES, has_boxes

if TYPE_CHECKING:
    import keras

    from tfvision.training.settings import TrainingSettings


def write_results(
    run: Run,
    model: "keras.Model",
    facts: ModelFacts,
    parts: Mapping[str, ImageSet],
    settings: "TrainingSettings",
    *,
    stored: bool = False,
    outputs: Mapping[str, np.ndarray] | None = None,
) -> dict[str, Any]:
    """Predict validation, test and images held out of folds once, and write all results into the run folder.

    Args:
        run: The run; its history is there, if it has one.
        model: The best model.
        facts: What is stored with it.
        parts: Images of each part.
        settings: Resize and batch size.
        stored: Whether the frozen part's features are in the store, in full precision, so that only the trained part
            has to be computed.
        outputs: The model's outputs for each part, where they are known already.

    Returns:
        The content of metrics.json.

    Raises:
        RunError: The model predicts NaN.
    """
    predictor = trained_predictor(model, facts, settings, stored=stored)
    if outputs is not None:
        known = {id(parts[part]): values for part, values in outputs.items()}
        predictor = replace(predictor, run=lambda images, what: known[id(images)])
    predictions = predict_parts(predictor, parts)
    values = predictions.predicted if isinstance(predictions, BoxPredictions) else predictions.probabilities
    if not np.isfinite(values).all():
        raise RunError(f"the model of {run.folder} predicts NaN; training diverged, try a lower --learning-rate")
    # Every figure is computed from the file, so that anyone can reproduce it.
    if isinstance(predictions, BoxPredictions):
        write_box_predictions(run.folder / PREDICTIONS, predictions)
        predictions = read_box_predictions(run.folder / PREDICTIONS)
    else:
        write_predictions(run.folder / PREDICTIONS, predictions)
        predictions = read_predictions(run.folder / PREDICTIONS)
    scored = dict.fromkeys(predictions.parts.tolist())
    metrics = {part: compute_part(predictions.part(part), facts) for part in scored}
    write_json(run.folder / METRICS, metrics)
    if (run.folder / SUPERVISED).is_file():
        before = predict_parts(
            trained_predictor(load_model(run.folder / SUPERVISED), facts, settings, stored=False), parts
        )
        assert isinstance(before, Predictions) and isinstance(predictions, Predictions), "pseudo-labels are of classes"
        write_pseudo_results(run, before, predictions)
    plot_results(run, predictions, metrics, parts, look_of(model, facts))
    report, advice = write_advised_report(run.folder)
    say_result(f"\n{describe_scores(metrics)}\nreport: {report}")
    for line in advice:
        console.print(f"- {line}")
    return metrics


def predict_parts(predictor: KerasPredictor, given: Mapping[str, ImageSet]) -> Predictions | BoxPredictions:
    """Predict the validation and the test images of a run, and those held out of its folds, in this order.

    Args:
        predictor: The model.
        given: Images of each part; the training part is not predicted.

    Returns:
        Classes, or boxes where the model finds them.
    """
    scored = scored_parts(given)
    if has_boxes(predictor.facts.task):
        return join_parts(
            predict_boxes(predictor, images, parts=np.full(len(images), part), what=f"predicting {part}")
            for part, images in scored.items()
        )
    return join_parts(_predict_classes(predictor, part, images) for part, images in scored.items())


def _predict_classes(predictor: KerasPredictor, part: str, images: ImageSet) -> Predictions:
    probabilities = predictor.outputs(images, f"predicting {part}")[PROBABILITIES]
    return Predictions(images.ids, np.full(len(images), part), images.labels, probabilities, images.class_names)


def trained_predictor(
    model: "keras.Model", facts: ModelFacts, settings: "TrainingSettings", *, stored: bool
) -> KerasPredictor:
    """Return a predictor with the whole model, or with its trained part on stored features.

    Args:
        model: The model.
        facts: What is stored with it.
        settings: Resize, batch size, and how features are stored.
        stored: Whether the trained part may take stored features of the frozen part; without a frozen part the whole
            model is used all the same.

    Returns:
        The predictor.
    """
    from tfvision.models.cut import cut_model
    from tfvision.training.features.feeding import predict_stored

    cut = cut_model(model) if stored else None
    run = functools.partial(predict_stored, cut, settings) if cut else None
    return KerasPredictor(model, facts, settings.batch_size, run)

"""What `tfvision evaluate` does: a model scored on labelled images."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfvision.config.options import from_dict
from tfvision.data.options import Source
from tfvision.evaluation.box_predictions import BoxPredictions, write_box_predictions
from tfvision.evaluation.parts import compute_part, describe_scores
from tfvision.evaluation.predictions import Predictions, write_predictions
from tfvision.prediction.answers import predict_labelled
from tfvision.prediction.images import images_to_score
from tfvision.prediction.predictors import KerasPredictor, StoredModel, find_model
from tfvision.prediction.tta import TtaPredictor, compare_tta, describe_gain, stored_views
from tfvision.runs.folder import open_run
from tfvision.system.files import write_json
from tfvision.system.terminal import console


@dataclass(frozen=True)
class Evaluation:
    """Scores of a model on labelled images.

    Attributes:
        name: Of the images: `test`, `validation`, or what the data is called.
        predictions: What the model said of each.
        scores: As in metrics.json; of other data also `missing_classes`, those of the model that it lacks.
        gain: What test-time augmentation brought, in lines; None without it.
    """

    name: str
    predictions: Predictions | BoxPredictions
    scores: Mapping[str, Any]
    gain: str | None = None

    def describe(self) -> str:
        """Return a line of the scores with their intervals."""
        return describe_scores({self.name: self.scores})


def evaluate(
    model: str | Path,
    data: str | Path | None = None,
    *,
    tta: str | int | None = None,
    output: str | Path | None = None,
    predictions: str | Path | None = None,
    **source: Any,
) -> Evaluation:
    """Score a run or a SavedModel on labelled images.

    Args:
        model: A run folder, a `.keras` file of a run, or a SavedModel.
        data: Labelled images, see `open_images`; None for the run's own test part.
        tta: Test-time augmentation: `flips` that training used, or so many draws of its augmentation.
        output: A JSON file for the scores.
        predictions: A CSV file for the class and `p_<class>` of each image, or its box.
        **source: How the data is read: `label_column="species"`, `on_bad="skip"`, as the flags of the command line.

    Returns:
        The scores, and the predictions that they come from.

    Raises:
        UsageError: An unknown option, or test-time augmentation that the run does not allow.
        DataError: No such model or data, or classes that the model does not know.
        RunError: A file cannot be written.
    """
    options = from_dict(Source, source)
    stored = find_model(model)
    if data is None and tta is None:
        found = _own_scores(stored)
    else:
        found = _new_scores(stored, None if data is None else str(data), tta, options)
    if output is not None:
        write_json(output, found.scores)
    if predictions is not None:
        if isinstance(found.predictions, BoxPredictions):
            write_box_predictions(predictions, found.predictions)
        else:
            write_predictions(predictions, found.predictions)
    return found


def _own_scores(stored: StoredModel) -> Evaluation:
    """Return the scores of a run on its own test part; predictions.csv has the answers."""
    run = open_run(stored.path)
    predictions = run.predictions.part(run.scored_part)
    scores = compute_part(predictions, run.facts) if run.facts.decision else run.metrics[run.scored_part]
    return Evaluation(run.scored_part, predictions, scores)


def _new_scores(stored: StoredModel, data: str | None, tta: str | int | None, source: Source) -> Evaluation:
    """Ask the model."""
    views = stored_views(stored, str(tta)) if tta is not None else None
    name, images = images_to_score(stored, data, source)
    predictor = stored.load()
    gain: str | None = None
    missing: list[str] = []
    found: Predictions | BoxPredictions
    if views is None:
        found, missing = predict_labelled(predictor, images)
        if missing:
            console.print(
                f"no images of {', '.join(missing)}; in macro scores such a class counts 0 where it is predicted"
            )
    else:
        assert isinstance(predictor, KerasPredictor)  # `stored_views` refuses all but runs
        plain, augmented, ratio = compare_tta(TtaPredictor(predictor, views), images)
        found, gain = augmented, describe_gain(plain, augmented, ratio, len(views))
    return Evaluation(name, found, {**compute_part(found, stored.facts), "missing_classes": missing}, gain)

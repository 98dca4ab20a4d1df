"""What `tfvision evaluate` does: score a model on labelled images."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

from tfvision.config.options import from_dict
from tfvision.data.images.imageset import ImageSet
from tfvision.data.options import Source
from tfvision.data.sources.python import Held
from tfvision.evaluation.box_predictions import BoxPredictions, write_classes_or_boxes
from tfvision.evaluation.parts import compute_part, describe_scores, interval_text
from tfvision.evaluation.predictions import Predictions
from tfvision.evaluation.score_names import class_scores
from tfvision.prediction.answers import predict_labelled
from tfvision.prediction.images import describe_learned, images_to_score, own_run
from tfvision.prediction.predictors import KerasPredictor
from tfvision.prediction.stored import StoredModel, find_model
from tfvision.prediction.tta import TtaPredictor, compare_tta, describe_gain, stored_views
from tfvision.system.files import refuse_unwritable, write_json
from tfvision.system.shown import Record
from tfvision.system.tables import TextTable
from tfvision.system.terminal import console, in_one_output


@dataclass(frozen=True, repr=False)
class Evaluation(Record):
    """Scores of a model on labelled images.

    Attributes:
        name: Name of the images: `test`, `validation`, or the name of the data.
        predictions: The model's predictions for them.
        scores: As in metrics.json; for other data also `missing_classes`, the model's classes that the data lacks, and
            `learned`, how many of the images the model was trained on (`train`) or chosen by (`validation`), if any.
        gain: What test-time augmentation gained, in lines; None without it.
        written: The files written.
    """

    name: str
    predictions: Predictions | BoxPredictions
    scores: Mapping[str, Any]
    gain: str | None = None
    written: tuple[Path, ...] = ()

    def tables(self) -> list[TextTable]:
        """Return every class score with its 95 % interval."""
        scores = self.scores.get("classes", self.scores)
        rows = [
            (
                score.title(scores.get("positive_class", "")),
                f"{scores[score.name]:.4f}",
                interval_text(scores["ci95"].get(score.name)),
            )
            for score in class_scores()
            if scores.get(score.name) is not None
        ]
        return [TextTable((f"{self.name}, n={scores['n']:,}", "", "95 % interval"), rows)] if rows else []

    def remarks(self) -> list[str]:
        """Return the line of the main scores, and what test-time augmentation gained."""
        learned = describe_learned(self.scores.get("learned", {}), len(self.predictions.ids))
        return [self.describe(), *([learned] if learned else []), *(self.gain or "").splitlines()]

    def describe(self) -> str:
        """Return a line with the main scores and their intervals."""
        return describe_scores({self.name: self.scores})


@in_one_output
def evaluate(
    model: str | PathLike[str],
    data: "str | Path | Held | ImageSet | None" = None,
    *,
    tta: str | int | None = None,
    output: str | Path | None = None,
    predictions: str | Path | None = None,
    trust: bool = False,
    **source: Any,
) -> Evaluation:
    """Score a run or a SavedModel on labelled images.

    Args:
        model: A run folder, a `.keras` file of a run, or a SavedModel.
        data: Labelled images, see `open_images`, or a set of them; None for the run's own test part.
        tta: Test-time augmentation: `flips` for the flips used in training, or a number of draws of the augmentation
            used in training.
        output: A JSON file to write the scores to.
        predictions: A CSV file to write the class and `p_<class>` of each image to, or its box.
        trust: Load a SavedModel even if its graph might read files, open connections or run Python.
        **source: How the data is read, as with the flags of the command line: `label_column="species"`,
            `on_bad="skip"`.

    Returns:
        The scores, and the predictions they are computed from.

    Raises:
        UsageError: An unknown option, or test-time augmentation that the run does not allow.
        DataError: No such model or data, or the data has classes that the model does not know.
        RunError: A file cannot be written.
    """
    options = from_dict(Source, source)
    stored = find_model(model, trust=trust)
    if data is not None or tta is not None:
        stored.refuse_programs()
    refuse_unwritable(output, predictions)
    found = _own_scores(stored) if data is None and tta is None else _new_scores(stored, data, tta, options)
    if output is not None:
        write_json(output, found.scores)
    if predictions is not None:
        write_classes_or_boxes(predictions, found.predictions)
    return replace(found, written=tuple(Path(file) for file in (output, predictions) if file is not None))


def _own_scores(stored: StoredModel) -> Evaluation:
    """Return the scores of a run on its own test part, from its predictions.csv."""
    run = own_run(stored)
    part = run.scored_part
    predictions = run.predictions.part(part)
    scores = compute_part(predictions, run.facts) if run.facts.decision else run.metrics[part]
    return Evaluation(part, predictions, scores)


def _new_scores(
    stored: StoredModel, data: "str | Path | Held | ImageSet | None", tta: str | int | None, source: Source
) -> Evaluation:
    """Return the scores of a model on images that it predicts now."""
    views = stored_views(stored, str(tta)) if tta is not None else None
    name, images, learned = images_to_score(stored, data, source)
    predictor = stored.load()
    gain: str | None = None
    missing: list[str] = []
    found: Predictions | BoxPredictions
    if views is None:
        found, missing = predict_labelled(predictor, images)
        if missing:
            console.print(
                f"no images of {', '.join(missing)}; if such a class is predicted, it counts as 0 in macro scores"
            )
    else:
        assert isinstance(predictor, KerasPredictor)  # `stored_views` refuses all but runs
        plain, augmented, ratio = compare_tta(TtaPredictor(predictor, views), images)
        found, gain = augmented, describe_gain(plain, augmented, ratio, len(views))
    scores = {**compute_part(found, stored.facts), "missing_classes": missing}
    if learned:
        scores["learned"] = learned
    return Evaluation(name, found, scores, gain)

"""Where a model looked when it was wrong: a map over each of the worst mistakes."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tfvision.data.images.imageset import ImageSet
from tfvision.errors import UsageError
from tfvision.evaluation.predictions import Predictions
from tfvision.explain.explain import explain_images
from tfvision.explain.options import ExplainOptions
from tfvision.models.model_file import ModelFacts
from tfvision.plots.png import write_png
from tfvision.prediction.predictors import KerasPredictor
from tfvision.runs.names import MISTAKES, MISTAKES_FOLDER, PLOTS
from tfvision.system.files import to_csv, write_text

if TYPE_CHECKING:
    import keras

_EXPLAINED = 8  # of the mistakes: with a large backbone each takes a second


def explain_mistakes(
    folder: Path, model: "keras.Model", facts: ModelFacts, found: Predictions, images: ImageSet
) -> None:
    """Draw where the model looked in the worst mistakes, and name these pictures in mistakes.csv as `looked`.

    Args:
        folder: The run folder, with its mistakes.csv.
        model: The model; nothing is drawn for one without feature maps or gradient, such as a forest.
        facts: What is stored with it.
        found: What it says about the images.
        images: The images that the mistakes are among.

    Raises:
        WriteError: A file cannot be written.
    """
    path = folder / MISTAKES
    if not path.is_file():
        return
    with path.open(encoding="utf-8", newline="") as file:
        rows = [{**row, "looked": ""} for row in csv.DictReader(file)]
    places = {image_id: index for index, image_id in enumerate(images.ids)}
    answers = {image_id: index for index, image_id in enumerate(found.ids)}
    wrong = [row["id"] for row in rows[:_EXPLAINED]]
    chosen = images.select([places[image_id] for image_id in wrong])
    own = found.select(np.array([answers[image_id] for image_id in wrong]))
    try:
        overlays = explain_images(KerasPredictor(model, facts), chosen, ExplainOptions(), own).overlays()
    except UsageError:
        return
    for row, overlay in zip(rows, overlays, strict=False):
        name = f"{Path(row['picture']).stem}_looked.png"
        write_png(overlay, folder / PLOTS / MISTAKES_FOLDER / name)
        row["looked"] = f"{PLOTS}/{MISTAKES_FOLDER}/{name}"
    write_text(path, to_csv(rows))

"""Predict the classes of images, labelled or not, and the boxes in them."""

from dataclasses import replace

import numpy as np

from tfvision.data.boxes.orientation import swaps_sides, to_stored
from tfvision.data.images.imageset import ImageSet
from tfvision.errors import DataError
from tfvision.evaluation.box_predictions import BoxPredictions
from tfvision.evaluation.predictions import Predictions
from tfvision.models.model_file import ModelFacts
from tfvision.prediction.predictors import ClassPredictor, Predictor
from tfvision.tasks import BOX, PROBABILITIES, has_boxes, has_classes


def predict_images(predictor: ClassPredictor, images: ImageSet) -> Predictions:
    """Predict the class of images, labelled or not.

    Args:
        predictor: A model that predicts classes.
        images: The images; labels, if any, must be indexes into the predictor's classes.

    Returns:
        The predictions, with the decision stored with the model applied.

    Raises:
        DataError: An image is unreadable.
    """
    parts = np.full(len(images), "")
    probabilities, facts = predictor.probabilities(images), predictor.facts
    decided = facts.decision.decide(probabilities) if facts.decision else None
    return Predictions(images.ids, parts, images.labels, probabilities, facts.class_names, decided)


def predict_labelled(predictor: Predictor, images: ImageSet) -> tuple[Predictions | BoxPredictions, list[str]]:
    """Predict labelled images, matching their classes to the model's by name.

    Args:
        predictor: A model that predicts classes, boxes or both.
        images: Labelled images; for a model that predicts boxes, scanned with `frames=True`.

    Returns:
        Box predictions if the model predicts boxes, else class predictions; and the names of the model's classes that
        the data lacks.

    Raises:
        DataError: The data has a class the model does not know, or an image is unreadable.
    """
    facts = predictor.facts
    if not has_boxes(facts.task):
        return predict_classes(predictor, images)
    missing: list[str] = []
    if has_classes(facts.task):
        images, missing = _in_classes_of(facts, images)
    return predict_boxes(predictor, images), missing


def predict_classes(predictor: ClassPredictor, images: ImageSet) -> tuple[Predictions, list[str]]:
    """Predict the class of labelled images, matching their classes to the model's by name.

    Args:
        predictor: A model that predicts classes.
        images: Labelled images.

    Returns:
        The predictions, labels being indexes into the model's classes; and the names of the model's classes that the
        data lacks.

    Raises:
        DataError: The data has a class the model does not know, or an image is unreadable.
    """
    images, missing = _in_classes_of(predictor.facts, images)
    return predict_images(predictor, images), missing


def predict_boxes(
    predictor: Predictor, images: ImageSet, *, parts: np.ndarray | None = None, what: str | None = None
) -> BoxPredictions:
    """Predict the box in each image, and its class if the model predicts classes too.

    Args:
        predictor: A model that predicts boxes.
        images: Images scanned with `frames=True` or with boxes. If the model predicts classes too, labels must be
            indexes into its classes.
        parts: `(n,)` str, the part of the split each image belongs to; default none.
        what: Name of the work for the progress line; default that of the predictor.

    Returns:
        Boxes in pixels of the images as stored in their files.

    Raises:
        DataError: An image is unreadable, or its size is not known.
    """
    found = predictor.outputs(images, what) if what else predictor.outputs(images)
    parts = np.full(len(images), "") if parts is None else parts
    classes = None
    if PROBABILITIES in found:
        classes = Predictions(images.ids, parts, images.labels, found[PROBABILITIES], predictor.facts.class_names)
    frames, known = images.frames, images.boxes is not None
    assert frames is not None, "boxes are predicted in images scanned with frames=True"
    swapped = [swaps_sides(int(turn)) for turn in frames[:, 2]]
    named = [images.class_names[label] if label >= 0 and images.class_names else "" for label in images.labels]
    return BoxPredictions(
        images.ids,
        parts,
        np.where(np.array(swapped)[:, None], frames[:, 1::-1], frames[:, :2]),
        _stored(found[BOX], frames),
        np.full((len(images), 4), np.nan) if images.boxes is None else _stored(images.boxes, frames),
        np.array(named if known else [""] * len(images)),
        classes,
    )


def _stored(boxes: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Convert boxes from pixels of the upright images to pixels of the images as stored."""
    pairs = zip(boxes, frames.tolist(), strict=True)
    return np.array([to_stored(box, turn, width, height) for box, (width, height, turn) in pairs]).reshape(-1, 4)


def map_labels(images: ImageSet, class_names: tuple[str, ...]) -> tuple[np.ndarray, list[str]]:
    """Translate the labels of images into indexes of a model's classes, matching class names.

    Args:
        images: Labelled images.
        class_names: The model's classes.

    Returns:
        `(n,)` int64 labels, and the names of the model's classes that the data lacks.

    Raises:
        DataError: The data has a class the model does not know.
    """
    places = {name: index for index, name in enumerate(class_names)}
    unknown = [name for name in images.class_names if name not in places]
    if unknown:
        raise DataError(
            f"the model does not know {'class' if len(unknown) == 1 else 'classes'} {', '.join(unknown[:10])}; "
            f"it was trained on {', '.join(class_names)}; rename or leave out these images"
        )
    table = np.array([places[name] for name in images.class_names], np.int64)
    return table[images.labels], [name for name in class_names if name not in images.class_names]


def _in_classes_of(facts: ModelFacts, images: ImageSet) -> tuple[ImageSet, list[str]]:
    labels, missing = map_labels(images, facts.class_names)
    return replace(images, labels=labels, class_names=facts.class_names), missing

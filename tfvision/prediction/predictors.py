"""One interface for prediction with a run, a model file or a SavedModel."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tfvision.data.boxes.resizing import predicted_boxes
from tfvision.data.images.imageset import ImageSet
from tfvision.errors import DataError
from tfvision.evaluation.inference import run_model
from tfvision.evaluation.predictions import class_probabilities
from tfvision.models.model_file import ModelFacts
from tfvision.system.terminal import ProgressLine
from tfvision.tasks import BOX, PROBABILITIES, outputs_of

if TYPE_CHECKING:
    import keras

_Outputs = np.ndarray | dict[str, np.ndarray]


class ClassPredictor(Protocol):
    """What is needed of a model to predict classes."""

    @property
    def facts(self) -> ModelFacts:
        """What is stored with the model."""
        ...

    def probabilities(self, images: ImageSet) -> np.ndarray:
        """Return float64 (n, classes), calibrated by the temperature stored with the model."""
        ...


class Predictor(ClassPredictor, Protocol):
    """What `predict` and `evaluate` need of a model, whatever it predicts."""

    def outputs(self, images: ImageSet, what: str = "predicting") -> dict[str, np.ndarray]:
        """Return everything the model predicts.

        Args:
            images: The images; for a model that predicts boxes, scanned with `frames=True`.
            what: Name of the work for the progress line.

        Returns:
            `probabilities`, float64 (n, classes), if the model predicts classes; `box`, float64 (n, 4), in pixels of
            the upright images, if it predicts boxes.

        Raises:
            DataError: An image is unreadable, or its size is not known.
        """
        ...


@dataclass(frozen=True)
class KerasPredictor:
    """Predicts with a `.keras` model: decodes the images, resizes them as in training, and runs them in batches.

    Attributes:
        model: The model.
        facts: What is stored with it.
        batch_size: Images per step.
        run: Called instead of the model, with the images and the name of the work; returns the same outputs.
    """

    model: "keras.Model"
    facts: ModelFacts
    batch_size: int = 64
    run: Callable[[ImageSet, str], _Outputs] | None = None

    def probabilities(self, images: ImageSet) -> np.ndarray:
        """Return float64 (n, classes), see `ClassPredictor`."""
        return self.outputs(images)[PROBABILITIES]

    def outputs(self, images: ImageSet, what: str = "predicting") -> dict[str, np.ndarray]:
        """Return probabilities, boxes or both, see `Predictor`.

        Args:
            images: The images; for a model that predicts boxes, scanned with `frames=True`.
            what: Name of the work for the progress line.

        Returns:
            `probabilities`, float64 (n, classes), `box`, float64 (n, 4), or both.

        Raises:
            DataError: An image is unreadable, or its size is not known.
        """
        given = self.run(images, what) if self.run else self._run_model(images, what)
        found = given if isinstance(given, dict) else {outputs_of(self.facts.task)[0]: given}
        if PROBABILITIES in found:
            probabilities = class_probabilities(found[PROBABILITIES], len(self.facts.class_names))
            decision = self.facts.decision
            found[PROBABILITIES] = decision.calibrate(probabilities) if decision else probabilities
        if BOX in found:
            found[BOX] = predicted_boxes(found[BOX], _sizes(images), self.facts.resize).numpy()
        return found

    def _run_model(self, images: ImageSet, what: str) -> _Outputs:
        from tfvision.data.batches.pipeline import evaluation_batches

        batches = evaluation_batches(images, resize=self.facts.resize, batch_size=self.batch_size, labelled=False)
        return run_model(self.model, batches, what=what, total=len(images))


@dataclass(frozen=True)
class SavedModelPredictor:
    """Predicts with a SavedModel, which takes decoded images of any size and has resize and temperature built in.

    Attributes:
        loaded: The SavedModel.
        facts: What is stored with it.
    """

    loaded: Any  # what `tf.saved_model.load` returns has no public class
    facts: ModelFacts

    def probabilities(self, images: ImageSet) -> np.ndarray:
        """Return float64 (n, classes), see `ClassPredictor`."""
        return self.outputs(images)[PROBABILITIES]

    def outputs(self, images: ImageSet, what: str = "predicting") -> dict[str, np.ndarray]:
        """Return probabilities, boxes or both, see `Predictor`.

        Args:
            images: The images.
            what: Name of the work for the progress line.

        Returns:
            `probabilities`, float64 (n, classes), `box`, float64 (n, 4), or both.

        Raises:
            DataError: An image is unreadable.
        """
        import tensorflow as tf

        serve = self.loaded.signatures["serving_default"]
        found: dict[str, list[np.ndarray]] = {name: [] for name in outputs_of(self.facts.task)}
        with ProgressLine(what, len(images)) as line:
            for index in range(len(images)):
                answer = serve(images=tf.constant(images.read(index)[None]))
                for name, rows in found.items():
                    rows.append(answer[name].numpy()[0])
                line.report(index + 1)
        return {name: np.array(rows, np.float64) for name, rows in found.items()}


def _sizes(images: ImageSet) -> np.ndarray:
    """Return height and width of the upright images, int64 (n, 2)."""
    if images.frames is None:
        raise DataError("the sizes of the images are not known; scan them with frames=True before predicting boxes")
    return images.frames[:, 1::-1]

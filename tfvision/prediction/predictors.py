"""One way to predict, whether with a run, a model file or a SavedModel."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tfvision.data.boxes.resizing import predicted_boxes
from tfvision.data.images.imageset import ImageSet
from tfvision.errors import DataError, listing
from tfvision.evaluation.inference import run_model
from tfvision.evaluation.predictions import class_probabilities
from tfvision.models.model_file import LARGEST_FACTS, ModelFacts, load_model, read_facts
from tfvision.runs.folder import open_run, refuse_comparison
from tfvision.runs.names import MODEL
from tfvision.system.device import load_tensorflow
from tfvision.system.terminal import ProgressLine
from tfvision.tasks import BOX, PROBABILITIES, outputs_of

if TYPE_CHECKING:
    import keras

FACTS_FILE = Path("assets.extra") / "tfvision.json"  # TF Serving leaves this folder of a SavedModel alone
_Outputs = np.ndarray | dict[str, np.ndarray]


class ClassPredictor(Protocol):
    """What predicting classes takes."""

    @property
    def facts(self) -> ModelFacts:
        """What is stored with the model."""
        ...

    def probabilities(self, images: ImageSet) -> np.ndarray:
        """Return float64 (n, classes), for a model that tells classes, by the temperature of the facts."""
        ...


class Predictor(ClassPredictor, Protocol):
    """What `predict` and `evaluate` need of a model."""

    def outputs(self, images: ImageSet, what: str = "predicting") -> dict[str, np.ndarray]:
        """Return `probabilities`, float64 (n, classes), where the model tells classes.

        Where it finds boxes also `box`, float64 (n, 4), in pixels of the upright images, which `scan` has measured.
        """
        ...


@dataclass(frozen=True)
class KerasPredictor:
    """Predicts with a `.keras` model: decode, the one resize, batches.

    Attributes:
        model: The model.
        facts: What is stored with it.
        batch_size: Images a step.
        run: Called with images and a name of the work in place of running the model, for the same outputs.
    """

    model: "keras.Model"
    facts: ModelFacts
    batch_size: int = 64
    run: Callable[[ImageSet, str], _Outputs] | None = None

    def probabilities(self, images: ImageSet) -> np.ndarray:
        """Return float64 (n, classes)."""
        return self.outputs(images)[PROBABILITIES]

    def outputs(self, images: ImageSet, what: str = "predicting") -> dict[str, np.ndarray]:
        """Return probabilities, boxes or both."""
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
    """Predicts with a SavedModel: decoded images of their own size go in, resize and temperature are inside."""

    loaded: Any  # what `tf.saved_model.load` returns has no public class
    facts: ModelFacts

    def probabilities(self, images: ImageSet) -> np.ndarray:
        """Return float64 (n, classes)."""
        return self.outputs(images)[PROBABILITIES]

    def outputs(self, images: ImageSet, what: str = "predicting") -> dict[str, np.ndarray]:
        """Return probabilities, boxes or both."""
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


@dataclass(frozen=True)
class StoredModel:
    """A model that was found on the disk; loading it takes TensorFlow, what is known of it does not.

    Attributes:
        path: As it was given.
        facts: What is stored with it.
        file: The `.keras` file, or the folder of a SavedModel's version.
        batch_size: Images a step; of a SavedModel they go one by one.
    """

    path: Path
    facts: ModelFacts
    file: Path
    batch_size: int = 64

    def load(self) -> Predictor:
        """Load the model.

        Raises:
            DataError: It is damaged, or its outputs are not those of its facts.
        """
        load_tensorflow()
        if self.file.suffix == ".keras":
            model = _fitting(load_model(self.file), self.facts, self.path)
            return KerasPredictor(model, self.facts, self.batch_size)
        import tensorflow as tf

        return SavedModelPredictor(tf.saved_model.load(str(self.file)), self.facts)


def load_predictor(path: Path | str) -> Predictor:
    """Open a run folder, a `.keras` file of a run, or a SavedModel (or the folder of its versions: the newest).

    Raises:
        DataError: Nothing of the kind is there, or it is damaged.
    """
    return find_model(path).load()


def find_model(path: Path | str) -> StoredModel:
    """Find what `load_predictor` loads, and read what is known of it.

    Raises:
        DataError: Nothing of the kind is there, or it is damaged.
    """
    path = Path(path)
    if path.is_file() and path.suffix == ".keras":
        return StoredModel(path, read_facts(path), path)
    if (path / MODEL).is_file():
        run = open_run(path)
        return StoredModel(path, run.facts, path / MODEL, run.config.batch_size)
    refuse_comparison(path)
    version = path if (path / "saved_model.pb").is_file() else newest_version(path)
    if version is None or not (version / FACTS_FILE).is_file():
        state = "does not exist" if not path.exists() else "is neither"
        raise DataError(
            f"{path} {state}; expected a run folder of `tfvision train` or a SavedModel of `tfvision export`"
        )
    return StoredModel(path, _exported_facts(version / FACTS_FILE), version)


def _exported_facts(path: Path) -> ModelFacts:
    """Read class names and resize beside a SavedModel."""
    try:
        if (size := path.stat().st_size) > LARGEST_FACTS:
            raise ValueError(f"it has {size:,} bytes, more than {LARGEST_FACTS:,}")
        return ModelFacts.from_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"{path} does not say the class names ({error}); export the run again") from None


def _fitting(model: "keras.Model", facts: ModelFacts, path: Path) -> "keras.Model":
    """Return a model whose outputs are as many as its class names, and four for a box."""
    names = len(facts.class_names)
    given = model.output if isinstance(model.output, dict) else {outputs_of(facts.task)[0]: model.output}
    shapes = {name: tuple(output.shape) for name, output in given.items()}
    classes = shapes.get(PROBABILITIES, (None, names))
    fits = classes == (None, names) or (names, classes) == (2, (None, 1))
    if not fits or shapes.get(BOX, (None, 4)) != (None, 4) or set(shapes) != set(outputs_of(facts.task)):
        raise DataError(
            f"{path} gives outputs of shape {listing(list(shapes.values()))} and names {names} classes; "
            "expected one output a class, and four for a box; train the run again"
        )
    return model


def newest_version(folder: Path) -> Path | None:
    """Return the highest integer folder in `folder`, as TF Serving would choose it."""
    versions = [child for child in folder.iterdir() if child.name.isdigit()] if folder.is_dir() else []
    return max(versions, key=lambda child: int(child.name), default=None)


def _sizes(images: ImageSet) -> np.ndarray:
    """Return height and width of the upright images."""
    if images.frames is None:
        raise DataError("the sizes of the images are not known; scan them with frames=True before boxes are predicted")
    return images.frames[:, 1::-1]

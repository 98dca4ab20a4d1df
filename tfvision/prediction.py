"""One way to predict, whether with a run, a model file or a SavedModel."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tfvision.data.imageset import ImageSet
from tfvision.data.pipeline import evaluation_batches
from tfvision.errors import DataError
from tfvision.evaluation.inference import run_model
from tfvision.evaluation.predictions import Predictions, class_probabilities
from tfvision.progress import ProgressLine
from tfvision.runs import LARGEST_FACTS, MODEL, ModelFacts, load_model, open_run, read_facts, refuse_comparison

FACTS_FILE = Path("assets.extra") / "tfvision.json"  # TF Serving leaves this folder of a SavedModel alone


class Predictor(Protocol):
    """What `predict` and `evaluate` need of a model."""

    facts: ModelFacts

    def probabilities(self, images: ImageSet) -> np.ndarray:
        """Return float64 (n, classes)."""
        ...


@dataclass(frozen=True)
class KerasPredictor:
    """Predicts with a `.keras` model: decode, the one resize, batches."""

    model: Any
    facts: ModelFacts
    batch_size: int = 64

    def probabilities(self, images: ImageSet) -> np.ndarray:
        """Return float64 (n, classes)."""
        batches = evaluation_batches(images, resize=self.facts.resize, batch_size=self.batch_size, labelled=False)
        outputs = run_model(self.model, batches, what="predicting", total=len(images))
        return class_probabilities(outputs, len(self.facts.class_names))


@dataclass(frozen=True)
class SavedModelPredictor:
    """Predicts with a SavedModel: decoded images of their own size go in, the resize is inside."""

    loaded: Any
    facts: ModelFacts

    def probabilities(self, images: ImageSet) -> np.ndarray:
        """Return float64 (n, classes)."""
        import tensorflow as tf

        serve = self.loaded.signatures["serving_default"]
        outputs = []
        with ProgressLine("predicting", len(images)) as line:
            for index in range(len(images)):
                answer = serve(images=tf.constant(images.read(index)[None]))
                outputs.append(answer["probabilities"].numpy()[0])
                line.report(index + 1)
        return np.array(outputs, np.float64)


def load_predictor(path: Path | str) -> Predictor:
    """Open a run folder, a `.keras` file of a run, or a SavedModel (or the folder of its versions: the newest).

    Raises:
        DataError: Nothing of the kind is there, or it is damaged.
    """
    path = Path(path)
    if path.is_file() and path.suffix == ".keras":
        facts = read_facts(path)
        return KerasPredictor(_fitting(load_model(path), facts, path), facts)
    if (path / MODEL).is_file():
        run = open_run(path)
        return KerasPredictor(_fitting(run.model(), run.facts, path), run.facts, run.config.batch_size)
    refuse_comparison(path)
    version = path if (path / "saved_model.pb").is_file() else newest_version(path)
    if version is None or not (version / FACTS_FILE).is_file():
        state = "does not exist" if not path.exists() else "is neither"
        raise DataError(
            f"{path} {state}; expected a run folder of `tfvision train` or a SavedModel of `tfvision export`"
        )
    import tensorflow as tf

    facts = _exported_facts(version / FACTS_FILE)
    return SavedModelPredictor(tf.saved_model.load(str(version)), facts)


def _exported_facts(path: Path) -> ModelFacts:
    """Read class names and resize beside a SavedModel."""
    try:
        if (size := path.stat().st_size) > LARGEST_FACTS:
            raise ValueError(f"it has {size:,} bytes, more than {LARGEST_FACTS:,}")
        return ModelFacts.from_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"{path} does not say the class names ({error}); export the run again") from None


def _fitting(model: Any, facts: ModelFacts, path: Path) -> Any:
    """Return a model whose outputs are as many as its class names."""
    names = len(facts.class_names)
    if model.output_shape != (None, names) and (names, model.output_shape) != (2, (None, 1)):
        raise DataError(
            f"{path} gives outputs of shape {model.output_shape} and names {names} classes; "
            "expected one output a class, train the run again"
        )
    return model


def newest_version(folder: Path) -> Path | None:
    """Return the highest integer folder in `folder`, as TF Serving would choose it."""
    versions = [child for child in folder.iterdir() if child.name.isdigit()] if folder.is_dir() else []
    return max(versions, key=lambda child: int(child.name), default=None)


def predict_images(predictor: Predictor, images: ImageSet) -> Predictions:
    """Predict images, labelled or not; the labels of `images` must count in the predictor's classes."""
    count = len(images)
    parts = np.full(count, "")
    return Predictions(images.ids, parts, images.labels, predictor.probabilities(images), predictor.facts.class_names)


def map_labels(images: ImageSet, class_names: tuple[str, ...]) -> tuple[np.ndarray, list[str]]:
    """Translate labels of other data into a model's classes, by name.

    Returns:
        int64 (n,) labels, and the classes of the model that the data lacks.

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

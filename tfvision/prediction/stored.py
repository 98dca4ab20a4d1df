"""Find a model on disk, a run, a model file or a SavedModel, and load it."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from tfvision.errors import DataError, listing, one_line
from tfvision.models.model_file import LARGEST_FACTS, ModelFacts, check_model_file, load_model, read_facts
from tfvision.prediction.ensemble import EnsemblePredictor
from tfvision.prediction.predictors import KerasPredictor, Predictor, SavedModelPredictor
from tfvision.prediction.saved_model_file import refuse_programs
from tfvision.runs.ensemble import StoredMember, read_ensemble
from tfvision.runs.folder import open_run, refuse_missing_model, refuse_several_runs
from tfvision.runs.names import CONFIG, ENSEMBLE, METRICS, MODEL
from tfvision.system.device import load_tensorflow
from tfvision.system.digests import first_changed
from tfvision.system.files import loadable
from tfvision.system.terminal import console
from tfvision.tasks import BOX, PROBABILITIES, outputs_of

if TYPE_CHECKING:
    import keras

DIGESTS_FILE = Path("assets.extra") / "digests.txt"  # of all files of a SavedModel
FACTS_FILE = Path("assets.extra") / "tfvision.json"  # TF Serving ignores this folder of a SavedModel


@dataclass(frozen=True)
class StoredModel:
    """A model found on disk. Loading it takes TensorFlow; reading its facts does not.

    Attributes:
        path: The path as given.
        facts: What is stored with the model.
        file: The `.keras` file, the `ensemble.json`, or the folder of one version of a SavedModel.
        batch_size: Images per step; a SavedModel takes them one at a time.
        trust: Whether SavedModels are loaded whatever they do.
    """

    path: Path
    facts: ModelFacts
    file: Path
    batch_size: int = 64
    trust: bool = False

    @property
    def is_ensemble(self) -> bool:
        """Whether it combines several models, which may take images of different sizes."""
        return self.file.name == ENSEMBLE

    def refuse_programs(self) -> None:
        """Refuse a model that would do more than to compute, without TensorFlow; the members of an ensemble too.

        Raises:
            DataError: It has operations, layers or objects that might read files or run code; or it is damaged.
        """
        if self.is_ensemble:
            ensemble = read_ensemble(self.file.parent)
            for member in find_members(self.file.parent, ensemble.members, trust=self.trust):
                member.refuse_programs()
        elif self.file.suffix == ".keras":
            check_model_file(self.file)
        elif not self.trust:
            refuse_programs(self.file, self.path)

    def load(self) -> Predictor:
        """Load the model.

        Returns:
            A predictor for it.

        Raises:
            DataError: It is damaged, its outputs do not match its facts, or it does more than to compute, see
                `refuse_programs`.
        """
        self.refuse_programs()
        if self.is_ensemble:
            return load_ensemble(self.file.parent, trust=self.trust)
        load_tensorflow()
        if self.file.suffix == ".keras":
            model = _fitting(load_model(self.file), self.facts, self.path)
            return KerasPredictor(model, self.facts, self.batch_size)
        import tensorflow as tf

        if changed := first_changed(self.file, self.file / DIGESTS_FILE):
            raise DataError(f"{self.file} is damaged: {changed}; copy it again, or export the run again")
        with loadable(self.file) as path:
            try:
                loaded = tf.saved_model.load(str(path))
                loaded.signatures["serving_default"]
            except Exception as error:  # a damaged one fails in many ways
                reason = one_line(error) or type(error).__name__
                raise DataError(f"{self.file} is damaged or no SavedModel ({reason}); export the run again") from None
            return SavedModelPredictor(loaded, self.facts)


def load_predictor(path: Path | str, *, trust: bool = False) -> Predictor:
    """Load the model of a run, a `.keras` file or a SavedModel.

    Args:
        path: A run folder, a `.keras` file of a run, a SavedModel, or a folder of its versions, of which the newest is
            loaded.
        trust: Load a SavedModel even if its graph might read files, open connections or run Python.

    Returns:
        A predictor for the model.

    Raises:
        DataError: There is no such model, it is damaged, or it does more than to compute.
    """
    return find_model(path, trust=trust).load()


def find_model(path: str | PathLike[str], *, trust: bool = False) -> StoredModel:
    """Find a model without loading it, and read the facts stored with it.

    Args:
        path: See `load_predictor`.
        trust: See `load_predictor`; it counts when the model is loaded.

    Returns:
        The model found.

    Raises:
        DataError: There is no such model, or its facts are damaged.
    """
    path = Path(path)
    refuse_missing_model(path)
    if path.is_file() and path.suffix == ".keras":
        return StoredModel(path, read_facts(path), path, trust=trust)
    if (path / ENSEMBLE).is_file():
        return StoredModel(path, read_ensemble(path).facts, path / ENSEMBLE, trust=trust)
    if (path / MODEL).is_file() and not (path / CONFIG).is_file():  # of a `fit` with `tfvision.callbacks`
        return StoredModel(path, read_facts(path / MODEL), path / MODEL, trust=trust)
    if (path / CONFIG).is_file():
        run = open_run(path)  # says how to finish one that has no model yet
        if not (path / METRICS).is_file():
            console.print(
                f"{path} did not finish: this is its best model so far, without scores; go on with "
                f"`tfvision train --resume {path}`"
            )
        return StoredModel(path, run.facts, path / MODEL, run.config.images_a_step, trust)
    refuse_several_runs(path)
    version = path if (path / "saved_model.pb").is_file() else newest_version(path)
    if version is None or not (version / FACTS_FILE).is_file():
        raise DataError(
            f"{path} is no model; expected a run folder of `tfvision train` or a SavedModel of `tfvision export`"
        )
    return StoredModel(path, _exported_facts(version / FACTS_FILE), version, trust=trust)


def find_members(folder: Path, members: Iterable[StoredMember], *, trust: bool = False) -> list[StoredModel]:
    """Find the members of an ensemble without loading them.

    Args:
        folder: The folder of the ensemble.
        members: What it stores of them.
        trust: See `load_predictor`.

    Returns:
        Its members, in the order of the weights.

    Raises:
        DataError: A member is gone, has another decision than when the ensemble was made, is there twice, or is an
            ensemble itself: of such, a few small files could ask for any number of models.
    """
    found: list[StoredModel] = []
    for stored in members:
        path = Path(os.path.normpath(folder / stored.path))
        if not path.exists():
            raise DataError(f"{folder} needs its member {path}, which is gone; put it back, or make the ensemble again")
        member = find_model(path, trust=trust)
        if member.is_ensemble or member.file in {other.file for other in found}:
            what = "an ensemble" if member.is_ensemble else "named twice"
            raise DataError(
                f"{folder}: its member {path} is {what}; expected different models, make the ensemble again"
            )
        if member.facts.decision != stored.decision:
            raise DataError(
                f"{path} was calibrated or given a threshold after {folder} was made of it; make the ensemble again"
            )
        found.append(member)
    return found


def load_ensemble(folder: Path, *, trust: bool = False) -> EnsemblePredictor:
    """Load the members of an ensemble that have a weight.

    Args:
        folder: The folder of the ensemble.
        trust: See `load_predictor`.

    Returns:
        A predictor for the ensemble.

    Raises:
        DataError: A member is gone or has changed.
    """
    ensemble = read_ensemble(folder)
    members, combination = find_members(folder, ensemble.members, trust=trust), ensemble.combination
    counted = combination.counted()
    return EnsemblePredictor([members[i].load() for i in counted], combination.only(counted), ensemble.facts)


def _exported_facts(path: Path) -> ModelFacts:
    """Read the class names and the resize stored with a SavedModel."""
    try:
        if (size := path.stat().st_size) > LARGEST_FACTS:
            raise ValueError(f"it has {size:,} bytes, more than {LARGEST_FACTS:,}")
        return ModelFacts.from_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"{path} does not give the class names ({error}); export the run again") from None


def _fitting(model: "keras.Model", facts: ModelFacts, path: Path) -> "keras.Model":
    """Return the model if it has one output per class and four for a box; else raise a DataError."""
    names = len(facts.class_names)
    given = model.output if isinstance(model.output, dict) else {outputs_of(facts.task)[0]: model.output}
    shapes = {name: tuple(output.shape) for name, output in given.items()}
    classes = shapes.get(PROBABILITIES, (None, names))
    fits = classes == (None, names) or (names, classes) == (2, (None, 1))
    if not fits or shapes.get(BOX, (None, 4)) != (None, 4) or set(shapes) != set(outputs_of(facts.task)):
        raise DataError(
            f"{path} gives outputs of shape {listing(list(shapes.values()))} and names {names} classes; "
            "expected one output per class, and four for a box; train the run again"
        )
    return model


def newest_version(folder: Path) -> Path | None:
    """Return the subfolder of `folder` with the highest number, the version that TF Serving would choose, or None."""
    versions = [child for child in folder.iterdir() if child.name.isdigit()] if folder.is_dir() else []
    return max(versions, key=lambda child: int(child.name), default=None)

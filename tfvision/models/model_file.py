"""model.keras: saving and loading a model with the facts that Keras does not store."""

import json
import math
import shutil
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfvision.data.pixels.decoding import MAX_PIXELS
from tfvision.data.pixels.resize import Resize
from tfvision.errors import DamagedError, DataError, RunError, UsageError, one_line
from tfvision.models.backbones.hub_presets import require_hub
from tfvision.models.decision import Decision
from tfvision.models.model_config import refusing_more_weights, without_compiling
from tfvision.models.weights_file import check_weights_file, read_config
from tfvision.system.files import refuse_no_space, replacing
from tfvision.tasks import CLASSIFY, TASKS, has_boxes, has_classes

if TYPE_CHECKING:
    import keras


MOST_TRAINING_BOXES = 1000

LARGEST_FACTS = 4 * 2**20  # bytes of class names and resize: enough for tens of thousands of classes

_LARGEST_OUTPUT = 2**28  # 1 GiB as float32; 16,384 px squared

_MEMBER = "tfvision.json"  # in the .keras archive, beside what Keras writes


@dataclass(frozen=True)
class ModelFacts:
    """What a model file holds beyond what Keras stores: how images are prepared and what the outputs mean.

    Attributes:
        class_names: Names of the classes in the order of the outputs; of two, the second is the positive one.
        resize: The resize that every image passes before the model.
        backbone: Key of BACKBONES, or the model's own name.
        pixel_rule: How arrays that are not uint8 are mapped to 0..255, see `open_images`; None for files and uint8.
        task: What the outputs are, see `tfvision.tasks`. Without classes there are no class names.
        training_boxes: xmin, ymin, xmax, ymax of training boxes as shares of their images, at most
            `MOST_TRAINING_BOXES` of them, for baselines that do not look at the image.
        decision: The temperature and offsets that were chosen after training, if any.
    """

    class_names: tuple[str, ...]
    resize: Resize
    backbone: str
    pixel_rule: str | None = None
    task: str = CLASSIFY
    training_boxes: tuple[tuple[float, ...], ...] = ()
    decision: Decision | None = None

    def to_json(self) -> str:
        """Return the facts as JSON."""
        facts: dict[str, Any] = {
            "class_names": list(self.class_names),
            "resize": self.resize.to_dict(),
            "backbone": self.backbone,
            "pixel_rule": self.pixel_rule,
        }
        if has_boxes(self.task):
            facts |= {"task": self.task, "training_boxes": self.training_boxes}
        if self.decision:
            facts["decision"] = self.decision.to_dict()
        return json.dumps(facts, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> "ModelFacts":
        """Read what `to_json` wrote.

        Args:
            text: The JSON.

        Returns:
            The facts, those that older files lack at their defaults.

        Raises:
            ValueError: It is not what `to_json` writes.
        """
        try:
            values = json.loads(text)
            names, resize, backbone = values["class_names"], values["resize"], values["backbone"]
            rule, task = values.get("pixel_rule"), values.get("task", CLASSIFY)  # older files have none of these
            decision = values.get("decision")
            boxes = tuple(tuple(float(side) for side in box) for box in values.get("training_boxes", ()))
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"{error} where class_names, resize and backbone are expected") from None
        if task not in TASKS or (has_boxes(task) and not boxes) or any(len(box) != 4 for box in boxes):
            raise ValueError("task is unknown, or training_boxes are not boxes")
        needed = names or not has_classes(task)
        if not (isinstance(names, list) and needed and all(isinstance(name, str) for name in names)):
            raise ValueError("class_names is not a list of names")
        try:
            "".join((*names, str(backbone), str(rule))).encode("utf-8")
        except UnicodeEncodeError:
            raise ValueError("a name is not UTF-8 text") from None
        if not isinstance(resize, dict) or not isinstance(backbone, str):
            raise ValueError("resize is not a mapping, or backbone is not a name")
        try:
            decided = None if decision is None else Decision.from_dict(decision)
            rule = None if rule is None else str(rule)
            size = Resize.from_dict(resize)
            if size.height * size.width > MAX_PIXELS:
                raise ValueError(f"resize to {size.width:,}x{size.height:,} px, more than {MAX_PIXELS:,} in all")
            facts = cls(tuple(names), size, backbone, rule, task, boxes, decided)
        except (TypeError, UsageError) as error:
            raise ValueError(str(error)) from None
        if decided and decided.offsets and len(decided.offsets) != len(names):
            raise ValueError(f"{len(decided.offsets)} offsets for {len(names)} classes")
        return facts


def save_model(model: "keras.Model", path: Path, facts: ModelFacts) -> None:
    """Save a model without optimizer, its facts as an extra member of the archive, whole or not at all.

    Args:
        model: Raw pixels in.
        path: `.keras` file, replaced if it exists.
        facts: What the file holds besides.

    Raises:
        RunError: The file cannot be written.
    """
    import keras

    # Another Model around the same layers has no compile state, so plain Keras loads it without a warning.
    bare = keras.Model(model.input, model.output, name=model.name)
    with replacing(path) as temporary:
        bare.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(_MEMBER, facts.to_json())


def replace_facts(path: Path, facts: ModelFacts) -> None:
    """Replace the facts in a model file; the rest stays byte for byte, and the file is never incomplete.

    Args:
        path: A model file.
        facts: The new facts.

    Raises:
        DataError: The file is damaged; it stays as it is.
        RunError: The file cannot be written.
    """
    with replacing(path) as temporary:
        try:
            with zipfile.ZipFile(path) as old, zipfile.ZipFile(temporary, "w") as new:
                for member in old.infolist():
                    if member.filename == _MEMBER:
                        continue
                    with old.open(member) as source, new.open(member, "w", force_zip64=True) as target:
                        shutil.copyfileobj(source, target, 2**20)
                new.writestr(_MEMBER, facts.to_json())
        except OSError:  # a full disk
            raise
        except Exception as error:  # whatever a damaged archive raises
            raise DamagedError(path, one_line(error) or type(error).__name__) from None


def read_facts(path: Path) -> ModelFacts:
    """Read the facts of a model file, without loading the model.

    Args:
        path: A `.keras` file.

    Returns:
        The facts.

    Raises:
        DataError: The file is damaged, or was not saved by tfvision.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if (size := archive.getinfo(_MEMBER).file_size) > LARGEST_FACTS:
                raise ValueError(f"{_MEMBER} declares {size:,} bytes, more than {LARGEST_FACTS:,}")
            return ModelFacts.from_json(archive.read(_MEMBER))
    except (KeyError, ValueError) as error:
        raise DataError(
            f"{path} does not say its class names; expected a model that tfvision saved ({one_line(error)})"
        ) from None
    except Exception as error:  # whatever a damaged archive raises
        reason = one_line(error) or type(error).__name__
        raise DataError(f"{path} cannot be read or is damaged ({reason}); train the run again") from None


def check_model_file(path: Path) -> None:
    """Refuse a model file that would run code or read other files when it is loaded, without Keras.

    Args:
        path: A `.keras` file.

    Raises:
        DataError: It is damaged, or names what is no layer of Keras; the message says what.
    """
    try:
        read_config(path)
    except UsageError as error:
        raise DataError(str(error)) from None


def load_model(path: Path) -> "keras.Model":
    """Load a model file with plain Keras.

    Args:
        path: A `.keras` file.

    Returns:
        The model, not compiled.

    Raises:
        DataError: The file is damaged, declares far more than it holds, or names what is no layer of Keras.
        UsageError: It has layers of KerasHub, which is not installed.
        RunError: It does not hold a `keras.Model`.
    """
    import keras

    check_model_file(path)
    try:
        values = check_weights_file(path)
    except UsageError as error:
        raise DataError(str(error)) from None
    try:
        with warnings.catch_warnings(), refusing_more_weights(values), without_compiling():
            warnings.simplefilter("ignore")
            model = keras.saving.load_model(path, compile=False)
    except Exception as error:  # a damaged archive fails in many ways
        refuse_no_space(error, path)
        if "keras_hub" in str(error):  # only layers that could not be replaced by stock layers
            require_hub(f"{path} has layers of KerasHub and")
        raise DataError(f"{path} is damaged or no Keras model ({one_line(error)})") from error
    if not isinstance(model, keras.Model):
        raise RunError(f"{path} holds a {type(model).__name__}, expected a keras.Model")
    _refuse_large_outputs(model, path)
    return model


def _refuse_large_outputs(model: "keras.Model", path: Path) -> None:
    """Refuse a model with a layer whose output for one image would fill the memory."""
    import keras

    for operation in getattr(model, "operations", ()):
        for output in keras.tree.flatten(operation.output):
            if (values := math.prod(side or 1 for side in output.shape)) > _LARGEST_OUTPUT:
                raise DataError(
                    f"{path}: layer {operation.name!r} makes {values:,} numbers of each image, more than "
                    f"{_LARGEST_OUTPUT:,}; expected a model for images"
                )

"""A run with a defence: what the plan says of it, the attack that training is handed, and the teacher that is asked."""

from dataclasses import replace
from typing import TYPE_CHECKING

from tfvision.errors import UsageError, listing
from tfvision.system.terminal import console
from tfvision.tasks import CLASSIFY
from tfvision.training.config import TrainConfig
from tfvision.training.defence_options import AdversarialOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tfvision.data.images.imageset import ImageSet
    from tfvision.prediction.stored import StoredModel
    from tfvision.training.defended import Defence

_KINDS = {
    "pgd": "adversarial training by PGD",
    "fast": "adversarial training by FGSM from a random start",
    "trades": "TRADES",
    "noise": "noise on pixels",
}


def describe_defence(config: TrainConfig) -> list[str]:
    """Return the lines of the plan about the defences of a run, none without."""
    return [*_describe_attack(config.adversarial), *_describe_temperature(config)]


def _describe_attack(options: AdversarialOptions) -> list[str]:
    if not options.changes_pixels:
        return []
    name = _KINDS[options.attack]
    if options.attack == "noise":
        return [f"{name}, sigma {options.sigma:g} of 255, new in each step: no features of training images are stored"]
    steps = 1 if options.attack == "fast" else options.steps
    beta = f", beta {options.beta:g}" if options.attack == "trades" else ""
    passes = steps + (2 if options.attack == "trades" else 1)
    many = "one step" if steps == 1 else f"{steps} steps"
    return [
        f"{name}: {many} of {options.step:.3g} within {options.norm} {options.epsilon:g} of 255{beta}",
        f"pixels change in every step: no features of training images are stored, and a step costs {passes} ordinary ones",
        "validation is on images as they are; robust_accuracy is under PGD",
    ]


def _describe_temperature(config: TrainConfig) -> list[str]:
    at, teacher = config.distill.at, config.distill.teacher
    if at is None:
        return []
    what = f"the probabilities that {teacher} gives the training images as they are" if teacher else "the labels"
    lines = [f"learns {what}, at temperature {at:g}; the model is used at temperature 1"]
    return [*lines, "accuracy in training is agreement with the teacher"] if teacher else lines


def defence_of(config: TrainConfig) -> "Defence | None":
    """Return what training does to the pixels of each step; None for nothing."""
    if not config.adversarial.changes_pixels:
        return None
    from tfvision.robustness.defences import build_defence

    return build_defence(config.adversarial, config.seed)


def find_teacher(config: TrainConfig) -> "StoredModel | None":
    """Find the teacher of a run, without TensorFlow.

    Args:
        config: The options.

    Returns:
        The teacher; None where none is asked for.

    Raises:
        UsageError: It is a SavedModel, which has no logits, or finds boxes.
        DataError: There is no such run, or its model is damaged.
    """
    if not config.distill.teacher:
        return None
    from tfvision.prediction.stored import find_model

    stored = find_model(config.distill.teacher)
    if stored.file.suffix != ".keras" or stored.facts.task != CLASSIFY:
        what = "finds boxes" if stored.facts.task != CLASSIFY else "is a SavedModel, which has lost its logits"
        raise UsageError(f"distill.teacher: {config.distill.teacher} {what}; give a run that predicts classes")
    return stored


def check_teacher(parts: "Mapping[str, ImageSet]", config: TrainConfig) -> None:
    """Refuse a teacher of other classes, and say if it has learned images that the run is scored on.

    Args:
        parts: The images of each part, scanned.
        config: The options.

    Raises:
        UsageError: The teacher has other classes.
        DataError: There is no such run, or its model is damaged.
    """
    stored = find_teacher(config)
    if stored is None:
        return
    _refuse_other_classes(stored, parts["train"])
    for part, count in _learned(stored, parts).items():
        console.print(
            f"note: the teacher has learned {count:,} of the {len(parts[part]):,} {part} images; scores there may be too "
            "good; train it with the same data, split and seed"
        )


def _refuse_other_classes(stored: "StoredModel", train: "ImageSet") -> None:
    if stored.facts.class_names != train.class_names:
        raise UsageError(
            f"distill.teacher: {stored.path} knows {listing(stored.facts.class_names)}, and the images are of "
            f"{listing(train.class_names)}; train the teacher on the same classes"
        )


def _learned(stored: "StoredModel", parts: "Mapping[str, ImageSet]") -> dict[str, int]:
    """Count the images of each part, but that for training, that a teacher was trained on, where its run tells."""
    from tfvision.runs.folder import Run
    from tfvision.runs.names import SPLITS

    run = Run(stored.file.parent)
    if not (run.folder / SPLITS).is_file():
        return {}
    learned = {row["hash"] for row in run.splits if row["part"] == "train"}
    counts = {part: sum(key in learned for key in images.hashes or ()) for part, images in parts.items()}
    return {part: count for part, count in counts.items() if count and part != "train"}


def taught(train: "ImageSet", config: TrainConfig) -> "ImageSet":
    """Give training images the softened probabilities of the teacher, if there is one.

    Args:
        train: The training images.
        config: The options.

    Returns:
        The images; with `soft_labels` where there is a teacher.

    Raises:
        TfvisionError: As `find_teacher` and `soften`.
    """
    stored, temperature = find_teacher(config), config.distill.at
    if stored is None or temperature is None:
        return train
    _refuse_other_classes(stored, train)
    from tfvision.models.model_file import load_model
    from tfvision.training.teaching import soften

    resize = stored.facts.resize
    model = load_model(stored.file)
    return replace(
        train, soft_labels=soften(model, train, resize, temperature=temperature, batch_size=config.images_a_step)
    )

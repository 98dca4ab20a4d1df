"""Open images for a model by the rule its training images were read by, and report what is left out."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tfvision.data.images.imageset import ImageSet
from tfvision.data.images.scan import scan
from tfvision.data.options import Source
from tfvision.data.sources.open import open_images
from tfvision.data.sources.python import Held
from tfvision.errors import DataError
from tfvision.models.model_file import ModelFacts
from tfvision.prediction.answers import map_labels
from tfvision.prediction.stored import StoredModel, find_members
from tfvision.runs.ensemble import read_ensemble
from tfvision.runs.folder import Run, open_run
from tfvision.runs.images import open_part
from tfvision.runs.names import CONFIG, SPLITS
from tfvision.system.terminal import ProgressLine, console, say_result
from tfvision.tasks import has_boxes, has_classes


class ImagesToScore(NamedTuple):
    """Images that a model is scored on.

    Attributes:
        name: What they are called: a part of the run, or the data.
        images: The images.
        learned: How many of them the model was trained on (`train`) or chosen by (`validation`), where there are any; of
            the run's own part that is not asked.
    """

    name: str
    images: ImageSet
    learned: Mapping[str, int]


def images_to_score(model: StoredModel, data: "str | Path | Held | ImageSet | None", source: Source) -> ImagesToScore:
    """Open the images that a model is to be scored on.

    Args:
        model: The model; it must be a run if `data` is None.
        data: Labelled images, see `open_images`, or a set of them; None for the test part of the run, or its validation part if it has no test part.
        source: How the data is read.

    Returns:
        The images; if the model knows some of them, that was said.

    Raises:
        DataError: No such data, unreadable images, classes that the model does not know, or no data for a model that
            is not a run.
    """
    if data is not None:
        images = read_given_images(data, model.facts, source, labelled=True)
        if has_classes(model.facts.task):
            map_labels(images, model.facts.class_names)  # refuses classes that the model does not know
        learned = count_learned(model, images)
        if learned:
            say_result(describe_learned(learned, len(images)))
        name = Path(data).name if isinstance(data, (str, Path)) else images.source or "arrays"
        return ImagesToScore(name, images, learned)
    run = own_run(model)
    part = run.scored_part
    return ImagesToScore(part, open_part(run, part), {})


def own_run(model: StoredModel) -> Run:
    """Return the run of a model, whose images it may be scored on.

    Args:
        model: The model.

    Returns:
        The run.

    Raises:
        DataError: It is a SavedModel or a model file, which has no images of its own.
    """
    if model.path.is_file() or not (model.is_ensemble or model.file.suffix == ".keras"):
        raise DataError(f"{model.path} is no run and has no images of its own; give labelled ones with --data")
    return open_run(model.path)


def count_learned(model: StoredModel, images: ImageSet) -> dict[str, int]:
    """Count the images that a model was trained on or chosen by, whatever they are called here.

    Args:
        model: The model. Of a SavedModel nothing is known.
        images: Images with their content hashes.

    Returns:
        The number of images in `train` and in `validation`, where there are any.
    """
    train, validation = _learned_contents(model)
    learned = {
        "train": sum(content in train for content in images.hashes or ()),
        "validation": sum(content in validation and content not in train for content in images.hashes or ()),
    }
    return {part: count for part, count in learned.items() if count}


def describe_learned(learned: Mapping[str, int], total: int) -> str:
    """Return a line that says which of the images a model knows; "" if it knows none."""
    verbs = {"train": "trained on", "validation": "chosen by"}
    counts = " and ".join(f"{verbs[part]} {count:,}" for part, count in learned.items())
    known = f"the model was {counts} of these {total:,} images (equal content)"
    return f"{known}: what it scores on them says nothing about new ones" if counts else ""


def _learned_contents(model: StoredModel) -> tuple[set[str], set[str]]:
    """Return the content hashes of training and validation of a run, or of the runs of an ensemble's members."""
    train: set[str] = set()
    validation: set[str] = set()
    folder = model.file.parent
    if model.is_ensemble:
        for member in find_members(folder, read_ensemble(folder).members):
            for known, more in zip((train, validation), _learned_contents(member), strict=True):
                known |= more
    elif (folder / CONFIG).is_file() and (folder / SPLITS).is_file():
        for row in open_run(folder).splits:
            if row.get("hash") and row["part"] in ("train", "validation"):
                (train if row["part"] == "train" else validation).add(row["hash"])
    return train, validation


def read_given_images(
    data: "str | Path | Held | ImageSet", facts: ModelFacts, source: Source, *, labelled: bool
) -> ImageSet:
    """Open images for a model and check that each can be read.

    Args:
        data: The images, see `open_images`, or a set of them.
        facts: Facts stored with the model: its pixel rule is used if `source` gives none, and boxes are read if the
            model predicts boxes.
        source: How the images are read, and what to do about unreadable ones.
        labelled: Whether to read labels.

    Returns:
        The readable images.

    Raises:
        DataError: No such data, or unreadable images, unless they are to be skipped.
    """
    columns = source.columns()
    columns["pixel_rule"] = columns["pixel_rule"] or facts.pixel_rule
    boxes = has_boxes(facts.task)
    images = data if isinstance(data, ImageSet) else open_images(data, **columns, labelled=labelled, boxes=boxes)
    for note in images.notes:
        console.print(note)
    with ProgressLine("reading images", len(images)) as line:
        found = scan(images, on_bad=source.on_bad, progress=line.report, frames=boxes)
    for image_id, reason in found.unreadable[:20]:
        console.print(f"left out: {image_id}: {reason}")
    if found.unreadable:
        console.print(f"{len(found.unreadable):,} left out")
    return found.images

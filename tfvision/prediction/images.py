"""Open images for a model by the rule its training images were read by, and report what is left out."""

from pathlib import Path

from tfvision.data.images.imageset import ImageSet
from tfvision.data.images.scan import scan
from tfvision.data.options import Source
from tfvision.data.sources.open import open_images
from tfvision.data.sources.python import Held
from tfvision.models.model_file import ModelFacts
from tfvision.prediction.answers import map_labels
from tfvision.prediction.stored import StoredModel
from tfvision.runs.folder import open_run
from tfvision.runs.images import open_part
from tfvision.system.terminal import ProgressLine, console
from tfvision.tasks import has_boxes, has_classes


def images_to_score(
    model: StoredModel, data: "str | Path | Held | ImageSet | None", source: Source
) -> tuple[str, ImageSet]:
    """Open the images that a model is to be scored on.

    Args:
        model: The model; it must be a run if `data` is None.
        data: Labelled images, see `open_images`, or a set of them; None for the test part of the run, or its validation part if it has no test part.
        source: How the data is read.

    Returns:
        A name for the images, and the images.

    Raises:
        DataError: No such data, unreadable images, classes that the model does not know, or no data for a model that
            is not a run.
    """
    if data is not None:
        images = read_given_images(data, model.facts, source, labelled=True)
        if has_classes(model.facts.task):
            map_labels(images, model.facts.class_names)  # refuses classes that the model does not know
        return Path(data).name if isinstance(data, (str, Path)) else images.source or "arrays", images
    run = open_run(model.path)
    part = run.scored_part
    return part, open_part(run, part)


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

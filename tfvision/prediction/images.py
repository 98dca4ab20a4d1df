"""Images that a model is asked about: opened by the rule its own images were read by, and what is left out said."""

from pathlib import Path

from tfvision.data.images.imageset import ImageSet
from tfvision.data.images.scan import scan
from tfvision.data.options import Source
from tfvision.data.sources.open import open_images
from tfvision.models.model_file import ModelFacts
from tfvision.prediction.answers import map_labels
from tfvision.prediction.predictors import StoredModel
from tfvision.runs.folder import open_run
from tfvision.runs.images import open_part
from tfvision.system.terminal import ProgressLine, console
from tfvision.tasks import has_boxes, has_classes


def images_to_score(model: StoredModel, data: str | None, source: Source) -> tuple[str, ImageSet]:
    """Return the images that a model is to be scored on, with a name for them.

    Args:
        model: A run, where no data is given.
        data: Labelled images; None for the test part of the run, or its validation part where it has no test.
        source: How they are read.

    Raises:
        DataError: No such data, unreadable images, classes that the model does not know, or no run where no data is given.
    """
    if data is not None:
        images = read_given_images(data, model.facts, source, labelled=True)
        if has_classes(model.facts.task):
            map_labels(images, model.facts.class_names)  # refuses classes that the model does not know
        return Path(data).name, images
    run = open_run(model.path)
    return run.scored_part, open_part(run, run.scored_part)


def read_given_images(data: str, facts: ModelFacts, source: Source, *, labelled: bool) -> ImageSet:
    """Open images for a model and look at each once.

    Args:
        data: See `open_images`.
        facts: Of the model; its pixel rule is taken where `source` gives none, and boxes are read for a model of boxes.
        source: How they are read, and what is done about unreadable ones.
        labelled: Whether labels are read.

    Raises:
        DataError: No such data, or unreadable images, unless they are to be skipped.
    """
    columns = source.columns()
    columns["pixel_rule"] = columns["pixel_rule"] or facts.pixel_rule
    boxes = has_boxes(facts.task)
    images = open_images(data, **columns, labelled=labelled, boxes=boxes)
    for note in images.notes:
        console.print(note)
    with ProgressLine("reading images", len(images)) as line:
        found = scan(images, on_bad=source.on_bad, progress=line.report, frames=boxes)
    for image_id, reason in found.unreadable[:20]:
        console.print(f"left out: {image_id}: {reason}")
    if found.unreadable:
        console.print(f"{len(found.unreadable):,} left out")
    return found.images

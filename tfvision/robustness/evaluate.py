"""What `tfvision evaluate --corrupt` does: score a model on images that get worse and worse."""

from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

from tfvision.config.options import from_dict
from tfvision.data.images.imageset import ImageSet
from tfvision.data.options import Source
from tfvision.data.sources.python import Held
from tfvision.errors import UsageError
from tfvision.prediction.images import images_to_score
from tfvision.prediction.stored import find_model
from tfvision.robustness.corruptions import parse_corruptions
from tfvision.robustness.scores import CorruptedScores, score_corrupted, write_corrupted
from tfvision.runs.folder import writing_in_turn
from tfvision.runs.names import CORRUPTION_SCORES, PLOTS
from tfvision.system.files import refuse_unwritable
from tfvision.system.terminal import in_one_output
from tfvision.tasks import has_boxes


@in_one_output
def evaluate_corrupted(
    model: str | PathLike[str],
    data: "str | Path | Held | ImageSet | None" = None,
    corrupt: str = "all",
    *,
    seed: int = 0,
    output: str | Path | None = None,
    trust: bool = False,
    **source: Any,
) -> CorruptedScores:
    """Score a run or a SavedModel on corrupted images, at five severities for each corruption.

    With `output`, a table and curves are written beside it. Without, they go into the run and its report if the images
    are the run's own test part, and are not written for other data.

    Args:
        model: A run folder, a `.keras` file of a run, or a SavedModel; it must predict classes.
        data: Labelled images, see `open_images`, or a set of them; None for the run's own test part.
        corrupt: `all`, or some of the corruptions, such as `noise,blur`.
        seed: Seed of what is drawn for each image.
        output: A JSON file to write the scores to.
        trust: Load a SavedModel even if its graph might read files, open connections or run Python.
        **source: How the data is read, as with the flags of the command line.

    Returns:
        The scores, and the files written.

    Raises:
        UsageError: An unknown corruption or option, or a model that predicts boxes.
        DataError: No such model or data, or the data has classes that the model does not know.
        RunError: A file cannot be written.
    """
    options, names = from_dict(Source, source), parse_corruptions(corrupt)
    stored = find_model(model, trust=trust)
    if has_boxes(stored.facts.task):
        raise UsageError("--corrupt scores classes, and this model finds boxes; leave it out")
    stored.refuse_programs()
    refuse_unwritable(output)
    images = images_to_score(stored, data, options).images
    scores = score_corrupted(stored.load(), images, names, seed=seed)
    if output is not None:
        with writing_in_turn(Path(output).parent):
            written = write_corrupted(scores, images, Path(output), Path(output).parent, seed=seed)
    elif data is None:
        from tfvision.report.page import write_pages

        path, plots = stored.path / CORRUPTION_SCORES, stored.path / PLOTS
        with writing_in_turn(stored.path):
            written = [*write_corrupted(scores, images, path, plots, seed=seed), *write_pages(stored.path)]
    else:
        written = []
    return replace(scores, written=tuple(written))

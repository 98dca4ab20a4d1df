"""What `tfvision texture` does: score runs on images that have lost their texture or their shape."""

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from tfvision.config.options import from_dict
from tfvision.data.images.imageset import ImageSet
from tfvision.data.options import Source
from tfvision.data.sources.python import Held
from tfvision.errors import DataError, UsageError, listing
from tfvision.prediction.answers import map_labels
from tfvision.prediction.images import images_to_score
from tfvision.prediction.stored import StoredModel, find_model
from tfvision.robustness.drawing import draw_images
from tfvision.robustness.options import TextureOptions
from tfvision.robustness.texture_changes import LEAST_SIDE
from tfvision.robustness.texture_scores import TextureScores, score_textures, write_textures
from tfvision.runs.folder import open_run, writing_in_turn
from tfvision.runs.names import TEXTURE
from tfvision.system.files import refuse_unwritable
from tfvision.system.terminal import in_one_output
from tfvision.tasks import has_boxes


@in_one_output
def texture(
    *models: str | PathLike[str],
    data: "str | Path | Held | ImageSet | None" = None,
    limit: int = 500,
    seed: int = 0,
    output: str | Path | None = None,
    trust: bool = False,
    **source: Any,
) -> TextureScores:
    """Score runs on images without colour, shape, fine or coarse detail, as edges and as silhouettes.

    Each image is changed at the size of a run's input, so that the model sees exactly what the change left.

    Args:
        *models: Run folders or SavedModels that predict classes; one or more.
        data: Labelled images, see `open_images`, or a set of them; None for the runs' own test part, which must be the same.
        limit: Most images; drawn by the seed if there are more.
        seed: Seed of the order of patches, together with each image's id, and of the images drawn.
        output: A folder to write texture.json, texture.csv and texture.png to; None writes nothing.
        trust: Load a SavedModel even if its graph might read files, open connections or run Python.
        **source: How the data is read, as with the flags of the command line.

    Returns:
        Accuracy and interval of each run under each change, and the files written.

    Raises:
        UsageError: No run, one given twice, an unknown option, or a model that predicts boxes or takes images of less
            than 8 pixels.
        DataError: No such model or data, runs with different test parts, or classes that a model does not know.
        RunError: A file cannot be written.
    """
    options, wanted = from_dict(TextureOptions, {"limit": limit, "seed": seed}), from_dict(Source, source)
    names = [fspath(model) for model in models]
    if not names or len(set(names)) < len(names):
        raise UsageError(f"texture needs one run or more, each once; got {listing(names) or 'none'}")
    stored = [_fitting_model(name, trust=trust) for name in names]
    refuse_unwritable(None if output is None else Path(output) / TEXTURE)
    name, images = _open_images(stored, data, wanted)
    images = draw_images(images, options.limit, options.seed)
    found = score_textures(stored, images, name, seed=options.seed)
    if output is None:
        return found
    with writing_in_turn(Path(output)):
        written = write_textures(found, images, stored[0].facts.resize, Path(output), seed=options.seed)
    return replace(found, written=tuple(written))


def _fitting_model(name: str, *, trust: bool) -> StoredModel:
    stored = find_model(name, trust=trust)
    if has_boxes(stored.facts.task):
        raise UsageError(f"texture scores classes, and {name} finds boxes; leave it out")
    if stored.is_ensemble:
        raise UsageError(
            f"{name} is an ensemble, and texture changes images at the size of one model; name its members"
        )
    if (side := min(stored.facts.resize.height, stored.facts.resize.width)) < LEAST_SIDE:
        raise UsageError(f"{name} takes images of {side} px, too small to be cut into 8x8 patches; leave it out")
    stored.refuse_programs()
    return stored


def _open_images(
    stored: Sequence[StoredModel], data: "str | Path | Held | ImageSet | None", source: Source
) -> tuple[str, ImageSet]:
    """Open the images that all models are scored on, and refuse classes that one of them does not know."""
    if data is None:
        _refuse_other_tests(stored)
    name, images, _ = images_to_score(stored[0], data, source)
    for one in stored[1:]:
        map_labels(images, one.facts.class_names)
    return name, images


def _refuse_other_tests(stored: Sequence[StoredModel]) -> None:
    first = _tested(stored[0])
    for one in stored[1:]:
        if _tested(one) != first:
            raise DataError(
                f"{one.path} was tested on other images than {stored[0].path}; give runs of the same split, "
                "or images for all of them with --data"
            )


def _tested(stored: StoredModel) -> set[tuple[str, str]]:
    """Return id and content hash of each image that a run is scored on."""
    run = open_run(stored.path)
    part = run.scored_part
    return {(row["id"], row.get("hash", "")) for row in run.splits if row["part"] == part}

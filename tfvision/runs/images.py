"""Open the images of a run again, with the options it was trained with."""

from dataclasses import replace

import numpy as np

from tfvision.data.images.imageset import ImageSet
from tfvision.data.sources.open import open_images
from tfvision.errors import DataError, listing
from tfvision.runs.folder import Run


def open_part(run: Run, part: str) -> ImageSet:
    """Open the images of one part of a run's split.

    Args:
        run: The run.
        part: `train`, `validation` or `test`.

    Returns:
        The images; labels are indexes into the classes of the run's model.

    Raises:
        DataError: The data is gone or has changed, or the part is empty.
    """
    try:
        images = open_images(run.config.data, **run.config.source.columns())
    except DataError as error:
        raise DataError(f"{error} (the run was trained on it; to use other images, give them with --data)") from None
    wanted = [image_id for image_id, where in run.parts.items() if where == part]
    if not wanted:
        raise DataError(f"{run.folder} has no {part} part; give labelled images with --data")
    places = {image_id: index for index, image_id in enumerate(images.ids)}
    if gone := [image_id for image_id in wanted if image_id not in places]:
        raise DataError(
            f"{run.config.data} lacks {len(gone):,} images of the {part} part of {run.folder}: {listing(gone)}; "
            "restore the data, or give other images with --data"
        )
    number = {name: index for index, name in enumerate(run.facts.class_names)}
    names = images.class_names
    if unknown := [name for name in names if name not in number]:
        raise DataError(f"{run.config.data} has classes that {run.folder} does not know: {listing(unknown)}")
    labels = np.array([number[name] for name in names], np.int64)[images.labels]
    images = replace(images, labels=labels, class_names=run.facts.class_names)
    return images.select([places[image_id] for image_id in wanted])

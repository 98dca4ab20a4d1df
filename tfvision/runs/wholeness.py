"""Whether the files of a run are whole and agree with each other, which digests alone do not tell of older runs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfvision.errors import DamagedError, listing, worded
from tfvision.runs.names import SPLITS

if TYPE_CHECKING:
    from tfvision.evaluation.box_predictions import BoxPredictions
    from tfvision.evaluation.predictions import Predictions
    from tfvision.models.model_file import ModelFacts


def checked_metrics(content: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return the content of metrics.json if it is one.

    Args:
        content: A JSON object.
        path: The file, for messages.

    Returns:
        The content.

    Raises:
        DataError: It has no part with a number of images, or a score that is no number.
    """
    from tfvision.evaluation.score_names import SCORES

    if not content:
        raise DamagedError(path, "it has no scores")
    for part, scores in content.items():
        if not isinstance(scores, Mapping):
            raise DamagedError(path, f"{part} holds {worded(scores)}, not scores")
        for name in ("n", *SCORES):
            # A score that has no value, such as that of a class without images, is null.
            if isinstance(score := scores.get(name), (str, bool, list, dict)):
                raise DamagedError(path, f"{name} of {part} is {worded(score)}, not a number")
    return dict(content)


def checked_splits(rows: list[dict[str, str]], path: Path) -> list[dict[str, str]]:
    """Return the rows of splits.csv if each has an id of its own and a part that exists.

    Args:
        rows: Of the file, with the columns `id` and `part`.
        path: The file, for messages.

    Returns:
        The rows.

    Raises:
        DataError: An id stands there twice, a part is unknown, or there are no rows.
    """
    from tfvision.data.splits.split import LEFT_OUT, SCORED

    known = {"train", *SCORED, LEFT_OUT}
    if wrong := next((row["part"] for row in rows if row["part"] not in known), None):
        raise DamagedError(path, f"it has the part {worded(wrong)}")
    if twice := [image_id for image_id, count in Counter(row["id"] for row in rows).items() if count > 1]:
        raise DamagedError(path, f"it names {len(twice):,} images twice: {listing(twice)}")
    if not rows:
        raise DamagedError(path, "it has no rows")
    return rows


def check_predictions(
    found: "Predictions | BoxPredictions",
    facts: "ModelFacts",
    splits: Sequence[Mapping[str, str]],
    path: Path,
    *,
    all_labelled: bool = True,
) -> None:
    """Refuse predictions that are not of the images, parts, labels and classes of their run.

    Args:
        found: The predictions.
        facts: What is stored with the model.
        splits: Rows of splits.csv.
        path: The file of the predictions, for messages.
        all_labelled: Whether every image that is scored must be there; a run that hides labels leaves some out.

    Raises:
        DataError: They are not.
    """
    from tfvision.data.splits.split import SCORED
    from tfvision.evaluation.predictions import Predictions

    classes = found if isinstance(found, Predictions) else found.classes
    if classes is not None and classes.class_names != facts.class_names:
        raise DamagedError(
            path, f"its classes are {listing(classes.class_names)}; the model's {listing(facts.class_names)}"
        )
    rows = {row["id"]: row for row in splits}
    parts = dict(zip(found.ids, found.parts.tolist(), strict=True))
    if len(parts) < len(found.ids):
        raise DamagedError(path, f"it has {len(found.ids) - len(parts):,} images twice")
    if other := [one for one, part in parts.items() if one not in rows or rows[one]["part"] != part]:
        raise DamagedError(path, f"{len(other):,} of its images are not in that part of {SPLITS}: {listing(other)}")
    needed = [row["id"] for row in splits if row["part"] in SCORED and (all_labelled or row["part"] != "validation")]
    if gone := [one for one in needed if one not in parts]:
        raise DamagedError(path, f"it lacks {len(gone):,} images of {SPLITS}: {listing(gone)}")
    if classes is not None:
        names = [classes.class_names[label] if label >= 0 else "" for label in classes.labels.tolist()]
        labels = zip(classes.ids, names, strict=True)
        if other := [one for one, label in labels if rows[one].get("label", label) != label]:
            raise DamagedError(path, f"{len(other):,} of its images have another label in {SPLITS}: {listing(other)}")

"""Several predictions, one after the other."""

import functools
from collections.abc import Iterable
from typing import TypeVar

from tfvision.evaluation.box_predictions import BoxPredictions
from tfvision.evaluation.predictions import Predictions

_Joinable = TypeVar("_Joinable", Predictions, BoxPredictions)


def join_parts(parts: Iterable[_Joinable]) -> _Joinable:
    """Return the images of several predictions, classes or boxes, one after the other; of one at least."""
    return functools.reduce(lambda first, second: first.joined(second), parts)

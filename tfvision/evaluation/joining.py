"""Concatenate predictions."""

import functools
from collections.abc import Iterable
from typing import TypeVar

from tfvision.evaluation.box_predictions import BoxPredictions
from tfvision.evaluation.predictions import Predictions

_Joinable = TypeVar("_Joinable", Predictions, BoxPredictions)


def join_parts(parts: Iterable[_Joinable]) -> _Joinable:
    """Concatenate one or more predictions of the same kind, classes or boxes."""
    return functools.reduce(lambda first, second: first.joined(second), parts)

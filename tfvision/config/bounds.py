"""Bounds: the numbers that an option takes, and how they are named in help and messages."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Bounds:
    """The numbers that an option takes: all finite ones between two ends.

    Attributes:
        low: The lowest number.
        high: The highest number; infinity, itself refused, where there is none.
        open_low: Whether `low` itself is refused.
        open_high: Whether `high` itself is refused.
    """

    low: float
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, (int, float)) or value in (-math.inf, math.inf):
            return False
        high_enough = value > self.low if self.open_low else value >= self.low
        return high_enough and (value < self.high if self.open_high else value <= self.high)

    def __str__(self) -> str:
        if self.high == math.inf:
            return f"more than {self.low}" if self.open_low else f"{self.low} or more"
        if self.open_low:
            return f"more than {self.low}, {'under' if self.open_high else 'at most'} {self.high}"
        return f"from {self.low} to {'under ' if self.open_high else ''}{self.high}"

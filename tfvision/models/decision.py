"""Decision: from a model's probabilities to calibrated ones, and from those to a class."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

# Smaller probabilities are raised to these. A float32 sigmoid cannot come closer to 1 than this; a softmax can.
_LEAST_OF_TWO, _LEAST = 2.0**-25, 1e-30


@dataclass(frozen=True)
class Decision:
    """What was chosen on the validation part after training: a temperature, and offsets of log-probabilities.

    The temperature changes probabilities but no class; the offsets change classes but no probability.

    Attributes:
        temperature: Logits are divided by it (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017).
        offsets: One per class, added to the logarithms of the calibrated probabilities before the largest is taken;
            for two classes the first is 0.
        objective: What the offsets were chosen for, as the user wrote it; "" if there are none.

    Raises:
        ValueError: A temperature that is not positive, or offsets that are not finite.
    """

    temperature: float = 1.0
    offsets: tuple[float, ...] = ()
    objective: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature > 0):
            raise ValueError(f"temperature {self.temperature}; expected a number above 0")
        if not all(math.isfinite(offset) for offset in self.offsets):
            raise ValueError(f"offsets {self.offsets}; expected numbers")

    @property
    def threshold(self) -> float | None:
        """For two classes, the calibrated probability above which an image is of the second; else None."""
        if len(self.offsets) != 2:
            return None
        return (1 - math.tanh((self.offsets[1] - self.offsets[0]) / 2)) / 2  # the sigmoid, without overflow

    @property
    def is_neutral(self) -> bool:
        """Whether it changes neither probabilities nor classes."""
        return self.temperature == 1 and not self.offsets

    def calibrate(self, probabilities: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities.

        Args:
            probabilities: float (n, K), what a model gives.

        Returns:
            float64 (n, K); the same numbers if the temperature is 1.
        """
        if self.temperature == 1:
            return np.asarray(probabilities, np.float64)
        return softmax(log_probabilities(probabilities) / self.temperature)

    def decide(self, calibrated: np.ndarray) -> np.ndarray:
        """Return the class of each image: the largest log-probability plus offset, the first of equals.

        Args:
            calibrated: float (n, K), from `calibrate`.

        Returns:
            int64 (n,).
        """
        if not self.offsets:
            return np.asarray(calibrated).argmax(axis=1).astype(np.int64)
        return self._scores(calibrated).argmax(axis=1).astype(np.int64)

    def margins(self, calibrated: np.ndarray) -> np.ndarray:
        """Return the lead of each image's class over the next, in log-probability plus offset, float64 (n,)."""
        best_two = np.sort(self._scores(calibrated), axis=1)[:, -2:]
        return best_two[:, 1] - best_two[:, 0]

    def _scores(self, calibrated: np.ndarray) -> np.ndarray:
        return log_probabilities(calibrated) + (np.array(self.offsets) if self.offsets else 0.0)

    def with_temperature(self, temperature: float) -> "Decision":
        """Return the decision with another temperature; every image keeps its class."""
        scale = self.temperature / temperature
        return replace(self, temperature=temperature, offsets=tuple(offset * scale for offset in self.offsets))

    def describe(self, class_names: Sequence[str]) -> str:
        """Return a description: `temperature 1.31, threshold 0.42 of crater (f1)`."""
        parts = [f"temperature {self.temperature:.4g}"] if self.temperature != 1 else []
        if self.threshold is not None:
            parts.append(f"threshold {self.threshold:.4g} of {class_names[1]} ({self.objective})")
        elif self.offsets:
            listed = [f"{name} {offset:+.3g}" for name, offset in zip(class_names, self.offsets, strict=True)]
            shown = ", ".join(listed[:12]) + (", ..." if len(listed) > 12 else "")
            parts.append(f"offsets {shown} ({self.objective})")
        return ", ".join(parts) or "none"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return {"temperature": self.temperature, "offsets": list(self.offsets), "objective": self.objective}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Decision":
        """Make the decision that `to_dict` wrote.

        Args:
            values: `temperature`, `offsets` and `objective`.

        Returns:
            The decision.

        Raises:
            ValueError: It is not what `to_dict` writes.
        """
        try:
            offsets = tuple(float(offset) for offset in values["offsets"])
            return cls(float(values["temperature"]), offsets, str(values["objective"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"{error} where temperature, offsets and objective of a decision are expected") from None


def log_probabilities(probabilities: np.ndarray) -> np.ndarray:
    """Return the logarithms of probabilities: the logits, up to a constant per image.

    Args:
        probabilities: float (n, K).

    Returns:
        float64 (n, K); probabilities below `least_probability` are raised to it.
    """
    return np.log(np.maximum(np.asarray(probabilities, np.float64), least_probability(probabilities.shape[1])))


def least_probability(num_classes: int) -> float:
    """Return the value that smaller probabilities are raised to."""
    return _LEAST_OF_TWO if num_classes == 2 else _LEAST


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities, float64 (n, K), of logits (n, K)."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)

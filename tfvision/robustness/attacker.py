"""Attacks compiled for one model: each is traced once, for every budget and any number of images."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfvision.robustness.attack_scores import Cost
from tfvision.robustness.attacked import Attackable
from tfvision.robustness.attacks.effort import Crafted, Effort
from tfvision.robustness.attacks.table import ATTACKS

_PIXELS_AT_ONCE = 2**20  # 256 images of 64 px, 20 of 224: about 1 GB for a MobileNetV2, 3 GB for a VGG16

_Compiled = Callable[..., Crafted]


class Batch(NamedTuple):
    """What was crafted of some images.

    Attributes:
        images: float32 (b, height, width, channels), whole numbers if they were to be rounded.
        cost: What it took for all of them.
    """

    images: np.ndarray
    cost: Cost


@dataclass(frozen=True)
class Attacker:
    """The attacks on one model, compiled when they are first asked for.

    Attributes:
        model: What is attacked.
        norm: `linf` or `l2`.
        effort: How much is tried.
    """

    model: Attackable
    norm: str = "linf"
    effort: Effort = field(default_factory=Effort)
    _compiled: dict[tuple[object, ...], _Compiled] = field(default_factory=dict)

    def with_effort(self, effort: Effort) -> "Attacker":
        """Return an attacker of the same model that tries more or less; the traced model is shared."""
        shared = {key: value for key, value in self._compiled.items() if key[0] == "logits"}
        return replace(self, effort=effort, _compiled=shared)

    def craft(
        self,
        method: str,
        images: np.ndarray,
        labels: np.ndarray,
        epsilon: float,
        *,
        seed: tuple[int, int],
        rounded: bool,
    ) -> Batch:
        """Attack images of one size.

        Args:
            method: A key of `ATTACKS` that changes images one by one.
            images: uint8 (b, height, width, channels).
            labels: int (b,), the true classes.
            epsilon: The budget in pixel units.
            seed: Two numbers.
            rounded: Whether the model shall see whole numbers only, as in a file: the attack looks at rounded pixels
                and takes the gradient there as that of the pixels before (straight-through).

        Returns:
            The changed images, and what it took.
        """
        call = self._function(method, images.shape[1:])
        given = (
            tf.constant(images, tf.float32),
            tf.constant(labels, tf.int32),
            tf.constant(epsilon, tf.float32),
            tf.constant(seed, tf.int32),
            tf.constant(rounded),
        )
        start = time.perf_counter()
        found = call(*given)
        moved = found.images.numpy()
        cost = Cost(int(found.passes), int(found.gradients), time.perf_counter() - start)
        return Batch(np.rint(moved) if rounded else moved, cost)

    def classes(self, images: np.ndarray) -> np.ndarray:
        """Return the class that the model takes for float pixels, without a file in between, int64 (b,)."""
        return self.answers(images).argmax(1)

    def answers(self, images: np.ndarray) -> np.ndarray:
        """Return logits of pixels (b, height, width, channels), float32 (b, classes)."""
        return self.traced_logits(images.shape[1:])(tf.constant(images, tf.float32)).numpy()

    def zero_gradients(self, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return where the model gives no gradient at all, or none that is a number: bool (b,)."""
        from tfvision.robustness.attacks.losses import climb, log_odds

        given = tf.constant(images, tf.float32), tf.constant(labels, tf.int32)
        answer = self.traced_logits(images.shape[1:])
        gradient = tf.function(lambda *pair: climb(answer, log_odds, *pair)[2], autograph=False)(*given)
        sums = tf.reduce_sum(tf.abs(gradient), (1, 2, 3)).numpy()
        return ~(np.isfinite(sums) & (sums > 0))

    def traced_logits(self, shape: tuple[int | None, ...]) -> Callable[[tf.Tensor], tf.Tensor]:
        """Return the logits of images (height, width, channels), traced once: that takes longer than many attacks."""
        key = ("logits", self._shape(shape))
        if key not in self._compiled:
            signature = [tf.TensorSpec((None, *self._shape(shape)))]
            self._compiled[key] = tf.function(self.model.logits, input_signature=signature, autograph=False)
        return self._compiled[key]

    def chunk(self, height: int, width: int) -> int:
        """Return how many images of a size are attacked at once, so that memory does not grow with their number."""
        resize = self.model.predictor.facts.resize
        return max(1, _PIXELS_AT_ONCE // max(height * width, resize.height * resize.width))

    def _function(self, method: str, shape: tuple[int, ...]) -> _Compiled:
        key = (method, self._shape(shape))
        if key not in self._compiled:
            self._compiled[key] = self._compile(method, self._shape(shape))
        return self._compiled[key]

    def _compile(self, method: str, shape: tuple[int | None, ...]) -> _Compiled:
        bind = ATTACKS[method].bind
        assert bind, f"{method} does not change images one by one"
        answer = self.traced_logits(shape)

        def attack(
            images: tf.Tensor, labels: tf.Tensor, epsilon: tf.Tensor, seed: tf.Tensor, rounded: tf.Tensor
        ) -> Crafted:
            def logits(pixels: tf.Tensor) -> tf.Tensor:
                off = tf.where(rounded, tf.round(pixels) - pixels, 0.0)
                return answer(pixels + tf.stop_gradient(off))

            return bind(logits, self.norm, self.effort)(images, labels, epsilon, seed)

        signature = [
            tf.TensorSpec((None, *shape)),
            tf.TensorSpec((None,), tf.int32),
            tf.TensorSpec(()),
            tf.TensorSpec((2,), tf.int32),
            tf.TensorSpec((), tf.bool),
        ]
        return tf.function(attack, input_signature=signature, autograph=False).get_concrete_function()

    def _shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the size if it is the model's own; one compiled function serves all others."""
        resize = self.model.predictor.facts.resize
        return tuple(shape) if tuple(shape[:2]) == (resize.height, resize.width) else (None, None, shape[2])

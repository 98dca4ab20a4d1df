"""How much an attack may try: steps, restarts, queries; and what an attack gives back."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tfvision.config.options import check_bounds, option

if TYPE_CHECKING:
    import tensorflow as tf


@dataclass
class Effort:
    """How much attacks may try."""

    steps: int = option(20, "steps of PGD and AutoPGD", at_least=1)
    restarts: int = option(1, "random starts of PGD and AutoPGD", at_least=1)
    queries: int = option(500, "forward passes of Square for each image", at_least=1)
    cw_steps: int = option(100, "steps of Carlini and Wagner in each round of their binary search", at_least=1)
    cw_rounds: int = option(6, "rounds of the binary search of Carlini and Wagner", at_least=1)
    patch_area: float = option(0.05, "share of the image that the adversarial patch covers", above=0, at_most=0.5)
    patch_steps: int = option(100, "steps in which the adversarial patch is fitted", at_least=1)

    def __post_init__(self) -> None:
        check_bounds(self)


class Crafted(NamedTuple):
    """What an attack made of a batch.

    Attributes:
        images: float32 (b, height, width, channels), in 0..255; unchanged where an image was wrong already.
        passes: int32, forward passes of single images that it took, those with a gradient included.
        gradients: int32, how many of them went back to the pixels too.
    """

    images: "tf.Tensor"
    passes: "tf.Tensor"
    gradients: "tf.Tensor"


# Logits, images, labels, epsilon and seed to what was crafted; the norm and the effort are bound before.
Craft = Callable[..., Crafted]

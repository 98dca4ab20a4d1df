"""Small CNNs that are trained from scratch."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


def small_cnn(
    pixels: "keras.KerasTensor", *, filters: Sequence[int] = (32, 64), kernel_size: int = 5
) -> "keras.KerasTensor":
    """Convolutions with ReLU, then one max-pooling: the CNN of the aerial cactus study.

    Args:
        pixels: `(batch, height, width, channels)`, scaled to about 0..1.
        filters: Filters of each convolution.
        kernel_size: Side of the kernels in pixels; borders are zero-padded.

    Returns:
        Feature maps `(batch, height // 2, width // 2, filters[-1])`.
    """
    import keras

    x = pixels
    for number, count in enumerate(filters, start=1):
        x = keras.layers.Conv2D(count, kernel_size, padding="same", activation="relu", name=f"conv{number}")(x)
    return keras.layers.MaxPooling2D(2, name="pool")(x)

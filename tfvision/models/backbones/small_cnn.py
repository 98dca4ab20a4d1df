"""Small CNNs that are trained from scratch."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tfvision.errors import UsageError
from tfvision.models.backbones.families import Backbone

if TYPE_CHECKING:
    import keras


def build_small_cnn(
    name: str, pixels: "keras.KerasTensor", facts: Backbone, options: Mapping[str, Any]
) -> "keras.KerasTensor":
    """Add convolutions with ReLU and max-pooling to a graph.

    Args:
        name: `small_cnn`.
        pixels: `(batch, height, width, channels)`, scaled to about 0..1.
        facts: Its entry in BACKBONES.
        options: `filters`, `kernel_size`, `padding` and `pools`; by default as in the CNN of the cactus study.

    Returns:
        Feature maps `(batch, h, w, filters of the last convolution)`.

    Raises:
        UsageError: Not one pool for each convolution, or an image too small for kernels and pools.
    """
    return _convolutions(pixels, **options)


def _convolutions(
    pixels: "keras.KerasTensor",
    *,
    filters: Sequence[int] = (32, 64),
    kernel_size: int = 5,
    padding: str = "same",
    pools: Sequence[int] | None = None,
) -> "keras.KerasTensor":
    """Add convolutions and poolings: by default, with one pooling at the end, the CNN of the cactus study.

    Args:
        pixels: `(batch, height, width, channels)`, scaled to about 0..1.
        filters: Filters of each convolution.
        kernel_size: Side of the kernels in pixels.
        padding: `same` pads borders with zeros and keeps the size; `valid` takes `kernel_size - 1` off each side.
        pools: Side of the max-pooling after each convolution, 1 for none; default 2 after the last one only.
    """
    import keras

    pools = [1] * (len(filters) - 1) + [2] if pools is None else list(pools)
    if len(pools) != len(filters):
        raise UsageError(f"small_cnn.pools has {len(pools)} sizes for {len(filters)} convolutions; give one for each")
    only_last = all(pool == 1 for pool in pools[:-1])
    x = pixels
    for number, (count, pool) in enumerate(zip(filters, pools, strict=True), start=1):
        _check_side(x, pixels, kernel_size if padding == "valid" else 1, f"convolution {number}")
        x = keras.layers.Conv2D(count, kernel_size, padding=padding, activation="relu", name=f"conv{number}")(x)
        _check_side(x, pixels, pool, f"pooling {number}")
        if pool > 1:
            x = keras.layers.MaxPooling2D(pool, name="pool" if only_last else f"pool{number}")(x)
    return x


def _check_side(x: "keras.KerasTensor", pixels: "keras.KerasTensor", least: int, where: str) -> None:
    if min(x.shape[1:3]) < least:
        height, width = pixels.shape[1:3]
        raise UsageError(
            f"images of {height}x{width} px are too small for small_cnn: {where} needs {least} px and gets "
            f"{min(x.shape[1:3])}; set a larger --image-size or smaller small_cnn.pools"
        )

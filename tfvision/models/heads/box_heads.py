"""Heads for boxes: from feature maps to xmin, ymin, xmax, ymax as shares of the image's sides."""

from typing import TYPE_CHECKING

import numpy as np

from tfvision.errors import UsageError

if TYPE_CHECKING:
    import keras

BOX_HEADS = ("pooled", "grid", "spatial")
_START = (0.25, 0.25, 0.75, 0.75)  # what an untrained head predicts: of no use, but it overlaps most boxes


def box_of_vector(vector: "keras.KerasTensor", prefix: str) -> "keras.KerasTensor":
    """Return a box `(batch, 4)` as a linear function of a feature vector.

    Linear, not a sigmoid: boxes often reach the border, where a sigmoid must saturate.

    Args:
        vector: `(batch, features)`.
        prefix: Prefix of the layers' names.

    Returns:
        xmin, ymin, xmax, ymax as shares of the image's sides, not clipped.
    """
    import keras

    start = keras.initializers.Constant(list(_START))
    # Adam moves every weight by the same amount: ten thousand features together would throw a box across the image in
    # one step. Divided by the square root of their number, a rate that suits a hidden layer suits this one too.
    scaled = keras.layers.Rescaling(vector.shape[-1] ** -0.5, dtype="float32", name=f"{prefix}box_scale")(vector)
    # Zeros: random weights would start with boxes far outside the image and take long to bring them back.
    dense = keras.layers.Dense(
        4, kernel_initializer="zeros", bias_initializer=start, dtype="float32", name=f"{prefix}box"
    )
    return dense(scaled)


def box_of_grid(features: "keras.KerasTensor", prefix: str, *, grid: int, dropout: float) -> "keras.KerasTensor":
    """Return a box `(batch, 4)` as a linear function of the averages over the cells of a grid.

    Args:
        features: Feature maps `(batch, h, w, channels)`.
        prefix: Prefix of the layers' names.
        grid: Cells down and across; if the maps do not divide evenly, cells overlap by a row or a column.
        dropout: Dropout rate of the averages, 0 for none.

    Returns:
        As `box_of_vector`.

    Raises:
        UsageError: The grid is finer than the maps.
    """
    from keras import layers

    _, rows, columns, _ = features.shape
    if not 1 <= grid <= min(rows, columns):
        raise UsageError(f"a grid of {grid}x{grid} cells does not fit maps of {rows}x{columns}; lower --box.grid")
    cells = layers.AdaptiveAveragePooling2D((grid, grid), name=f"{prefix}box_grid")(features)
    vector = layers.Flatten(name=f"{prefix}box_cells")(cells)
    if dropout:
        vector = layers.Dropout(dropout, name=f"{prefix}box_dropout")(vector)
    return box_of_vector(vector, prefix)


def box_of_maps(features: "keras.KerasTensor", prefix: str, *, filters: int, dropout: float) -> "keras.KerasTensor":
    """Return a box `(batch, 4)`: each side is the expected position in a map of its own (soft-argmax).

    A 3x3 convolution sees the surroundings of a position, a 1x1 convolution scores each position for each side, a
    softmax over all positions turns the scores into a distribution, and the side is the mean coordinate under it
    (Honari et al., "Improving Landmark Localization with Semi-Supervised Learning", 2018). The coordinates of rows and
    columns start evenly spaced from 0 to 1 and are trained too.

    Args:
        features: Feature maps `(batch, h, w, channels)`.
        prefix: Prefix of the layers' names.
        filters: Filters of the 3x3 convolution.
        dropout: Dropout rate of its outputs, 0 for none.

    Returns:
        As `box_of_vector`.

    Raises:
        UsageError: Feature maps of fewer than four positions.
    """
    from keras import layers

    _, rows, columns, _ = features.shape
    if rows * columns < 4:
        raise UsageError(f"a spatial head needs maps of 2x2 or more, got {rows}x{columns}; increase --image-size")
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"{prefix}box_conv")(features)
    x = layers.BatchNormalization(name=f"{prefix}box_bn")(x)
    x = layers.ReLU(name=f"{prefix}box_relu")(x)
    if dropout:
        x = layers.SpatialDropout2D(dropout, name=f"{prefix}box_dropout")(x)
    sides = []
    for axis in ("x", "y"):
        scores = layers.Conv2D(2, 1, dtype="float32", name=f"{prefix}box_{axis}_scores")(x)
        scores = layers.Reshape((rows * columns, 2), name=f"{prefix}box_{axis}_positions")(scores)
        places = layers.Softmax(axis=1, dtype="float32", name=f"{prefix}box_{axis}_places")(scores)
        places = layers.Permute((2, 1), name=f"{prefix}box_{axis}_sides")(places)
        side = layers.Dense(1, use_bias=False, dtype="float32", name=f"{prefix}box_{axis}")
        sides.append(side(places))
        side.set_weights([_coordinates(rows, columns, axis)])
    corners = layers.Concatenate(axis=2, dtype="float32", name=f"{prefix}box_corners")(sides)
    return layers.Flatten(dtype="float32", name=f"{prefix}box")(corners)


def _coordinates(rows: int, columns: int, axis: str) -> np.ndarray:
    """Return the coordinate of each position along an axis, float `(rows * columns, 1)`."""
    y, x = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    return (x if axis == "x" else y).reshape(-1, 1)

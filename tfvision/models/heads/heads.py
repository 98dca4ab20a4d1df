"""Heads: from feature maps to class probabilities, a box, or both."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tfvision.errors import UsageError, check_known, worded
from tfvision.models.heads.box_heads import BOX_HEADS, box_of_grid, box_of_maps, box_of_vector
from tfvision.tasks import BOX, PROBABILITIES

if TYPE_CHECKING:
    import keras

HEAD = "head_"


def build_head(
    features: "keras.KerasTensor",
    num_classes: int,
    *,
    pooling: str = "avg",
    units: Sequence[int] = (),
    activation: str = "relu",
    batch_norm: bool = False,
    pool_batch_norm: bool = False,
    dropout: float | Sequence[float] = 0.0,
) -> "keras.KerasTensor":
    """Add pooling, hidden dense layers and the output to the graph. All its layers are called `head_...`.

    Args:
        features: Feature maps `(batch, h, w, channels)`.
        num_classes: Two or more.
        pooling: `avg` or `max` over positions, or `flatten`.
        units: Units of each hidden dense layer.
        activation: Activation of the hidden layers; their batch normalization, if any, comes before it.
        batch_norm: Whether each hidden dense layer is followed by batch normalization.
        pool_batch_norm: Whether batch normalization follows the pooling.
        dropout: One rate (0..1) before the output; or one for each hidden layer, applied after it.

    Returns:
        Probabilities: `(batch, num_classes)` by softmax; for two classes `(batch, 1)` by a sigmoid, the probability
        of the second (positive) class.

    Raises:
        UsageError: An invalid pooling, activation, rate or number of classes.
    """
    if num_classes < 2:
        raise UsageError(f"a classifier needs two or more classes, got {num_classes}")
    vector = _hidden(
        features,
        pooling=pooling,
        units=units,
        activation=activation,
        batch_norm=batch_norm,
        pool_batch_norm=pool_batch_norm,
        dropout=dropout,
    )
    return _probabilities(vector, num_classes)


def build_box_head(
    features: "keras.KerasTensor",
    num_classes: int | None = None,
    *,
    kind: str = "spatial",
    grid: int = 3,
    filters: int = 128,
    dropout: float | Sequence[float] = 0.0,
    **options: Any,
) -> "keras.KerasTensor | dict[str, keras.KerasTensor]":
    """Add a head that predicts a box, and probabilities too if there are classes.

    Args:
        features: Feature maps `(batch, h, w, channels)`.
        num_classes: Two or more; None for a box alone.
        kind: `pooled`: the box is linear in the vector that the classes are read from, where averages have lost all
            positions. `grid`: it is linear in averages over the cells of a grid. `spatial`: it comes from a map for
            each side, see `box_of_maps`. With the last two, pooling and hidden layers serve the classes alone.
        grid: Cells of the grid, down and across.
        filters: Filters of the spatial head's convolution.
        dropout: See `build_head`; the last rate also applies before the box of a grid or spatial head.
        **options: As for `build_head`.

    Returns:
        Corners `(batch, 4)` as shares of the image's sides: xmin, ymin, xmax, ymax. With classes, a dictionary of
        this as `box`, and `probabilities`.

    Raises:
        UsageError: As for `build_head`, or an unknown kind.
    """
    check_known("box head", kind, BOX_HEADS)
    if num_classes is not None and num_classes < 2:
        raise UsageError(
            f"a classifier needs two or more classes, got {num_classes}; use task localize for the box alone"
        )
    vector = _hidden(features, dropout=dropout, **options) if kind == "pooled" or num_classes is not None else None
    rate = _dropout_rates(dropout, options.get("units", ()))[-1]
    if kind == "spatial":
        box = box_of_maps(features, HEAD, filters=filters, dropout=rate)
    elif kind == "grid":
        box = box_of_grid(features, HEAD, grid=grid, dropout=rate)
    else:
        box = box_of_vector(vector, HEAD)
    return box if num_classes is None else {BOX: box, PROBABILITIES: _probabilities(vector, num_classes)}


def _hidden(
    features: "keras.KerasTensor",
    *,
    pooling: str = "avg",
    units: Sequence[int] = (),
    activation: str = "relu",
    batch_norm: bool = False,
    pool_batch_norm: bool = False,
    dropout: float | Sequence[float] = 0.0,
) -> "keras.KerasTensor":
    """Return the vector that outputs are read from, `(batch, features)`; arguments as in `build_head`."""
    from keras import layers

    rates = _dropout_rates(dropout, units)
    x = _pool(features, pooling)
    if pool_batch_norm:
        x = layers.BatchNormalization(name=f"{HEAD}pool_bn")(x)
    for number, (width, rate) in enumerate(zip(units, rates, strict=False), start=1):
        x = layers.Dense(_positive(width), name=f"{HEAD}dense_{number}")(x)
        if batch_norm:
            x = layers.BatchNormalization(name=f"{HEAD}bn_{number}")(x)
        x = _activation(activation, number)(x)
        if rate:
            x = layers.Dropout(rate, name=f"{HEAD}dropout_{number}")(x)
    if not units and rates[0]:
        x = layers.Dropout(rates[0], name=f"{HEAD}dropout")(x)
    return x


def _probabilities(vector: "keras.KerasTensor", num_classes: int) -> "keras.KerasTensor":
    from keras import layers

    outputs, activation = (1, "sigmoid") if num_classes == 2 else (num_classes, "softmax")
    # Probabilities stay float32 under a mixed policy.
    return layers.Dense(outputs, activation=activation, dtype="float32", name=f"{HEAD}probabilities")(vector)


def _pool(features: "keras.KerasTensor", pooling: str) -> "keras.KerasTensor":
    from keras import layers

    kinds = {"avg": layers.GlobalAveragePooling2D, "max": layers.GlobalMaxPooling2D, "flatten": layers.Flatten}
    check_known("pooling", pooling, kinds)
    return kinds[pooling](name=f"{HEAD}pool")(features)


def _activation(name: str, number: int) -> "keras.layers.Layer":
    from keras import layers

    try:
        return layers.Activation(name, name=f"{HEAD}{name}_{number}")
    except ValueError:
        raise UsageError(
            f"unknown activation {worded(name)}; expected one of Keras, such as relu, gelu, swish, elu"
        ) from None


def _dropout_rates(dropout: float | Sequence[float], units: Sequence[int]) -> list[float]:
    if isinstance(dropout, (int, float)):
        # A single rate applies before the output, as in the originals of all five systems.
        rates = [0.0] * (len(units) - 1) + [float(dropout)]
    else:
        rates = [float(rate) for rate in dropout]
        if len(rates) != max(1, len(units)):
            raise UsageError(
                f"head dropout has {len(rates)} rates for {len(units)} hidden layers; give one for each, or one number"
            )
    if not all(0 <= rate < 1 for rate in rates):
        raise UsageError(f"head dropout must lie in 0 <= rate < 1, got {dropout}")
    return rates


def _positive(width: int) -> int:
    if width < 1:
        raise UsageError(f"head units must be at least 1, got {width}")
    return width

"""Heads: from feature maps to class probabilities."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tfvision.errors import UsageError

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
        activation: Their activation; batch normalization, where asked, stands before it.
        batch_norm: Whether each hidden dense layer is followed by batch normalization.
        pool_batch_norm: Whether batch normalization follows the pooling.
        dropout: One rate (0..1) before the output; or one for each hidden layer, applied after it.

    Returns:
        Probabilities: `(batch, num_classes)` by softmax; for two classes `(batch, 1)` by a sigmoid, the probability
        of the second (positive) class.

    Raises:
        UsageError: A wrong pooling, activation, rate or number of classes.
    """
    from keras import layers

    if num_classes < 2:
        raise UsageError(f"a classifier needs two or more classes, got {num_classes}")
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
    outputs, activation = (1, "sigmoid") if num_classes == 2 else (num_classes, "softmax")
    # Probabilities stay float32 where a mixed policy computes in 16 bits.
    return layers.Dense(outputs, activation=activation, dtype="float32", name=f"{HEAD}probabilities")(x)


def _pool(features: "keras.KerasTensor", pooling: str) -> "keras.KerasTensor":
    from keras import layers

    kinds = {"avg": layers.GlobalAveragePooling2D, "max": layers.GlobalMaxPooling2D, "flatten": layers.Flatten}
    if pooling not in kinds:
        raise UsageError(f"unknown pooling {pooling!r}; expected {', '.join(kinds)}")
    return kinds[pooling](name=f"{HEAD}pool")(features)


def _activation(name: str, number: int) -> "keras.layers.Layer":
    from keras import layers

    try:
        return layers.Activation(name, name=f"{HEAD}{name}_{number}")
    except ValueError:
        raise UsageError(
            f"unknown activation {name!r}; expected one of Keras, such as relu, gelu, swish, elu"
        ) from None


def _dropout_rates(dropout: float | Sequence[float], units: Sequence[int]) -> list[float]:
    if isinstance(dropout, (int, float)):
        # One rate stands before the output, where the originals of all five systems have it.
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

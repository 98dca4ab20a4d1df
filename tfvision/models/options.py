"""Options of a model: its head, its boxes, the small CNN."""

from dataclasses import dataclass
from typing import Literal

from tfvision.config.options import check_bounds, option


@dataclass
class HeadOptions:
    """What stands on top of the backbone."""

    pooling: Literal["avg", "max", "flatten"] = option("avg", "how feature maps become a vector")
    units: list[int] = option([], "units of each hidden dense layer; [] for none", at_least=1)
    activation: str = option("relu", "activation of the hidden dense layers")
    batch_norm: bool = option(False, "batch normalization after each hidden dense layer")
    pool_batch_norm: bool = option(False, "batch normalization between pooling and the first dense layer")
    dropout: float | list[float] = option(
        0.2, "dropout before the output, or one rate for each hidden layer", at_least=0, below=1
    )

    def __post_init__(self) -> None:
        check_bounds(self, "head")


@dataclass
class BoxOptions:
    """The box of the tasks localize and localize+classify."""

    head: Literal["pooled", "grid", "spatial"] = option(
        "spatial", "box from the pooled features and hidden layers, averages over a grid, or a map a side (soft-argmax)"
    )
    grid: int = option(3, "grid head: cells down and across", at_least=1)
    filters: int = option(128, "spatial head: filters of its convolution", at_least=1)
    loss: Literal["smooth_l1", "giou", "smooth_l1+giou"] = option("smooth_l1", "loss of the box")
    beta: float = option(0.1, "Smooth L1: where the parabola becomes a line, as a share of the image's side", above=0)
    weight: float = option(1.0, "localize+classify: weight of the box's loss beside the class's", above=0)

    def __post_init__(self) -> None:
        check_bounds(self, "box")


@dataclass
class SmallCnnOptions:
    """The small CNN trained from scratch (backbone small_cnn)."""

    filters: list[int] = option([32, 64], "filters of each convolution", at_least=1, nonempty=True)
    kernel_size: int = option(5, "side of the convolution kernels in pixels", at_least=1)
    padding: Literal["same", "valid"] = option("same", "zeros beyond the border, or none: maps shrink")
    pools: list[int] | None = option(
        None, "max-pooling after each convolution, 1 for none; default 2 after the last only", at_least=1
    )

    def __post_init__(self) -> None:
        check_bounds(self, "small_cnn")

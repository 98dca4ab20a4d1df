"""Assembled models: raw pixels in; probabilities, a box or both out."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from tfvision.errors import UsageError
from tfvision.models.backbones.build import build_backbone
from tfvision.models.backbones.graph import number_from_zero
from tfvision.models.backbones.table import backbone_facts, backbone_name, plain_name
from tfvision.models.freezing import backbone_layers, open_layers
from tfvision.models.heads.heads import HEAD, build_box_head, build_head
from tfvision.models.weights import load_backbone_weights
from tfvision.system.device import load_tensorflow
from tfvision.tasks import BOTH, BOX, CLASSIFY, LOCALIZE

if TYPE_CHECKING:
    import keras


class OpenBackbone(NamedTuple):
    """A backbone without a head.

    Attributes:
        name: A key of BACKBONES, or `hub/...`.
        pixels: `(batch, input_size, input_size, channels)`, values 0..255.
        features: Feature maps `(batch, h, w, channels)`.
        weights: Where its weights came from; see `weights` of `build_classifier`.
    """

    name: str
    pixels: "keras.KerasTensor"
    features: "keras.KerasTensor"
    weights: str


def build_classifier(
    backbone: str,
    num_classes: int,
    *,
    image_size: int = 224,
    input_size: int | None = None,
    channels: int = 3,
    weights: str | None = "imagenet",
    backbone_options: Mapping[str, Any] | None = None,
    head_pooling: str = "avg",
    head_units: Sequence[int] = (),
    head_activation: str = "relu",
    head_batch_norm: bool = False,
    head_pool_batch_norm: bool = False,
    head_dropout: float | Sequence[float] = 0.2,
) -> "keras.Model":
    """Build a classifier as one flat functional graph of stock Keras layers.

    The graph is a bilinear resize, if the model enlarges images; the backbone's own preprocessing; the backbone, with
    the layer names that `keras.applications` gives in a fresh process; pooling; and the head. With pretrained weights
    the backbone starts frozen and its batch normalization stays so; with `weights="none"` all is open. See `unfreeze`.

    Args:
        backbone: A key of BACKBONES, or a preset of KerasHub: `hub/resnet_18_imagenet`, or its folder, `hub/./folder`.
        num_classes: Two or more.
        image_size: Side in pixels of the images that the backbone sees.
        input_size: Side in pixels of the input images, if the model is to enlarge them; default `image_size`.
        channels: 3 for RGB, 1 for gray images; backbones made for RGB then get the gray channel three times.
        weights: `imagenet`, `none` (or None, as Keras says), a weights file without top, or an earlier run (its folder or `model.keras`) of
            the same backbone, whatever its classes and head. For `hub/...`, `imagenet` means the preset's own weights.
        backbone_options: Further arguments of the backbone's builder.
        head_pooling: `avg`, `max` or `flatten`.
        head_units: Units of each hidden dense layer.
        head_activation: Activation of the hidden layers.
        head_batch_norm: Batch normalization after each hidden dense layer.
        head_pool_batch_norm: Batch normalization after the pooling.
        head_dropout: One rate before the output, or one for each hidden layer.

    Returns:
        An uncompiled model named after the backbone. Input `(batch, input_size, input_size, channels)`, uint8
        or float, values 0..255. Output `(batch, num_classes)` probabilities, or for two classes `(batch, 1)`, the
        probability of the second (positive) class.

    Raises:
        UsageError: An unknown backbone (the nearest is named), missing or unfit weights, an invalid head or input.
    """
    built = build_open_backbone(
        backbone,
        image_size=image_size,
        input_size=input_size,
        channels=channels,
        weights=weights,
        backbone_options=backbone_options,
    )
    return attach_head(
        built,
        num_classes,
        head_pooling=head_pooling,
        head_units=head_units,
        head_activation=head_activation,
        head_batch_norm=head_batch_norm,
        head_pool_batch_norm=head_pool_batch_norm,
        head_dropout=head_dropout,
    )


def build_open_backbone(
    backbone: str,
    *,
    image_size: int = 224,
    input_size: int | None = None,
    channels: int = 3,
    weights: str | None = "imagenet",
    backbone_options: Mapping[str, Any] | None = None,
) -> OpenBackbone:
    """Build a backbone with its weights, to which heads can be attached.

    Args:
        backbone: See `build_classifier`, as for the rest.
        image_size: Side in pixels of the images that the backbone sees.
        input_size: Side in pixels of the input images; default `image_size`.
        channels: 3 for RGB, 1 for gray images.
        weights: Where the backbone's weights come from.
        backbone_options: Further arguments of the backbone's builder.

    Returns:
        The backbone, untouched by freezing.

    Raises:
        UsageError: As `build_classifier`.
    """
    load_tensorflow()  # which makes sure of Keras' backend and layout
    import keras

    backbone, weights = backbone_name(backbone), weights or "none"
    backbone_facts(backbone)
    input_size = input_size or image_size
    if input_size > image_size:
        raise UsageError(
            f"input size {input_size} is larger than image size {image_size}; a model only enlarges images"
        )
    if channels not in (1, 3):
        raise UsageError(f"images have 1 channel (gray) or 3 (RGB), got channels {channels}")
    pixels = keras.Input((input_size, input_size, channels), name="pixels")
    seen = pixels
    if input_size < image_size:
        enlarge = keras.layers.Resizing(
            image_size, image_size, interpolation="bilinear", dtype="float32", name="enlarge"
        )
        seen = enlarge(pixels)
    features = build_backbone(backbone, seen, options=backbone_options)
    trunk = keras.Model(pixels, features)
    number_from_zero(trunk)
    load_backbone_weights(trunk, backbone, weights)
    return OpenBackbone(backbone, pixels, features, weights)


def attach_head(
    backbone: OpenBackbone,
    num_classes: int,
    *,
    head_pooling: str = "avg",
    head_units: Sequence[int] = (),
    head_activation: str = "relu",
    head_batch_norm: bool = False,
    head_pool_batch_norm: bool = False,
    head_dropout: float | Sequence[float] = 0.2,
) -> "keras.Model":
    """Put a new head on a backbone.

    Args:
        backbone: From `build_open_backbone`.
        num_classes: Two or more.
        head_pooling: See `build_classifier`, as for the rest.
        head_units: Units of each hidden dense layer.
        head_activation: Activation of the hidden layers.
        head_batch_norm: Batch normalization after each hidden dense layer.
        head_pool_batch_norm: Batch normalization after the pooling.
        head_dropout: One rate before the output, or one for each hidden layer.

    Returns:
        As `build_classifier`. All heads of one backbone share its layers, their weights and what is trainable.
    """
    probabilities = build_head(
        backbone.features,
        num_classes,
        pooling=head_pooling,
        units=head_units,
        activation=head_activation,
        batch_norm=head_batch_norm,
        pool_batch_norm=head_pool_batch_norm,
        dropout=head_dropout,
    )
    return _with_head(backbone, probabilities)


def build_localizer(
    backbone: str,
    num_classes: int | None = None,
    *,
    image_size: int = 224,
    input_size: int | None = None,
    channels: int = 3,
    weights: str | None = "imagenet",
    backbone_options: Mapping[str, Any] | None = None,
    **head_options: Any,
) -> "keras.Model":
    """Build a model that predicts the bounding box of the object in an image, and its class too if asked.

    Args:
        backbone: A key of BACKBONES.
        num_classes: Two or more to predict the class too; None for the box alone.
        image_size: See `build_classifier`, as for the next four.
        input_size: Side in pixels of the input images.
        channels: 3 for RGB, 1 for gray images.
        weights: Where the backbone's weights come from.
        backbone_options: Further arguments of the backbone's builder.
        **head_options: `box_head`, `box_grid`, `box_filters`: kind, grid and filters of `build_box_head`; `head_units`,
            `head_dropout` and the other head options of `build_classifier`.

    Returns:
        An uncompiled model named after the backbone. Output `(batch, 4)`: xmin, ymin, xmax, ymax as shares of the width
        and height of the input image. With classes, a dictionary: `box`, and `probabilities` as in `build_classifier`.

    Raises:
        UsageError: As `build_classifier`.
    """
    built = build_open_backbone(
        backbone,
        image_size=image_size,
        input_size=input_size,
        channels=channels,
        weights=weights,
        backbone_options=backbone_options,
    )
    return attach_box_head(built, num_classes, **head_options)


def attach_box_head(
    backbone: OpenBackbone,
    num_classes: int | None = None,
    *,
    box_head: str = "spatial",
    box_grid: int = 3,
    box_filters: int = 128,
    **head_options: Any,
) -> "keras.Model":
    """Put a head that predicts a box on a backbone; see `build_localizer`.

    Args:
        backbone: From `build_open_backbone`.
        num_classes: Two or more to predict the class too; None for the box alone.
        box_head: Kind of head, see `build_box_head`, as for the next two.
        box_grid: Cells of a grid head, down and across.
        box_filters: Filters of a spatial head.
        **head_options: `head_units`, `head_dropout` and the other head options of `build_classifier`.

    Returns:
        As `build_localizer`.
    """
    options = {name.removeprefix("head_"): value for name, value in head_options.items()}
    outputs = build_box_head(
        backbone.features, num_classes, kind=box_head, grid=box_grid, filters=box_filters, **options
    )
    return _with_head(backbone, outputs)


def task_of(model: "keras.Model") -> str:
    """Return the task of a model: both if its output is a dictionary, else judged by the name of its last layer."""
    if isinstance(model.output, dict):
        return BOTH
    return LOCALIZE if model.output._keras_history.operation.name == f"{HEAD}{BOX}" else CLASSIFY


def _with_head(backbone: OpenBackbone, outputs: "keras.KerasTensor | dict[str, keras.KerasTensor]") -> "keras.Model":
    import keras

    model = keras.Model(backbone.pixels, outputs, name=plain_name(backbone.name))
    from_scratch = backbone.weights == "none"
    model.tfvision_backbone, model.tfvision_weights = backbone.name, backbone.weights
    open_layers(model, "all" if from_scratch else "none", batch_norm=from_scratch)
    return model


@contextmanager
def computing_in(precision: str) -> Iterator[None]:
    """Build the layers made in this context to compute in `float32`, `mixed_bfloat16` or `mixed_float16`.

    Weights stay float32 (Micikevicius et al., "Mixed Precision Training", 2018).
    """
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def is_pretrained(model: "keras.Model") -> bool:
    """Tell whether a model's backbone has pretrained weights: as it was built, else if most of its weights are frozen."""
    weights = getattr(model, "tfvision_weights", None)
    if weights is not None:
        return weights != "none"
    layers = [layer for layer in backbone_layers(model) if layer.weights]
    frozen = [layer for layer in layers if not layer.trainable]
    return sum(layer.count_params() for layer in frozen) > sum(layer.count_params() for layer in layers) / 2

"""The model for a configuration and its images."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tfvision.experiment.preparation import Prepared
from tfvision.experiment.resolving import phases_of
from tfvision.experiment.unlabelled import with_labels
from tfvision.models.backbones.table import BACKBONES, default_image_size
from tfvision.models.weights_file import check_weights_file, input_channels
from tfvision.models.weights_location import find_weights
from tfvision.tasks import has_boxes, has_classes
from tfvision.training.config import TrainConfig
from tfvision.training.phases import with_rates

if TYPE_CHECKING:
    import keras

    from tfvision.models.classifier import OpenBackbone

_BATCH_SIZES, _STEPS = (16, 32, 64), 12  # images a step, and steps that an epoch has at least


def suit_images(config: TrainConfig, data: Prepared) -> TrainConfig:
    """Fill in what suits the images where the options give none: image size, channels, resize and batch size.

    Args:
        config: The options.
        data: The images.

    Returns:
        The options, complete.
    """
    config = suit_training(config, data)
    image_size = config.image_size or default_image_size(config.backbone, int(np.median(data.sizes.max(axis=1))))
    gray = data.is_gray and (config.weights == "none" or _learned_gray(config))
    return replace(config, image_size=image_size, channels=config.channels or (1 if gray else 3))


def _learned_gray(config: TrainConfig) -> bool:
    """Tell whether the weights are those of a run whose images had one channel."""
    path = None if config.weights == "imagenet" else find_weights(config.backbone, config.weights)
    if path is None or path.suffix != ".keras":
        return False
    check_weights_file(path)
    return input_channels(path) == 1


def suit_training(config: TrainConfig, data: Prepared) -> TrainConfig:
    """Fill in what suits the images of a model that exists, where the options give none.

    A photo loses less by a centred crop than by a squeeze (benchmarks/resize_modes.py), but a box may lie outside of the
    crop. A few dozen steps are too few for a fine-tuning to settle, so few images come in small batches.

    Args:
        config: The options.
        data: The images.

    Returns:
        Options with a way to resize, a batch size of 64, or of a smaller power of two where an epoch would have under 12
        steps, and a learning rate for each phase.
    """
    mode = config.resize.mode or ("stretch" if has_boxes(config.task) else "crop")
    config = replace(config, resize=replace(config.resize, mode=mode))
    learned = int(((data.split == "train") & with_labels(data, config)).sum())
    sizes = [size for size in _BATCH_SIZES if learned >= _STEPS * size]
    batch_size = config.batch_size or max(sizes, default=min(_BATCH_SIZES))
    known = BACKBONES.get(config.backbone)
    parameters = known.parameters if known else 0
    phases = with_rates(phases_of(config), parameters=parameters, batch_size=batch_size)
    return replace(config, batch_size=batch_size, phases=phases)


def suited_model(config: TrainConfig, data: Prepared, backbone: "OpenBackbone | None" = None) -> "keras.Model":
    """Build the model that suits the task and the images of a configuration.

    Args:
        config: The options, with image size and channels filled in.
        data: The images.
        backbone: From `suited_backbone` for the same backbone, to be given a new head; default a new one.

    Returns:
        Raw pixels in; probabilities, boxes or both out.
    """
    from tfvision.models.classifier import attach_box_head, attach_head, computing_in
    from tfvision.models.freezing import open_layers

    backbone = backbone or suited_backbone(config, data)
    head = {f"head_{key}": value for key, value in vars(config.head).items()}
    classes = data.images.class_names
    with computing_in(config.precision):
        if has_boxes(config.task):
            box = config.box
            num_classes = len(classes) if has_classes(config.task) else None
            model = attach_box_head(
                backbone, num_classes, box_head=box.head, box_grid=box.grid, box_filters=box.filters, **head
            )
        else:
            model = attach_head(backbone, len(classes), **head)
    if config.train_batch_norm is not None:
        open_layers(model, "all", batch_norm=config.train_batch_norm)
    return model


def suited_backbone(config: TrainConfig, data: Prepared) -> "OpenBackbone":
    """Build the backbone that suits the images of a configuration.

    Args:
        config: The options, with image size and channels filled in.
        data: The images.

    Returns:
        The backbone, which has no head yet.
    """
    from tfvision.models.classifier import build_open_backbone, computing_in

    assert config.image_size is not None, "suit_images has filled it in"
    with computing_in(config.precision):
        return build_open_backbone(
            config.backbone,
            image_size=config.image_size,
            input_size=_input_size(data.sizes, config.image_size),
            channels=config.channels or 3,
            weights=config.weights,
            backbone_options=vars(config.small_cnn) if config.backbone == "small_cnn" else None,
        )


def _input_size(sizes: np.ndarray, image_size: int) -> int:
    """Return the side at which images enter the model: their own if all are squares of one size that it enlarges."""
    side = int(sizes.flat[0])
    return side if side < image_size and (sizes == side).all() else image_size

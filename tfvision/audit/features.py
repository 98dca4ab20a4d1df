"""Features of a frozen backbone for the audit."""

import numpy as np

from tfvision.audit.options import AuditConfig
from tfvision.data.images.imageset import ImageSet
from tfvision.data.pixels.resize import Resize
from tfvision.errors import UsageError
from tfvision.models.backbones.table import backbone_facts, default_image_size
from tfvision.models.weights_location import find_weights
from tfvision.system.terminal import console


def backbone_features(images: ImageSet, sizes: np.ndarray, config: AuditConfig) -> np.ndarray | None:
    """Return pooled features of the frozen backbone; where there are no weights, say so in one line and return None.

    Args:
        images: Readable images with their content hashes.
        sizes: int (n, 2), height and width of each in pixels.
        config: Backbone, weights, size.

    Returns:
        float32 (n, d), or None.

    Raises:
        UsageError: A weights file that was asked for is missing or does not fit.
    """
    if config.weights == "none":
        console.print("weights none: no backbone, so no label errors; foreign images by colour and frequency alone")
        return None
    from tfvision.data.batches.views import Selection
    from tfvision.models.classifier import build_classifier
    from tfvision.training.features.trunk import TrunkFeatures
    from tfvision.training.logistic import feature_model

    side = config.image_size or default_image_size(config.backbone, int(np.median(sizes.max(axis=1))))
    own = int(sizes.flat[0])
    input_size = own if own < side and (sizes == own).all() else side
    try:
        # Only what comes before the output layer is used.
        model = build_classifier(config.backbone, 2, image_size=side, input_size=input_size, weights=config.weights)
    except UsageError as error:
        if config.weights != "imagenet" or find_weights(config.backbone, "imagenet"):
            raise
        console.print(f"no backbone, so no label errors; foreign images by colour and frequency alone: {error}")
        return None
    trunk = TrunkFeatures(
        feature_model(model), Resize(input_size, input_size), config.batch_size, config.cache, config.backbone
    )
    return trunk.of(Selection.plain(images), what=f"features of {config.backbone}").matrix()


def check_backbone(config: AuditConfig) -> None:
    """Refuse an unknown backbone or a missing weights file before any image is read.

    Args:
        config: Options of the audit.

    Raises:
        UsageError: The backbone is unknown, or the weights file is missing.
    """
    backbone_facts(config.backbone)
    find_weights(config.backbone, config.weights)

"""The untrained model of `keras.applications`."""

from typing import TYPE_CHECKING, Any

from tfvision.models.backbones.families import Backbone

if TYPE_CHECKING:
    import keras


def stock_model(facts: Backbone, **options: Any) -> "keras.Model":
    """Build the untrained model of `keras.applications`, without top."""
    import keras

    return getattr(keras.applications, facts.builder)(include_top=False, weights=None, **options)

"""tfvision: from a folder of labelled images to an honest score and a SavedModel, in one command."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tfvision.version import __version__

if TYPE_CHECKING:
    from tfvision.data.sources.arrays import images_from_arrays as images_from_arrays
    from tfvision.data.sources.open import open_images as open_images
    from tfvision.decisions.choose import calibrate as calibrate
    from tfvision.decisions.choose import threshold as threshold
    from tfvision.experiment.train import train as train
    from tfvision.models.backbones.table import BACKBONES as BACKBONES
    from tfvision.models.classifier import build_classifier as build_classifier
    from tfvision.models.classifier import build_localizer as build_localizer
    from tfvision.models.freezing import count_parameters as count_parameters
    from tfvision.models.freezing import unfreeze as unfreeze
    from tfvision.prediction.predictors import load_predictor as load_predictor
    from tfvision.runs.folder import open_run as open_run
    from tfvision.training.options import Phase as Phase


# Loaded when first asked for: `import tfvision` takes no second, TensorFlow several.
_PUBLIC = {
    "BACKBONES": "tfvision.models.backbones.table",
    "Phase": "tfvision.training.options",
    "build_classifier": "tfvision.models.classifier",
    "build_localizer": "tfvision.models.classifier",
    "calibrate": "tfvision.decisions.choose",
    "count_parameters": "tfvision.models.freezing",
    "images_from_arrays": "tfvision.data.sources.arrays",
    "load_predictor": "tfvision.prediction.predictors",
    "open_images": "tfvision.data.sources.open",
    "open_run": "tfvision.runs.folder",
    "threshold": "tfvision.decisions.choose",
    "train": "tfvision.experiment.train",
    "unfreeze": "tfvision.models.freezing",
}
__all__ = [*sorted(_PUBLIC), "__version__"]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'tfvision' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])

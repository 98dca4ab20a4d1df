"""tfvision: from a folder of labelled images to an honest score and a SavedModel, in one command."""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tfvision.version import __version__

if TYPE_CHECKING:
    from tfvision.audit.audit import audit as audit
    from tfvision.comparison.compare import compare as compare
    from tfvision.crossval.crossval import crossval as crossval
    from tfvision.data.sources.arrays.arrays import images_from_arrays as images_from_arrays
    from tfvision.data.sources.open import open_images as open_images
    from tfvision.decisions.choose import calibrate as calibrate
    from tfvision.decisions.choose import threshold as threshold
    from tfvision.doctor.doctor import doctor as doctor
    from tfvision.ensembles.ensemble import ensemble as ensemble
    from tfvision.errors import debug as debug
    from tfvision.experiment.lr_find import lr_find as lr_find
    from tfvision.experiment.own_fit import callbacks as callbacks
    from tfvision.experiment.pseudo_label import pseudo_label as pseudo_label
    from tfvision.experiment.train import train as train
    from tfvision.explain.explain import explain as explain
    from tfvision.export.export import export as export
    from tfvision.export.hub.push import push as push
    from tfvision.learning_curve.learning_curve import learning_curve as learning_curve
    from tfvision.models.backbones.table import BACKBONES as BACKBONES
    from tfvision.models.classifier import build_classifier as build_classifier
    from tfvision.models.classifier import build_localizer as build_localizer
    from tfvision.models.freezing import count_parameters as count_parameters
    from tfvision.models.freezing import unfreeze as unfreeze
    from tfvision.prediction.evaluate import evaluate as evaluate
    from tfvision.prediction.predict import predict as predict
    from tfvision.prediction.stored import load_predictor as load_predictor
    from tfvision.robustness.attack import attack as attack
    from tfvision.robustness.certify import certify as certify
    from tfvision.robustness.evaluate import evaluate_corrupted as evaluate_corrupted
    from tfvision.robustness.texture import texture as texture
    from tfvision.runs.folder import open_run as open_run
    from tfvision.search.search import search as search
    from tfvision.seeds.seeds import train_seeds as train_seeds
    from tfvision.tracking.track import track as track
    from tfvision.training.options import Phase as Phase

# Loaded on first use: `import tfvision` takes less than a second, TensorFlow several.
_PUBLIC = {
    "BACKBONES": "tfvision.models.backbones.table",
    "Phase": "tfvision.training.options",
    "attack": "tfvision.robustness.attack",
    "audit": "tfvision.audit.audit",
    "build_classifier": "tfvision.models.classifier",
    "build_localizer": "tfvision.models.classifier",
    "calibrate": "tfvision.decisions.choose",
    "callbacks": "tfvision.experiment.own_fit",
    "certify": "tfvision.robustness.certify",
    "compare": "tfvision.comparison.compare",
    "count_parameters": "tfvision.models.freezing",
    "crossval": "tfvision.crossval.crossval",
    "debug": "tfvision.errors",
    "doctor": "tfvision.doctor.doctor",
    "ensemble": "tfvision.ensembles.ensemble",
    "evaluate": "tfvision.prediction.evaluate",
    "evaluate_corrupted": "tfvision.robustness.evaluate",
    "explain": "tfvision.explain.explain",
    "export": "tfvision.export.export",
    "images_from_arrays": "tfvision.data.sources.arrays.arrays",
    "learning_curve": "tfvision.learning_curve.learning_curve",
    "load_predictor": "tfvision.prediction.stored",
    "lr_find": "tfvision.experiment.lr_find",
    "open_images": "tfvision.data.sources.open",
    "open_run": "tfvision.runs.folder",
    "predict": "tfvision.prediction.predict",
    "pseudo_label": "tfvision.experiment.pseudo_label",
    "push": "tfvision.export.hub.push",
    "search": "tfvision.search.search",
    "texture": "tfvision.robustness.texture",
    "threshold": "tfvision.decisions.choose",
    "track": "tfvision.tracking.track",
    "train": "tfvision.experiment.train",
    "train_seeds": "tfvision.seeds.seeds",
    "unfreeze": "tfvision.models.freezing",
}
__all__ = [*sorted(_PUBLIC), "__version__"]


class _Package(ModuleType):
    """The package as its users see it: `tfvision.audit` is the function, though its subpackage has the same name.

    Importing anything from a subpackage would otherwise make the subpackage the attribute.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _PUBLIC and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'tfvision' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])

"""Test-time augmentation: the mean of what a model says of several views of each image."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from tfvision.data.augmentation.augment import augment_image, image_generator
from tfvision.data.augmentation.options import Augmentation
from tfvision.data.images.changed import Change, change_images
from tfvision.data.images.imageset import ImageSet
from tfvision.data.pixels.resize import Resize, resize_images
from tfvision.errors import UsageError
from tfvision.evaluation.paired import brief_lines, paired_differences
from tfvision.evaluation.predictions import Predictions
from tfvision.models.model_file import ModelFacts
from tfvision.prediction.answers import predict_classes
from tfvision.prediction.predictors import KerasPredictor, Predictor, StoredModel
from tfvision.runs.folder import Run, open_run
from tfvision.runs.names import MODEL
from tfvision.tasks import has_boxes

_MOST_DRAWS = 1000
_FLIPS = {"horizontal_flip": 1, "vertical_flip": 0}  # OpenCV's numbers


@dataclass(frozen=True)
class TtaPredictor:
    """Predicts with the mean of the probabilities over views (Krizhevsky et al., NeurIPS 2012).

    Attributes:
        predictor: What predicts each view.
        views: Functions of the pixels at the model's size, uint8, and the id of an image.
    """

    predictor: KerasPredictor
    views: Sequence[Change]

    @property
    def facts(self) -> ModelFacts:
        """Those of the model."""
        return self.predictor.facts

    def probabilities(self, images: ImageSet) -> np.ndarray:
        """Return float64 (n, classes)."""
        found = [self.predictor.probabilities(self._seen(images, view)) for view in self.views]
        return np.mean(found, axis=0)

    def _seen(self, images: ImageSet, view: Change) -> ImageSet:
        """Return a view of the images at the size at which training augments them."""
        resize = partial(_resized, resize=self.facts.resize)
        return change_images(images, lambda pixels, image_id: view(resize(pixels), image_id))


def with_tta(predictor: Predictor, run: Run, kind: str) -> TtaPredictor:
    """Return a predictor that looks at several views of each image.

    Args:
        predictor: Of the run.
        run: See `views_of`.
        kind: See `views_of`.

    Raises:
        UsageError: See `views_of`; or a predictor that is no run's.
    """
    if not isinstance(predictor, KerasPredictor):
        raise _no_run()
    return TtaPredictor(predictor, views_of(run, kind))


def stored_views(stored: StoredModel, kind: str) -> list[Change]:
    """Return the views of `views_of` for a model that is not loaded yet.

    Raises:
        UsageError: See `views_of`; or a model that is no run.
    """
    if not (stored.path / MODEL).is_file():
        raise _no_run()
    return views_of(open_run(stored.path), kind)


def views_of(run: Run, kind: str) -> list[Change]:
    """Return the views of an image that test-time augmentation looks at.

    Args:
        run: Its training says which flips leave the class alone, and what its augmentation is.
        kind: `flips`, for the image and each flip that training used; or a number of seeded draws of the augmentation.

    Raises:
        UsageError: Neither, or the run was trained without what it asks for, or finds boxes.
    """
    if has_boxes(run.facts.task):
        raise UsageError("--tta is the mean of probabilities, and this run finds boxes; leave it out")
    options = run.config.augment
    return flip_views(options) if kind == "flips" else draw_views(options, kind, run.config.seed)


def _no_run() -> UsageError:
    return UsageError("--tta needs a run folder, whose training says which changes leave the class alone")


def flip_views(options: Augmentation) -> list[Change]:
    """Return the image itself and each flip that training used, and both flips together.

    Raises:
        UsageError: Training flipped nothing.
    """
    axes = [axis for name, axis in _FLIPS.items() if getattr(options, name)]
    if not axes:
        raise UsageError("--tta flips: the run was trained without flips, they may change the class; try --tta 8")
    return [_unchanged, *(_flip(axis) for axis in [*axes, *([-1] if len(axes) == 2 else [])])]


def draw_views(options: Augmentation, text: str, seed: int) -> list[Change]:
    """Return so many draws of the augmentation of a training.

    Raises:
        UsageError: `text` is no number from 1 to 1000, or training augmented nothing, or by a library's layer.
    """
    count = int(text) if text.isdecimal() else 0
    if not 1 <= count <= _MOST_DRAWS:
        raise UsageError(f"--tta {text}: expected flips, or a number of draws from 1 to {_MOST_DRAWS:,}")
    if options.is_empty:
        raise UsageError(f"--tta {text}: the run was trained without augmentation, so there is nothing to draw")
    if options.rand_magnitude and options.engine != "opencv":
        raise UsageError(f"--tta {text}: RandAugment of the engine {options.engine} works in training only")

    def draw(number: int) -> Change:
        # Epoch 2 ** 32 and on: no training sees the same draws.
        return lambda pixels, image_id: augment_image(pixels, options, image_generator(seed, 2**32 + number, image_id))

    return [draw(number) for number in range(count)]


def compare_tta(predictor: TtaPredictor, images: ImageSet) -> tuple[Predictions, Predictions, float]:
    """Predict labelled images without and with test-time augmentation, and time both.

    Args:
        predictor: See `with_tta`.
        images: Labelled images whose classes the model knows.

    Returns:
        Plain predictions, those with augmentation, and how many times as long the second took.
    """
    predict_classes(predictor.predictor, images.select(np.arange(min(len(images), predictor.predictor.batch_size))))
    start = time.monotonic()
    plain, _ = predict_classes(predictor.predictor, images)
    middle = time.monotonic()
    found, _ = predict_classes(predictor, images)
    return plain, found, (time.monotonic() - middle) / (middle - start)


def describe_gain(plain: Predictions, found: Predictions, ratio: float, views: int) -> str:
    """Return what test-time augmentation gained, with paired intervals, and what it cost."""
    head = f"{views} views of each image, without -> with (difference with its 95 % interval)"
    gains = brief_lines(paired_differences(plain, found), ("cost", f"{ratio:.1f} times the time"))
    return "\n".join([head, *gains])


def _unchanged(pixels: np.ndarray, image_id: str) -> np.ndarray:
    return pixels


def _flip(axis: int) -> Callable[[np.ndarray, str], np.ndarray]:
    return lambda pixels, image_id: cv2.flip(pixels, axis).reshape(pixels.shape)


def _resized(pixels: np.ndarray, *, resize: Resize) -> np.ndarray:
    if pixels.shape == (resize.height, resize.width, resize.channels):
        return pixels
    import tensorflow as tf

    with tf.device("/CPU:0"):
        return resize_images(pixels, resize).numpy()

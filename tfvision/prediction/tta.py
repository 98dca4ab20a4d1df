"""Test-time augmentation: the mean of a model's probabilities over several views of each image."""

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
from tfvision.prediction.predictors import KerasPredictor, Predictor
from tfvision.prediction.stored import StoredModel
from tfvision.runs.folder import Run, open_run
from tfvision.runs.names import MODEL
from tfvision.tasks import has_boxes

_MOST_DRAWS = 1000
_FLIPS = {"horizontal_flip": 1, "vertical_flip": 0}  # OpenCV's codes


@dataclass(frozen=True)
class TtaPredictor:
    """Predicts with the mean of the probabilities over views (Krizhevsky et al., NeurIPS 2012).

    Attributes:
        predictor: Predicts each view.
        views: Functions of an image, uint8 at the model's size, and its id; each returns one view of it.
    """

    predictor: KerasPredictor
    views: Sequence[Change]

    @property
    def facts(self) -> ModelFacts:
        """What is stored with the model."""
        return self.predictor.facts

    def probabilities(self, images: ImageSet) -> np.ndarray:
        """Return float64 (n, classes), the mean over the views."""
        found = [self.predictor.probabilities(self._seen(images, view)) for view in self.views]
        return np.mean(found, axis=0)

    def _seen(self, images: ImageSet, view: Change) -> ImageSet:
        """Return a view of the images, at the size at which training augments them."""
        resize = partial(_resized, resize=self.facts.resize)
        return change_images(images, lambda pixels, image_id: view(resize(pixels), image_id))


def with_tta(predictor: Predictor, run: Run, kind: str) -> TtaPredictor:
    """Return a predictor that looks at several views of each image.

    Args:
        predictor: The predictor of the run.
        run: The run, see `views_of`.
        kind: Which views, see `views_of`.

    Returns:
        A predictor of the mean over the views.

    Raises:
        UsageError: The predictor is not that of a run, or see `views_of`.
    """
    if not isinstance(predictor, KerasPredictor):
        raise _no_run()
    return TtaPredictor(predictor, views_of(run, kind))


def stored_views(stored: StoredModel, kind: str) -> list[Change]:
    """Return the views of an image for a model that is not loaded yet.

    Args:
        stored: The model, which must be a run.
        kind: Which views, see `views_of`.

    Returns:
        Functions of an image and its id; each returns one view.

    Raises:
        UsageError: The model is not a run, or see `views_of`.
    """
    if not (stored.path / MODEL).is_file():
        raise _no_run()
    return views_of(open_run(stored.path), kind)


def views_of(run: Run, kind: str) -> list[Change]:
    """Return the views of an image for test-time augmentation.

    Args:
        run: The run; how it was trained says which changes leave the class unchanged.
        kind: `flips` for the image and each flip used in training, or a number of seeded draws of the augmentation
            used in training.

    Returns:
        Functions of an image and its id; each returns one view.

    Raises:
        UsageError: `kind` is neither, the run was trained without such augmentation, or the run predicts boxes.
    """
    if has_boxes(run.facts.task):
        raise UsageError("--tta averages class probabilities, and this run finds boxes; leave it out")
    options = run.config.augment
    return flip_views(options) if kind == "flips" else draw_views(options, kind, run.config.seed)


def _no_run() -> UsageError:
    return UsageError("--tta needs a run folder: how the run was trained says which changes keep the class")


def flip_views(options: Augmentation) -> list[Change]:
    """Return the views for `flips`: the image itself, each flip used in training, and both together if both were.

    Args:
        options: The augmentation used in training.

    Returns:
        Two or four views.

    Raises:
        UsageError: Training used no flips.
    """
    axes = [axis for name, axis in _FLIPS.items() if getattr(options, name)]
    if not axes:
        raise UsageError("--tta flips: the run was trained without flips, which may change the class; try --tta 8")
    return [_unchanged, *(_flip(axis) for axis in [*axes, *([-1] if len(axes) == 2 else [])])]


def draw_views(options: Augmentation, text: str, seed: int) -> list[Change]:
    """Return seeded draws of the augmentation used in training.

    Args:
        options: The augmentation used in training.
        text: The number of draws, as the user wrote it.
        seed: Seed of the run; training never uses the same draws.

    Returns:
        One view per draw.

    Raises:
        UsageError: `text` is not a number from 1 to 1000, or training used no augmentation or a library's layer.
    """
    count = int(text) if text.isdecimal() else 0
    if not 1 <= count <= _MOST_DRAWS:
        raise UsageError(f"--tta {text}: expected flips, or a number of draws from 1 to {_MOST_DRAWS:,}")
    if options.is_empty:
        raise UsageError(f"--tta {text}: the run was trained without augmentation, so there is nothing to draw")
    if options.rand_magnitude and options.engine != "opencv":
        raise UsageError(f"--tta {text}: RandAugment of the engine {options.engine} works in training only")

    def draw(number: int) -> Change:
        # From epoch 2 ** 32 on: training never reaches these draws.
        return lambda pixels, image_id: augment_image(pixels, options, image_generator(seed, 2**32 + number, image_id))

    return [draw(number) for number in range(count)]


def compare_tta(predictor: TtaPredictor, images: ImageSet) -> tuple[Predictions, Predictions, float]:
    """Predict labelled images without and with test-time augmentation, and time both.

    Args:
        predictor: See `with_tta`.
        images: Labelled images whose classes the model knows.

    Returns:
        The predictions without and with augmentation, and how many times as long the latter took.
    """
    predict_classes(predictor.predictor, images.select(np.arange(min(len(images), predictor.predictor.batch_size))))
    start = time.monotonic()
    plain, _ = predict_classes(predictor.predictor, images)
    middle = time.monotonic()
    found, _ = predict_classes(predictor, images)
    return plain, found, (time.monotonic() - middle) / (middle - start)


def describe_gain(plain: Predictions, found: Predictions, ratio: float, views: int) -> str:
    """Say what test-time augmentation gained, with paired intervals, and what it cost.

    Args:
        plain: Labelled predictions without it.
        found: Predictions with it, for the same images.
        ratio: How many times as long it took.
        views: Number of views of each image.

    Returns:
        Lines of text.
    """
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

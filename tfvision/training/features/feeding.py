"""What a phase is fitted on: images through the whole model, or stored features through its trainable tail."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from tfvision.data.batches.order import Epochs
from tfvision.data.batches.pipeline import TrainingBatches, check_images, evaluation_batches, step_dataset
from tfvision.data.batches.pipeline import training_batches as image_batches
from tfvision.data.batches.targets import Places, Targets, targets_of
from tfvision.data.batches.views import Selection, Views
from tfvision.data.images.imageset import ImageSet
from tfvision.data.images.scan import scan
from tfvision.evaluation.inference import run_model
from tfvision.models.cut import Cut, cut_model
from tfvision.system.terminal import console, size_text
from tfvision.tasks import has_boxes
from tfvision.training.features.trunk import StoredFeatures, TrunkFeatures
from tfvision.training.options import Phase
from tfvision.training.settings import TrainingSettings
from tfvision.training.training import Training
from tfvision.training.views import view_count

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Feed:
    """A model to fit and what to fit it on.

    Attributes:
        model: The whole model, or its tail, which shares the whole's variables.
        batches: Batches of images, or of the trunk's outputs for them, in the same order.
        validation: The same for the validation part, once, in order.
    """

    model: "keras.Model"
    batches: TrainingBatches
    validation: tf.data.Dataset


def feed_phase(
    training: Training,
    phase: Phase,
    *,
    first_epoch: int,
    epochs: int,
    class_weights: Mapping[int, float] | None = None,
) -> Feed:
    """Prepare the epochs of a phase, with features computed or found if the phase has fixed views.

    Args:
        training: Its model has the phase's layers open already.
        phase: Says which views of the images are taken.
        first_epoch: Number of its next epoch in the whole run, from 0.
        epochs: Number of the epoch after its last one.
        class_weights: Class weights that go into the batches if labels are mixed; otherwise `fit` applies them.

    Returns:
        The model to fit, which may be the tail, and its data.

    Raises:
        DataError: An image is unreadable, or has changed since it was scanned.
        WriteError: The disk cannot hold the features.
        RunError: The trunk puts out NaN or infinite numbers.
    """
    settings, cut = training.settings, cut_model(training.model)
    # Images are mixed and defences change pixels before the trunk, so there are no features to store.
    pixels_change = settings.augmentation.mixing or training.defence
    if cut and phase.views != "fresh" and settings.cache != "none" and not pixels_change:
        return _feed_features(training, phase, cut, range(first_epoch, epochs))
    batches = image_batches(
        training.train,
        resize=settings.resize,
        batch_size=settings.batch_size,
        seed=settings.seed,
        first_epoch=first_epoch,
        epochs=epochs,
        augmentation=settings.augmentation,
        oversample=settings.balance == "oversample",
        views=view_count(phase.views),
        task=settings.task,
        class_weights=class_weights,
    )
    validation = evaluation_batches(
        training.validation, resize=settings.resize, batch_size=settings.batch_size, task=settings.task
    )
    return Feed(cut.joined if cut else training.model, batches, validation)


def plain_features(
    trunk: "keras.Model", parts: Sequence[ImageSet], settings: TrainingSettings, *, name: str, what: str
) -> list[StoredFeatures]:
    """Compute or find the outputs of a trunk for images as they are, without augmentation.

    Args:
        trunk: A frozen model, pixels in.
        parts: Images of each part.
        settings: Resize, batch size, and how features are stored.
        name: The backbone, for `tfvision cache list`.
        what: Name of the work, for the progress line.

    Returns:
        The features of each part, in order.

    Raises:
        TfvisionError: As `TrunkFeatures.of`.
    """
    features = TrunkFeatures(trunk, settings.resize, settings.batch_size, settings.cache, name)
    selections = [Selection.plain(_hashed(part)) for part in parts]
    _say_size(features, selections, what)
    return [features.of(selection, what=what) for selection in selections]


def predict_stored(
    cut: Cut, settings: TrainingSettings, images: ImageSet, what: str
) -> np.ndarray | dict[str, np.ndarray]:
    """Predict by the tail of a model, from stored outputs of its trunk for images as they are.

    Args:
        cut: The model, cut in two.
        settings: Resize, batch size, and how features are stored.
        images: The images.
        what: Name of the work, for the progress line.

    Returns:
        As `run_model` for the whole model: float32 `(n, ...)`, or a dictionary of named outputs.

    Raises:
        TfvisionError: As `TrunkFeatures.of`.
    """
    features = TrunkFeatures(cut.trunk, settings.resize, settings.batch_size, settings.cache, cut.model.name)
    found = features.of(Selection.plain(_hashed(images)), what=what)
    return run_model(cut.tail, _in_order(found, None, settings.batch_size), what=what, total=len(found))


def _feed_features(training: Training, phase: Phase, cut: Cut, epochs: range) -> Feed:
    settings, images, validation = training.settings, _hashed(training.train), _hashed(training.validation)
    check_images(images, settings.batch_size)
    check_images(validation, settings.batch_size)
    order = Epochs.of(
        images.labels, batch_size=settings.batch_size, seed=settings.seed, oversample=settings.balance == "oversample"
    )
    resize, boxed = settings.resize, has_boxes(settings.task)
    views = Views(images, order, settings.augmentation, resize, settings.seed, view_count(phase.views), boxed)
    features = TrunkFeatures(cut.trunk, settings.resize, settings.batch_size, settings.cache, training.model.name)
    selections = [views.selection, Selection.plain(validation)]
    what = f"{phase.name}: features"
    _say_size(features, selections, what)
    learned, held_out = (features.of(selection, what=what) for selection in selections)
    targets = targets_of(images, settings.task, resize)
    size = (resize.height, resize.width)
    moved = Places(*views.selection.move(targets.boxes, size)) if targets.boxes is not None else None

    def load_batch(step: int) -> tuple[np.ndarray, ...]:
        epoch, entries = order.batch(step)
        chosen = views.chosen(epoch, entries)
        seen = Places(moved.boxes[chosen], moved.left[chosen]) if moved else None
        return *learned.read(chosen), *targets.numbers(order.entries[entries, 0], seen)

    steps = range(epochs.start * order.steps, epochs.stop * order.steps)
    batches = TrainingBatches(_dataset(load_batch, steps, learned, targets), order.steps, len(order))
    of_validation = targets_of(validation, settings.task, resize)
    return Feed(cut.tail, batches, _in_order(held_out, of_validation, settings.batch_size))


def _in_order(features: StoredFeatures, targets: Targets | None, batch_size: int) -> tf.data.Dataset:
    def load_batch(step: int) -> tuple[np.ndarray, ...]:
        places = np.arange(step * batch_size, min((step + 1) * batch_size, len(features)))
        return *features.read(places), *(targets.numbers(places) if targets else ())

    return _dataset(load_batch, range(-(-len(features) // batch_size)), features, targets)


def _dataset(
    load_batch: Callable[[int], tuple[np.ndarray, ...]],
    steps: range,
    features: StoredFeatures,
    targets: Targets | None,
) -> tf.data.Dataset:
    inputs, of_targets = len(features.shapes), targets.shapes if targets else ()
    shapes = [*((None, *shape) for shape in features.shapes), *of_targets]
    types = [*[tf.as_dtype(features.table.dtype)] * inputs, *[tf.float32] * len(of_targets)]
    dataset = step_dataset(load_batch, steps, shapes, types=types)
    return targets.packed(dataset, inputs) if targets else dataset


def _say_size(features: TrunkFeatures, selections: Sequence[Selection], what: str) -> None:
    missing, total = sum(features.missing(each) for each in selections), sum(map(len, selections))
    size = size_text(total * features.row_bytes)
    state = "to be computed once" if missing == total else f"{total - missing:,} of them stored already"
    console.print(f"{what} of {total:,} images and views, {size}, {state}")


def _hashed(images: ImageSet) -> ImageSet:
    return images if images.hashes is not None else scan(images).images

"""The trainer: phases of gradient steps or a closed fit, best weights kept."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from tfvision.config import Augmentation, Phase, TrainConfig
from tfvision.data.balance import class_weights
from tfvision.data.imageset import ImageSet
from tfvision.data.pipeline import encode_labels, evaluation_batches, training_batches
from tfvision.data.resize import Resize
from tfvision.evaluation.inference import one_line_errors, run_model
from tfvision.models.freezing import trains_batch_norm, unfreeze
from tfvision.progress import console
from tfvision.training.callbacks import EpochRecorder, epoch_row, say_epoch
from tfvision.training.history import History
from tfvision.training.logistic import feature_model, fit_logistic_head
from tfvision.training.optimizers import build_loss, build_metrics, build_optimizer


@dataclass(frozen=True)
class TrainingSettings:
    """What stays the same through all phases.

    Attributes:
        resize: The one resize, to the model's input size.
        augmentation: Random changes of training images.
        batch_size: Images a step.
        seed: Of order, augmentation and solver.
        optimizer: See `build_optimizer`.
        weight_decay: Decoupled weight decay.
        label_smoothing: 0..1.
        balance: `none`, `oversample` or `class_weights`.
    """

    resize: Resize
    augmentation: Augmentation
    batch_size: int
    seed: int
    optimizer: str = "adam"
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    balance: str = "none"

    @classmethod
    def from_config(cls, config: TrainConfig, resize: Resize) -> "TrainingSettings":
        """Take the settings from the options of a run."""
        return cls(
            resize=resize,
            augmentation=config.augment,
            batch_size=config.batch_size,
            seed=config.seed,
            optimizer=config.optimizer,
            weight_decay=config.weight_decay,
            label_smoothing=config.label_smoothing,
            balance=config.balance,
        )


def fit_phases(
    model: keras.Model,
    train: ImageSet,
    validation: ImageSet,
    phases: Sequence[Phase],
    *,
    settings: TrainingSettings,
    history: History,
    save: Callable[[], None] = lambda: None,
) -> None:
    """Train `model` through all phases and leave it with the best weights of the whole run.

    Args:
        model: A classifier; raw pixels in, probabilities out. If its backbone's batch normalization is trainable
            as it comes, it is trained wherever a phase opens its layers.
        train: Training images; only these are augmented and balanced.
        validation: Images that choose the best epoch.
        phases: In order; each starts from the best weights so far.
        settings: What stays the same.
        history: Takes a row an epoch.
        save: Called whenever an epoch was the best so far; the model then has its weights.

    Raises:
        RunError: NaN loss, no memory, a file that cannot be written.
    """
    batch_norm = trains_batch_norm(model)
    for phase in phases:
        unfreeze(model, phase.unfreeze, batch_norm=batch_norm)
        fit = _fit_closed if phase.solver == "logistic_regression" else _fit_gradient
        with one_line_errors():
            best_weights = fit(model, train, validation, phase, settings, history, save)
        if best_weights is not None:
            best = best_weights
        # A worse end of a phase is neither kept nor built upon.
        model.set_weights(best)


def _fit_gradient(
    model: keras.Model,
    train: ImageSet,
    validation: ImageSet,
    phase: Phase,
    settings: TrainingSettings,
    history: History,
    save: Callable[[], None],
) -> list[np.ndarray] | None:
    num_classes = len(train.class_names)
    batches = training_batches(
        train,
        resize=settings.resize,
        batch_size=settings.batch_size,
        seed=settings.seed,
        first_epoch=len(history.rows),
        epochs=len(history.rows) + phase.epochs,
        augmentation=settings.augmentation,
        oversample=settings.balance == "oversample",
    )
    compile_model(model, phase, settings, num_classes=num_classes, steps_per_epoch=batches.steps_per_epoch)
    recorder = EpochRecorder(history, phase, batches.size, save)
    try:
        model.fit(
            batches.dataset,
            epochs=phase.epochs,
            steps_per_epoch=batches.steps_per_epoch,
            validation_data=evaluation_batches(validation, resize=settings.resize, batch_size=settings.batch_size),
            class_weight=class_weights(train.labels, num_classes) if settings.balance == "class_weights" else None,
            callbacks=[recorder],
            shuffle=False,  # the dataset draws its own order, from the seed
            verbose=0,
        )
    finally:
        recorder.close()
    return recorder.best_weights


def _fit_closed(
    model: keras.Model,
    train: ImageSet,
    validation: ImageSet,
    phase: Phase,
    settings: TrainingSettings,
    history: History,
    save: Callable[[], None],
) -> list[np.ndarray] | None:
    start = time.monotonic()
    features = feature_model(model)
    found = {}
    for name, part in (("train", train), ("validation", validation)):
        batches = evaluation_batches(part, resize=settings.resize, batch_size=settings.batch_size)
        found[name] = run_model(features, batches, what=f"{phase.name}: features of {name}", total=len(part))
    feature_seconds = time.monotonic() - start
    console.print(f"{phase.name}: fitting the logistic regression on {found['train'].shape[1]:,} features")
    weights = None
    if settings.balance != "none":
        by_class = class_weights(train.labels, len(train.class_names))
        weights = np.array([by_class[label] for label in train.labels])
    fit_logistic_head(model, found["train"], train.labels, sample_weight=weights, seed=settings.seed)
    scores = {
        **_scores(model, found["train"], train, settings),
        **{f"val_{k}": v for k, v in _scores(model, found["validation"], validation, settings).items()},
    }
    row = epoch_row(
        len(history.rows) + 1,
        phase.name,
        0.0,
        scores,
        seconds=time.monotonic() - start,
        images_per_second=(len(train) + len(validation)) / feature_seconds,
    )
    better = history.add(row)
    say_epoch(history, better)
    if not better:
        return None
    save()
    return model.get_weights()


def try_one_batch(model: keras.Model, train: ImageSet, phase: Phase, settings: TrainingSettings) -> float:
    """Train one step on the first batch of the phase and return its loss."""
    unfreeze(model, phase.unfreeze, batch_norm=trains_batch_norm(model))
    batches = training_batches(
        train,
        resize=settings.resize,
        batch_size=settings.batch_size,
        seed=settings.seed,
        epochs=1,
        augmentation=settings.augmentation,
    )
    compile_model(model, phase, settings, num_classes=len(train.class_names), steps_per_epoch=batches.steps_per_epoch)
    with one_line_errors():
        images, labels = next(iter(batches.dataset))
        return float(model.train_on_batch(images, labels, return_dict=True)["loss"])


def compile_model(
    model: keras.Model, phase: Phase, settings: TrainingSettings, *, num_classes: int, steps_per_epoch: int
) -> None:
    """Compile a model for a phase; needed after every change of what is trainable."""
    model.compile(
        optimizer=build_optimizer(
            settings.optimizer, phase, steps_per_epoch=steps_per_epoch, weight_decay=settings.weight_decay
        ),
        loss=build_loss(num_classes, label_smoothing=settings.label_smoothing),
        metrics=build_metrics(num_classes),
        # XLA is 3 to 8 times slower than TensorFlow's own kernels on a CPU.
        jit_compile=bool(keras.distribution.list_devices("gpu")),
    )


def _scores(model: keras.Model, features: np.ndarray, images: ImageSet, settings: TrainingSettings) -> dict[str, float]:
    """Loss and metrics of the output layer on stored features, as `fit` would report them."""
    num_classes = len(images.class_names)
    targets = encode_labels(images)
    probabilities = model.layers[-1](features)
    scores = {"loss": float(build_loss(num_classes, label_smoothing=settings.label_smoothing)(targets, probabilities))}
    for metric in build_metrics(num_classes):
        metric.update_state(targets, probabilities)
        scores[metric.name] = float(metric.result())
    return scores

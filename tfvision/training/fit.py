"""The trainer: phases of gradient steps or a one-pass fit, which keep the best weights and resume after a kill."""

from collections.abc import Mapping, Sequence

import keras
import numpy as np

from tfvision.data.batches.balance import class_weights
from tfvision.data.batches.pipeline import training_batches
from tfvision.data.images.imageset import ImageSet
from tfvision.errors import RunError
from tfvision.evaluation.inference import one_line_errors
from tfvision.models.cut import cut_model
from tfvision.models.freezing import open_layers, trains_batch_norm
from tfvision.system.terminal import console
from tfvision.training.callbacks import EpochRecorder
from tfvision.training.checkpoints import Checkpoint, PhaseState, digest, other_model, restore
from tfvision.training.defended import Defence, Defended
from tfvision.training.features.feeding import Feed, feed_phase
from tfvision.training.labelling import in_one_round, with_pseudo_labels
from tfvision.training.logistic import fit_closed
from tfvision.training.objective import build_objective
from tfvision.training.optimizers import build_optimizer
from tfvision.training.options import Phase
from tfvision.training.settings import TrainingSettings
from tfvision.training.training import Training


def fit_phases(training: Training, phases: Sequence[Phase]) -> None:
    """Train a model through all phases and leave it with the best weights of the whole run.

    Where `training.checkpoints` holds a checkpoint, training goes on from there and ends with the same weights and
    history as if it had never been interrupted: bit for bit on a CPU.

    Args:
        training: The model and what it is trained on. If its backbone's batch normalization is trainable at the
            start, it is trained wherever a phase opens its layers.
        phases: In order; each starts from the best weights so far.

    Raises:
        RunError: The loss became NaN, memory ran out, or a file cannot be written.
        UsageError: The checkpoint belongs to another model.
    """
    model = training.model
    _refuse_nan(model)
    initial, batch_norm = model.get_weights(), trains_batch_norm(model)
    found = training.checkpoints.newest() if training.checkpoints else None
    if found:
        _take_over(training, found, phases)
    _fit(training, phases, initial, batch_norm, *((found.state, found.optimizer) if found else (PhaseState(), [])))
    if found:
        # The saved model may be from an epoch that was killed before its checkpoint and has now turned out differently.
        training.save()


def _fit(
    training: Training,
    phases: Sequence[Phase],
    initial: list[np.ndarray],
    batch_norm: bool,
    state: PhaseState,
    optimizer: list[np.ndarray],
) -> None:
    """Train through the phases from `state` on."""
    model, history = training.model, training.history

    def fit_afresh(part: Training) -> None:
        model.set_weights(initial)
        plain = [phase for phase in phases[: state.phase] if not phase.pseudo_labels]
        _fit(part, plain, initial, batch_norm, PhaseState(), [])

    for phase in phases[state.phase :]:
        if not state.done:
            with one_line_errors(batch_size=training.settings.batch_size):
                of_phase = with_pseudo_labels(training, phases, state, fit_afresh)
                if of_phase:
                    if phase.restart and not state.epochs:
                        model.set_weights(initial)
                    history.frozen_moved = phase.restart or in_one_round(phases, state.phase)
                    open_layers(model, phase.unfreeze, batch_norm=batch_norm)
                    if phase.solver == "logistic_regression":
                        fit_closed(of_phase, phase, state)
                    else:
                        _fit_gradient(of_phase, phase, state, optimizer)
        state, optimizer = PhaseState(phase=state.phase + 1), []
        if state.phase < len(phases) and in_one_round(phases, state.phase):
            continue  # the best weights may be those of another round, which this one is not to begin from
        # A phase that ends worse than its best epoch hands on the best weights.
        model.set_weights(history.best_weights)


def _fit_gradient(training: Training, phase: Phase, state: PhaseState, optimizer: list[np.ndarray]) -> None:
    """Train a phase by epochs, from `state` on, with the optimizer's variables of that time."""
    done = len(training.history.rows)  # epochs of the whole run
    began = done - state.epochs
    model, feed, plain = compiled_phase(training, phase, began=began, epochs=range(done, began + phase.epochs))
    batches = feed.batches
    if optimizer:
        restore(model.optimizer.variables, optimizer)
    recorder = EpochRecorder(training, phase, state, batches.size)
    try:
        model.fit(
            batches.dataset,
            initial_epoch=state.epochs,
            epochs=phase.epochs,
            steps_per_epoch=batches.steps_per_epoch,
            validation_data=feed.validation,
            class_weight=plain,
            callbacks=[recorder],
            shuffle=False,  # the dataset draws its own order, from the seed
            verbose=0,
        )
    finally:
        recorder.close()


def compiled_phase(
    training: Training, phase: Phase, *, began: int, epochs: range
) -> tuple[keras.Model, Feed, dict[int, float] | None]:
    """Prepare a phase of gradient steps: its data, and the model that is fitted on them, compiled.

    Args:
        training: Its model has the phase's layers open already.
        phase: Gives views, learning rate and schedule.
        began: Number of the epoch of the run that the phase began with, from 0.
        epochs: Numbers of the epochs in the data.

    Returns:
        The model to fit, which shares the variables of the training's; its data; and the class weights for `fit`.

    Raises:
        TfvisionError: As `feed_phase`.
    """
    settings, images = training.settings, training.train
    num_classes = len(images.class_names)
    weights = class_weights(images.labels, num_classes) if settings.balance == "class_weights" else None
    # Keras gives an image the weight of one class, the largest in its label. A mixed image has two.
    mixed, plain = (weights, None) if settings.augmentation.mixing else (None, weights)
    feed = feed_phase(training, phase, first_epoch=epochs.start, epochs=epochs.stop, class_weights=mixed)
    model = _defended(feed.model, training.defence, began)
    compile_model(
        model,
        phase,
        settings,
        num_classes=num_classes,
        steps_per_epoch=feed.batches.steps_per_epoch,
        mixed_weights=mixed,
    )
    return model, feed, plain


def _defended(model: keras.Model, defence: Defence | None, first_epoch: int) -> keras.Model:
    return Defended(model, defence, first_epoch) if defence else model


def try_one_batch(
    model: keras.Model, train: ImageSet, phase: Phase, settings: TrainingSettings, defence: Defence | None = None
) -> float:
    """Train one step on the first batch of a phase.

    Args:
        model: The whole model; its weights change.
        train: Training images.
        phase: What is opened and the learning rate.
        settings: The options.
        defence: What is done to the pixels, or None.

    Returns:
        The loss of the batch.

    Raises:
        RunError: Memory ran out.
    """
    open_layers(model, phase.unfreeze, batch_norm=trains_batch_norm(model))
    batches = training_batches(
        train,
        resize=settings.resize,
        batch_size=settings.batch_size,
        seed=settings.seed,
        epochs=1,
        augmentation=settings.augmentation,
        task=settings.task,
    )
    cut = cut_model(model)
    fitted = _defended(cut.joined if cut else model, defence, 0)
    compile_model(fitted, phase, settings, num_classes=len(train.class_names), steps_per_epoch=batches.steps_per_epoch)
    with one_line_errors(batch_size=settings.batch_size):
        images, targets, *weights = next(iter(batches.dataset))
        return float(fitted.train_on_batch(images, targets, *weights, return_dict=True)["loss"])


def compile_model(
    model: keras.Model,
    phase: Phase,
    settings: TrainingSettings,
    *,
    num_classes: int,
    steps_per_epoch: int,
    mixed_weights: Mapping[int, float] | None = None,
) -> None:
    """Compile a model for a phase; needed after every change of what is trainable.

    Args:
        model: The model, or the part of it that is trained.
        phase: Gives the learning rate and its schedule.
        settings: Options of optimizer, losses and metrics.
        num_classes: Number of classes.
        steps_per_epoch: Steps per epoch.
        mixed_weights: Weights of the classes if labels are mixed, see `MixedLabelLoss`.
    """
    model.compile(
        optimizer=build_optimizer(
            settings.optimizer,
            phase,
            steps_per_epoch=steps_per_epoch,
            weight_decay=settings.weight_decay,
            clip_norm=settings.clip_norm,
            ema=settings.ema,
        ),
        **build_objective(settings, num_classes, mixed_weights),
        # XLA is 3 to 8 times slower than TensorFlow's own kernels on a CPU.
        jit_compile=bool(keras.distribution.list_devices("gpu")),
    )
    _create_variables(model)


def _create_variables(model: keras.Model) -> None:
    """Create the variables of optimizer and metrics: if the first step creates them, TensorFlow traces it twice."""
    model.optimizer.build(model.trainable_variables)
    outputs = getattr(model, "tail", model).output  # a trunk and its tail joined have no graph of their own
    outputs = keras.tree.map_structure(lambda tensor: np.zeros((1, *tensor.shape[1:]), np.float32), outputs)
    model.compute_metrics(None, outputs, outputs)
    model.reset_metrics()


def _take_over(training: Training, found: Checkpoint, phases: Sequence[Phase]) -> None:
    """Restore model and history to the state of a checkpoint."""
    if found.model != digest(training.model):
        raise other_model()
    restore(training.model.variables, found.variables)
    training.history.resume(found.rows)
    training.history.best_weights = found.best or training.model.get_weights()
    name, total = phases[found.state.phase].name, phases[found.state.phase].epochs
    where = "at the end of" if found.state.done else f"after epoch {found.state.epochs}/{total} of"
    console.print(f"going on {where} phase {name}: {len(found.rows)} epochs are done")


def _refuse_nan(model: keras.Model) -> None:
    """Find broken weights before they make the first loss NaN."""
    for layer in model.layers:
        if not all(np.isfinite(value).all() for value in layer.get_weights()):
            raise RunError(f"layer {layer.name} holds NaN or infinite weights before training; use other --weights")

"""Training a model that was built in Python."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfvision.config.options import from_dict
from tfvision.data.images.imageset import ImageSet
from tfvision.errors import UsageError
from tfvision.experiment.building import suit_training
from tfvision.experiment.experiment import Experiment
from tfvision.experiment.preparation import prepare_images
from tfvision.experiment.rates import with_found_rates
from tfvision.experiment.resolving import check_files, output_folder, phases_of, resolve_training
from tfvision.experiment.running import run_training, try_run
from tfvision.runs.folder import Run
from tfvision.runs.resume import finished
from tfvision.system.device import set_seed
from tfvision.tasks import PROBABILITIES, has_boxes, has_classes
from tfvision.training.config import TrainConfig
from tfvision.training.views import resolve_views

if TYPE_CHECKING:
    import keras

# Options that were settled when the model was built.
_BUILT = ("backbone", "weights", "image_size", "channels", "head", "small_cnn", "precision")


def train_existing(
    model: "keras.Model", images: ImageSet, options: dict[str, Any], *, dry_run: bool, resume: Path | None
) -> Run | None:
    """Train a model from Python.

    Args:
        model: From `build_classifier` or `build_localizer`, or one like theirs.
        images: From `open_images`.
        options: Options as in a YAML file.
        dry_run: Compute one batch, print the plan and write nothing.
        resume: The folder of a run to resume.

    Returns:
        The finished run; None for a dry run.

    Raises:
        UsageError, DataError, RunError: One clear line each.
    """
    model, notes = as_functional(model)
    config = _suited_options(model, images, options)
    folder = output_folder(config, resume)
    if resume and (run := finished(folder)):
        return run
    experiment = _experiment(model, images, config, notes)
    if dry_run:
        try_run(experiment, folder)
        return None
    return run_training(with_found_rates(experiment, resume=resume), folder, resume=resume is not None)


def existing_experiment(model: "keras.Model", images: ImageSet, options: dict[str, Any]) -> Experiment:
    """Return what `train_existing` would train, without a run folder.

    Args:
        model: From `build_classifier` or `build_localizer`, or one like theirs.
        images: From `open_images`.
        options: Options as in a YAML file.

    Returns:
        The model, its images and the resolved options.

    Raises:
        UsageError, DataError: As `train_existing`.
    """
    model, notes = as_functional(model)
    return _experiment(model, images, _suited_options(model, images, options), notes)


def _experiment(model: "keras.Model", images: ImageSet, config: TrainConfig, notes: list[str]) -> Experiment:
    data = prepare_images(images, config)
    set_seed(config.seed)
    notes.append("the model came from Python: config.yaml reproduces its training, not its architecture")
    data_with_notes = replace(data, notes=(*data.notes, *notes))
    return Experiment(model, data_with_notes, suit_training(replace(config, output=None), data))


def as_functional(model: "keras.Model") -> tuple["keras.Model", list[str]]:
    """Return a model of any of Keras' kinds as one with a graph, which shares its layers.

    Args:
        model: A functional or Sequential model.

    Returns:
        The functional model, and what a user should know.

    Raises:
        UsageError: It is no Keras model, has no graph yet, or takes several inputs.
    """
    import keras

    if not isinstance(model, keras.Model):
        raise UsageError(f"train takes a Keras model, got {type(model).__name__}; build one with build_classifier")
    notes = ["its own compile() is not used: optimizer, loss and metrics follow the options"] if model.compiled else []
    if isinstance(model, keras.Sequential):
        if not model.built:
            raise UsageError("this Sequential has no input shape yet; begin it with keras.Input((height, width, 3))")
        if any(isinstance(layer, keras.Model) for layer in model.layers):
            notes.append("the model holds other models: each is frozen or open as a whole")
        given = model
        model = keras.Model(given.inputs[0], given.outputs[0], name=given.name)
        for name in ("tfvision_open", "tfvision_weights", "tfvision_backbone"):  # as `tfvision.unfreeze` left them
            if hasattr(given, name):
                setattr(model, name, getattr(given, name))
    elif not isinstance(model, keras.src.models.Functional):
        raise UsageError(
            f"{type(model).__name__} is a subclass of keras.Model without a graph; build it from layers: "
            "keras.Model(inputs, outputs) or keras.Sequential([...])"
        )
    if len(model.inputs) != 1 or len(model.inputs[0].shape) != 4 or None in model.inputs[0].shape[1:]:
        shapes = ", ".join(str(tuple(given.shape[1:])) for given in model.inputs)
        raise UsageError(f"the model takes {shapes}; expected one input, images of a fixed (height, width, channels)")
    return model, notes


def _suited_options(model: "keras.Model", images: ImageSet, options: dict[str, Any]) -> TrainConfig:
    """Return the resolved options of an existing model; those it was built with are read from the model."""
    from tfvision.models.classifier import is_pretrained, task_of
    from tfvision.models.freezing import open_layers
    from tfvision.training.logistic import feature_model, has_linear_head

    if built := [name for name in _BUILT if name in options]:
        raise UsageError(f"{built[0]}: the model is built already; give it to build_classifier, not to train")
    enlarged = [layer.output.shape[1] for layer in model.layers if layer.name == "enlarge"]
    values = {"data": images.source, "backbone": _name(model), "source": dict(images.columns), "task": task_of(model)}
    if not {"unfreeze", "phases", "classifier"} & options.keys() and hasattr(model, "tfvision_open"):
        values["unfreeze"] = model.tfvision_open  # as `tfvision.unfreeze` left it
    config = from_dict(TrainConfig, values | options)
    pretrained, linear_head = is_pretrained(model), has_linear_head(model) and not has_boxes(config.task)
    if config.classifier:
        feature_model(model)  # refuses a head with hidden layers
    check_files(config)
    config = replace(
        resolve_training(config, pretrained=pretrained, linear_head=linear_head),
        weights=getattr(model, "tfvision_weights", "imagenet" if pretrained else "none"),
        precision=model.dtype_policy.name,
        image_size=int([*enlarged, model.input_shape[1]][0]),
        channels=model.input_shape[-1],
    )
    if config.train_batch_norm is not None:
        open_layers(model, "all", batch_norm=config.train_batch_norm)
    _check_outputs(model, images, config.task)
    return replace(config, phases=resolve_views(phases_of(config), model, config), views=None)


def _name(model: "keras.Model") -> str:
    """Return the backbone of a model from Python; it may contain slashes, which the name of a Keras model cannot."""
    return getattr(model, "tfvision_backbone", model.name)


def _check_outputs(model: "keras.Model", images: ImageSet, task: str) -> None:
    """Refuse a model from Python whose outputs do not fit the task or the number of classes."""
    from tfvision.models.classifier import task_of

    if task_of(model) != task:
        raise UsageError(f"task {task}: the model was built for {task_of(model)}; leave task out, or build another")
    if has_boxes(task) and images.given is None:
        raise UsageError("the model finds boxes, the images have none; open them with open_images(..., boxes=True)")
    outputs = model.output[PROBABILITIES] if isinstance(model.output, dict) else model.output
    classes = len(images.class_names)
    if has_classes(task) and outputs.shape[-1] != (1 if classes == 2 else classes):
        wanted = "one, the probability of the second class: Dense(1, activation='sigmoid')" if classes == 2 else classes
        raise UsageError(
            f"the model has {outputs.shape[-1]} outputs, the images have {classes} classes; expected {wanted} "
            f"(build_classifier does so with num_classes={classes})"
        )
    if has_classes(task) and not has_boxes(task):
        _refuse_logits(model)


def _refuse_logits(model: "keras.Model") -> None:
    """Refuse a model whose outputs are no probabilities: losses and scores would be wrong in silence."""
    import keras

    last = model.output._keras_history.operation
    if getattr(last, "activation", None) in (keras.activations.softmax, keras.activations.sigmoid):
        return
    # Noise, and the darkest and the lightest image: the logit of a fresh model may lie within 0 and 1 by chance.
    shape = model.input_shape[1:]
    noise = np.random.default_rng(0).integers(0, 256, (30, *shape))
    pixels = np.concatenate([noise, np.zeros((1, *shape)), np.full((1, *shape), 255)]).astype(np.float32)
    found = np.asarray(model(pixels, training=False))
    # Of one output only a sigmoid can be told from a logit that lies in between.
    if found.shape[1] == 1 or not ((found >= 0).all() and np.abs(found.sum(axis=1) - 1).max() < 1e-2):
        raise UsageError(
            "the model's outputs are no probabilities (logits?); end it with activation='softmax', or 'sigmoid' for two "
            "classes"
        )

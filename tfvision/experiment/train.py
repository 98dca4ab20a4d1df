"""What `tfvision train` and `tfvision.train` do: labelled images in, a run folder with an honest score out."""

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfvision.config.nested import merge, to_plain
from tfvision.config.options import from_dict
from tfvision.config.yaml import load_yaml
from tfvision.data.images.imageset import ImageSet
from tfvision.errors import UsageError
from tfvision.experiment.building import suit_images, suited_model
from tfvision.experiment.experiment import Experiment, begin_run
from tfvision.experiment.preparation import prepare_images, read_images
from tfvision.experiment.resolving import check_files, output_folder, phases_of, resolve_options, resolve_training
from tfvision.experiment.unlabelled import open_unlabelled
from tfvision.models.model_file import save_model
from tfvision.runs.folder import Run, training_alone
from tfvision.runs.names import CHECKPOINTS, CONFIG, HISTORY, MODEL, TENSORBOARD
from tfvision.runs.resume import finished, open_unfinished, resumable
from tfvision.system.device import load_tensorflow, set_seed
from tfvision.system.files import remove_leftovers
from tfvision.system.terminal import console, duration
from tfvision.tasks import PROBABILITIES, has_boxes, has_classes
from tfvision.training.checkpoints import Checkpoints
from tfvision.training.config import TrainConfig
from tfvision.training.history import History
from tfvision.training.views import resolve_views

if TYPE_CHECKING:
    import keras

    from tfvision.training.settings import TrainingSettings


# Options that were settled when the model was built.
_BUILT = ("backbone", "weights", "image_size", "channels", "head", "small_cnn", "precision")


def train_from_config(config: TrainConfig, *, dry_run: bool = False, resume: Path | None = None) -> Run | None:
    """Do all that `tfvision train` does.

    Args:
        config: The options.
        dry_run: Resolve, scan, build, run one batch and print the plan; write nothing.
        resume: The folder of a run to resume; its options must be these.

    Returns:
        The finished run; None for a dry run.

    Raises:
        UsageError, DataError, RunError: One clear line each.
    """
    # Mistakes in the options are refused before an image is read, and those in the images before TensorFlow is loaded.
    if resume and (run := finished(resume)):
        return run
    config = resolve_options(config)
    output = output_folder(config, resume)
    config, data = read_images(config)
    load_tensorflow()
    config = replace(suit_images(config, data), output=None)
    set_seed(config.seed)
    model = suited_model(config, data)
    config = replace(config, phases=resolve_views(phases_of(config), model, config), views=None)
    experiment = Experiment(model, data, config)
    if dry_run:
        _dry_run(experiment, output)
        return None
    return _train(experiment, output, resume=resume is not None)


def train(
    model: "keras.Model | None" = None,
    images: ImageSet | None = None,
    *,
    output: str | Path | None = None,
    resume: bool | str | Path = False,
    dry_run: bool = False,
    **options: Any,
) -> Run | None:
    """Train a model and write a run folder.

    `train(data="eurosat.zip", backbone="mobilenet_v2")` builds the model from its options, as the command line does;
    `train(model, images)` trains an existing one.

    Args:
        model: From `build_classifier` or `build_localizer`, or a functional Keras model with raw pixels in and
            probabilities out.
        images: From `open_images`, with boxes for a model that finds them.
        output: The run folder; default `runs/<data>-<backbone>-<time>`.
        resume: The folder of an interrupted run to resume; True for the one in `output`. Data and model must be the
            same, and so must options; without a model those of the run are taken.
        dry_run: Check everything, run one batch, print the plan and write nothing.
        **options: Options of the command line: `seed=1`, `batch_size=32`, `augment={"rotation": 10}`, and `phases`, a
            list of `Phase` or of dictionaries with its fields. The seed cannot reach the initial weights of an existing
            model: for those call `keras.utils.set_random_seed` before building it.

    Returns:
        The finished run; None for a dry run.

    Raises:
        UsageError: An unknown option (the nearest is named), a folder that exists already, or a model whose outputs do
            not fit the images.
        DataError: No such data, unreadable images, or a class with fewer than 3 images.
        RunError: The loss became NaN, or memory or disk space ran out.
    """
    if (model is None) != (images is None):
        raise UsageError("train takes a model and images, or neither and data=; got one of them alone")
    if isinstance(model, (str, Path)):
        raise UsageError(f"train takes a Keras model and images first, got the string {str(model)!r}; give data=")
    if resume is True:
        if output is None:
            raise UsageError("resume=True needs output=, the folder of the run to go on with")
        resume = output
    begun = None if resume is False else Path(resume)
    if output is not None:
        options["output"] = str(output)
    if model is None or images is None:
        own = load_yaml(open_unfinished(begun).folder / CONFIG) if begun else {}
        return train_from_config(from_dict(TrainConfig, merge(own, to_plain(options))), dry_run=dry_run, resume=begun)
    return _train_model(model, images, options, dry_run=dry_run, resume=begun)


def _train_model(
    model: "keras.Model", images: ImageSet, options: dict[str, Any], *, dry_run: bool, resume: Path | None
) -> Run | None:
    """Train an existing model."""
    config = _suited_options(model, images, options)
    folder = output_folder(config, resume)
    if resume and (run := finished(folder)):
        return run
    data = prepare_images(images, config)
    set_seed(config.seed)
    note = "the model came from Python: config.yaml reproduces its training, not its architecture"
    experiment = Experiment(model, replace(data, notes=(*data.notes, note)), replace(config, output=None))
    if dry_run:
        _dry_run(experiment, folder)
        return None
    return _train(experiment, folder, resume=resume is not None)


def _suited_options(model: "keras.Model", images: ImageSet, options: dict[str, Any]) -> TrainConfig:
    """Return the resolved options of an existing model; those it was built with are read from the model."""
    from tfvision.models.classifier import is_pretrained, task_of
    from tfvision.models.freezing import unfreeze
    from tfvision.training.logistic import feature_model, has_linear_head

    if built := [name for name in _BUILT if name in options]:
        raise UsageError(f"{built[0]}: the model is built already; give it to build_classifier, not to train")
    enlarged = [layer.output.shape[1] for layer in model.layers if layer.name == "enlarge"]
    values = {"data": images.source, "backbone": _name(model), "source": dict(images.columns), "task": task_of(model)}
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
        unfreeze(model, "all", batch_norm=config.train_batch_norm)
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
        raise UsageError(
            f"the model has {outputs.shape[-1]} outputs, the images have {classes} classes; "
            f"build it with num_classes={classes}"
        )


def _dry_run(experiment: Experiment, output: Path) -> None:
    from tfvision.training.fit import try_one_batch

    console.print(experiment.plan)
    if experiment.config.classifier:
        from tfvision.experiment.shallow import try_features

        console.print(
            f"dry run: one batch passed, {try_features(experiment):,} features an image; nothing was written to {output}"
        )
        return
    loss = try_one_batch(
        experiment.model, experiment.parts["train"], phases_of(experiment.config)[-1], _settings(experiment)
    )
    console.print(f"dry run: one batch passed with loss {loss:.4f}; nothing was written to {output}")


def _train(experiment: Experiment, output: Path, *, resume: bool) -> Run:
    if experiment.config.classifier:
        from tfvision.experiment.shallow import train_shallow

        return train_shallow(experiment, output, resume=resume)
    return _run(experiment, output, resume=resume)


def _run(experiment: Experiment, output: Path, *, resume: bool) -> Run:
    """Train from the beginning or from the last checkpoint, then write the results."""
    from tfvision.data.augmentation.augment_layers import check_engine
    from tfvision.experiment.pictures import plot_samples
    from tfvision.experiment.results import write_results

    start = time.monotonic()
    settings = _settings(experiment)
    check_engine(settings.augmentation, settings.resize.channels, boxes=has_boxes(settings.task))
    run = begin_run(experiment, output, resume=resume)
    checkpoints = Checkpoints(run.folder / CHECKPOINTS)
    with training_alone(run.folder), resumable(run):
        if resume and finished(run.folder):  # by another process, while this one read the images
            return run
        remove_leftovers(run.folder)
        plot_samples(run.folder, experiment.parts["train"], settings)
        console.print(f"run folder: {run.folder}\n")
        _fit(experiment, run, settings, checkpoints)
        # Half precision is enough for training, but the predictions are to be those of the saved model.
        stored = experiment.config.cache == "float32" and phases_of(experiment.config)[-1].views != "fresh"
        write_results(run, experiment.model, experiment.facts, experiment.parts, settings, stored=stored)
        checkpoints.remove()
    console.print(f"done in {duration(time.monotonic() - start)}")
    return run


def _fit(experiment: Experiment, run: Run, settings: "TrainingSettings", checkpoints: Checkpoints) -> None:
    from tfvision.training.fit import fit_phases
    from tfvision.training.training import Training

    def save() -> None:
        save_model(experiment.model, run.folder / MODEL, experiment.facts)

    config = experiment.config
    training = Training(
        experiment.model,
        experiment.parts["train"],
        experiment.parts["validation"],
        settings,
        History(config.monitor, run.folder / HISTORY),
        save=save,
        checkpoints=checkpoints,
        tensorboard=run.folder / TENSORBOARD if config.tensorboard else None,
        pseudo=open_unlabelled(experiment.data, config, run.folder),
    )
    fit_phases(training, phases_of(config))


def _settings(experiment: Experiment) -> "TrainingSettings":
    from tfvision.training.settings import TrainingSettings

    return TrainingSettings.from_config(experiment.config, experiment.facts.resize)

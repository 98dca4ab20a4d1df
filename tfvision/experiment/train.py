"""What `tfvision train` and `tfvision.train` do: labelled images in, a run folder with an honest score out.

What works on images is imported after the options were checked, so that a mistake in them costs half a second.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfvision.config.nested import merge, to_plain
from tfvision.config.options import from_dict
from tfvision.config.yaml import load_written_yaml
from tfvision.data.sources.digits import refuse_missing_data
from tfvision.errors import UsageError, worded
from tfvision.experiment.resolving import output_folder, phases_of, resolve_options
from tfvision.runs.folder import Run
from tfvision.runs.names import CONFIG
from tfvision.runs.resume import finished, open_unfinished
from tfvision.system.device import load_tensorflow, set_seed
from tfvision.system.terminal import in_one_output
from tfvision.training.config import TrainConfig

if TYPE_CHECKING:
    import keras

    from tfvision.data.images.imageset import ImageSet
    from tfvision.data.sources.python import Held
    from tfvision.experiment.experiment import Experiment


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
    refuse_missing_data(config.data)
    output = output_folder(config, resume)
    experiment = prepare_experiment(config)
    from tfvision.experiment.rates import with_found_rates
    from tfvision.experiment.running import run_training, try_run

    if dry_run:
        try_run(experiment, output)
        return None
    return run_training(with_found_rates(experiment, resume=resume), output, resume=resume is not None)


def prepare_experiment(config: TrainConfig) -> "Experiment":
    """Read the images of a run and build its model.

    Args:
        config: From `resolve_options`.

    Returns:
        The model, the images with their split, and the options with all that suits them filled in.

    Raises:
        UsageError, DataError: One clear line each.
    """
    from tfvision.experiment.preparation import read_images

    config, data = read_images(config)
    load_tensorflow()
    from tfvision.experiment.building import suit_images, suited_model
    from tfvision.experiment.experiment import Experiment
    from tfvision.training.views import resolve_views

    config = replace(suit_images(config, data), output=None)
    set_seed(config.seed)
    model = suited_model(config, data)
    config = replace(config, phases=resolve_views(phases_of(config), model, config), views=None)
    return Experiment(model, data, config)


def train_part(config: TrainConfig, output: Path, *, resume: bool) -> Run:
    """Train one of several runs: a fold, a seed or a member of an ensemble.

    Args:
        config: Its options.
        output: Its folder.
        resume: Whether to keep a run that was begun there, and to go on with it.

    Returns:
        The finished run.

    Raises:
        UsageError, DataError, RunError: As `train_from_config`.
    """
    begun = output if resume and (output / CONFIG).is_file() else None
    run = train_from_config(replace(config, output=str(output)), resume=begun)
    assert run is not None, "only a dry run leaves no run"
    return run


def alike(config: TrainConfig, first: TrainConfig) -> TrainConfig:
    """Return options with what the images of the first of several runs made of a default, so that all are trained alike.

    Args:
        config: Options as they were given.
        first: Those of the first run.

    Returns:
        Options with the batch size and the resize of the first run: its parts may differ by a few images from the others'.
    """
    return replace(config, batch_size=first.batch_size, resize=first.resize)


@in_one_output
def train(
    model: "keras.Model | None" = None,
    images: "ImageSet | str | Path | Held | None" = None,
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
            probabilities out, or a Sequential one.
        images: From `open_images`, with boxes for a model that finds them; or what `open_images` takes: a path, a pandas
            DataFrame, a `tf.data.Dataset`, a pair of arrays.
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
    check_given("train", model, images)
    if resume is True:
        if output is None:
            raise UsageError("resume=True needs output=, the folder of the run to go on with")
        resume = output
    begun = None if resume is False else Path(resume)
    if output is not None:
        options["output"] = str(output)
    if model is None or images is None:
        own = load_written_yaml(open_unfinished(begun).folder / CONFIG) if begun else {}
        return train_from_config(from_dict(TrainConfig, merge(own, to_plain(options))), dry_run=dry_run, resume=begun)
    from tfvision.experiment.existing import train_existing

    return train_existing(model, as_images(images, options), options, dry_run=dry_run, resume=begun)


def check_given(verb: str, model: object, images: object) -> None:
    """Refuse a model without images, images without a model, and a path in place of a model.

    Args:
        verb: The function that was called, for the message.
        model: What was given as a model.
        images: What was given as images.

    Raises:
        UsageError: With what to give instead.
    """
    if (model is None) != (images is None):
        raise UsageError(f"{verb} takes a model and images, or neither and data=; got one of them alone")
    if isinstance(model, (str, Path)):
        raise UsageError(
            f"{verb} takes a Keras model and images first, got the string {worded(str(model))}; give data=, or backbone= and data=, or "
            "build a model with build_classifier"
        )


def as_images(images: "ImageSet | str | Path | Held", options: Mapping[str, Any]) -> "ImageSet":
    """Open the images that a model from Python is trained on, unless they are open.

    Args:
        images: From `open_images`, or what `open_images` takes.
        options: Options as in a YAML file, of which `source` says how images are read.

    Returns:
        The images.

    Raises:
        UsageError: `source` is given for images that are open.
        DataError: No such data.
    """
    from tfvision.data.images.imageset import ImageSet
    from tfvision.data.options import Source
    from tfvision.data.sources.open import open_images

    if not isinstance(images, ImageSet):
        source = from_dict(Source, to_plain(options.get("source") or {}))
        return open_images(images, **source.columns())
    if options.get("source"):
        raise UsageError("source: the images are open already; give it to open_images")
    return images

"""What `tfvision train` and `tfvision.train` do: labelled images in, a run folder with an honest score out.

What works on images is imported after the options were checked, so that a mistake in them costs half a second.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfvision.config.nested import merge, to_plain
from tfvision.config.options import from_dict
from tfvision.config.yaml import load_yaml
from tfvision.data.sources.digits import refuse_missing_data
from tfvision.errors import UsageError
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
    from tfvision.experiment.preparation import read_images

    config, data = read_images(config)
    load_tensorflow()
    from tfvision.experiment.building import suit_images, suited_model
    from tfvision.experiment.experiment import Experiment
    from tfvision.experiment.running import run_training, try_run
    from tfvision.training.views import resolve_views

    config = replace(suit_images(config, data), output=None)
    set_seed(config.seed)
    model = suited_model(config, data)
    config = replace(config, phases=resolve_views(phases_of(config), model, config), views=None)
    experiment = Experiment(model, data, config)
    if dry_run:
        try_run(experiment, output)
        return None
    return run_training(experiment, output, resume=resume is not None)


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
    if (model is None) != (images is None):
        raise UsageError("train takes a model and images, or neither and data=; got one of them alone")
    if isinstance(model, (str, Path)):
        raise UsageError(
            f"train takes a Keras model and images first, got the string {str(model)!r}; give data=, or backbone= and data=, or "
            "build a model with build_classifier"
        )
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
    from tfvision.data.images.imageset import ImageSet
    from tfvision.data.options import Source
    from tfvision.data.sources.open import open_images
    from tfvision.experiment.existing import train_existing

    if not isinstance(images, ImageSet):
        source = from_dict(Source, to_plain(options.get("source") or {}))
        images = open_images(images, **source.columns())
    elif options.get("source"):
        raise UsageError("source: the images are open already; give it to open_images")
    return train_existing(model, images, options, dry_run=dry_run, resume=begun)

"""What `tfvision learning-curve` does: a model for each of several shares of the training images, and what more would bring."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfvision.config.nested import to_plain
from tfvision.config.options import from_dict
from tfvision.data.sources.digits import refuse_missing_data
from tfvision.errors import UsageError
from tfvision.experiment.resolving import default_folder, resolve_options
from tfvision.learning_curve.plan import FORECAST, MOST_REPEATS, SHARES, CurvePlan, read_plan
from tfvision.runs.folder import refuse_existing
from tfvision.runs.resume import part_of, resume_command
from tfvision.system.terminal import console, in_one_output, say_result
from tfvision.training.config import TrainConfig

if TYPE_CHECKING:
    from tfvision.learning_curve.curve import LearningCurve

# Any of these says how to train; without them it is the head alone, which takes seconds a point.
_COURSE = ("preset", "phases", "epochs", "learning_rate", "unfreeze", "classifier")


@in_one_output
def learning_curve(
    data: str | Path,
    *,
    shares: str | Sequence[float] = SHARES,
    repeats: int = MOST_REPEATS,
    forecast: float = FORECAST,
    output: str | Path | None = None,
    resume: bool = False,
    **options: Any,
) -> "LearningCurve":
    """Train on growing shares of the training images: would more images help, and how much?

    Validation and test are the same in all trainings. The shares of one repeat are nested and stratified, with copies and
    groups together. Features of frozen layers are computed once for all.

    Args:
        data: Labelled images, see `open_images`.
        shares: Shares of the training images, three or more, above 0 to 1: a list, or `"0.1,0.2,0.4,0.8,1"`.
        repeats: The most trainings of one share, each on other images; large shares get fewer, as many as cost no more
            than one training on all images.
        forecast: The number of images that is asked about, as a multiple of the training images.
        output: The folder of the curve; default `runs/<data>-learning-curve-<time>`.
        resume: Go on in `output` with the same options; trainings that are done are kept, and shares, repeats and
            forecast may be others.
        **options: Other options of `train`: `preset="balanced"`, `backbone="resnet50"`. Without any that says how long to
            train, it is `preset="fast"`: the head alone, on frozen features.

    Returns:
        The curve, with its forecast; a notebook shows it.

    Raises:
        UsageError: Options that are unknown or do not go together, or a folder that exists already.
        DataError: No such data, unreadable images, or too few for the shares.
        RunError: The loss became NaN, or memory or disk space ran out.
    """
    # In full precision the trained part predicts from stored features exactly what the whole model does.
    given = {"cache": "float32", **to_plain(options), "data": str(data)}
    config = from_dict(TrainConfig, given | ({} if output is None else {"output": str(output)}))
    plan = read_plan(shares, repeats, forecast)
    _refuse_what_knows_more(config)
    course = _course(config)
    if all(getattr(config, name) in (None, []) for name in _COURSE):
        config = replace(config, preset="fast")
    folder = Path(config.output or default_folder(config.data, "learning-curve"))
    config = resolve_options(config)
    refuse_missing_data(config.data)
    if not resume:
        refuse_existing(folder)
    return _draw(config, plan, folder, course, resume=resume)


def _draw(config: TrainConfig, plan: CurvePlan, folder: Path, course: str, *, resume: bool) -> "LearningCurve":
    """Measure the points, and write what they say."""
    from tfvision.learning_curve.curve import LearningCurve
    from tfvision.learning_curve.measuring import measure_points  # with what works on images
    from tfvision.learning_curve.results import write_curve

    console.print(course)
    with part_of(folder, resume_command(folder, "learning-curve")):
        measured = measure_points(config, plan, folder, resume=resume)
        curve = LearningCurve(
            folder, measured.part, measured.score, measured.points, measured.images, plan.forecast, course
        )
        report = write_curve(curve, config)
    say_result(f"\n{curve.describe()}\nreport: {report}")
    return curve


def _course(config: TrainConfig) -> str:
    """Say how each point is trained."""
    if config.classifier:
        return f"each share: {config.classifier} on frozen features"
    named = [name for name in _COURSE if getattr(config, name) not in (None, [])]
    if named:
        given = f"preset {config.preset}" if config.preset else f"{' and '.join(named)} as given"
        return f"each share is trained as `tfvision train` would: {given}"
    if config.weights == "none":
        return "each share is trained from scratch by preset fast, the default of this verb; --preset balanced trains longer"
    return (
        "each share: the head alone, on features of the frozen backbone (preset fast, the default of this verb); "
        "--preset balanced fine-tunes at every share"
    )


def _refuse_what_knows_more(config: TrainConfig) -> None:
    """Refuse options by which a small share would learn from more images than its own.

    Raises:
        UsageError: With what to leave out.
    """
    if config.classifier and "," in config.classifier:
        raise UsageError(f"classifier: one at a time, got {config.classifier}; give one")
    if any(phase.pseudo_labels for phase in config.phases or []) or config.pseudo.labels is not None:
        raise UsageError("pseudo: a learning curve asks what labels bring; leave pseudo-labels out")
    if config.distill.teacher:
        raise UsageError(
            "distill.teacher: the teacher has learned from the images that a share leaves out; leave it out"
        )

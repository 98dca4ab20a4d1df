"""The command line: one verb, one short function. TensorFlow is loaded only by verbs that compute."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import tfvision
from tfvision.config import Source, TrainConfig
from tfvision.device import use_device
from tfvision.errors import TfvisionError, UsageError
from tfvision.listings import clear_cache, list_backbones, list_cache, list_recipes
from tfvision.options import Parser, add_flags, flags_to_dict, from_dict, load_yaml, merge, to_yaml
from tfvision.progress import ProgressLine, console, drop_output, say_result
from tfvision.recipes import find_recipe

_TRAIN_FLAGS = [
    "data",
    "backbone",
    "classifier",
    "weights",
    "image_size",
    "epochs",
    "batch_size",
    "learning_rate",
    "unfreeze",
    "seed",
    "output",
]
_PHASE_FLAGS = ("epochs", "learning_rate", "unfreeze")


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a run as Ctrl-C does."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `tfvision` and return its exit status: 2 usage, 3 data, 4 a failed run, 130 interrupted."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    debug = bool(os.environ.get("TFVISION_DEBUG"))
    with suppress(ValueError):  # outside the main thread there are no signals
        signal.signal(signal.SIGTERM, _terminate)
    try:
        args = _parser().parse_args(arguments)
        debug |= getattr(args, "debug", False)
        console.quiet = getattr(args, "quiet", False)
        args.verb(args)
        return 0
    except TfvisionError as error:
        if debug:
            raise
        return _fail(str(error), error.exit_status)
    except KeyboardInterrupt as interruption:
        return _fail(str(interruption) or "interrupted", 143 if isinstance(interruption, Terminated) else 130)
    except BrokenPipeError:
        drop_output()
        return 0
    except Exception as error:
        if debug:
            raise
        reason = " ".join(str(error).split())[:300]
        return _fail(f"{type(error).__name__}: {reason} (--debug shows where)", 4)
    finally:
        console.quiet = False
        _flush()


def train(args: argparse.Namespace) -> None:
    """Train a classifier and write a run folder."""
    config = _train_config(args)
    resume = Path(args.resume) if args.resume else None
    if args.print_config:
        sys.stdout.write(to_yaml(config, comments=True))
        return
    _load_tensorflow(args)
    from tfvision.experiment import train_from_config

    train_from_config(config, dry_run=args.dry_run, resume=resume)


def crossval(args: argparse.Namespace) -> None:
    """Train a run for each of several folds: mean and spread of every score, and each image predicted unseen."""
    # In full precision what the trained part says of stored features is what the whole model says.
    config = _train_config(args, cache="float32")
    backbones = [name.strip() for name in config.backbone.split(",")]
    _load_tensorflow(args)
    from tfvision.crossval import cross_validate

    cross_validate(config, backbones=backbones, folds=args.folds, resume=args.go_on)


def evaluate(args: argparse.Namespace) -> None:
    """Score a run or a SavedModel: on other images, or on the run's own test part."""
    _load_tensorflow(args)
    from tfvision.files import write_json
    from tfvision.prediction import load_predictor
    from tfvision.results import describe_scores, evaluate_images
    from tfvision.runs import open_run

    if args.data is None:
        part = open_run(args.model).metrics
        name, scores = ("test", part["test"]) if "test" in part else ("validation", part["validation"])
    else:
        predictor = load_predictor(args.model)
        images = _read_images(args, args.data, predictor, labelled=True)
        name, scores = Path(args.data).name, evaluate_images(predictor, images)
        if scores["missing_classes"]:
            missing = ", ".join(scores["missing_classes"])
            console.print(f"no images of {missing}; in macro scores such a class counts 0 where it is predicted")
    say_result(describe_scores({name: scores}))
    if args.output:
        write_json(args.output, scores)
        console.print(f"written: {args.output}")


def predict(args: argparse.Namespace) -> None:
    """Predict the class of images with a run or a SavedModel."""
    _load_tensorflow(args)
    from tfvision.evaluation.predictions import write_unlabelled
    from tfvision.prediction import load_predictor, predict_images

    predictor = load_predictor(args.model)
    found = predict_images(predictor, _read_images(args, args.images, predictor, labelled=False))
    if args.output:
        write_unlabelled(args.output, found)
        console.print(f"{len(found):,} predictions: {args.output}")
        return
    for image_id, label, row in zip(found.ids, found.predicted, found.probabilities, strict=True):
        say_result(f"{image_id}  {found.class_names[label]}  {row[label]:.4f}")


def export(args: argparse.Namespace) -> None:
    """Export a run as a SavedModel that takes raw images, and check it in a fresh process."""
    _load_tensorflow(args)
    from tfvision.export.run import export_run
    from tfvision.runs import open_run

    run = open_run(args.run)
    output = Path(args.output) if args.output else Path("saved_models") / run.folder.resolve().name
    folder, agreement = export_run(run, output, data=args.data)
    say_result(f"SavedModel: {folder}")
    console.print(
        f"compared with model.keras in a fresh process on {agreement.images} images: "
        f"largest difference of a probability {agreement.difference:.1e}"
    )
    if agreement.bytes_agreement is not None:
        console.print(f"serve_bytes (another JPEG decoder, no EXIF): same class for {agreement.bytes_agreement:.1%}")


def cache(args: argparse.Namespace) -> None:
    """List or clear what is stored of frozen backbones, in the folder $TFVISION_CACHE."""
    (list_cache if args.what == "list" else clear_cache)()


def list_things(args: argparse.Namespace) -> None:
    """List what can be chosen."""
    (list_backbones if args.what == "backbones" else list_recipes)()


def _parser() -> Parser:
    parser = Parser(prog="tfvision", description=tfvision.__doc__)
    parser.add_argument("--version", action="version", version=f"tfvision {tfvision.__version__}")
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB", parser_class=Parser)

    command = _add_verb(verbs, "train", train)
    command.add_argument("--config", metavar="FILE", help="YAML file of options, or the name of a recipe")
    command.add_argument("--resume", metavar="RUN", help="go on with a run that was interrupted, with its own options")
    command.add_argument(
        "--dry-run", action="store_true", help="scan, build, run one batch, print the plan, write nothing"
    )
    command.add_argument(
        "--print_config",
        "--print-config",
        action="store_true",
        help="print all options as YAML with their help, and stop",
    )
    _add_training(command)
    _add_running(command)

    command = _add_verb(verbs, "crossval", crossval)
    command.add_argument("--folds", type=int, default=5, metavar="N", help="number of folds (default 5)")
    command.add_argument("--config", metavar="FILE", help="YAML file of options, or the name of a recipe")
    command.add_argument(
        "--resume", dest="go_on", action="store_true", help="go on in the folder --output, where folds are finished"
    )
    _add_training(command)
    _add_running(command)

    command = _add_verb(verbs, "evaluate", evaluate)
    command.add_argument("model", metavar="RUN", help="run folder or SavedModel")
    command.add_argument("--data", help="labelled images; default the scores of the run's own test part")
    command.add_argument("--output", metavar="FILE", help="JSON file for the scores")
    add_flags(command, Source, ())
    _add_running(command)

    command = _add_verb(verbs, "predict", predict)
    command.add_argument("model", metavar="RUN", help="run folder or SavedModel")
    command.add_argument(
        "images",
        metavar="IMAGES",
        help="an image, a folder or .zip of images, a CSV that names them, or arrays (.npy, .npz, .h5)",
    )
    command.add_argument("--output", metavar="FILE", help="CSV file with id, predicted and p_<class>")
    add_flags(command, Source, (), only=("file_column", "pixel_rule", "on_bad"))  # the others are about labels
    _add_running(command)

    command = _add_verb(verbs, "export", export)
    command.add_argument("run", metavar="RUN", help="run folder")
    command.add_argument("--output", metavar="FOLDER", help="default saved_models/<run>; the version is a folder in it")
    command.add_argument("--data", help="images to compare model and SavedModel on; default the run's test images")
    _add_running(command)

    command = _add_verb(verbs, "cache", cache)
    command.add_argument("what", choices=("list", "clear"), help="list the stores, or remove them all")

    command = _add_verb(verbs, "list", list_things)
    command.add_argument("what", choices=("backbones", "recipes"), help="what to list")
    return parser


def _load_tensorflow(args: argparse.Namespace) -> None:
    """Import TensorFlow without what it says of CPU instructions and CUDA on its way up: nothing to act on.

    It writes to the file descriptor before any log level counts, so the descriptor is what is turned away.
    """
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        import tensorflow as tf
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
    tf.get_logger().setLevel("ERROR")  # it warns of retracing, which models of two input shapes cannot avoid
    if args.device:
        use_device(args.device)


def _terminate(signal_number: int, frame: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # asked twice, it ends at once
    raise Terminated


def _add_running(command: Parser) -> None:
    """Add the flags of how to run, which no result depends on."""
    group = command.add_argument_group("running")
    group.add_argument("--device", metavar="NAME", help="cpu, gpu or gpu:1; default the first GPU, else the CPU")
    group.add_argument("--quiet", action="store_true", help="print only results and errors")
    group.add_argument("--debug", action="store_true", help="show the traceback of an error")


def _add_training(command: Parser) -> None:
    """Add the options of a training."""
    command.add_argument(
        "--no-cache",
        dest="cache",
        action="store_const",
        const="none",
        default=argparse.SUPPRESS,
        help="compute features of the frozen part anew in each epoch, the same as --cache none",
    )
    add_flags(command, TrainConfig, _TRAIN_FLAGS)


def _add_verb(verbs: Any, name: str, function: Any) -> Parser:
    # The usage that argparse writes of a hundred flags hides the list of them.
    usage = "%(prog)s [--config FILE] [--data DATA] [options]" if name in ("train", "crossval") else None
    command = verbs.add_parser(name, help=function.__doc__, description=function.__doc__, usage=usage)
    command.set_defaults(verb=function, parser=command)
    return command


def _train_config(args: argparse.Namespace, **defaults: Any) -> TrainConfig:
    path = find_recipe(args.config) if args.config else None
    if getattr(args, "resume", None) and not path:
        from tfvision.resume import open_unfinished
        from tfvision.runs import CONFIG

        path = open_unfinished(Path(args.resume)).folder / CONFIG
    in_file = load_yaml(path) if path else {}
    from_dict(TrainConfig, in_file)  # refuses what is wrong in the file by its own name, not by a flag's
    if in_file.get("phases") and any(in_file.get(key) is not None for key in _PHASE_FLAGS):
        raise UsageError(
            f"{args.config} gives phases and also {' or '.join(k for k in _PHASE_FLAGS if in_file.get(k) is not None)}; keep one of them"
        )
    flags = flags_to_dict(TrainConfig, vars(args))
    if "phases" in flags:
        in_file = {key: value for key, value in in_file.items() if key not in _PHASE_FLAGS}
    return from_dict(TrainConfig, merge(merge(defaults, in_file), flags))


def _read_images(args: argparse.Namespace, data: str, predictor: Any, *, labelled: bool) -> Any:
    """Open and scan images for a model, by the rule its own images were read by; say what is left out."""
    from tfvision.data.decoding import scan
    from tfvision.data.sources import open_images

    source = from_dict(Source, flags_to_dict(Source, vars(args)))
    columns = source.columns()
    columns["pixel_rule"] = columns["pixel_rule"] or predictor.facts.pixel_rule
    images = open_images(data, **columns, labelled=labelled)
    for note in images.notes:
        console.print(note)
    with ProgressLine("reading images", len(images)) as line:
        found = scan(images, on_bad=source.on_bad, progress=line.report)
    for image_id, reason in found.unreadable[:20]:
        console.print(f"left out: {image_id}: {reason}")
    if found.unreadable:
        console.print(f"{len(found.unreadable):,} unreadable")
    return found.images


def _flush() -> None:
    """Write what is left to say, here where a reader that left can still be borne; later it is an error."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        drop_output()


def _fail(message: str, status: int) -> int:
    print(f"tfvision: {message}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
